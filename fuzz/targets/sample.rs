#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| tailrace_fuzz::sample(input));
