//! How fast, how often and how much at once: pure arithmetic over time, fed by verdicts.

pub mod backoff;
pub mod estimate;
pub mod queueing;
pub mod random;
pub mod sizing;

pub use backoff::{Backoff, BackoffRule, Next};
pub use random::Random;
