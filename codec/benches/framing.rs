//! Varints, fields and the merge, which all else is made of, beside prost's varints.
//!
//! `cargo bench -p tailrace-codec --bench framing`

#[path = "input/spans.rs"]
mod spans;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use prost::encoding::{decode_varint, encode_varint};
use std::hint::black_box;
use tailrace_codec::field::{Fields, Malformed};
use tailrace_codec::otlp;
use tailrace_codec::rope::Cursor;
use tailrace_codec::{Rope, Signal, varint};

const VALUES: u64 = 1024;

/// Of each length as often as of any other: one to ten bytes.
fn values() -> Vec<u64> {
    (0..VALUES).map(|n| u64::MAX >> (n * 7 % 64)).collect()
}

fn varints(c: &mut Criterion) {
    let values = values();
    let mut encoded = Vec::new();
    values
        .iter()
        .for_each(|value| varint::write(*value, &mut encoded));
    let rope = Rope::from(encoded.clone());
    let mut group = c.benchmark_group("varint");
    group.throughput(Throughput::Bytes(encoded.len() as u64));
    group.bench_function("read", |b| {
        b.iter(|| {
            let mut cursor = black_box(&rope).cursor();
            let mut sum = 0_u64;
            while let Ok(value) = varint::read(&mut cursor) {
                sum = sum.wrapping_add(value);
            }
            sum
        });
    });
    group.bench_function("read_prost", |b| {
        b.iter(|| {
            let mut bytes = black_box(&encoded[..]);
            let mut sum = 0_u64;
            while let Ok(value) = decode_varint(&mut bytes) {
                sum = sum.wrapping_add(value);
            }
            sum
        });
    });
    let mut out = Vec::with_capacity(encoded.len());
    group.bench_function("write", |b| {
        b.iter(|| {
            out.clear();
            black_box(&values)
                .iter()
                .for_each(|value| varint::write(*value, &mut out));
        });
    });
    group.bench_function("write_prost", |b| {
        b.iter(|| {
            out.clear();
            black_box(&values)
                .iter()
                .for_each(|value| encode_varint(*value, &mut out));
        });
    });
    group.finish();
}

/// Every field of every message, down to `depth` levels.
fn count(message: Cursor<'_>, depth: usize) -> Result<u64, Malformed> {
    let mut fields = 0;
    for field in Fields::new(message) {
        let field = field?;
        fields += 1;
        if depth > 0
            && let Ok(content) = field.content()
        {
            // A string is taken for a message here, and is seldom one.
            fields += count(content, depth - 1).unwrap_or(0);
        }
    }
    Ok(fields)
}

fn fields(c: &mut Criterion) {
    let bytes = spans::encoded();
    let (sliced, whole) = (spans::sliced(&bytes), Rope::from(bytes.clone()));
    let mut group = c.benchmark_group("fields_512x360B");
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    for (name, rope) in [("one_slice", &whole), ("16_KiB_slices", &sliced)] {
        group.bench_function(name, |b| b.iter(|| count(black_box(rope).cursor(), 3)));
    }
    group.finish();
}

fn merge(c: &mut Criterion) {
    let bytes = spans::encoded();
    let request = spans::sliced(&bytes);
    let mut group = c.benchmark_group("merge_16_requests_of_512x360B");
    group.throughput(Throughput::Bytes(16 * bytes.len() as u64));
    group.bench_function("merge", |b| {
        b.iter_batched(
            || vec![request.clone(); 16],
            |requests| {
                let mut merged = Rope::new();
                for request in requests {
                    let _ = otlp::merge(Signal::Traces, &mut merged, request);
                }
                merged
            },
            BatchSize::SmallInput,
        );
    });
    group.bench_function("copy_instead", |b| {
        b.iter(|| vec![black_box(&bytes[..]); 16].concat());
    });
    group.finish();
}

criterion_group!(benches, varints, fields, merge);
criterion_main!(benches);
