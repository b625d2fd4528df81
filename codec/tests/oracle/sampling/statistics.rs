//! What is kept stands for what was there.

use super::{Mode, Precision, Rule, Span, Threshold, Unsampled, sample, text_of};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};
use prost::Message;
use tailrace_codec::otlp::sampling::{Randomness, TraceState};
use tailrace_codec::{Rope, Signal};

const ITEMS: u64 = 20_000;

/// Independent numbers that are the same in each run.
fn random(i: u64) -> u64 {
    let mut z = i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

const fn rule(mode: Mode) -> Rule {
    Rule {
        mode,
        unsampled: Unsampled::Keep,
        fail_closed: true,
        seed: 1,
    }
}

/// The sum of what the items stand for, and of the squares of it.
fn sums(counts: impl Iterator<Item = f64>) -> (f64, f64) {
    counts.fold((0.0, 0.0), |(sum, squares), count| {
        (sum + count, squares + count * count)
    })
}

/// What some spans, a third each of unsampled ones and of those sampled by 1/2 and 1/10, stand for.
fn counts(request: &ExportTraceServiceRequest) -> (f64, f64) {
    let spans = request.resource_spans.iter();
    let spans = spans
        .flat_map(|entry| &entry.scope_spans)
        .flat_map(|scope| &scope.spans);
    sums(spans.map(|span| {
        let state = TraceState::parse(span.trace_state.as_bytes());
        state.threshold.map_or(1.0, Threshold::adjusted_count)
    }))
}

fn spans() -> ExportTraceServiceRequest {
    let spans = (0..ITEMS).filter_map(|i| {
        let id = u128::from(random(i)) << 64 | u128::from(random(i + ITEMS));
        let trace_id = id.to_be_bytes().to_vec();
        let before = ["", "8", "e666"][i as usize % 3];
        if let Some(threshold) = Threshold::parse(before.as_bytes()) {
            let randomness = Randomness::from_trace_id(&trace_id).unwrap();
            if !threshold.keeps(randomness) {
                return None;
            }
        }
        let trace_state = match before {
            "" => String::new(),
            before => format!("ot=th:{before}"),
        };
        Some(Span {
            trace_id,
            trace_state,
            ..Span::default()
        })
    });
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            scope_spans: vec![ScopeSpans {
                spans: spans.collect(),
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    }
}

#[test]
fn adjusted_counts_add_up_to_what_was_there() {
    let request = spans();
    let rope = Rope::from(request.encode_to_vec());
    let (before, _) = counts(&request);
    let precision = Precision::default();
    for p in [0.01, 0.1, 0.4, 0.7] {
        for mode in [
            Mode::Proportional {
                ratio: p,
                precision,
            },
            Mode::Equalizing(Threshold::from_probability(p, precision)),
        ] {
            let sampled = sample(Signal::Traces, &rope, &rule(mode)).unwrap().unwrap();
            let request = ExportTraceServiceRequest::decode(sampled.body.to_bytes()).unwrap();
            let (after, squares) = counts(&request);
            // The sum of the squares is at least the variance; it is estimated by what was kept.
            let bound = 4.0 * squares.sqrt();
            assert!(
                (after - before).abs() < bound,
                "{mode:?}: {after} for {before}"
            );
            assert!(bound < before, "{mode:?}: a bound that says nothing");
        }
    }
}

/// Records without a trace id: their randomness is a hash, which a second stage finds again.
#[test]
fn records_without_an_id_are_sampled_by_their_bytes() {
    let log_records = (0..ITEMS).map(|time_unix_nano| LogRecord {
        time_unix_nano,
        ..LogRecord::default()
    });
    let request = ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            scope_logs: vec![ScopeLogs {
                log_records: log_records.collect(),
                ..ScopeLogs::default()
            }],
            ..ResourceLogs::default()
        }],
    };
    let by_half = rule(Mode::Proportional {
        ratio: 0.5,
        precision: Precision::FULL,
    });
    let mut rope = Rope::from(request.encode_to_vec());
    for stage in 1..=3 {
        let sampled = sample(Signal::Logs, &rope, &by_half).unwrap().unwrap();
        assert_eq!(sampled.dropped.inconsistent, 0);
        let expected = ITEMS as f64 / f64::from(1 << stage);
        let off = (sampled.kept as f64 - expected).abs();
        assert!(
            off < 4.0 * expected.sqrt(),
            "{} of {expected} in stage {stage}",
            sampled.kept
        );
        rope = sampled.body;
    }
    let request = ExportLogsServiceRequest::decode(rope.to_bytes()).unwrap();
    let record = &request.resource_logs[0].scope_logs[0].log_records[0];
    assert_eq!(text_of(record, "sampling.threshold").as_deref(), Some("e"));
    assert_eq!(record.attributes.len(), 2);
}

/// The generators make items of every kind, else the properties say little.
#[test]
fn generated_items_are_of_all_kinds() {
    let (mut thresholds, mut randomness, mut ids, mut states) = (0, 0, 0, 0);
    for seed in 0..20 {
        let bytes: Vec<u8> = (0..1500).map(|i| random(seed * 1500 + i) as u8).collect();
        let request = super::records(&bytes);
        let entries = request.resource_logs.iter();
        for record in entries
            .flat_map(|entry| &entry.scope_logs)
            .flat_map(|scope| &scope.log_records)
        {
            thresholds += u32::from(text_of(record, "sampling.threshold").is_some());
            randomness += u32::from(text_of(record, "sampling.randomness").is_some());
            ids += u32::from(record.trace_id.len() == 16);
        }
        let request = super::spans(&bytes);
        let entries = request.resource_spans.iter();
        for span in entries
            .flat_map(|entry| &entry.scope_spans)
            .flat_map(|scope| &scope.spans)
        {
            states += u32::from(span.trace_state.contains("th:"));
        }
    }
    assert!(thresholds > 5 && randomness > 5 && ids > 5 && states > 5);
}
