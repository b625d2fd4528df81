#![no_main]

#[path = "../src/pipeline.rs"]
mod pipeline;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    pipeline::play(input);
});
