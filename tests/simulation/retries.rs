//! How much more a backend gets than it takes, because of what is sent again.

use crate::world::backend::Plan;
use crate::world::{Setup, Traffic, World, exporters};
use std::time::Duration;
use tailrace_bench::load::arrivals::{Shape, Spacing};

const MINUTES: Duration = Duration::from_secs(600);
const SPANS: usize = 10;

/// What the backend was offered as a multiple of what it was sent once.
fn amplification(script: &str) -> f64 {
    let mut world = World::new(Setup {
        seed: 5,
        yaml: exporters(64, ["retry_on_failure: {max_elapsed_time: 0s}"]),
        backends: vec![Plan {
            script: script.to_owned(),
            ..Plan::default()
        }],
        traffic: vec![Traffic::steady(
            Shape::steady(20.0, Spacing::Poisson),
            SPANS,
            MINUTES,
        )],
    });
    world.pass(MINUTES);
    assert!(world.settle(MINUTES), "{:?}", world.lane(0));
    assert_eq!(world.lost(0), 0);
    let backend = world.backend(0);
    backend.offered.iter().sum::<u64>() as f64 / backend.arrived.len() as f64
}

#[test]
fn a_tenth_of_refusals_is_a_tenth_of_traffic() {
    let refuse = "refuse: {grpc: UNAVAILABLE}";
    let amplification = amplification(&format!(
        "phases: [{{latency: {{exponential: 20ms}}, faults: [{{share: 0.1, {refuse}}}]}}]"
    ));
    assert!((1.05..1.2).contains(&amplification), "{amplification}");
}

#[test]
fn throttling_is_obeyed() {
    let refuse = "refuse: {grpc: RESOURCE_EXHAUSTED, retry_after: 10s}";
    let amplification = amplification(&format!(
        "phases: [{{for: 60s}}, {{for: 60s, faults: [{{share: 0.5, {refuse}}}]}}]"
    ));
    assert!((1.0..1.2).contains(&amplification), "{amplification}");
}

#[test]
fn answers_that_are_lost_cost_no_more_than_what_was_on_its_way() {
    let amplification = amplification(
        "phases: [{latency: {exponential: 20ms}, faults: [{share: 0.01, reset_connection: true}]}]",
    );
    assert!((1.0..1.2).contains(&amplification), "{amplification}");
}
