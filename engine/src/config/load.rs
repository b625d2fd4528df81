//! The way from the command line to a [`Config`], in one place.

use super::compile::{self, Declared};
use super::expand;
use super::fault::Fault;
use super::field::Reader;
use super::printed::Printed;
use super::source::{self, Environment, Inputs};
use super::{Config, Warning};
use std::collections::HashSet;
use std::fmt;

/// A configuration as it was read: what the engine runs, and what people are shown.
#[derive(Debug)]
pub struct Loaded {
    pub config: Config,
    /// Defaults filled in, secrets masked. Reads back as the same configuration.
    pub effective: Printed,
}

/// Everything that is wrong, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl std::error::Error for Faults {}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{fault}")?;
        }
        Ok(())
    }
}

/// Reads, merges, expands and checks the configuration.
///
/// Errors: every fault, not only the first; but what cannot be parsed or expanded is not checked
/// further.
pub fn load(inputs: &Inputs, environment: &dyn Environment) -> Result<Loaded, Faults> {
    let mut root = source::read(inputs, environment).map_err(Faults)?;
    let (faults, warnings) = expand::expand(&mut root, environment);
    if !faults.is_empty() {
        return Err(Faults(faults));
    }
    let mut reader = Reader {
        warnings,
        ..Reader::default()
    };
    let declared = compile::declare(&root, &mut reader);
    let mut config = compile::compile(&declared, &mut reader);
    let mut faults = std::mem::take(&mut reader.faults);
    if faults.is_empty() {
        unique(&mut config.warnings);
        return Ok(Loaded {
            config,
            effective: effective(&declared),
        });
    }
    for fault in &mut faults {
        fault.locate(&root);
    }
    faults.sort_by_key(|fault| fault.at.as_ref().map(|at| (at.line, at.column)));
    faults.dedup();
    Err(Faults(faults))
}

fn effective(declared: &Declared) -> Printed {
    compile::print(declared)
}

/// An exporter for three signals warns once.
fn unique(warnings: &mut Vec<Warning>) {
    let mut seen = HashSet::new();
    warnings.retain(|warning| seen.insert(warning.to_string()));
}
