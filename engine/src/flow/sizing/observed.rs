//! A queue that runs: what theory says of it as it is, to be set beside what is measured.

use super::Workload;
use crate::flow::queueing::GeneralQueue;

/// A queue as its figures describe it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observed {
    pub workload: Workload,
    /// Batches that may be on their way at once, at least 1.
    pub consumers: f64,
    /// Each with a queue of its own, and its part of the load and of the consumers. At least 1.
    pub shards: f64,
    /// Items of a batch, above 0.
    pub batch_items: f64,
}

/// What the formulas make of it, in the words of the metrics.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Expected {
    /// rho.
    pub utilisation: f64,
    /// W_q, the filling of the batch included.
    pub queued_seconds: f64,
    /// W.
    pub inside_seconds: f64,
    /// L, in items.
    pub items_inside: f64,
}

/// With more consumers than this nothing waits for one; an exporter without a queue has no limit.
const CONSUMERS_MAX: f64 = 100_000.0;

impl Observed {
    /// Batches before consumers, G/G/c, behind the filling of each: its first request waits for
    /// all others, its last for none. Cost: linear in the consumers.
    pub fn expected(&self) -> Expected {
        let Self {
            workload,
            consumers,
            shards,
            batch_items,
        } = self;
        // With fewer consumers than shards one of the shards sends for all.
        let shards = if consumers < shards { 1.0 } else { *shards };
        let item_rate = workload.item_rate / shards;
        let requests = (batch_items / workload.request_items).max(1.0);
        let queue = GeneralQueue {
            arrival_rate: item_rate / batch_items,
            service_seconds: workload.rtt_seconds,
            servers: (consumers / shards).min(CONSUMERS_MAX) as u32,
            arrival_scv: workload.arrival_scv / requests,
            service_scv: workload.rtt_scv,
        };
        let others = (batch_items - workload.request_items).max(0.0);
        let queued_seconds = others / item_rate / 2.0 + queue.queueing_seconds();
        let inside_seconds = queued_seconds + workload.rtt_seconds;
        Expected {
            utilisation: queue.offered() * shards / consumers,
            queued_seconds,
            inside_seconds,
            items_inside: workload.item_rate * inside_seconds,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observed(item_rate: f64, consumers: f64) -> Observed {
        Observed {
            workload: Workload {
                item_rate,
                item_bytes: 360.0,
                request_items: 10.0,
                arrival_scv: 1.0,
                rtt_seconds: 1.0,
                rtt_scv: 1.0,
                packet_loss: 0.0,
            },
            consumers,
            shards: 1.0,
            batch_items: 10.0,
        }
    }

    #[test]
    fn requests_that_are_batches_are_the_text_book_s_customers() {
        // M/M/1 at rho = 0.8: W_q = 4 s, W = 5 s, and eight requests a second x 5 s inside.
        let expected = observed(8.0, 1.0).expected();
        assert!((expected.utilisation - 0.8).abs() < 1e-12);
        assert!((expected.queued_seconds - 4.0).abs() < 1e-12);
        assert!((expected.inside_seconds - 5.0).abs() < 1e-12);
        assert!((expected.items_inside - 40.0).abs() < 1e-9);
    }

    #[test]
    fn each_shard_is_a_queue_of_its_own() {
        let two = Observed {
            shards: 2.0,
            ..observed(16.0, 2.0)
        };
        let (two, one) = (two.expected(), observed(8.0, 1.0).expected());
        assert_eq!(two.utilisation, one.utilisation);
        assert_eq!(two.queued_seconds, one.queued_seconds);
        assert_eq!(two.items_inside, 2.0 * one.items_inside);
        let home = Observed {
            shards: 4.0,
            ..observed(8.0, 1.0)
        };
        assert_eq!(home.expected(), one);
    }

    #[test]
    fn a_batch_waits_for_its_requests() {
        // Ten requests fill it, one a second: the nine others take 9 s, half of it on average.
        let batches = Observed {
            batch_items: 100.0,
            ..observed(10.0, 1000.0)
        };
        assert!((batches.expected().queued_seconds - 4.5).abs() < 1e-9);
    }

    #[test]
    fn without_a_limit_nothing_waits_and_too_much_load_waits_for_ever() {
        assert!(observed(8.0, 1.8e19).expected().queued_seconds < 1e-9);
        assert_eq!(observed(20.0, 1.0).expected().queued_seconds, f64::INFINITY);
    }
}
