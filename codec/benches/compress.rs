//! Each encoding both ways; throughput is of uncompressed bytes.
//!
//! `cargo bench -p tailrace-codec --bench compress`

#[path = "input/spans.rs"]
mod spans;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use tailrace_codec::compress::{Compressor, Decompressor, Encoding, Level};

const ENCODINGS: [Encoding; 6] = [
    Encoding::Gzip,
    Encoding::Zstd,
    Encoding::Snappy,
    Encoding::SnappyFramed,
    Encoding::Deflate,
    Encoding::Lz4,
];

fn compress(c: &mut Criterion) {
    let bytes = spans::encoded();
    let request = spans::sliced(&bytes);
    let (mut compressor, mut decompressor) = (Compressor::new(), Decompressor::new());
    for encoding in ENCODINGS {
        let mut group = c.benchmark_group(encoding.content_encoding());
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        let compressed = compressor
            .compress(encoding, Level::DEFAULT, &request)
            .expect("it is small");
        group.bench_function("compress", |b| {
            b.iter(|| compressor.compress(encoding, Level::DEFAULT, black_box(&request)));
        });
        group.bench_function("decompress", |b| {
            b.iter(|| {
                decompressor.inflate(encoding, black_box(&compressed), bytes.len(), |_| true)
            });
        });
        group.finish();
    }
}

criterion_group!(benches, compress);
criterion_main!(benches);
