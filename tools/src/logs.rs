//! The process's own log: `service.telemetry.logs`.

use crate::exit::Failure;
use std::fs::OpenOptions;
use std::io;
use std::sync::Mutex;
use tailrace_engine::config::{LogEncoding, LogLevel, LogOutput, LogsConfig};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::Registry;
use tracing_subscriber::util::SubscriberInitExt;

/// Their key in the configuration.
const OUTPUTS: &str = "service.telemetry.logs.output_paths";

/// Starts logging as configured, to every output.
pub fn start(config: &LogsConfig) -> Result<(), Failure> {
    let level = match config.level {
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Error => LevelFilter::ERROR,
    };
    let outputs = config.outputs.iter().map(|output| layer(config, output));
    let layers = outputs.collect::<Result<Vec<_>, Failure>>()?;
    tracing_subscriber::registry()
        .with(layers.with_filter(level))
        .init();
    for (key, value) in &config.initial_fields {
        tracing::info!(key, value, "initial field");
    }
    Ok(())
}

fn layer(
    config: &LogsConfig,
    output: &LogOutput,
) -> Result<Box<dyn Layer<Registry> + Send + Sync>, Failure> {
    let writer = match output {
        LogOutput::Stderr => BoxMakeWriter::new(io::stderr),
        LogOutput::Stdout => BoxMakeWriter::new(io::stdout),
        LogOutput::File(path) => {
            let file = OpenOptions::new().create(true).append(true).open(path);
            let file = file.map_err(|error| Failure::unwritten(OUTPUTS, path, error))?;
            BoxMakeWriter::new(Mutex::new(file))
        }
    };
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .with_ansi(false);
    Ok(match config.encoding {
        LogEncoding::Console => lines.boxed(),
        LogEncoding::Json => lines.json().flatten_event(true).boxed(),
    })
}
