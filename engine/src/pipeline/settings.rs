//! What every shard is told once: its share of the configuration.

use crate::classify::ClassifierSettings;
use crate::egress::lane::LaneSettings;
use crate::egress::outlet::OutletSettings;
use crate::ingress::Receiver;
use crate::units::{LaneId, ShardId};
use tailrace_codec::Signal;

/// One shard's share of everything between listeners and destinations.
///
/// Invariant: `lanes`, `exporters`, `outlets` and `homes` are indexed by [`LaneId`], `listeners` by
/// [`ListenerId`](crate::units::ListenerId).
#[derive(Debug, Clone)]
pub struct PipelineSettings {
    /// Bytes the shard may buffer at all, and where it stops taking more.
    pub credit_bytes: u64,
    pub credit_high: u64,
    pub classifier: ClassifierSettings,
    /// Connections of senders open at once.
    pub connections_max: usize,
    pub listeners: Vec<ListenerSettings>,
    pub lanes: Vec<LaneSettings>,
    /// The exporters' ids, for the log.
    pub exporters: Vec<String>,
    pub outlets: Vec<OutletSettings>,
    /// The one shard that sends for a lane, where it is one.
    pub homes: Vec<Option<ShardId>>,
}

/// One listener: what its requests must be, and the lanes they go to.
#[derive(Debug, Clone)]
pub struct ListenerSettings {
    pub receiver: Receiver,
    /// By signal.
    pub routes: [Vec<LaneId>; Signal::ALL.len()],
}

impl ListenerSettings {
    pub fn route(&self, signal: Signal) -> &[LaneId] {
        &self.routes[signal as usize]
    }
}
