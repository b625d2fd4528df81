//! Whether an engine still takes what is recorded, and how those who record hear that it does not.

use crate::runtime::Lineage;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Looked at with each item, written once.
#[derive(Debug)]
pub(super) struct Life {
    has_ended: AtomicBool,
    lineage: Lineage,
}

/// Why an engine takes nothing any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// Its threads ended by themselves.
    Died { cause: Arc<str> },
    /// This process was forked from the one that the engine runs in.
    Forked,
}

impl Life {
    pub fn begin() -> io::Result<Self> {
        Ok(Self {
            has_ended: AtomicBool::new(false),
            lineage: Lineage::watch()?,
        })
    }

    /// Cost: two loads of what nobody writes.
    #[inline]
    pub fn goes_on(&self) -> bool {
        // Relaxed: an item recorded beside the end is as lost as one just before it.
        !self.has_ended.load(Ordering::Relaxed) && !self.is_forked()
    }

    /// Whether this process is another than the engine's. It must not touch what both share.
    #[inline]
    pub fn is_forked(&self) -> bool {
        !self.lineage.is_this_process()
    }

    pub fn end(&self) {
        self.has_ended.store(true, Ordering::Relaxed);
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Died { cause } => write!(
                f,
                "the engine has ended: {cause}; what is recorded is dropped and counted. Start \
                 another one, and report this with the log"
            ),
            Self::Forked => f.write_str(
                "the engine runs in the process that this one was forked from; start one here, \
                 after the fork",
            ),
        }
    }
}
