use super::*;
use crate::telemetry::{Busy, Counters, Labels, Process, ReceiverLabels};
use crate::time::Instant;
use std::collections::{BTreeMap, BTreeSet};

fn snapshot() -> Snapshot {
    let labels = Labels {
        receivers: vec![ReceiverLabels {
            receiver: "otlp".into(),
            transport: "grpc",
            signals: vec![Signal::Traces, Signal::Logs],
        }],
        lanes: vec![
            LaneLabels {
                exporter: "otlp_grpc/a\"b\\c\nd".into(),
                signal: Signal::Traces,
                batch_processor: Some("batch".into()),
                endpoints: Vec::new(),
            },
            LaneLabels {
                exporter: "debug".into(),
                signal: Signal::Metrics,
                batch_processor: None,
                endpoints: Vec::new(),
            },
        ],
        resource: vec![
            ("service.name".into(), "tailrace".into()),
            ("9lives".into(), "é".into()),
        ],
    };
    let process = Process {
        uptime_seconds: 1.5,
        cpu_seconds: 0.25,
        memory_rss_bytes: 1 << 20,
    };
    let mut snapshot = Snapshot::new(labels, process);
    for _ in 0..2 {
        let mut counters = Counters::new(1, 2);
        counters.receivers[0].accepted[Signal::Traces as usize] = 21;
        counters.receivers[0].requests_succeeded = 3;
        let lane = &mut counters.lanes[0];
        lane.admitted = 30;
        lane.delivered = 20;
        lane.reject(RejectReason::PartialSuccess, 4);
        lane.drop_items(DropReason::RetriesExhausted, 5);
        lane.batch_items.record(512);
        counters.shard.busy = Busy::new(Instant(0));
        counters
            .shard
            .busy
            .handle_turn(Instant(0), Instant(500_000_000));
        snapshot.add_shard(&counters, Instant(2_000_000_000));
    }
    snapshot
}

fn has_line(text: &str, line: &str) -> bool {
    text.lines().any(|found| found == line)
}

#[test]
fn counts_are_summed_over_shards_under_the_collectors_names() {
    let text = snapshot().exposition();
    for line in [
        "# HELP otelcol_receiver_accepted_spans Number of spans successfully pushed into the pipeline.",
        "# TYPE otelcol_receiver_accepted_spans counter",
        "otelcol_receiver_accepted_spans{receiver=\"otlp\",transport=\"grpc\"} 42",
        "otelcol_receiver_accepted_log_records{receiver=\"otlp\",transport=\"grpc\"} 0",
        "otelcol_receiver_requests{outcome=\"success\",receiver=\"otlp\",transport=\"grpc\"} 6",
        "otelcol_exporter_sent_spans{exporter=\"otlp_grpc/a\\\"b\\\\c\\nd\"} 40",
        "otelcol_exporter_sent_metric_points{exporter=\"debug\"} 0",
        "otelcol_exporter_queue_size{data_type=\"metrics\",exporter=\"debug\"} 0",
        "otelcol_exporter_rejected_metric_points{exporter=\"debug\",reason=\"refused\"} 0",
        "otelcol_exporter_unaccounted_items{data_type=\"metrics\",exporter=\"debug\"} 0",
        "otelcol_shard_busy_ratio{shard=\"1\"} 0.25",
        "otelcol_shard_busy{shard=\"0\"} 0.5",
        "otelcol_process_uptime 1.5",
        "otelcol_process_memory_rss 1048576",
        "target_info{service_name=\"tailrace\",_9lives=\"é\"} 1",
    ] {
        assert!(has_line(&text, line), "no line {line:?} in\n{text}");
    }
    assert_eq!(
        snapshot().unaccounted(),
        2,
        "30 admitted, 29 accounted for, on two shards"
    );
}

#[test]
fn what_nothing_serves_has_no_series() {
    let text = snapshot().exposition();
    assert!(!text.contains("otelcol_receiver_accepted_metric_points"));
    assert!(!text.contains("profile_samples"));
    let mut batch = text
        .lines()
        .filter(|line| line.starts_with("otelcol_processor_batch_"));
    assert!(
        batch.clone().next().is_some(),
        "the first lane has a batch processor"
    );
    assert!(
        batch.all(|line| !line.contains("exporter=\"debug\"")),
        "the second has none"
    );
}

#[test]
fn histograms_are_cumulative_and_complete() {
    let text = snapshot().exposition();
    let labels = "data_type=\"traces\",exporter=\"otlp_grpc/a\\\"b\\\\c\\nd\"";
    let name = "otelcol_exporter_queue_batch_send_size";
    for line in [
        format!("{name}_bucket{{{labels},le=\"500\"}} 0"),
        format!("{name}_bucket{{{labels},le=\"750\"}} 2"),
        format!("{name}_bucket{{{labels},le=\"+Inf\"}} 2"),
        format!("{name}_sum{{{labels}}} 1024"),
        format!("{name}_count{{{labels}}} 2"),
    ] {
        assert!(has_line(&text, &line), "no line {line:?} in\n{text}");
    }
}

/// A reader written from the format's description: every family once, its series together, its
/// HELP and TYPE in front, names and escapes legal, values numbers.
#[test]
fn the_page_is_well_formed() {
    let text = snapshot().exposition();
    assert!(text.ends_with('\n'));
    let mut types = BTreeMap::new();
    let mut series = BTreeSet::new();
    let mut current = String::new();
    let mut helped = String::new();
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            helped = help.split(' ').next().unwrap().to_owned();
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert_eq!(name, helped, "HELP comes before TYPE");
            assert!(
                types.insert(name.to_owned(), kind.to_owned()).is_none(),
                "{name} twice"
            );
            current = name.to_owned();
        } else {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(value.parse::<f64>().is_ok(), "{line}");
            assert!(series.insert(name.to_owned()), "{name} twice");
            let base = name.split('{').next().unwrap();
            let base = if types[&current] == "histogram" {
                let suffix = ["_bucket", "_sum", "_count"]
                    .into_iter()
                    .find(|s| base.ends_with(s));
                base.strip_suffix(suffix.unwrap()).unwrap()
            } else {
                base
            };
            assert_eq!(base, current, "series stand below their own TYPE");
        }
    }
    assert!(types.len() > 20 && series.len() > 60);
}
