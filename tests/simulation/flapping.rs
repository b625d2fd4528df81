//! A backend that accepts connections for a second, breaks them, and is gone for one.

use crate::world::backend::Plan;
use crate::world::{Setup, Traffic, World, exporters};
use std::time::Duration;
use tailrace_bench::load::arrivals::{Shape, Spacing};

const MINUTES: Duration = Duration::from_secs(600);
const SPANS: usize = 10;

#[test]
fn it_is_not_stormed_with_connections_and_nothing_is_lost() {
    let outages = (0..600).step_by(2).map(|second| {
        let from = Duration::from_secs(second + 1);
        from..from + Duration::from_secs(1)
    });
    let mut world = World::new(Setup {
        seed: 4,
        yaml: exporters(48, ["retry_on_failure: {max_elapsed_time: 0s}"]),
        backends: vec![Plan {
            script: "phases: [{latency: {fixed: 50ms}}]".to_owned(),
            outages: outages.collect(),
            capacity: None,
        }],
        traffic: vec![Traffic::steady(
            Shape::steady(20.0, Spacing::Poisson),
            SPANS,
            MINUTES,
        )],
    });
    world.pass(MINUTES);
    let connects = &world.backend(0).connects;
    let per_second = connects.len() as f64 / MINUTES.as_secs_f64();
    assert!(
        per_second < 2.0,
        "{per_second} connection attempts a second"
    );
    assert!(world.settle(MINUTES), "{:?}", world.lane(0));
    assert_eq!(world.lost(0), 0);
}
