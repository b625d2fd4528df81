//! The way from the command line to a [`Config`], in one place.

use super::compile::{self, Declared};
use super::expand;
use super::fault::{Fault, FaultKind, NOT_SET};
use super::field::Reader;
use super::node::Node;
use super::printed::Printed;
use super::source::{self, Environment, Inputs};
use super::{Config, Warning};
use std::collections::HashSet;
use std::fmt;

/// A configuration as it was read: what the engine runs, and what people are shown.
#[derive(Debug)]
pub struct Loaded {
    pub config: Config,
    /// Defaults filled in; secrets and texts that an expansion brought masked. Without those it
    /// reads back as the same configuration.
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
    let sources = source::read(inputs, environment);
    let result = match sources.faults.is_empty() {
        true => check(sources.root, environment),
        false => Err(Faults(sources.faults)),
    };
    let unset = sources.unset.into_iter();
    match result {
        Ok(mut loaded) => {
            let warning = |source| Warning {
                path: format!("--config {source}"),
                why: NOT_SET.into(),
            };
            loaded.config.warnings.extend(unset.map(warning));
            Ok(loaded)
        }
        // First, because the others may come of it.
        Err(Faults(others)) => {
            let fault = |source| Fault::new(&[], FaultKind::NotSet { source });
            Err(Faults(unset.map(fault).chain(others).collect()))
        }
    }
}

fn check(mut root: Node, environment: &dyn Environment) -> Result<Loaded, Faults> {
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
            effective: effective(&declared, &root),
        });
    }
    for fault in &mut faults {
        fault.locate(&root);
    }
    faults.sort_by_key(|fault| fault.at.as_ref().map(|at| (at.line, at.column)));
    faults.dedup();
    Err(Faults(faults))
}

fn effective(declared: &Declared, root: &Node) -> Printed {
    let mut printed = compile::print(declared);
    printed.mask(root);
    printed
}

/// An exporter for three signals warns once.
fn unique(warnings: &mut Vec<Warning>) {
    let mut seen = HashSet::new();
    warnings.retain(|warning| seen.insert(warning.to_string()));
}
