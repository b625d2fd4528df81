//! otel-arrow's dataflow engine from its published crates: its own binary is not published.
//! Usage: dataflow CONFIG

use otel_arrow_dfe_config::engine::OtelDataflowSpec;
use otel_arrow_dfe_controller::{Controller, startup};
// Its receivers, processors and exporters register themselves when they are linked.
use otel_arrow_dfe_core_nodes as _;
use otel_arrow_dfe_otap::OTAP_PIPELINE_FACTORY;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!("dataflow: needs a configuration file");
        return ExitCode::from(2);
    };
    if path == "--version" {
        println!("dataflow {}", env!("CARGO_PKG_VERSION"));
        return ExitCode::SUCCESS;
    }
    match run(&path) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dataflow: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(path: &str) -> Result<(), Box<dyn std::error::Error>> {
    let config = OtelDataflowSpec::from_yaml(&std::fs::read_to_string(path)?)?;
    startup::validate_engine_components(&config, &OTAP_PIPELINE_FACTORY)?;
    Ok(Controller::new(&OTAP_PIPELINE_FACTORY).run_forever(config)?)
}
