//! What an exporter does for its destination's sake.

use std::time::Duration;

/// Keys of `tailrace`, off unless given. Totals are of the process.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ProtectionConfig {
    pub breaker: Option<CircuitBreakerConfig>,
    pub retry_budget: Option<RetryBudgetConfig>,
    pub concurrency: Option<AdaptiveConcurrencyConfig>,
    pub rate_limit: Option<RateLimitConfig>,
}

/// `circuit_breaker`. No number is zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CircuitBreakerConfig {
    pub consecutive_failures: u32,
    /// In (0, 1].
    pub failure_ratio: f64,
    pub window: Duration,
    pub min_requests: u32,
    pub open_for: Duration,
    pub probes: u32,
}

/// `retry_budget`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryBudgetConfig {
    /// Retries for each first try, at least 0.
    pub retry_ratio: f64,
    /// Of the process, over 0.
    pub min_retries_per_second: f64,
    /// 1 s to 60 s.
    pub ttl: Duration,
}

/// `adaptive_concurrency`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdaptiveConcurrencyConfig {
    /// 1 to `max`.
    pub initial: u32,
    pub max: u32,
    /// In (0, 1), as is `ewma_alpha`.
    pub decrease_ratio: f64,
    pub ewma_alpha: f64,
    /// At least 0.
    pub rtt_deviation_scale: f64,
}

/// `rate_limit`: at least one of the rates is given, and each is over 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateLimitConfig {
    pub requests_per_second: Option<f64>,
    pub items_per_second: Option<f64>,
    pub bytes_per_second: Option<f64>,
    /// Not zero.
    pub burst: Duration,
}
