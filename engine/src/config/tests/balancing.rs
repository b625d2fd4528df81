//! Several endpoints of one exporter.

use super::{config, faults, with};
use crate::config::{HashKey, Target};
use std::time::Duration;

fn levels(exporter: &str) -> Vec<(String, usize)> {
    let config = config(&with(exporter, ""));
    let several = config.lanes[0].balancing.as_ref().expect("several");
    let endpoints = several.endpoints.iter();
    endpoints.map(|one| (one.name.clone(), one.level)).collect()
}

#[test]
fn endpoints_are_of_one_level_unless_levels_are_given() {
    let grpc = "otlp: {tls: {insecure: true}, tailrace: {load_balancing: {endpoints: [a:1, b:2]}}}";
    assert_eq!(levels(grpc), [("a:1".to_owned(), 0), ("b:2".to_owned(), 0)]);
    let http = "otlphttp: {tailrace: {load_balancing: {priority_levels: [['http://a:1'], \
                ['http://b:1/x', 'http://u:p@c']]}}}";
    let found = faults(&with(http, ""));
    assert!(found[0].contains("user and password"), "{found:?}");
    let http = http.replace("u:p@", "");
    let expected = [("http://a:1", 0), ("http://b:1/x", 1), ("http://c", 1)];
    assert!(
        levels(&http)
            .iter()
            .map(|(name, level)| (name.as_str(), *level))
            .eq(expected)
    );
}

#[test]
fn each_endpoint_has_its_own_address_and_path() {
    let http = "otlphttp: {tailrace: {load_balancing: {endpoints: ['http://a:1/x/', \
                'http://127.0.0.1:2']}}}";
    let config = config(&with(http, ""));
    let several = config.lanes[0].balancing.as_ref().expect("several");
    assert_eq!(several.endpoints[0].path, "/x/v1/traces");
    assert_eq!(several.endpoints[0].authority, "a:1");
    assert_eq!(several.endpoints[1].path, "/v1/traces");
    let local = Target::Address(([127, 0, 0, 1], 2).into());
    assert_eq!(several.endpoints[1].target, local);
    assert_eq!(several.outlier, None);
    assert_eq!(several.failback_after, Duration::from_secs(30));
}

#[test]
fn one_endpoint_has_no_balancing() {
    let config = config(&with("otlp: {endpoint: 'http://h:1'}", ""));
    assert_eq!(config.lanes[0].balancing, None);
}

#[test]
fn what_cannot_be_is_refused() {
    let twice = "'http://a:1', 'http://a:1'";
    for (keys, rule) in [
        ("", "endpoints: at least one endpoint must be specified"),
        (
            "endpoints: ['https://a:1']",
            "endpoints: https is not supported",
        ),
        (
            &format!("endpoints: [{twice}]"),
            "endpoints: an endpoint stands there twice",
        ),
        (
            "endpoints: ['http://a:1'], priority_levels: [['http://b:1']]",
            "priority_levels: stand in place of `endpoints`: give one of the two",
        ),
        (
            "priority_levels: [['http://b:1'], []]",
            "priority_levels: a level must have an endpoint",
        ),
        (
            "endpoints: ['http://a:1'], outlier_detection: {consecutive_failures: 0}",
            "outlier_detection.consecutive_failures: must be positive",
        ),
        (
            "endpoints: ['http://a:1'], outlier_detection: {failure_ratio: 2}",
            "outlier_detection.failure_ratio: must be over 0 and at most 1",
        ),
        (
            "endpoints: ['http://a:1'], outlier_detection: {max_ejection_percent: 101}",
            "outlier_detection.max_ejection_percent: must be at most 100",
        ),
    ] {
        for id in ["otlp", "otlphttp"] {
            let exporter = format!("{id}: {{tailrace: {{load_balancing: {{{keys}}}}}}}");
            let found = faults(&with(&exporter, ""));
            let expected = format!("exporters.{id}.tailrace.load_balancing.{rule}");
            assert!(
                found.iter().any(|fault| fault.contains(&expected)),
                "{found:?}: {expected}"
            );
        }
    }
    let both = "otlp: {endpoint: 'http://h:1', tailrace: {load_balancing: {endpoints: \
                ['http://a:1']}}}";
    let found = faults(&with(both, ""));
    assert!(found[0].contains("in place of `endpoint`"), "{found:?}");
}

#[test]
fn what_is_hashed_has_a_key_and_a_bound() {
    let of = |keys: &str| {
        let exporter = format!(
            "otlp: {{tls: {{insecure: true}}, tailrace: {{load_balancing: {{endpoints: [a:1, b:2], \
             policy: consistent_hash{keys}}}}}}}"
        );
        with(&exporter, "")
    };
    let read = |keys: &str| {
        config(&of(keys)).lanes[0]
            .balancing
            .clone()
            .expect("several")
    };
    let found = read("");
    assert_eq!(
        (found.hash_key, found.hash_balance),
        (HashKey::TraceId, 1.5)
    );
    let found = read(", hash_key: service, hash_balance_factor: 0");
    assert_eq!(
        (found.hash_key, found.hash_balance),
        (HashKey::Service, f64::INFINITY)
    );
    let found = faults(&of(", hash_balance_factor: 50"));
    assert!(
        found[0].contains("hash_balance_factor: must be 100 or more"),
        "{found:?}"
    );
}
