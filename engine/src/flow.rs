//! How fast, how often and how much at once: pure arithmetic over time, fed by verdicts.

pub mod backoff;
pub mod balancing;
pub mod breaker;
pub mod bucket;
pub mod budget;
pub mod concurrency;
pub mod estimate;
pub mod fair;
pub mod ladder;
pub mod queueing;
pub mod quota;
pub mod ramp;
pub mod random;
pub mod sizing;
pub mod throttle;
mod window;

pub use backoff::{Backoff, BackoffRule, Next};
pub use breaker::{Breaker, BreakerRule};
pub use bucket::{Rate, RateLimit, RateRule};
pub use budget::{BudgetRule, RetryBudget};
pub use concurrency::{Concurrency, ConcurrencyRule};
pub use fair::{Class, FairQueue, FairRule};
pub use ramp::Ramp;
pub use random::Random;
pub use throttle::Throttle;
