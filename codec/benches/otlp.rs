//! What is done with an export request without decoding it, beside decoding it with prost.
//!
//! One request: 512 spans of about 360 bytes in one scope, in slices of 16 KiB, as frames of that
//! size leave it. Run with `cargo bench -p tailrace-codec --bench otlp`; throughput is of request
//! bytes, and the time of an item is that of a request divided by 512.

#[path = "input/spans.rs"]
mod spans;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use std::hint::black_box;
use tailrace_codec::Signal;
use tailrace_codec::otlp::edit::{Action, Edit, Edits, Target, Value};
use tailrace_codec::otlp::{self, SplitLimit};

fn edits(target: Target) -> Edits {
    let edit = Edit {
        target,
        key: "deployment.environment".to_owned(),
        action: Action::Upsert(Value::String("production".to_owned())),
    };
    Edits::new(Signal::Traces, &[edit]).expect("traces have items")
}

fn otlp(c: &mut Criterion) {
    let bytes = spans::encoded();
    let rope = spans::sliced(&bytes);
    let signal = Signal::Traces;
    let mut group = c.benchmark_group("traces_512x360B");
    group.throughput(Throughput::Bytes(bytes.len() as u64));

    group.bench_function("scan", |b| b.iter(|| otlp::scan(signal, black_box(&rope))));
    group.bench_function("scan_deep", |b| {
        b.iter(|| otlp::scan_deep(signal, black_box(&rope)));
    });
    let items = |items| SplitLimit {
        items: Some(items),
        bytes: None,
    };
    let bytes_limit = SplitLimit {
        items: None,
        bytes: Some(64 << 10),
    };
    group.bench_function("split_100_items", |b| {
        b.iter(|| otlp::split(signal, black_box(&rope), items(100)));
    });
    group.bench_function("split_64_KiB", |b| {
        b.iter(|| otlp::split(signal, black_box(&rope), bytes_limit));
    });
    group.bench_function("cut_in_half", |b| {
        b.iter(|| otlp::cut(signal, black_box(&rope), 512, items(256)));
    });
    group.bench_function("partition_by_service", |b| {
        b.iter(|| {
            otlp::partition(signal, black_box(&rope), |item| {
                let service = item.resource_attribute("service.name");
                service.ok().flatten().map(|value| value.remaining())
            })
        });
    });
    // Two keys in turn: the worst case, in which no two neighbours stay together.
    group.bench_function("partition_by_trace_parity", |b| {
        b.iter(|| {
            otlp::partition(signal, black_box(&rope), |item| {
                { item.item() }
                    .read_array::<3>()
                    .map_or(0, |head| head[2] & 1)
            })
        });
    });
    let (resource, item) = (edits(Target::Resource), edits(Target::Item));
    group.bench_function("edit_resource", |b| {
        b.iter(|| resource.apply(black_box(&rope)));
    });
    group.bench_function("edit_item", |b| {
        b.iter(|| item.apply(black_box(&rope)));
    });

    let contiguous = Bytes::from(bytes);
    group.bench_function("prost_decode", |b| {
        b.iter(|| ExportTraceServiceRequest::decode(black_box(contiguous.clone())));
    });
    group.finish();
}

criterion_group!(benches, otlp);
criterion_main!(benches);
