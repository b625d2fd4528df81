//! Each encoding both ways; throughput is of uncompressed bytes.

use crate::bench::Bench;
use crate::input::{Request, SPANS};
use std::hint::black_box;
use tailrace_codec::Signal;
use tailrace_codec::compress::{Compressor, Decompressor, Encoding, Level};

const ENCODINGS: [Encoding; 6] = [
    Encoding::Gzip,
    Encoding::Zstd,
    Encoding::Snappy,
    Encoding::SnappyFramed,
    Encoding::Deflate,
    Encoding::Lz4,
];

pub fn stages(bench: &mut Bench) {
    let request = Request::of(Signal::Traces, SPANS);
    let (mut compressor, mut decompressor) = (Compressor::new(), Decompressor::new());
    for encoding in ENCODINGS {
        let name = encoding.content_encoding();
        let compressed = compressor
            .compress(encoding, Level::DEFAULT, &request.sliced)
            .expect("it is small");
        bench
            .stages(request.input("compression_of_512_spans"), request.given())
            .stage(&format!("{name}_compress"), || {
                let request = black_box(&request.sliced);
                let compressed = compressor.compress(encoding, Level::DEFAULT, request);
                compressed.expect("it is small")
            })
            .stage(&format!("{name}_decompress"), || {
                let compressed = black_box(&compressed);
                let inflated =
                    decompressor.inflate(encoding, compressed, request.bytes.len(), |_| true);
                inflated.expect("it was just compressed")
            });
    }
}
