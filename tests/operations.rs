//! The fuzz target of the pipeline, played with inputs of a seeded generator: each a few hundred
//! operations. `cargo fuzz run pipeline` goes on from there.

#[path = "../fuzz/src/pipeline.rs"]
mod pipeline;

use std::collections::BTreeMap;
use tailrace_bench::random::Random;

const INPUTS: u64 = 400;
const BYTES: usize = 1500;

#[test]
fn any_operations_end_with_everything_answered_and_given_back() {
    let mut delivered = BTreeMap::new();
    for seed in 0..INPUTS {
        let mut random = Random::new(seed);
        let mut input: Vec<u8> = (0..BYTES).map(|_| (random.unit() * 256.0) as u8).collect();
        // Each configuration as often.
        input[0] = seed as u8;
        let played = std::panic::catch_unwind(|| pipeline::play(&input));
        let (configuration, items) = played.unwrap_or_else(|_| panic!("of seed {seed}"));
        *delivered.entry(configuration).or_insert(0) += items;
    }
    // It is not that nothing gets through.
    assert!(
        delivered.values().all(|items| *items > 100),
        "{delivered:?}"
    );
}
