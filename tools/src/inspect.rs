//! `validate`, `components`, `print-config`: what a configuration means, without running it.

use crate::config::ConfigArgs;
use crate::exit::Failure;
use serde_json::{Map, Value, json};
use std::fmt::{self, Write as _};
use std::io::{self, Write as _};
use tailrace_engine::config::components::{CLASSES, Class, Component};
use tailrace_engine::config::limits::{Limits, Machine};
use tailrace_engine::config::{Config, Fault, Faults, Loaded};

const VALIDATE_EXAMPLES: &str = "Examples:
  tailrace validate --config collector.yaml
  tailrace validate --config base.yaml --config site.yaml --set service.tailrace.shards=2
  tailrace validate --config env:OTEL_CONFIG --json";

const PRINT_EXAMPLES: &str = "Examples:
  tailrace print-config --config collector.yaml
  tailrace print-config --config collector.yaml --set exporters.otlp.timeout=10s --json";

#[derive(Debug, clap::Args)]
#[command(after_help = VALIDATE_EXAMPLES)]
pub struct ValidateArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Print what was found as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub struct ComponentsArgs {
    /// Print JSON instead of YAML
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
#[command(after_help = PRINT_EXAMPLES)]
pub struct PrintConfigArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Print JSON instead of YAML
    #[arg(long)]
    json: bool,
}

/// Checks a configuration and says what it comes to: pipelines, warnings, memory.
pub fn validate(args: &ValidateArgs) -> Result<(), Failure> {
    let config = match args.config.read() {
        Ok(loaded) => loaded.config,
        Err(faults) => {
            if args.json {
                say(format_args!("{:#}\n", faults_json(&faults)));
            }
            return Err(Failure::config(&faults));
        }
    };
    let limits = limits(&config)?;
    let warnings: Vec<_> = config
        .warnings
        .iter()
        .chain(&limits.warnings)
        .map(ToString::to_string)
        .collect();
    if args.json {
        let pipelines: Vec<_> = config
            .pipelines
            .iter()
            .map(|pipeline| pipeline.id.to_string())
            .collect();
        say(format_args!(
            "{}\n",
            json!({
                "valid": true,
                "pipelines": pipelines,
                "warnings": warnings,
                "memory_limit_bytes": limits.process.0,
                "shards": limits.shards,
            })
        ));
        return Ok(());
    }
    for warning in &warnings {
        eprintln!("warning: {warning}");
    }
    for pipeline in &config.pipelines {
        let list = |ids: &[tailrace_engine::config::ComponentId]| {
            ids.iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(", ")
        };
        say(format_args!(
            "{}: {} -> {}\n",
            pipeline.id,
            list(&pipeline.receivers),
            list(&pipeline.exporters)
        ));
    }
    say(limits.table());
    Ok(())
}

/// Lists what this build has, aliases and stability included.
pub fn components(args: &ComponentsArgs) {
    if args.json {
        let classes = CLASSES
            .iter()
            .map(|class| (plural(class), components_json(class)));
        say(format_args!("{:#}\n", Value::Object(classes.collect())));
        return;
    }
    say(components_yaml());
}

/// Prints the effective configuration: defaults filled in, secrets masked.
pub fn print_config(args: &PrintConfigArgs) -> Result<(), Failure> {
    let Loaded { effective, .. } = args.config.load()?;
    if args.json {
        say(effective.to_json());
    } else {
        say(effective.to_yaml());
    }
    Ok(())
}

/// Writes to standard output. Its reader may leave, as `head` does: the rest is then not wanted.
pub fn say(text: impl fmt::Display) {
    let mut out = io::stdout().lock();
    match write!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            eprintln!("tailrace: cannot write to standard output: {error}");
        }
        _ => {}
    }
}

fn faults_json(faults: &Faults) -> Value {
    let fault = |fault: &Fault| {
        let at = fault.at.as_ref();
        json!({
            "source": at.map(|at| at.source.to_string()),
            "line": at.map(|at| at.line),
            "column": at.map(|at| at.column),
            "path": fault.path,
            "message": fault.kind.to_string(),
        })
    };
    json!({ "valid": false, "faults": faults.0.iter().map(fault).collect::<Vec<_>>() })
}

fn limits(config: &Config) -> Result<Limits, Failure> {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let processors = u32::try_from(processors).unwrap_or(u32::MAX);
    let shards = config
        .engine
        .shards
        .map_or(processors, std::num::NonZeroU32::get);
    Limits::plan(config, shards, Machine::detect()).map_err(Failure::limits)
}

fn plural(class: &Class) -> String {
    format!("{}s", class.name)
}

fn components_json(class: &Class) -> Value {
    let component = |component: &Component| {
        let stability: Map<_, _> = component
            .stability
            .iter()
            .map(|(signal, stability)| ((*signal).to_owned(), json!(stability.to_string())))
            .collect();
        json!({ "name": component.name, "aliases": component.aliases, "stability": stability })
    };
    class.components.iter().map(component).collect()
}

fn components_yaml() -> String {
    let mut text = format!(
        "buildinfo:\n  command: tailrace\n  version: {}\n",
        env!("CARGO_PKG_VERSION")
    );
    for class in CLASSES {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{}:", plural(class));
        for component in class.components {
            let _ = writeln!(text, "  - name: {}", component.name);
            if !component.aliases.is_empty() {
                let _ = writeln!(text, "    aliases: [{}]", component.aliases.join(", "));
            }
            let _ = writeln!(text, "    stability:");
            for (signal, stability) in component.stability {
                let _ = writeln!(text, "      {signal}: {stability}");
            }
        }
    }
    text
}
