//! How fast and how often to send: pure arithmetic over time, fed by verdicts.

pub mod backoff;
pub mod estimate;
pub mod random;

pub use backoff::{Backoff, BackoffRule, Next};
pub use random::Random;
