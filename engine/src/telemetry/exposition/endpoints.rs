//! What one of several endpoints of an exporter does.

use super::lane_labels;
use crate::telemetry::text::{Kind, Page};
use crate::telemetry::{EndpointCounters, Snapshot};

type Family = (
    &'static str,
    &'static str,
    Kind,
    fn(&EndpointCounters) -> u64,
);

const FAMILIES: [Family; 6] = [
    (
        "requests",
        "Number of requests the endpoint was chosen for.",
        Kind::Counter,
        |endpoint| endpoint.requests,
    ),
    (
        "failed_requests",
        "Number of requests the endpoint did not answer, or with a failure that may pass.",
        Kind::Counter,
        |endpoint| endpoint.failed,
    ),
    (
        "ejections",
        "Number of times the endpoint was left alone, probes that failed included.",
        Kind::Counter,
        |endpoint| endpoint.ejections,
    ),
    (
        "requests_in_flight",
        "Number of requests on their way to the endpoint.",
        Kind::Gauge,
        |endpoint| endpoint.in_flight,
    ),
    (
        "ejected",
        "Number of shards that leave the endpoint alone.",
        Kind::Gauge,
        |endpoint| endpoint.ejected,
    ),
    (
        "level_in_use",
        "Number of shards that use the endpoint's priority level.",
        Kind::Gauge,
        |endpoint| endpoint.in_use,
    ),
];

impl Snapshot {
    /// Only of exporters with several endpoints: at most 64 series of each for a lane.
    pub(super) fn endpoints(&self, page: &mut Page) {
        for (name, help, kind, value) in FAMILIES {
            let name = format!("otelcol_exporter_endpoint_{name}");
            let mut family = page.family(&name, help, kind);
            for (labels, counters) in self.labelled_lanes() {
                let [signal, exporter] = lane_labels(labels);
                for ((name, level), endpoint) in labels.endpoints.iter().zip(&counters.endpoints) {
                    let level = level.to_string();
                    let labels = &[signal, exporter, ("endpoint", name), ("level", &level)];
                    family.sample(labels, value(endpoint));
                }
            }
        }
    }
}
