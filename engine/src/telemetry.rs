//! What the engine counts about itself, under the Collector's names.
//!
//! A shard counts in plain fields that nobody else touches and publishes a copy on request; the
//! control thread adds the copies up and serves them. Nothing here allocates or locks per item.
//!
//! Conservation, per lane and at every instant between two turns of the shard:
//!
//! ```text
//! admitted = waiting + open + in flight + backing off + handed over
//!          + delivered + rejected(reason) + dropped(reason)
//! ```

mod busy;
pub mod exposition;
mod histogram;
mod lane;
mod queue;
mod sizing;
mod snapshot;
mod tenant;
mod text;

pub use busy::Busy;
pub use histogram::{BATCH_BYTE_BOUNDS, Histogram, ITEM_BOUNDS, REQUEST_BYTE_BOUNDS};
pub use lane::{
    Circuit, DropReason, EndpointCounters, Hold, LaneCounters, OpenedBy, PriorityCounters,
    RejectReason,
};
pub use queue::QueueFlow;
pub use sizing::LaneSize;
pub use snapshot::{Labels, LaneLabels, Process, ReceiverLabels, Snapshot};
pub use tenant::{Quota, TenantCounters};

use crate::units::ItemCount;
use std::collections::BTreeMap;
use std::sync::Arc;
use tailrace_codec::Signal;

/// How many signals there are: the length of a table by signal.
pub const SIGNALS: usize = Signal::ALL.len();

/// Everything one shard counts. Indexed by [`ListenerId`](crate::units::ListenerId) and
/// [`LaneId`](crate::units::LaneId).
#[derive(Debug, Clone, Default)]
pub struct Counters {
    pub receivers: Vec<ReceiverCounters>,
    pub lanes: Vec<LaneCounters>,
    /// By name, those that sent something.
    pub tenants: BTreeMap<Arc<str>, TenantCounters>,
    pub shard: ShardCounters,
}

impl Counters {
    pub fn new(receivers: usize, lanes: usize) -> Self {
        Self {
            receivers: vec![ReceiverCounters::default(); receivers],
            lanes: vec![LaneCounters::default(); lanes],
            tenants: BTreeMap::new(),
            shard: ShardCounters::default(),
        }
    }

    /// Adds another shard's counters, gauges included; per-shard values are left alone.
    fn add(&mut self, other: &Self) {
        for (sum, receiver) in self.receivers.iter_mut().zip(&other.receivers) {
            sum.add(receiver);
        }
        for (sum, lane) in self.lanes.iter_mut().zip(&other.lanes) {
            sum.add(lane);
        }
        for (name, tenant) in &other.tenants {
            self.tenants
                .entry(Arc::clone(name))
                .or_default()
                .add(tenant);
        }
    }
}

/// One listener's counters. Items are indexed by `signal as usize`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReceiverCounters {
    /// Items answered with success.
    pub accepted: [ItemCount; SIGNALS],
    /// Items refused by what comes after the receiver: no room, shutting down, refused upstream.
    pub refused: [ItemCount; SIGNALS],
    /// Items the receiver itself failed on.
    pub failed: [ItemCount; SIGNALS],
    pub requests_succeeded: u64,
    pub requests_refused: u64,
    /// Of the refused, those that the memory limit left no room for. Their items are not known:
    /// they are refused before they are read.
    pub requests_without_memory: u64,
    /// Of those that were refused, for holding more than a share of memory that had become scarce.
    pub requests_over_share: u64,
    pub requests_failed: u64,
}

impl ReceiverCounters {
    /// A request was answered with success.
    pub const fn accept(&mut self, signal: Signal, items: ItemCount) {
        self.accepted[signal as usize] += items;
        self.requests_succeeded += 1;
    }

    /// A request was refused by what comes after the receiver; `items` is 0 where it was not read.
    pub const fn refuse(&mut self, signal: Signal, items: ItemCount) {
        self.refused[signal as usize] += items;
        self.requests_refused += 1;
    }

    /// Items were refused of a request whose rest was accepted.
    pub const fn refuse_items(&mut self, signal: Signal, items: ItemCount) {
        self.refused[signal as usize] += items;
    }

    /// A request was refused by the receiver itself: it is not what it should be.
    pub const fn fail(&mut self, signal: Signal, items: ItemCount) {
        self.failed[signal as usize] += items;
        self.requests_failed += 1;
    }

    fn add(&mut self, other: &Self) {
        for signal in 0..SIGNALS {
            self.accepted[signal] += other.accepted[signal];
            self.refused[signal] += other.refused[signal];
            self.failed[signal] += other.failed[signal];
        }
        self.requests_succeeded += other.requests_succeeded;
        self.requests_refused += other.requests_refused;
        self.requests_without_memory += other.requests_without_memory;
        self.requests_over_share += other.requests_over_share;
        self.requests_failed += other.requests_failed;
    }
}

/// What belongs to the shard as a whole. Gauges but for `busy` and `batches_given`.
#[derive(Debug, Clone, Copy, Default)]
pub struct ShardCounters {
    pub busy: Busy,
    /// Credit taken: bytes of admitted payloads and of bodies being read.
    pub buffered_bytes: u64,
    pub buffered_bytes_max: u64,
    pub connections_in: u64,
    pub connections_out: u64,
    /// Batches that another shard was given to send.
    pub batches_given: u64,
}
