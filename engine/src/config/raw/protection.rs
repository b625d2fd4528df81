//! What an exporter does for its destination's sake: sections of `tailrace`.

use crate::config::field::section;
use std::time::Duration;

section! {
    /// `circuit_breaker`. A failure is no answer, or one that may be retried and asks for no delay.
    CircuitBreaker {
        /// Failures in a row that open it. Each shard counts its own.
        consecutive_failures: u32 = "5",
        /// The share of failures that opens it, over 0 and at most 1.
        failure_ratio: f64 = "0.5",
        /// The time over which that share is taken.
        window: Duration = "10s",
        /// Requests within `window` below which the share says nothing.
        min_requests: u32 = "20",
        /// How long nothing is sent; then probes are.
        open_for: Duration = "5s",
        /// Requests on their way at once as probes, and answers to them that close it.
        probes: u32 = "1",
    }
}

section! {
    /// `retry_budget`, in Linkerd's words.
    RetryBudget {
        /// Retries for each request that is sent for the first time.
        retry_ratio: f64 = "0.2",
        /// Retries in a second there may always be, in the whole process. Over 0.
        min_retries_per_second: f64 = "1",
        /// The time over which both are counted, 1s to 60s.
        ttl: Duration = "10s",
    }
}

section! {
    /// `adaptive_concurrency`, in Vector's words.
    AdaptiveConcurrency {
        /// Requests on their way at once at first.
        initial_concurrency: u32 = "1",
        /// At most. `num_consumers` bounds it too.
        max_concurrency_limit: u32 = "200",
        /// What the limit is multiplied with when the destination is pushed back by, or slow.
        decrease_ratio: f64 = "0.9",
        /// The weight of the newest round in how far answers scatter.
        ewma_alpha: f64 = "0.4",
        /// Standard errors above the fastest round of late from which a round is slow.
        rtt_deviation_scale: f64 = "2.5",
    }
}

section! {
    /// `rate_limit`
    RateLimit {
        /// Requests a second, retries included. 0: no limit.
        requests_per_second: f64 = "0",
        /// Items (spans, points, records, samples) a second. 0: no limit.
        items_per_second: f64 = "0",
        /// Bytes a second, before compression. 0: no limit.
        bytes_per_second: f64 = "0",
        /// What passes at once after a pause: this long at the rate, and the rest of a batch.
        burst: Duration = "1s",
    }
}
