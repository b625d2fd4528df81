//! What is done with an export request without decoding it, beside decoding it with prost.

mod by_prost;

use crate::bench::{Bench, Input};
use crate::input::{Request, SPANS};
use std::hint::black_box;
use tailrace_codec::otlp::edit::{Action, Edit, Edits, Target, Value};
use tailrace_codec::otlp::{self, SplitLimit};
use tailrace_codec::{Rope, Signal};

const KEY: &str = "deployment.environment";
const VALUE: &str = "production";

const TRACES: Signal = Signal::Traces;

/// What counting an item may cost, in nanoseconds.
const SCAN_NS_MAX: f64 = 8.0;

/// How many requests become one.
const MERGED: usize = 16;

pub fn stages(bench: &mut Bench) {
    let request = Request::of(TRACES, SPANS);
    scans(bench, &request);
    cuts(bench, &request);
    edits(bench, &request);
    merges(bench, &request);
    other_signals(bench);
}

fn scan(signal: Signal, rope: &Rope) -> u64 {
    otlp::scan(signal, black_box(rope))
        .expect("a request")
        .items
}

fn scan_deep(signal: Signal, rope: &Rope) -> u64 {
    let scan = otlp::scan_deep(signal, black_box(rope));
    scan.expect("a request").items
}

fn scans(bench: &mut Bench, request: &Request) {
    let Request { whole, sliced, .. } = request;
    bench
        .stages(request.input("512_spans"), request.given())
        .stage("scan_16_KiB_slices", || scan(TRACES, sliced))
        .within(SCAN_NS_MAX)
        .other("prost_scan", || by_prost::count(&request.bytes))
        .stage("scan_one_slice", || scan(TRACES, whole))
        .within(SCAN_NS_MAX)
        .stage("scan_deep_16_KiB_slices", || scan_deep(TRACES, sliced))
        .other("prost_scan_deep", || by_prost::count(&request.bytes))
        .stage("scan_deep_one_slice", || scan_deep(TRACES, whole));
}

fn cuts(bench: &mut Bench, request: &Request) {
    let Request { sliced, bytes, .. } = request;
    let items = |items| SplitLimit {
        items: Some(items),
        bytes: None,
    };
    let kilobytes = SplitLimit {
        items: None,
        bytes: Some(64 << 10),
    };
    let split = |limit| otlp::split(TRACES, black_box(sliced), limit).expect("a request");
    bench
        .stages(request.input("512_spans"), request.given())
        .stage("split_100_items", || split(items(100)))
        .other("prost_split_100_items", || by_prost::split(bytes, 100))
        .stage("split_64_KiB", || split(kilobytes))
        .stage("cut_in_half", || {
            let cut = otlp::cut(TRACES, black_box(sliced), SPANS as u64, items(256));
            let (head, tail) = cut.expect("a request").expect("larger than half of it");
            vec![head, tail]
        })
        .stage("partition_by_service", || {
            partition(sliced, |item| {
                let service = item.resource_attribute("service.name");
                let length = service.ok().flatten().map(|value| value.remaining());
                length.unwrap_or_default() as u8
            })
        })
        // Two keys in turn: the worst case, in which no two neighbours stay together.
        .stage("partition_by_neighbour", || {
            let mut odd = 0;
            partition(sliced, |_| {
                odd ^= 1;
                odd
            })
        })
        .other("prost_partition_by_neighbour", || {
            by_prost::partition_by_neighbour(bytes)
        });
}

fn partition(rope: &Rope, key: impl FnMut(&otlp::ItemView<'_>) -> u8) -> Vec<otlp::Piece> {
    let pieces = otlp::partition(TRACES, black_box(rope), key).expect("a request");
    pieces.into_iter().map(|(_, piece)| piece).collect()
}

fn edits(bench: &mut Bench, request: &Request) {
    let edits = |target| {
        let edit = Edit {
            target,
            key: KEY.to_owned(),
            action: Action::Upsert(Value::String(VALUE.to_owned())),
        };
        Edits::new(TRACES, &[edit]).expect("traces have items")
    };
    let (resource, item) = (edits(Target::Resource), edits(Target::Item));
    let Request { sliced, bytes, .. } = request;
    let apply = |edits: &Edits| edits.apply(black_box(sliced)).expect("a request");
    bench
        .stages(request.input("512_spans"), request.given())
        .stage("edit_resource", || apply(&resource))
        .other("prost_edit_resource", || by_prost::edit_resource(bytes))
        .stage("edit_each_item", || apply(&item))
        .other("prost_edit_each_item", || by_prost::edit_items(bytes));
}

fn merges(bench: &mut Bench, request: &Request) {
    let one = request.input("merge_16_requests_of_512_spans");
    let input = Input {
        bytes: MERGED * one.bytes,
        items: MERGED * one.items,
        requests: MERGED,
        ..one
    };
    let make = || vec![request.sliced.clone(); MERGED];
    bench
        .stages(input, request.given())
        .stage_of("merge", make, |requests| {
            let mut merged = Rope::new();
            for request in requests {
                otlp::merge(TRACES, &mut merged, request).expect("traces merge");
            }
            merged
        })
        .other("copy", || {
            vec![black_box(&request.bytes[..]); MERGED].concat()
        })
        .other("prost_merge", || by_prost::merge(&request.bytes, MERGED));
}

fn other_signals(bench: &mut Bench) {
    for (signal, name) in [
        (Signal::Metrics, "512_data_points"),
        (Signal::Logs, "512_log_records"),
    ] {
        let request = Request::of(signal, SPANS);
        bench
            .stages(request.input(name), request.given())
            .stage("scan", || scan(signal, &request.sliced))
            .stage("scan_deep", || scan_deep(signal, &request.sliced));
    }
}
