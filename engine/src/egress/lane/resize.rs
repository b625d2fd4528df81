//! Sizes that the lane finds by itself: `auto` in its configuration.

use super::{HALF_LIFE, Lane, LaneSettings};
use crate::batch::Sizer;
use crate::flow::sizing::Workload;
use crate::flow::sizing::auto::{Auto, AutoRule, Bounds, Seen, Sized};
use crate::telemetry::LaneSize;
use crate::time::Instant;
use std::time::Duration;

/// `settings` with what is sized at its start. The rule's bounds are this shard's.
pub(super) fn started(rule: &AutoRule, mut settings: LaneSettings) -> LaneSettings {
    if let Some(Bounds { start, .. }) = rule.consumers {
        settings.slots = start as usize;
    }
    if let (Some(flush), Some(batching)) = (rule.flush, &mut settings.batching) {
        batching.flush_timeout = Duration::from_secs_f64(flush.start);
    }
    settings
}

impl Lane {
    /// Looks at the queue, if it is time to, and takes what was decided.
    pub(super) fn resize(&mut self, now: Instant) {
        if !self.auto.as_ref().is_some_and(|auto| auto.is_due(now)) {
            return;
        }
        let seen = self.seen(now);
        let Some(auto) = &mut self.auto else { return };
        if !auto.look(&seen, now) {
            return;
        }
        let (consumers, queue, flush) = sizes_of(auto);
        if let Some(slots) = consumers {
            self.settings.slots = slots as usize;
            self.slots.set_max(self.settings.slots);
            self.gate.set_slots(self.settings.slots);
        }
        if let Some(bytes) = queue {
            let unit_bytes = match self.settings.queue.sizer {
                Sizer::Bytes => 1.0,
                Sizer::Items => seen.workload.item_bytes,
                Sizer::Requests => seen.workload.item_bytes * seen.workload.request_items,
            };
            self.settings.queue.max = (bytes / unit_bytes).max(1.0) as u64;
        }
        if let (Some(seconds), Some(open)) = (flush, &mut self.open) {
            open.set_flush_timeout(Duration::from_secs_f64(seconds));
        }
    }

    /// What was decided and why, for people.
    pub(super) fn sizes(&self) -> Vec<LaneSize> {
        let Some(auto) = &self.auto else {
            return Vec::new();
        };
        let size = |what, unit, sized: &Option<Sized>| {
            let Sized {
                value,
                why,
                changes,
                ..
            } = sized.as_ref()?;
            Some(LaneSize {
                what,
                unit,
                value: *value,
                changes: *changes,
                why: why.clone(),
            })
        };
        [
            size("num_consumers", "batches at once", &auto.consumers),
            size("queue_size", "bytes", &auto.queue),
            size("flush_timeout", "seconds", &auto.flush),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn seen(&self, now: Instant) -> Seen {
        let view = self.station.view(now);
        let per = |of: f64, by: f64| if by > 0.0 { of / by } else { 0.0 };
        let limit = self.settings.queue;
        let fill = per(self.queue_size() as f64, limit.max as f64)
            .max(per(self.held.all().bytes as f64, limit.bytes_max as f64));
        // Without arrivals of late there is no workload, and nothing is decided.
        let arrives = view.items_per_second > 0.0 && view.service_seconds > 0.0;
        Seen {
            workload: Workload {
                item_rate: view.items_per_second,
                item_bytes: per(view.bytes_per_second, view.items_per_second).max(1.0),
                request_items: per(view.items_per_second, view.requests_per_second).max(1.0),
                arrival_scv: view.arrival_scv,
                rtt_seconds: view.service_seconds,
                rtt_scv: view.service_scv,
                packet_loss: 0.0,
            },
            batch_items: view.batch_items.max(1.0),
            batches: match arrives {
                true => view.batches_per_second * HALF_LIFE.as_secs_f64(),
                false => 0.0,
            },
            items_out_per_second: view.items_out_per_second,
            fill: fill.min(1.0),
        }
    }
}

fn sizes_of(auto: &Auto) -> (Option<f64>, Option<f64>, Option<f64>) {
    let value = |sized: &Option<Sized>| sized.as_ref().map(|sized| sized.value);
    (
        value(&auto.consumers),
        value(&auto.queue),
        value(&auto.flush),
    )
}
