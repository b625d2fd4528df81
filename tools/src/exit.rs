//! How the program ends when something is wrong: one message, one code.

use std::fmt;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use tailrace_bench::Verdict;
use tailrace_bench::load::LoadError;
use tailrace_bench::load::report::Report;
use tailrace_engine::StartError;
use tailrace_engine::config::limits::LimitFault;
use tailrace_engine::config::{Fault, FaultKind, Faults};
use tailrace_engine::runtime::Blocked;
use tailrace_engine::units::ShardId;

/// Why a command failed. The codes above 63 are those of BSD's `sysexits`.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    const FAULTS: u8 = 1;
    const UNPROVEN: u8 = 1;
    /// As clap's own errors.
    const USAGE: u8 = 2;
    const PROVES_NOTHING: u8 = 3;
    const DATA: u8 = 65;
    const UNAVAILABLE: u8 = 69;
    const SOFTWARE: u8 = 70;
    const SYSTEM: u8 = 71;
    const UNDELIVERED: u8 = 75;
    const CONFIG: u8 = 78;

    /// The configuration has faults, one a line. A `--set` without a value is wrong use of
    /// the command line.
    pub fn config(faults: &Faults) -> Self {
        let usage = |fault: &Fault| fault.kind == FaultKind::SetWithoutValue;
        Self {
            code: match faults.0.iter().any(usage) {
                true => Self::USAGE,
                false => Self::FAULTS,
            },
            message: faults.to_string(),
        }
    }

    /// The limits do not fit the memory there is.
    pub fn limits(fault: LimitFault) -> Self {
        Self::start(StartError::Memory(fault))
    }

    /// io_uring was asked for by name.
    pub fn blocked(blocked: Blocked) -> Self {
        Self::start(StartError::Runtime(blocked))
    }

    pub fn start(error: StartError) -> Self {
        let code = match error {
            StartError::Runtime(_) | StartError::Memory(_) => Self::CONFIG,
            StartError::Listen { .. } => Self::UNAVAILABLE,
            StartError::Thread(_) | StartError::Shard(_) | StartError::Shards { .. } => {
                Self::SYSTEM
            }
        };
        Self {
            code,
            message: error.to_string(),
        }
    }

    /// A shard ended by itself: what it held is lost, and the process ends so that somebody
    /// restarts it.
    pub fn died(shard: ShardId, cause: &str) -> Self {
        let message = format!("shard {} died: {cause}", shard.0);
        Self {
            code: Self::SOFTWARE,
            message,
        }
    }

    /// Stopped with items inside that no destination took in time.
    pub fn undelivered(items: u64) -> Self {
        Self {
            code: Self::UNDELIVERED,
            message: format!(
                "{items} items were accepted and could not be delivered before the shutdown timeout; \
                 they are lost"
            ),
        }
    }

    /// A file that `key` names, a flag or a path in the configuration.
    pub fn unwritten(key: &str, path: &Path, error: io::Error) -> Self {
        Self::system(format!("{key}: cannot write {}: {error}", path.display()))
    }

    pub fn system(error: impl fmt::Display) -> Self {
        Self {
            code: Self::SYSTEM,
            message: error.to_string(),
        }
    }

    /// What is listened on is taken, or not this machine's.
    pub const fn unavailable(message: String) -> Self {
        let code = Self::UNAVAILABLE;
        Self { code, message }
    }

    /// Flags, or a scenario's keys, that do not go together.
    pub fn usage(error: impl fmt::Display) -> Self {
        Self {
            code: Self::USAGE,
            message: error.to_string(),
        }
    }

    /// The scenario has faults, one a line.
    pub fn scenario(faults: &Faults) -> Self {
        Self {
            code: Self::CONFIG,
            message: faults.to_string(),
        }
    }

    pub fn load(error: LoadError) -> Self {
        let code = match error {
            LoadError::Unreachable { .. } => Self::UNAVAILABLE,
            LoadError::Uri(_) => Self::USAGE,
            LoadError::Run(_) | LoadError::Thread(_) | LoadError::Ledger(_) => Self::SYSTEM,
            LoadError::Compress(_) | LoadError::Panicked => Self::SOFTWARE,
        };
        Self {
            code,
            message: error.to_string(),
        }
    }

    /// A load was sent and nothing of it taken: its figures say nothing about the endpoint.
    pub fn nothing_acknowledged(report: &Report) -> Self {
        let codes = report.codes.iter();
        let codes: Vec<_> = codes
            .map(|(code, count)| format!("{code} x {}", count.answers))
            .collect();
        let answers = match codes.as_slice() {
            [] => "there was no answer".to_owned(),
            codes => format!("the answers were {}", codes.join(", ")),
        };
        Self {
            code: Self::UNPROVEN,
            message: format!("nothing was acknowledged: {answers}"),
        }
    }

    /// What was accepted is not what arrived.
    pub fn unproven(verdict: Verdict) -> Self {
        let Verdict {
            accepted_items,
            delivered_items,
            duplicate_items,
            corrupt_items,
        } = verdict;
        let message = format!(
            "accepted {accepted_items}, delivered {delivered_items}, duplicate {duplicate_items}, \
             corrupt {corrupt_items}"
        );
        Self {
            code: Self::UNPROVEN,
            message,
        }
    }

    /// A ledger shows that items were lost, altered or, where that is asked, duplicated.
    pub const fn lost(message: String) -> Self {
        let code = Self::UNPROVEN;
        Self { code, message }
    }

    /// Nothing was lost of too little.
    pub const fn proves_nothing(message: String) -> Self {
        let code = Self::PROVES_NOTHING;
        Self { code, message }
    }

    /// A ledger that cannot be read, or two that do not belong together.
    pub const fn ledger(message: String) -> Self {
        let code = Self::DATA;
        Self { code, message }
    }

    /// A page of metrics that does not have what was asked of it.
    pub const fn page(message: String) -> Self {
        let code = Self::DATA;
        Self { code, message }
    }

    #[cfg(test)]
    pub const fn code(&self) -> u8 {
        self.code
    }

    #[cfg(test)]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Says it on standard error.
    pub fn report(&self) -> ExitCode {
        for line in self.message.lines() {
            eprintln!("tailrace: {line}");
        }
        ExitCode::from(self.code)
    }
}
