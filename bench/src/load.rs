//! A load: requests by a plan, open loop or closed, and what became of each.
//!
//! ```text
//!   scenario, flags -> Settings -> Plan
//!   Plan: arrivals (when) + workload (what) -> dispatch (which, where) -> sender (sockets)
//!                                              answers -> statistics -> report
//! ```
//!
//! [`arrivals`], [`dispatch`] and [`statistics`] are told the time and touch nothing; `sender` is the
//! shell around them, on one thread, over the engine's own client connections.

pub mod arrivals;
pub mod dispatch;
pub mod report;
pub mod settings;
pub mod statistics;

mod answer;
mod chart;
mod page;
mod plan;
mod sender;
mod wire;

pub use answer::{ReplyCode, Verdict};
pub use plan::{Plan, Protocol, Retry, Target, Version, Wire};

use self::dispatch::Fate;
use self::statistics::{Second, Statistics};
use crate::ids::IdSet;
use crate::ledger;
use http::uri::InvalidUri;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tailrace_codec::compress::CompressError;
use tailrace_engine::exchange::{Address, CloseReason};
use tailrace_engine::runtime::{RunError, RuntimeKind, run};

/// What a load has done.
#[derive(Debug)]
pub struct Sent {
    /// Items of requests that were acknowledged whole.
    pub acknowledged: IdSet,
    pub statistics: Statistics,
    /// From when all connections were up.
    pub elapsed: Duration,
    /// Of acknowledged requests, before compression and framing.
    pub message_bytes: u64,
    /// Of all bodies sent, repeated ones too, as they went on the wire.
    pub wire_bytes: u64,
    /// Processor time of the load's thread.
    pub cpu: Duration,
}

/// Why a load could not be sent.
#[derive(Debug)]
pub enum LoadError {
    /// A connection could not be made, so the run never began.
    Unreachable {
        address: Address,
        reason: CloseReason,
    },
    /// Authority and path make no URI.
    Uri(InvalidUri),
    Compress(CompressError),
    /// The ledger's disk: a load whose acknowledgements are not written down proves nothing.
    Ledger(io::Error),
    Run(RunError),
    Thread(io::Error),
    Panicked,
}

impl std::error::Error for LoadError {}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable { address, reason } => {
                f.write_str("cannot connect to ")?;
                match address {
                    Address::Tcp(address) => write!(f, "{address}: ")?,
                    Address::Unix(path) => write!(f, "{}: ", path.display())?,
                }
                unreachable_because(f, reason)
            }
            Self::Uri(error) => write!(f, "the endpoint makes no URI: {error}"),
            Self::Compress(error) => write!(f, "a request cannot be compressed: {error:?}"),
            Self::Ledger(error) => write!(f, "the ledger cannot be written: {error}"),
            Self::Run(error) => write!(f, "{error}"),
            Self::Thread(error) => write!(f, "no thread for the load: {error}"),
            Self::Panicked => f.write_str("the load panicked"),
        }
    }
}

fn unreachable_because(f: &mut fmt::Formatter<'_>, reason: &CloseReason) -> fmt::Result {
    match reason {
        CloseReason::Unreachable {
            os_error: Some(number),
        } => write!(f, "{}", io::Error::from_raw_os_error(*number)),
        CloseReason::Unreachable { os_error: None } => f.write_str("no connection"),
        CloseReason::ConnectTimedOut => f.write_str("no answer in time"),
        CloseReason::Protocol { what } => write!(f, "it does not speak the protocol ({what})"),
        CloseReason::Lost | CloseReason::Drained => f.write_str("it closed the connection"),
        CloseReason::KeepaliveTimedOut | CloseReason::TooManyPings => {
            f.write_str("keepalive failed")
        }
    }
}

/// A load on a thread of its own.
#[derive(Debug)]
pub struct Load {
    shared: Arc<sender::Shared>,
    thread: std::thread::JoinHandle<Result<Sent, LoadError>>,
}

impl Load {
    /// Sends the plan; what is acknowledged is written to the ledger. Errors: those of starting a thread; all others come from [`Self::wait`].
    ///
    /// # Panics
    /// If the plan has more than 2^31 places (connections x streams), or none.
    pub fn start(
        kind: RuntimeKind,
        plan: Plan,
        ledger: Option<ledger::Writer>,
    ) -> Result<Self, LoadError> {
        let places = plan.connections.checked_mul(plan.streams);
        assert!(places.is_some_and(|places| places > 0 && places < 1 << 31));
        let shared = Arc::new(sender::Shared::default());
        let shown = Arc::clone(&shared);
        let cpu = plan.cpu;
        let send = move || {
            let sent = run(kind, cpu, || sender::send(plan, shown, ledger));
            sent.map_err(LoadError::Run)?
        };
        let thread = std::thread::Builder::new()
            .name("load".into())
            .spawn(send)
            .map_err(LoadError::Thread)?;
        Ok(Self { shared, thread })
    }

    /// Items acknowledged so far.
    pub fn items(&self) -> u64 {
        self.shared.items.load(Ordering::Relaxed)
    }

    /// The seconds of the run that are over, from number `from` on.
    pub fn seconds(&self, from: usize) -> Vec<Second> {
        let seconds = self
            .shared
            .seconds
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        seconds.get(from..).unwrap_or_default().to_vec()
    }

    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for the end of the plan.
    pub fn wait(self) -> Result<Sent, LoadError> {
        self.thread.join().map_err(|_| LoadError::Panicked)?
    }
}

#[cfg(test)]
mod tests;
