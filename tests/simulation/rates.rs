//! What an exporter keeps to for its destination's sake: a rate that was said, and a concurrency
//! that it finds.

use crate::world::backend::{Capacity, Plan};
use crate::world::film::Film;
use crate::world::{Setup, Traffic, World, exporters};
use std::time::Duration;
use tailrace_bench::chart::Colour;
use tailrace_bench::load::arrivals::{Shape, Spacing};

const MINUTE: Duration = Duration::from_secs(60);
const SPANS: usize = 10;

#[test]
fn no_more_is_offered_than_the_rate_while_twice_as_much_comes() {
    const RATE: u64 = 100;
    let keys = "sending_queue: {queue_size: 1000000, num_consumers: 50}, \
                tailrace: {rate_limit: {items_per_second: 100, burst: 2s}}";
    let traffic = Shape::steady(2.0 * RATE as f64 / SPANS as f64, Spacing::Poisson);
    let mut world = World::new(Setup {
        seed: 6,
        yaml: exporters(48, [keys]),
        backends: vec![Plan {
            script: "phases: [{latency: {exponential: 100ms}}]".to_owned(),
            ..Plan::default()
        }],
        traffic: vec![Traffic::steady(traffic, SPANS, 5 * MINUTE)],
    });
    world.pass(5 * MINUTE);
    let offered = &world.backend(0).offered;
    for length in [1, 10, 100] {
        let most = offered
            .windows(length)
            .map(|seconds| seconds.iter().sum::<u64>());
        let most = most.max().expect("as many seconds");
        // Two seconds of burst, the request that overdraws it, and a second that is cut anywhere.
        let allowed = RATE * (length as u64 + 3) + SPANS as u64;
        assert!(most <= allowed, "{most} in {length} s");
    }
    let total: u64 = offered.iter().sum();
    assert!(
        total as f64 > 0.98 * RATE as f64 * offered.len() as f64,
        "{total}"
    );
    assert!(world.settle(20 * MINUTE), "{:?}", world.lane(0));
    assert_eq!(world.lost(0), 0);
}

#[test]
fn a_brown_out_gets_less_at_once_and_everything_in_the_end() {
    let keys = "sending_queue: {queue_size: 1000000, num_consumers: 64}, \
                retry_on_failure: {initial_interval: 1s, max_elapsed_time: 0s}, \
                tailrace: {adaptive_concurrency: {}}";
    // For ten minutes it takes half of what comes, and holds what it took in a line of 20 s.
    let mut world = World::new(Setup {
        seed: 7,
        yaml: exporters(48, [keys]),
        backends: vec![Plan {
            script: "phases: [{latency: {lognormal: {median: 50ms, sigma: 0.3}}}]".to_owned(),
            capacity: Some(Capacity {
                items_per_second: 50.0,
                wait_max: Duration::from_secs(20),
                until: 10 * MINUTE,
            }),
            ..Plan::default()
        }],
        traffic: vec![Traffic::steady(
            Shape::steady(10.0, Spacing::Poisson),
            SPANS,
            20 * MINUTE,
        )],
    });
    let mut film = Film::new(0, Duration::from_secs(5));
    film.pass(&mut world, 10 * MINUTE);
    let brown = world.lane(0);
    assert!(
        brown.concurrency_limit.is_some_and(|limit| limit <= 8),
        "{brown:?}"
    );
    // Of 64 at once each would wait for 12.8 s behind the others.
    assert!(brown.queue.service_seconds() < 2.0, "{brown:?}");
    let backend = world.backend(0);
    assert!(
        backend.taken as f64 > 0.9 * 50.0 * 600.0,
        "{}",
        backend.taken
    );
    film.pass(&mut world, 10 * MINUTE);
    film.save(
        "brown-out.svg",
        &[
            vec![
                film.rate("spans offered / s", Colour::Orange, |frame| frame.offered),
                film.rate("spans taken / s", Colour::Blue, |frame| frame.taken),
            ],
            vec![
                film.level("requests at once", Colour::Violet, 1.0, |frame| {
                    frame.concurrency
                }),
            ],
            vec![
                film.level("thousand spans inside", Colour::Green, 1e3, |frame| {
                    frame.inside
                }),
            ],
        ],
    );
    assert!(world.settle(20 * MINUTE), "{:?}", world.lane(0));
    assert_eq!(world.lost(0), 0);
}
