//! An exporter whose sizes are `auto`, from its start to its rest.

use crate::world::backend::Plan;
use crate::world::{Setup, Traffic, World, exporters};
use std::time::Duration;
use tailrace_bench::load::arrivals::{Shape, Spacing};
use tailrace_engine::telemetry::LaneSize;

const KEYS: &str = "sending_queue: {queue_size: auto, num_consumers: auto}, \
                    tailrace: {outage_target: 10s}";

const SPANS: usize = 10;

/// So many requests a second, served as the script says.
fn world(rate: f64, script: &str, time: Duration) -> World {
    World::new(Setup {
        seed: 3,
        yaml: exporters(64, [KEYS]),
        backends: vec![Plan {
            script: script.to_owned(),
            ..Plan::default()
        }],
        traffic: vec![Traffic::steady(
            Shape::steady(rate, Spacing::Poisson),
            SPANS,
            time,
        )],
    })
}

fn size(world: &World, what: &str) -> LaneSize {
    let sizes = world.lane(0).sizes;
    let size = sizes.into_iter().find(|size| size.what == what);
    size.unwrap_or_else(|| panic!("no {what}"))
}

#[test]
fn consumers_become_as_many_as_the_load_asks_for() {
    let time = Duration::from_secs(600);
    let mut world = world(60.0, "phases: [{latency: {exponential: 300ms}}]", time);
    // It starts with ten, which carry 33 batches a second of the 60: what comes more waits.
    world.pass(Duration::from_secs(5));
    assert_eq!(size(&world, "num_consumers").value, 10.0);
    assert!(world.lane(0).queue_size > 50);
    world.pass(Duration::from_secs(295));
    // a = 60/s x 300 ms = 18, and enough more that 1 % wait.
    let consumers = size(&world, "num_consumers");
    assert!((20.0..=34.0).contains(&consumers.value), "{consumers:?}");
    assert!(consumers.why.contains("under way"), "{consumers:?}");
    // 10 s of 60 requests each, as long as the queue counts requests.
    let queue = world.lane(0).queue_capacity;
    assert!(
        (600..1500).contains(&queue),
        "{:?}",
        size(&world, "queue_size")
    );
    let changes = consumers.changes;
    world.pass(Duration::from_secs(300));
    assert!(
        size(&world, "num_consumers").changes <= changes + 1,
        "it rests: {:?}",
        world.lane(0).sizes
    );
    let flow = world.lane(0).queue;
    assert!(
        flow.seconds_waiting() < 0.05 * flow.seconds_inside(),
        "{flow:?}"
    );
    assert!(flow.little_deviation() < 0.05, "{flow:?}");
    assert!(world.settle(time));
    assert_eq!(world.lost(0), 0);
}

#[test]
fn an_outage_within_its_target_is_held() {
    let time = Duration::from_secs(400);
    let mut world = World::new(Setup {
        seed: 4,
        yaml: exporters(
            64,
            [
                "sending_queue: {queue_size: auto}, tailrace: {outage_target: 30s}, \
              retry_on_failure: {initial_interval: 1s, max_interval: 2s}",
            ],
        ),
        backends: vec![Plan {
            script: "phases: [{latency: {exponential: 50ms}}]".to_owned(),
            outages: vec![Duration::from_secs(200)..Duration::from_secs(230)],
            ..Plan::default()
        }],
        traffic: vec![Traffic::steady(
            Shape::steady(60.0, Spacing::Poisson),
            SPANS,
            time,
        )],
    });
    world.pass(Duration::from_secs(199));
    let sized = world.lane(0).queue_capacity;
    // Sized from 60 a second for half a minute, not from the memory there is.
    assert!((1800..3000).contains(&sized), "{:?}", world.lane(0).sizes);
    world.pass(Duration::from_secs(200));
    assert_eq!(world.senders[0].refusals(), 0);
    assert!(world.settle(time), "{:?}", world.lane(0));
    assert_eq!(world.lost(0), 0);
}
