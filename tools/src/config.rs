//! The configuration as the command line names it.

use crate::exit::Failure;
use tailrace_engine::config::{self, Config, Faults, Inputs, Loaded, ProcessEnvironment};

#[derive(Debug, clap::Args)]
pub struct ConfigArgs {
    /// A configuration: a path, or `file:`, `env:` or `yaml:` and the rest; repeated ones are merged
    #[arg(long = "config", value_name = "URI", required = true)]
    configs: Vec<String>,
    /// One more value on top, as `exporters.otlp_grpc.timeout=10s`
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
}

impl ConfigArgs {
    pub fn load(&self) -> Result<Loaded, Failure> {
        self.read().map_err(|faults| Failure::config(&faults))
    }

    /// As [`ConfigArgs::load`], with the faults as values.
    pub fn read(&self) -> Result<Loaded, Faults> {
        let inputs = Inputs {
            configs: self.configs.clone(),
            sets: self.sets.clone(),
        };
        config::load(&inputs, &ProcessEnvironment)
    }
}

/// A configuration that is part of the program.
pub fn parse(yaml: &str) -> Result<Config, Failure> {
    let inputs = Inputs {
        configs: vec![format!("yaml:{yaml}")],
        sets: Vec::new(),
    };
    let loaded = config::load(&inputs, &ProcessEnvironment);
    loaded
        .map(|loaded| loaded.config)
        .map_err(|faults| Failure::config(&faults))
}
