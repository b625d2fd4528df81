//! What lanes did of late as queues.

use super::super::text::{Kind, Page};
use super::super::{QueueFlow, Snapshot};
use super::lane_labels;
use std::fmt;

/// Name behind `otelcol_exporter_`, what it is, and its value.
type Gauge = (&'static str, &'static str, fn(&QueueFlow) -> f64);

const GAUGES: [Gauge; 16] = [
    (
        "arrival_rate",
        "Items that came, a second of late (lambda).",
        |q| q.items_per_second,
    ),
    (
        "arrival_requests_rate",
        "Requests that came, a second of late.",
        |q| q.requests_per_second,
    ),
    (
        "arrival_bytes_rate",
        "Bytes that came, a second of late.",
        |q| q.bytes_per_second,
    ),
    (
        "arrival_scv",
        "Squared coefficient of variation of the times between requests.",
        QueueFlow::arrival_scv,
    ),
    (
        "departure_rate",
        "Items that left, a second of late, delivered or not.",
        |q| q.items_out_per_second,
    ),
    (
        "service_time",
        "Seconds a batch holds its consumer, retries included (1 / mu).",
        QueueFlow::service_seconds,
    ),
    (
        "service_scv",
        "Squared coefficient of variation of these times.",
        QueueFlow::service_scv,
    ),
    (
        "consumers",
        "Batches that may be on their way at once.",
        |q| q.servers,
    ),
    (
        "batch_items",
        "Items of a batch, on average.",
        QueueFlow::batch_items,
    ),
    (
        "utilisation",
        "Share of the consumers that were at work (rho).",
        QueueFlow::utilisation,
    ),
    (
        "items_inside",
        "Items from admission to their end, on average (L).",
        |q| q.items_inside,
    ),
    (
        "time_inside",
        "Seconds from an item's admission to its end (W).",
        QueueFlow::seconds_inside,
    ),
    (
        "time_queued",
        "Seconds from an item's admission to its first try (W_q).",
        QueueFlow::seconds_waiting,
    ),
    (
        "little_deviation",
        "How far L and lambda W lie apart, of the larger.",
        QueueFlow::little_deviation,
    ),
    (
        "time_to_full",
        "Seconds until the queue has no room, if it goes on like this.",
        QueueFlow::seconds_to_full,
    ),
    (
        "time_to_drain",
        "Seconds until nothing is inside, with all consumers at work and senders as of late.",
        QueueFlow::seconds_to_drain,
    ),
];

impl Snapshot {
    pub(super) fn queues(&self, page: &mut Page) {
        for (what, help, value) in GAUGES {
            let name = format!("otelcol_exporter_{what}");
            let mut family = page.family(&name, help, Kind::Gauge);
            for (labels, counters) in self.labelled_lanes() {
                family.sample(&lane_labels(labels), Float(value(&counters.queue)));
            }
        }
    }
}

/// A value as the format writes it.
struct Float(f64);

impl fmt::Display for Float {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == f64::INFINITY {
            f.write_str("+Inf")
        } else {
            write!(f, "{}", self.0)
        }
    }
}
