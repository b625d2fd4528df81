//! All shards' counters at one moment, added up, with the names of what was counted.

use super::{Counters, DropReason, LaneSize, ShardCounters};
use tailrace_codec::Signal;

/// The names of what is counted, fixed when the configuration is read.
///
/// Invariant: as many receivers and lanes, and in the same order, as [`Counters`] has.
#[derive(Debug, Clone, Default)]
pub struct Labels {
    pub receivers: Vec<ReceiverLabels>,
    pub lanes: Vec<LaneLabels>,
    /// Resource attributes for `target_info`: `service.name` and the like.
    pub resource: Vec<(String, String)>,
}

/// One listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiverLabels {
    /// The receiver's id in the configuration: `otlp`, `otlp/2`.
    pub receiver: String,
    /// `grpc` or `http`.
    pub transport: &'static str,
    /// The signals with a pipeline behind it.
    pub signals: Vec<Signal>,
}

/// One lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneLabels {
    /// The exporter's id in the configuration: `otlp_grpc/primary`.
    pub exporter: String,
    pub signal: Signal,
    /// The id of the `batch` processor that was compiled into the lane.
    pub batch_processor: Option<String>,
    /// Name and level of each endpoint, where there are several.
    pub endpoints: Vec<(String, usize)>,
}

/// What the process as a whole uses. Read by the control thread.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Process {
    pub uptime_seconds: f64,
    /// User and system time.
    pub cpu_seconds: f64,
    pub memory_rss_bytes: u64,
}

/// One moment of the whole engine.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    pub(super) labels: Labels,
    pub(super) total: Counters,
    /// In the order of [`ShardId`](crate::units::ShardId), with its busy ratio.
    pub(super) shards: Vec<(ShardCounters, f64)>,
    /// Shard, lane and size.
    pub(super) sizes: Vec<(usize, usize, LaneSize)>,
    pub(super) process: Process,
}

impl Snapshot {
    pub fn new(labels: Labels, process: Process) -> Self {
        let total = Counters::new(labels.receivers.len(), labels.lanes.len());
        Self {
            labels,
            total,
            shards: Vec::new(),
            sizes: Vec::new(),
            process,
        }
    }

    /// Adds the next shard's counters, as they were at `now` of the shard.
    pub fn add_shard(&mut self, counters: &Counters, now: crate::time::Instant) {
        self.total.add(counters);
        let shard = self.shards.len();
        for (lane, counters) in counters.lanes.iter().enumerate() {
            let sizes = counters.sizes.iter().cloned();
            self.sizes.extend(sizes.map(|size| (shard, lane, size)));
        }
        self.shards
            .push((counters.shard, counters.shard.busy.ratio(now)));
    }

    /// The sum over all shards.
    pub const fn total(&self) -> &Counters {
        &self.total
    }

    /// The lanes that gave up items for `reason`, and how many.
    pub fn dropped(&self, reason: DropReason) -> impl Iterator<Item = (&LaneLabels, u64)> {
        let lanes = self.labels.lanes.iter().zip(&self.total.lanes);
        lanes
            .map(move |(labels, lane)| (labels, lane.dropped[reason as usize]))
            .filter(|(_, items)| *items > 0)
    }

    /// Items of all lanes that conservation cannot account for, without sign: must be 0.
    pub fn unaccounted(&self) -> u128 {
        self.total
            .lanes
            .iter()
            .map(|lane| lane.unaccounted().unsigned_abs())
            .sum()
    }
}
