//! What an exporter does for its destination's sake: its rules, and what it comes to.

use crate::config::compile::Exporter;
use crate::config::field::Reader;
use crate::config::raw::protection::{AdaptiveConcurrency, CircuitBreaker, RateLimit, RetryBudget};
use crate::config::raw::shared::Connections;
use crate::config::{
    AdaptiveConcurrencyConfig, CircuitBreakerConfig, ProtectionConfig, RateLimitConfig,
    RetryBudgetConfig,
};
use std::time::Duration;

/// What valid sections come to.
pub(super) fn protection(exporter: &Exporter) -> ProtectionConfig {
    let ours = match exporter {
        Exporter::OtlpGrpc(exporter) => &exporter.tailrace,
        Exporter::OtlpHttp(exporter) => &exporter.tailrace.connections,
        Exporter::Debug(_) | Exporter::File(_) | Exporter::Nop(_) => {
            return ProtectionConfig::default();
        }
    };
    let breaker = ours.circuit_breaker.0.as_ref();
    let budget = ours.retry_budget.0.as_ref();
    let concurrency = ours.adaptive_concurrency.0.as_ref();
    ProtectionConfig {
        breaker: breaker.map(|breaker| CircuitBreakerConfig {
            consecutive_failures: breaker.consecutive_failures,
            failure_ratio: breaker.failure_ratio,
            window: breaker.window,
            min_requests: breaker.min_requests,
            open_for: breaker.open_for,
            probes: breaker.probes,
        }),
        retry_budget: budget.map(|budget| RetryBudgetConfig {
            retry_ratio: budget.retry_ratio,
            min_retries_per_second: budget.min_retries_per_second,
            ttl: budget.ttl,
        }),
        concurrency: concurrency.map(|concurrency| AdaptiveConcurrencyConfig {
            initial: concurrency.initial_concurrency,
            max: concurrency.max_concurrency_limit,
            decrease_ratio: concurrency.decrease_ratio,
            ewma_alpha: concurrency.ewma_alpha,
            rtt_deviation_scale: concurrency.rtt_deviation_scale,
        }),
        rate_limit: ours.rate_limit.0.as_ref().map(rate_limit),
    }
}

/// What a valid section comes to.
pub(in crate::config::compile) fn rate_limit(limit: &RateLimit) -> RateLimitConfig {
    let rate = |rate: f64| (rate > 0.0).then_some(rate);
    RateLimitConfig {
        requests_per_second: rate(limit.requests_per_second),
        items_per_second: rate(limit.items_per_second),
        bytes_per_second: rate(limit.bytes_per_second),
        burst: limit.burst,
    }
}

/// Notes every rule that is broken.
pub(super) fn check(ours: &Connections, reader: &mut Reader) {
    reader.at("tailrace", |reader| {
        if let Some(breaker) = &ours.circuit_breaker.0 {
            reader.at("circuit_breaker", |reader| check_breaker(breaker, reader));
        }
        if let Some(budget) = &ours.retry_budget.0 {
            reader.at("retry_budget", |reader| check_budget(budget, reader));
        }
        if let Some(concurrency) = &ours.adaptive_concurrency.0 {
            reader.at("adaptive_concurrency", |reader| {
                check_concurrency(concurrency, reader);
            });
        }
        if let Some(limit) = &ours.rate_limit.0 {
            reader.at("rate_limit", |reader| check_rate(limit, reader));
        }
    });
}

fn check_breaker(breaker: &CircuitBreaker, reader: &mut Reader) {
    for (key, is_zero) in [
        ("consecutive_failures", breaker.consecutive_failures == 0),
        ("window", breaker.window.is_zero()),
        ("min_requests", breaker.min_requests == 0),
        ("open_for", breaker.open_for.is_zero()),
        ("probes", breaker.probes == 0),
    ] {
        if is_zero {
            reader.rule(key, "must be positive");
        }
    }
    if !(breaker.failure_ratio > 0.0 && breaker.failure_ratio <= 1.0) {
        reader.rule("failure_ratio", "must be over 0 and at most 1");
    }
}

fn check_budget(budget: &RetryBudget, reader: &mut Reader) {
    if !(0.0..=1000.0).contains(&budget.retry_ratio) {
        reader.rule("retry_ratio", "must be from 0 to 1000");
    }
    let floor = budget.min_retries_per_second;
    if !(floor > 0.0 && floor.is_finite()) {
        reader.rule("min_retries_per_second", "must be over 0");
    }
    if !(Duration::from_secs(1)..=Duration::from_secs(60)).contains(&budget.ttl) {
        reader.rule("ttl", "must be from 1s to 60s");
    }
}

fn check_concurrency(concurrency: &AdaptiveConcurrency, reader: &mut Reader) {
    let initial = concurrency.initial_concurrency;
    if !(1..=concurrency.max_concurrency_limit).contains(&initial) {
        let rule = "must be from 1 to max_concurrency_limit";
        reader.rule("initial_concurrency", rule);
    }
    for (key, share) in [
        ("decrease_ratio", concurrency.decrease_ratio),
        ("ewma_alpha", concurrency.ewma_alpha),
    ] {
        if !(share > 0.0 && share < 1.0) {
            reader.rule(key, "must be over 0 and under 1");
        }
    }
    let scale = concurrency.rtt_deviation_scale;
    if !(scale >= 0.0 && scale.is_finite()) {
        reader.rule("rtt_deviation_scale", "must be at least 0");
    }
}

pub(in crate::config::compile) fn check_rate(limit: &RateLimit, reader: &mut Reader) {
    let rates = [
        ("requests_per_second", limit.requests_per_second),
        ("items_per_second", limit.items_per_second),
        ("bytes_per_second", limit.bytes_per_second),
    ];
    for (key, rate) in rates {
        if !(rate >= 0.0 && rate.is_finite()) {
            reader.rule(key, "must be at least 0");
        }
    }
    if rates.iter().all(|(_, rate)| *rate == 0.0) {
        let rule = "must be over 0, or items_per_second or bytes_per_second: nothing is limited";
        reader.rule("requests_per_second", rule);
    }
    if limit.burst.is_zero() {
        reader.rule("burst", "must be positive");
    }
}
