//! OTLP/JSON both ways, beside serde_json with `opentelemetry-proto` and prost.
//!
//! Throughput is of JSON bytes in both directions: `cargo bench -p tailrace-codec --bench json`.

#[path = "input/spans.rs"]
mod spans;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use std::hint::black_box;
use tailrace_codec::otlp::json;
use tailrace_codec::{Rope, Signal};

fn json(c: &mut Criterion) {
    let protobuf = spans::encoded();
    let request = spans::sliced(&protobuf);
    let signal = Signal::Traces;
    let text = json::encode(signal, &request, usize::MAX, Vec::new()).expect("prost wrote it");
    let sliced = spans::sliced(&text);
    let whole = Rope::from(text.clone());
    let mut group = c.benchmark_group("json_512_spans");
    group.throughput(Throughput::Bytes(text.len() as u64));

    let mut buffer = Vec::new();
    group.bench_function("decode", |b| {
        b.iter(|| {
            buffer.clear();
            let buffer_taken = std::mem::take(&mut buffer);
            let decoded = json::decode(signal, black_box(&sliced), usize::MAX, buffer_taken);
            buffer = decoded.expect("it was just written");
        });
    });
    group.bench_function("decode_one_slice", |b| {
        b.iter(|| {
            buffer.clear();
            let buffer_taken = std::mem::take(&mut buffer);
            let decoded = json::decode(signal, black_box(&whole), usize::MAX, buffer_taken);
            buffer = decoded.expect("it was just written");
        });
    });
    group.bench_function("decode_serde_and_prost", |b| {
        b.iter(|| {
            let request: ExportTraceServiceRequest =
                serde_json::from_slice(black_box(&text)).expect("it was just written");
            request.encode_to_vec()
        });
    });
    group.bench_function("encode", |b| {
        b.iter(|| {
            buffer.clear();
            let buffer_taken = std::mem::take(&mut buffer);
            let encoded = json::encode(signal, black_box(&request), usize::MAX, buffer_taken);
            buffer = encoded.expect("prost wrote it");
        });
    });
    group.bench_function("encode_prost_and_serde", |b| {
        b.iter(|| {
            let request = ExportTraceServiceRequest::decode(black_box(&protobuf[..]));
            serde_json::to_vec(&request.expect("prost wrote it"))
        });
    });
    group.finish();
}

criterion_group!(benches, json);
criterion_main!(benches);
