//! The bounds of what an exporter does for its destination's sake.

use super::{faults, with};

#[test]
fn what_protects_a_destination_has_bounds() {
    for (keys, rule) in [
        (
            "tailrace: {circuit_breaker: {probes: 0}}",
            "tailrace.circuit_breaker.probes: must be positive",
        ),
        (
            "tailrace: {circuit_breaker: {failure_ratio: 1.5}}",
            "tailrace.circuit_breaker.failure_ratio: must be over 0 and at most 1",
        ),
        (
            "tailrace: {retry_budget: {min_retries_per_second: 0}}",
            "tailrace.retry_budget.min_retries_per_second: must be over 0",
        ),
        (
            "tailrace: {retry_budget: {ttl: 2m}}",
            "tailrace.retry_budget.ttl: must be from 1s to 60s",
        ),
        (
            "tailrace: {adaptive_concurrency: {initial_concurrency: 300}}",
            "tailrace.adaptive_concurrency.initial_concurrency: must be from 1 to \
             max_concurrency_limit",
        ),
        (
            "tailrace: {adaptive_concurrency: {decrease_ratio: 1}}",
            "tailrace.adaptive_concurrency.decrease_ratio: must be over 0 and under 1",
        ),
        (
            "tailrace: {rate_limit: {}}",
            "tailrace.rate_limit.requests_per_second: must be over 0, or items_per_second or \
             bytes_per_second: nothing is limited",
        ),
        (
            "tailrace: {rate_limit: {items_per_second: -1}}",
            "tailrace.rate_limit.items_per_second: must be at least 0",
        ),
        (
            "tailrace: {rate_limit: {items_per_second: 1, burst: 0s}}",
            "tailrace.rate_limit.burst: must be positive",
        ),
        (
            "tailrace: {loss_target: 0}",
            "tailrace.loss_target: must be at least 1e-15 and less than 1",
        ),
        (
            "tailrace: {latency_target: 0s}",
            "tailrace.latency_target: must be positive",
        ),
    ] {
        let found = faults(&with(
            &format!("otlp: {{endpoint: 'http://h:1', {keys}}}"),
            "",
        ));
        assert_eq!(found.len(), 1, "{found:?}");
        let expected = format!(": exporters.otlp.{rule}");
        assert!(found[0].ends_with(&expected), "{} for {expected}", found[0]);
    }
}
