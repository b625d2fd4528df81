//! What an exporter gives up while its queue fills.

use super::{config, faults, with};
use crate::config::{DegradationConfig, OnlySampled, Overflow};
use std::time::Duration;

fn yaml(keys: &str) -> String {
    let exporter = format!("otlp: {{endpoint: 'http://h:1', tailrace: {{{keys}}}}}");
    with(&exporter, "")
}

fn read(keys: &str) -> DegradationConfig {
    config(&yaml(keys)).lanes[0].degradation
}

#[test]
fn steps_have_marks_and_one_of_zero_is_left_out() {
    assert_eq!(read("").ladder, None);
    let found = read("degradation: {defer_low: 0, hold: 1m}")
        .ladder
        .expect("given");
    assert_eq!((found.compress_harder, found.defer_low), (Some(0.5), None));
    assert_eq!((found.sample_low, found.low_ratio), (Some(0.7), 0.1));
    assert_eq!(
        (found.reject, found.hold),
        (Some(0.95), Duration::from_secs(60))
    );
}

#[test]
fn what_upstream_sampled_is_asked_for_by_name() {
    for (name, expected) in [
        ("off", OnlySampled::Off),
        ("marked", OnlySampled::Marked),
        ("strict", OnlySampled::Strict),
    ] {
        let found = read(&format!("export_only_sampled: '{name}'"));
        assert_eq!(found.only_sampled, expected);
    }
    let queue = "otlp: {endpoint: 'http://h:1', sending_queue: {overflow: sample}}";
    assert_eq!(
        config(&with(queue, "")).lanes[0].queue.overflow,
        Overflow::Sample
    );
}

#[test]
fn steps_that_cannot_be_meant_are_refused() {
    for (keys, fault) in [
        ("reject: 101", "reject: must be from 1 to 100"),
        (
            "sample_medium: 65",
            "sample_medium: must not be below the mark of a step before it",
        ),
        (
            "sample_low_ratio: 0",
            "sample_low_ratio: must be over 0 and at most 1",
        ),
        ("hold: 0s", "hold: must be positive"),
        (
            "compress_harder: 0, defer_low: 0, sample_low: 0, sample_medium: 0, reject: 0",
            "compress_harder: every step is left out",
        ),
    ] {
        let found = faults(&yaml(&format!("degradation: {{{keys}}}")));
        let expected = format!("tailrace.degradation.{fault}");
        assert!(found[0].contains(&expected), "{expected}: {found:?}");
    }
}
