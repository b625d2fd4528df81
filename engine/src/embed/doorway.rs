//! How the application's threads reach the shard that reads their recorders, where it is seldom:
//! a new recorder, a flush, the end.

use super::intake::{Exporting, Recording};
use super::life::{Ended, Life};
use crate::control::Running;
use crate::runtime::Producer;
use std::fmt;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the application asks of the shard.
#[derive(Debug)]
pub(super) enum Command {
    Record(Box<Recording>),
    Export(Box<Exporting>),
    Flush(Flushing),
    /// Take what is recorded, then let go of the engine, which ends when it has delivered.
    Close(Box<Running>),
    /// A defect on the shard, as a test needs it.
    #[cfg(test)]
    Panic,
}

/// Who waits for a flush, and for what.
#[derive(Debug)]
pub(super) struct Flushing {
    /// What instruments have measured is exported before.
    pub with_metrics: bool,
    pub answer: SyncSender<Result<FlushReport, FlushError>>,
}

/// Everything that was recorded before the flush is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct FlushReport {
    /// What recorders had no room for, and measurements that are in no sum, since the start.
    pub dropped_items: u64,
}

/// Why a flush did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlushError {
    /// The deadline passed. What is not delivered yet is still tried.
    TimedOut,
    /// Since the flush before, so many items were refused for good or given up.
    Undelivered { failed_items: u64 },
    /// The engine takes nothing any more.
    Ended(Ended),
}

impl fmt::Display for FlushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("the deadline passed before everything was delivered"),
            Self::Undelivered { failed_items } => {
                write!(f, "{failed_items} items were refused or given up")
            }
            Self::Ended(ended) => write!(f, "{ended}"),
        }
    }
}

impl std::error::Error for FlushError {}

/// Commands and a bell. The lock is held for a push or a swap.
#[derive(Debug)]
pub(super) struct Doorway {
    inside: Mutex<Inside>,
    pub(super) life: Arc<Life>,
}

#[derive(Debug)]
struct Inside {
    commands: Vec<Command>,
    bell: Producer<()>,
    has_ended: bool,
}

impl Doorway {
    pub(super) const fn new(bell: Producer<()>, life: Arc<Life>) -> Self {
        let inside = Mutex::new(Inside {
            commands: Vec::new(),
            bell,
            has_ended: false,
        });
        Self { inside, life }
    }

    /// Hands a command over and wakes the shard. Gives it back where nobody will take it.
    pub(super) fn send(&self, command: Command) -> Result<(), Command> {
        // The lock may have been held by a thread that the fork left behind.
        if self.life.is_forked() {
            return Err(command);
        }
        let mut inside = self.lock();
        if inside.has_ended {
            return Err(command);
        }
        inside.commands.push(command);
        // A full ring has rung already.
        let _ = inside.bell.send(());
        Ok(())
    }

    /// Wakes the shard.
    pub(super) fn ring(&self) {
        // A full ring has rung already, and without a shard nobody hears it.
        let _ = self.lock().bell.send(());
    }

    /// The shard's side, for as long as it lives.
    pub(super) const fn attend(self: Arc<Self>) -> Attendance {
        Attendance(self)
    }

    /// Poisoned, it is as whole as before: nothing within can panic halfway.
    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The shard's side of a doorway. When it is dropped, also by a panic, who waits for an answer
/// hears that there is none.
#[derive(Debug)]
pub(super) struct Attendance(Arc<Doorway>);

impl Attendance {
    pub(super) fn take(&self) -> Vec<Command> {
        std::mem::take(&mut self.0.lock().commands)
    }
}

impl Drop for Attendance {
    fn drop(&mut self) {
        self.0.life.end();
        let commands = {
            let mut inside = self.0.lock();
            inside.has_ended = true;
            std::mem::take(&mut inside.commands)
        };
        drop(commands);
    }
}
