//! One binary: the forwarder, and what goes with it.

mod config;
mod demo;
mod exit;
mod inspect;
mod instrument;
mod ledger;
mod load;
mod logs;
mod plan;
mod ready_file;
mod run;
mod sink;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Returns memory to the system from the thread that freed it, which is what shards do.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A zero-copy OpenTelemetry forwarder that takes a Collector's configuration file
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  tailrace demo
  tailrace run --config collector.yaml
  tailrace validate --config collector.yaml
  tailrace load --endpoint 127.0.0.1:4317 --rate 50000/s --duration 30s
  tailrace sink --listen 127.0.0.1:4317 --script flaky.yaml
  tailrace plan --rate 200k/s --rtt 80ms --outage 30m
  tailrace run --config base.yaml --config site.yaml --set service.telemetry.logs.level=debug";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the forwarder
    Run(run::RunArgs),
    /// Check a configuration: exit 0, or every fault with its path in the file
    Validate(inspect::ValidateArgs),
    /// What this build has, aliases and stability included
    Components(inspect::ComponentsArgs),
    /// The effective configuration, defaults filled in, secrets masked
    #[command(alias = "print-initial-config")]
    PrintConfig(inspect::PrintConfigArgs),
    /// Backend, forwarder and load in one process, and a verified count at the end
    Demo(demo::DemoArgs),
    /// Send telemetry to any OTLP endpoint, at a rate or as fast as it answers, and measure
    Load(Box<load::LoadArgs>),
    /// A backend that counts and checks what arrives, and misbehaves by a script
    Sink(sink::SinkArgs),
    /// What became of each item: lost, duplicate, ghost, corrupt
    Ledger(ledger::LedgerArgs),
    /// What to configure for a load and a destination: sizes, why, and the delay to expect
    Plan(Box<plan::PlanArgs>),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run(args) => run::run(&args),
        Command::Validate(args) => inspect::validate(&args),
        Command::Components(args) => {
            inspect::components(&args);
            Ok(())
        }
        Command::PrintConfig(args) => inspect::print_config(&args),
        Command::Demo(args) => demo::demo(&args),
        Command::Load(args) => load::load(&args),
        Command::Sink(args) => sink::sink(&args),
        Command::Ledger(args) => ledger::ledger(&args),
        Command::Plan(args) => plan::plan(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
