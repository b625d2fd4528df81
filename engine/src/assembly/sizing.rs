//! Bounds of what a lane sizes by itself: this shard's part of what there is.

use super::division::Division;
use crate::config::LaneConfig;
use crate::config::limits::ShardLimits;
use crate::flow::sizing::Targets;
use crate::flow::sizing::auto::{AutoRule, Bounds};
use crate::units::LaneId;

/// Each shard finds its own sizes. `None`: nothing is `auto`.
pub(super) fn rule(
    id: LaneId,
    lane: &LaneConfig,
    division: Division,
    limits: &ShardLimits,
) -> Option<AutoRule> {
    let sizing = &lane.sizing;
    if !(sizing.consumers || sizing.queue || sizing.flush) {
        return None;
    }
    let consumers = Bounds {
        start: division.part(id, CONSUMERS_AUTO_START).max(1) as f64,
        min: 1.0,
        max: division.slots(id, lane) as f64,
    };
    let memory = limits.lane.0 as f64;
    let queue = Bounds {
        start: memory,
        min: memory.min(QUEUE_AUTO_MIN),
        max: memory,
    };
    let timeout = lane.batch.as_ref().map(|batch| batch.flush_timeout);
    let flush = timeout.map(|timeout| Bounds {
        start: timeout.as_secs_f64().clamp(FLUSH_AUTO_MIN, FLUSH_AUTO_MAX),
        min: FLUSH_AUTO_MIN,
        max: FLUSH_AUTO_MAX,
    });
    Some(AutoRule {
        targets: Targets {
            outage_seconds: sizing.outage.as_secs_f64(),
            catch_up_seconds: 4.0 * sizing.outage.as_secs_f64(),
            loss: sizing.loss,
            latency_seconds: sizing.latency.as_secs_f64(),
        },
        consumers: sizing.consumers.then_some(consumers),
        queue: sizing.queue.then_some(queue),
        flush: flush.filter(|_| sizing.flush),
    })
}

/// The Collector's default.
const CONSUMERS_AUTO_START: u64 = 10;
/// Less is not worth the refusals: 1 MiB.
const QUEUE_AUTO_MIN: f64 = 1_048_576.0;
/// In seconds.
const FLUSH_AUTO_MIN: f64 = 0.001;
const FLUSH_AUTO_MAX: f64 = 10.0;
