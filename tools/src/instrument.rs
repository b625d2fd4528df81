//! What the commands of the instrument read alike: durations, scripts, ledgers.

use crate::exit::Failure;
use std::path::Path;
use std::time::Duration;
use tailrace_bench::ledger::{Side, Writer};
use tailrace_engine::config::{Faults, parse_duration};

/// A duration of a flag.
pub fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "expected a duration such as 5s or 1m30s".to_owned())
}

/// A file in YAML: `read` gets its text and its name for messages.
pub fn read<T>(
    path: &Path,
    read: impl FnOnce(&str, &str) -> Result<T, Faults>,
) -> Result<T, Failure> {
    let source = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::system(format!("{source}: {error}")))?;
    read(&text, &source).map_err(|faults| Failure::scenario(&faults))
}

/// A new ledger.
pub fn ledger(path: &Path, side: Side) -> Result<Writer, Failure> {
    Writer::create(path, side)
        .map_err(|error| Failure::system(format!("{}: {error}", path.display())))
}
