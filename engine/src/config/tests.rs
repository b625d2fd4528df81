//! The whole way from text to configuration.

mod accepted;
mod balancing;
mod collector;
mod compiled;
mod degradation;
mod effective;
mod faults;
mod priority;
mod process;
mod protection;
mod reference;
mod robust;
mod tenants;
mod unused;

use super::{Config, Environment, Inputs, Loaded, load};
use std::io;
use std::path::Path;

/// No files, and a few variables.
struct Fake;

impl Environment for Fake {
    fn variable(&self, name: &str) -> io::Result<Option<String>> {
        Ok(match name {
            "CANARY" => Some("c4n4ry".into()),
            "HOST" => Some("gw".into()),
            "PORT" => Some("4317".into()),
            "DIGITS" => Some("007".into()),
            _ => None,
        })
    }

    fn read(&self, _: &Path, _: u64) -> io::Result<String> {
        Err(io::ErrorKind::NotFound.into())
    }
}

fn load_text(text: &str) -> Result<Loaded, String> {
    let inputs = Inputs {
        configs: vec!["c.yaml".into()],
        sets: Vec::new(),
    };
    load(&inputs, &Whole(text)).map_err(|faults| faults.to_string())
}

/// The file `c.yaml` with this text.
struct Whole<'a>(&'a str);

impl Environment for Whole<'_> {
    fn variable(&self, name: &str) -> io::Result<Option<String>> {
        Fake.variable(name)
    }

    fn read(&self, path: &Path, bytes_max: u64) -> io::Result<String> {
        if path == Path::new("c.yaml") {
            Ok(self.0.into())
        } else {
            Fake.read(path, bytes_max)
        }
    }
}

fn config(text: &str) -> Config {
    match load_text(text) {
        Ok(loaded) => loaded.config,
        Err(faults) => panic!("{faults}\nin\n{text}"),
    }
}

/// The faults, each without the name of the file.
fn faults(text: &str) -> Vec<String> {
    match load_text(text) {
        Ok(_) => Vec::new(),
        Err(faults) => faults
            .lines()
            .map(|line| line.replace("c.yaml:", ""))
            .collect(),
    }
}

fn warnings(text: &str) -> Vec<String> {
    config(text)
        .warnings
        .iter()
        .map(ToString::to_string)
        .collect()
}

/// The smallest configuration, with `exporter` as its only exporter and `more` after it.
fn with(exporter: &str, more: &str) -> String {
    let id = exporter.trim_start().split(':').next().unwrap_or_default();
    format!(
        "receivers: {{otlp: {{protocols: {{grpc: }}}}}}\nexporters:\n  {exporter}\n{more}\n\
         service: {{pipelines: {{traces: {{receivers: [otlp], exporters: [{id}]}}}}}}\n"
    )
}
