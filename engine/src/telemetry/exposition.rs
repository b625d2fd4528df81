//! A snapshot as Prometheus reads it: text format 0.0.4.
//!
//! Names are the Collector's with its defaults (`without_type_suffix`, `without_units`,
//! `without_scope_info`): no `_total`, no `_seconds`, no `otel_scope_*` labels.
//!
//! Source: <https://prometheus.io/docs/instrumenting/exposition_formats/>

mod endpoints;
mod priorities;
mod queue;
mod tenants;

use super::lane::{Circuit, DropReason, Hold, LaneCounters, OpenedBy, RejectReason};
use super::snapshot::LaneLabels;
use super::text::{Family, Kind, Page, label_name};
use super::{ReceiverCounters, SIGNALS, Snapshot};
use crate::units::{DegradationStep, ItemCount};
use tailrace_codec::Signal;

/// The media type of [`Snapshot::exposition`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

impl Snapshot {
    /// The whole snapshot as text. Cost: some hundred bytes a series; asked for once a scrape.
    pub fn exposition(&self) -> String {
        let mut page = Page::default();
        self.receivers(&mut page);
        self.lanes(&mut page);
        self.batch_processors(&mut page);
        self.shards(&mut page);
        self.process(&mut page);
        page.into_text()
    }

    fn receivers(&self, page: &mut Page) {
        type Field = fn(&ReceiverCounters) -> &[ItemCount; SIGNALS];
        let families: [(&str, &str, Field); 3] = [
            (
                "accepted",
                "Number of {} successfully pushed into the pipeline.",
                |r| &r.accepted,
            ),
            (
                "refused",
                "Number of {} that could not be pushed into the pipeline.",
                |r| &r.refused,
            ),
            (
                "failed",
                "The number of {} that failed to be processed by the receiver due to internal \
                 errors.",
                |r| &r.failed,
            ),
        ];
        for (what, help, field) in families {
            for signal in Signal::ALL {
                let (unit, words) = unit(signal);
                let name = format!("otelcol_receiver_{what}_{unit}");
                let mut family = page.family(&name, &help.replace("{}", words), Kind::Counter);
                for (labels, counters) in self.labels.receivers.iter().zip(&self.total.receivers) {
                    if labels.signals.contains(&signal) {
                        let labels: &[(&str, &str)] = &[
                            ("receiver", &labels.receiver),
                            ("transport", labels.transport),
                        ];
                        family.sample(labels, field(counters)[signal as usize]);
                    }
                }
            }
        }
        let mut family = page.family(
            "otelcol_receiver_requests",
            "The number of requests performed.",
            Kind::Counter,
        );
        for (labels, counters) in self.labels.receivers.iter().zip(&self.total.receivers) {
            for (outcome, count) in [
                ("success", counters.requests_succeeded),
                ("refused", counters.requests_refused),
                ("failure", counters.requests_failed),
            ] {
                let labels: &[(&str, &str)] = &[
                    ("outcome", outcome),
                    ("receiver", &labels.receiver),
                    ("transport", labels.transport),
                ];
                family.sample(labels, count);
            }
        }
        type Refused = (&'static str, &'static str, fn(&ReceiverCounters) -> u64);
        let families: [Refused; 2] = [
            (
                "otelcol_receiver_memory_refused_requests",
                "The number of requests refused because the memory limit left no room for them.",
                |receiver| receiver.requests_without_memory,
            ),
            (
                "otelcol_receiver_share_refused_requests",
                "The number of requests refused because their connection held more than its share of memory that had become scarce.",
                |receiver| receiver.requests_over_share,
            ),
        ];
        for (name, help, value) in families {
            let mut family = page.family(name, help, Kind::Counter);
            for (labels, counters) in self.labels.receivers.iter().zip(&self.total.receivers) {
                let labels: &[(&str, &str)] = &[
                    ("receiver", &labels.receiver),
                    ("transport", labels.transport),
                ];
                family.sample(labels, value(counters));
            }
        }
    }

    fn lanes(&self, page: &mut Page) {
        self.lane_items(page);
        type Gauge = (&'static str, &'static str, fn(&LaneCounters) -> u64);
        let gauges: [Gauge; 3] = [
            (
                "queue_size",
                "Current size of the sending queue, in the unit of its sizer.",
                |l| l.queue_size,
            ),
            (
                "queue_capacity",
                "Fixed capacity of the sending queue, in the unit of its sizer.",
                |l| l.queue_capacity,
            ),
            (
                "in_flight_requests",
                "Number of export requests awaiting their answer.",
                |l| l.requests_in_flight,
            ),
        ];
        for (what, help, value) in gauges {
            let mut family = page.family(&format!("otelcol_exporter_{what}"), help, Kind::Gauge);
            for (labels, counters) in self.labelled_lanes() {
                family.sample(&lane_labels(labels), value(counters));
            }
        }
        self.queues(page);
        self.sizings(page);
        self.gates(page);
        let help =
            "Admitted items that are neither held, delivered, rejected nor dropped. Must be 0.";
        let mut family = page.family("otelcol_exporter_unaccounted_items", help, Kind::Gauge);
        for (labels, counters) in self.labelled_lanes() {
            family.sample(&lane_labels(labels), counters.unaccounted());
        }
        let mut family = page.family(
            "otelcol_exporter_queue_batch_send_size",
            "Number of units in the batch",
            Kind::Histogram,
        );
        for (labels, counters) in self.labelled_lanes() {
            family.histogram(&lane_labels(labels), &counters.batch_items);
        }
        let mut family = page.family(
            "otelcol_exporter_queue_batch_send_size_bytes",
            "Number of bytes in batch that was sent.",
            Kind::Histogram,
        );
        for (labels, counters) in self.labelled_lanes() {
            family.histogram(&lane_labels(labels), &counters.batch_bytes);
        }
    }

    /// What keeps lanes from sending, for their destinations' sake.
    fn gates(&self, page: &mut Page) {
        let help = "Number of shards in which the exporter sends nothing for now, by reason.";
        let mut family = page.family("otelcol_exporter_held_back", help, Kind::Gauge);
        for (labels, counters) in self.labelled_lanes() {
            let [signal, exporter] = lane_labels(labels);
            for hold in Hold::ALL {
                let labels = &[signal, exporter, ("reason", hold.name())];
                family.sample(labels, counters.held_back[hold as usize]);
            }
        }
        let help = "Number of requests the destination is given at once.";
        let mut family = page.family("otelcol_exporter_concurrency_limit", help, Kind::Gauge);
        for (labels, counters) in self.labelled_lanes() {
            if let Some(limit) = counters.concurrency_limit {
                family.sample(&lane_labels(labels), limit);
            }
        }
        let help = "Number of pauses the destination asked for.";
        let mut family = page.family("otelcol_exporter_throttled", help, Kind::Counter);
        for (labels, counters) in self.labelled_lanes() {
            family.sample(&lane_labels(labels), counters.throttled);
        }
        self.circuits(page);
        self.steps(page);
        self.endpoints(page);
        self.priorities(page);
        self.tenants(page);
    }

    /// Only of exporters that degrade by steps.
    fn steps(&self, page: &mut Page) {
        let help = "Number of shards whose queue is on this step of degradation.";
        let mut family = page.family("otelcol_exporter_degradation", help, Kind::Gauge);
        for (labels, counters) in self.labelled_lanes() {
            if counters.steps.iter().all(|shards| *shards == 0) {
                continue;
            }
            let [signal, exporter] = lane_labels(labels);
            for step in DegradationStep::ALL {
                let labels = &[signal, exporter, ("step", step.name())];
                family.sample(labels, counters.steps[step as usize]);
            }
        }
    }

    /// Only of exporters that have a breaker.
    fn circuits(&self, page: &mut Page) {
        let lanes = || {
            let lanes = self.labelled_lanes();
            lanes.filter(|(_, counters)| counters.circuit.iter().any(|shards| *shards > 0))
        };
        let help = "Number of shards whose circuit to the destination is in this state.";
        let mut family = page.family("otelcol_exporter_circuit", help, Kind::Gauge);
        for (labels, counters) in lanes() {
            let [signal, exporter] = lane_labels(labels);
            for state in Circuit::ALL {
                let labels = &[signal, exporter, ("state", state.name())];
                family.sample(labels, counters.circuit[state as usize]);
            }
        }
        let help = "Number of times the circuit to the destination was opened, by cause.";
        let mut family = page.family("otelcol_exporter_circuit_opened", help, Kind::Counter);
        for (labels, counters) in lanes() {
            let [signal, exporter] = lane_labels(labels);
            for cause in OpenedBy::ALL {
                let labels = &[signal, exporter, ("cause", cause.name())];
                family.sample(labels, counters.circuit_opened[cause as usize]);
            }
        }
    }

    /// The families whose name ends in what a signal's items are called.
    fn lane_items(&self, page: &mut Page) {
        type Items = (&'static str, &'static str, fn(&LaneCounters) -> ItemCount);
        let families: [Items; 3] = [
            (
                "sent",
                "Number of {} successfully sent to destination.",
                |l| l.delivered,
            ),
            (
                "send_failed",
                "Number of {} in failed attempts to send to destination.",
                |l| l.send_failed,
            ),
            (
                "enqueue_failed",
                "Number of {} failed to be added to the sending queue.",
                |l| l.enqueue_failed,
            ),
        ];
        for (what, help, items) in families {
            self.family_by_signal(page, what, help, |family, labels, counters| {
                family.sample(&[("exporter", &labels.exporter)], items(counters));
            });
        }
        let help = "Number of {} the destination did not take for good.";
        self.family_by_signal(page, "rejected", help, |family, labels, counters| {
            for reason in RejectReason::ALL {
                let labels: &[(&str, &str)] =
                    &[("exporter", &labels.exporter), ("reason", reason.name())];
                family.sample(labels, counters.rejected[reason as usize]);
            }
        });
        let help = "Number of {} given up without an answer of the destination on them.";
        self.family_by_signal(page, "dropped", help, |family, labels, counters| {
            for reason in DropReason::ALL {
                let labels: &[(&str, &str)] =
                    &[("exporter", &labels.exporter), ("reason", reason.name())];
                family.sample(labels, counters.dropped[reason as usize]);
            }
        });
    }

    fn family_by_signal(
        &self,
        page: &mut Page,
        what: &str,
        help: &str,
        mut sample: impl FnMut(&mut Family<'_>, &LaneLabels, &LaneCounters),
    ) {
        for signal in Signal::ALL {
            let (unit, words) = unit(signal);
            let name = format!("otelcol_exporter_{what}_{unit}");
            let mut family = page.family(&name, &help.replace("{}", words), Kind::Counter);
            for (labels, counters) in self.labelled_lanes().filter(|(l, _)| l.signal == signal) {
                sample(&mut family, labels, counters);
            }
        }
    }

    /// The `batch` processor's own names, for lanes it was compiled into. One series a lane, so
    /// behind a fan-out its batches are counted once for each exporter.
    fn batch_processors(&self, page: &mut Page) {
        fn labels<'a>(lane: &'a LaneLabels, processor: &'a str) -> [(&'static str, &'a str); 3] {
            [
                ("data_type", lane.signal.name()),
                ("exporter", &lane.exporter),
                ("processor", processor),
            ]
        }
        let lanes = || {
            self.labelled_lanes().filter_map(|(lane, counters)| {
                Some((labels(lane, lane.batch_processor.as_deref()?), counters))
            })
        };
        type Sum = (&'static str, &'static str, Kind, fn(&LaneCounters) -> u64);
        let sums: [Sum; 3] = [
            (
                "batch_size_trigger_send",
                "Number of times the batch was sent due to a size trigger",
                Kind::Counter,
                |l| l.batches_by_size,
            ),
            (
                "timeout_trigger_send",
                "Number of times the batch was sent due to a timeout trigger",
                Kind::Counter,
                |l| l.batches_by_timeout,
            ),
            (
                "metadata_cardinality",
                "Number of distinct metadata value combinations being processed",
                Kind::Gauge,
                |l| l.metadata_cardinality,
            ),
        ];
        for (what, help, kind, value) in sums {
            let mut family = page.family(&format!("otelcol_processor_batch_{what}"), help, kind);
            for (labels, counters) in lanes() {
                family.sample(&labels, value(counters));
            }
        }
        let name = "otelcol_processor_batch_batch_send_size";
        let mut family = page.family(name, "Number of units in the batch", Kind::Histogram);
        for (labels, counters) in lanes() {
            family.histogram(&labels, &counters.batch_items);
        }
        let name = "otelcol_processor_batch_batch_send_size_bytes";
        let help = "Number of bytes in batch that was sent.";
        let mut family = page.family(name, help, Kind::Histogram);
        for (labels, counters) in lanes() {
            family.histogram(&labels, &counters.processor_batch_bytes);
        }
    }

    fn shards(&self, page: &mut Page) {
        type Gauge = (&'static str, &'static str, fn(&super::ShardCounters) -> u64);
        let gauges: [Gauge; 4] = [
            (
                "buffered_bytes",
                "Bytes held by admitted payloads and bodies being read.",
                |s| s.buffered_bytes,
            ),
            ("buffered_bytes_max", "Bytes the shard may hold.", |s| {
                s.buffered_bytes_max
            }),
            ("connections_in", "Open incoming connections.", |s| {
                s.connections_in
            }),
            ("connections_out", "Open outgoing connections.", |s| {
                s.connections_out
            }),
        ];
        for (what, help, value) in gauges {
            let mut family = page.family(&format!("otelcol_shard_{what}"), help, Kind::Gauge);
            for (index, (shard, _)) in self.shards.iter().enumerate() {
                family.sample(&[("shard", &index.to_string())], value(shard));
            }
        }
        let help =
            "Share of the last second in which the shard worked or waited for its processor.";
        let mut family = page.family("otelcol_shard_busy_ratio", help, Kind::Gauge);
        for (index, (_, ratio)) in self.shards.iter().enumerate() {
            family.sample(&[("shard", &index.to_string())], ratio);
        }
        let help = "Time the shard has worked or waited for its processor, in seconds.";
        let mut family = page.family("otelcol_shard_busy", help, Kind::Counter);
        for (index, (shard, _)) in self.shards.iter().enumerate() {
            let seconds = shard.busy.total().as_secs_f64();
            family.sample(&[("shard", &index.to_string())], seconds);
        }
        let help = "Batches that the shard gave to another one to send.";
        let mut family = page.family("otelcol_shard_batches_given", help, Kind::Counter);
        for (index, (shard, _)) in self.shards.iter().enumerate() {
            family.sample(&[("shard", &index.to_string())], shard.batches_given);
        }
    }

    fn process(&self, page: &mut Page) {
        page.family(
            "otelcol_process_cpu_seconds",
            "Total CPU user and system time in seconds",
            Kind::Counter,
        )
        .sample(&[], self.process.cpu_seconds);
        page.family(
            "otelcol_process_memory_rss",
            "Total physical memory (resident set size)",
            Kind::Gauge,
        )
        .sample(&[], self.process.memory_rss_bytes);
        page.family(
            "otelcol_process_uptime",
            "Uptime of the process",
            Kind::Counter,
        )
        .sample(&[], self.process.uptime_seconds);
        let resource: Vec<(String, &str)> = self
            .labels
            .resource
            .iter()
            .map(|(name, value)| (label_name(name), value.as_str()))
            .collect();
        let resource: Vec<(&str, &str)> = resource
            .iter()
            .map(|(name, value)| (name.as_str(), *value))
            .collect();
        page.family("target_info", "Target metadata", Kind::Gauge)
            .sample(&resource, 1);
    }

    fn labelled_lanes(&self) -> impl Iterator<Item = (&LaneLabels, &LaneCounters)> {
        self.labels.lanes.iter().zip(&self.total.lanes)
    }
}

/// What a signal's items are called in metric names and in prose.
const fn unit(signal: Signal) -> (&'static str, &'static str) {
    match signal {
        Signal::Traces => ("spans", "spans"),
        Signal::Metrics => ("metric_points", "metric points"),
        Signal::Logs => ("log_records", "log records"),
        Signal::Profiles => ("profile_samples", "profile samples"),
    }
}

fn lane_labels(lane: &LaneLabels) -> [(&'static str, &str); 2] {
    [
        ("data_type", lane.signal.name()),
        ("exporter", &lane.exporter),
    ]
}

#[cfg(test)]
mod tests;
