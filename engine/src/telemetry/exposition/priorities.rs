//! What an exporter does with each class of items.

use super::lane_labels;
use crate::telemetry::text::{Kind, Page};
use crate::telemetry::{PriorityCounters, Snapshot};
use crate::units::Priority;

type Family = (&'static str, &'static str, fn(&PriorityCounters) -> f64);

const FAMILIES: [Family; 5] = [
    (
        "items",
        "Number of items of the priority taken in.",
        |class| class.admitted as f64,
    ),
    (
        "delivered_items",
        "Number of items of the priority delivered.",
        |class| class.delivered as f64,
    ),
    (
        "lost_items",
        "Number of items of the priority rejected by the destination, or dropped.",
        |class| class.lost as f64,
    ),
    (
        "sent_requests",
        "Number of requests of the priority, or pieces of them, sent for the first time.",
        |class| class.started as f64,
    ),
    (
        "wait_seconds",
        "How long all of these had waited (in seconds).",
        |class| class.waited_nanos as f64 / 1e9,
    ),
];

impl Snapshot {
    /// Only of exporters that sort.
    pub(super) fn priorities(&self, page: &mut Page) {
        for (name, help, value) in FAMILIES {
            let name = format!("otelcol_exporter_priority_{name}");
            let mut family = page.family(&name, help, Kind::Counter);
            for (labels, counters) in self.labelled_lanes().filter(|(_, lane)| lane.sorts) {
                let [signal, exporter] = lane_labels(labels);
                for (priority, class) in Priority::ALL.into_iter().zip(&counters.priorities) {
                    let labels = &[signal, exporter, ("priority", priority.name())];
                    family.sample(labels, value(class));
                }
            }
        }
    }
}
