//! What a lane leaves of a part before it takes it: sampling, by what was decided upstream and by how
//! full its queue is.

use super::Pipeline;
use crate::batch::{Part, Size};
use crate::delivery::What;
use crate::egress::outlet::Outlet;
use crate::flow::ladder::Step;
use crate::telemetry::DropReason;
use crate::units::LaneId;
use tailrace_codec::otlp::sampling::sample;

impl Pipeline {
    /// Takes out of a part what its lane leaves out. `None`: nothing of it is left.
    ///
    /// Cost: nothing where the lane samples nothing now; else what sampling costs. Metrics and
    /// profiles are never sampled.
    pub(super) fn thin(&mut self, lane: LaneId, mut part: Part) -> Option<Part> {
        let own = &mut self.lanes[lane.index()];
        let Some(rule) = own.sampling(part.class.priority) else {
            return Some(part);
        };
        let body = part.body(&self.store);
        // It was scanned when it came; what is malformed within its items is left as it is.
        let Ok(Some(sampled)) = sample(own.settings().signal, &body, &rule) else {
            return Some(part);
        };
        let dropped = sampled.dropped;
        own.count_left_out(&part, DropReason::Unsampled, dropped.unsampled);
        let by_chance = dropped.total() - dropped.unsampled;
        own.count_left_out(&part, DropReason::Sampled, by_chance);
        if sampled.kept == 0 {
            return None;
        }
        part.size = Size {
            requests: part.size.requests,
            items: sampled.kept,
            bytes: sampled.body.len() as u64,
        };
        part.piece = Some(Box::new(sampled.body));
        Some(part)
    }

    /// What a lane's queue asks for now: told to people, and to its outlet. Whether it takes again
    /// what it turned away.
    pub(super) fn follow_ladder(&mut self, lane: LaneId) -> bool {
        let mut takes_again = false;
        while let Some(change) = self.lanes[lane.index()].poll_ladder() {
            if let Outlet::Network(network) = &mut self.outlets[lane.index()] {
                network.set_harder(change.to >= Step::CompressHarder);
            }
            let notice = self.notices[lane.index()].announce(What::Degraded(change));
            self.outputs
                .push_back(super::Output::Notice { lane, notice });
            takes_again = change.from == Step::Reject;
        }
        takes_again
    }
}
