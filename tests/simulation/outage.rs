//! A backend is gone for an hour, and comes back to what has gathered meanwhile.

use crate::world::backend::{Capacity, Plan};
use crate::world::film::Film;
use crate::world::{Setup, Traffic, World, exporters};
use std::time::Duration;
use tailrace_bench::chart::Colour;
use tailrace_bench::load::arrivals::{Phase, Shape, Spacing};

const MINUTE: Duration = Duration::from_secs(60);
const SPANS: usize = 10;

/// Of the backend, in spans a second: four times what comes.
const CAPACITY: f64 = 80.0;

#[test]
fn what_was_accepted_is_delivered_once_after_an_hour_without_backend() {
    let outage = 10 * MINUTE..70 * MINUTE;
    let queue = "sending_queue: {queue_size: 1000000, num_consumers: 4}";
    let retry = "retry_on_failure: {max_elapsed_time: 0s}";
    let mut world = World::new(Setup {
        seed: 3,
        yaml: exporters(48, [format!("{queue}, {retry}").as_str()]),
        backends: vec![Plan {
            script: "phases: [{latency: {lognormal: {median: 20ms, sigma: 0.8}}}]".to_owned(),
            outages: vec![outage.clone()],
            capacity: Some(Capacity {
                items_per_second: CAPACITY,
                wait_max: Duration::from_secs(1),
                until: Duration::MAX,
            }),
        }],
        traffic: vec![Traffic::steady(
            Shape::steady(2.0, Spacing::Poisson),
            SPANS,
            120 * MINUTE,
        )],
    });
    let mut film = Film::new(0, Duration::from_secs(10));
    film.pass(&mut world, outage.start);
    assert_eq!(world.senders[0].refusals(), 0);
    film.pass(&mut world, outage.end - outage.start);
    let gathered = world.lane(0);
    let gathered = gathered.admitted - gathered.delivered;
    assert!(gathered > 50_000, "it has gathered {gathered} spans");
    film.pass(&mut world, 120 * MINUTE - outage.end);
    film.save(
        "outage.svg",
        &[
            vec![
                film.rate("spans offered / s", Colour::Orange, |frame| frame.offered),
                film.rate("spans taken / s", Colour::Blue, |frame| frame.taken),
                film.mark("capacity", CAPACITY),
            ],
            vec![
                film.level("thousand spans inside", Colour::Green, 1e3, |frame| {
                    frame.inside
                }),
            ],
        ],
    );
    // Twice nothing: what was accepted before and during it, and what came after.
    assert_eq!(
        world.senders[0].refusals(),
        0,
        "{:?}",
        world.senders[0].refused
    );
    assert!(world.settle(10 * MINUTE), "{:?}", world.lane(0));
    assert_eq!(world.lost(0), 0);
    let backend = world.backend(0);
    assert_eq!(backend.corrupt, 0);
    // Its connections broke once, with at most what was on its way on them.
    assert!(
        backend.duplicates <= 4 * 10 * SPANS as u64,
        "{}",
        backend.duplicates
    );
    let second = outage.end.as_secs() as usize;
    let most = backend.offered[second..].iter().max().copied();
    assert!(
        most.unwrap_or_default() as f64 <= 1.3 * CAPACITY,
        "{most:?} in a second"
    );
}

/// A backend that is gone for ten minutes, and twice as fast as what comes. How long what came
/// after its return was on its way (median, 99th percentile), and how many of the items that were
/// offered to it in the first minute.
fn returned(catch_up: &str) -> (Duration, Duration, u64) {
    let outage = 5 * MINUTE..15 * MINUTE;
    let queue = format!("sending_queue: {{queue_size: 100000, num_consumers: 4{catch_up}}}");
    let keys = format!("{queue}, retry_on_failure: {{max_elapsed_time: 0s, max_interval: 5s}}");
    let steady = |minutes| Traffic::steady(Shape::steady(4.0, Spacing::Poisson), SPANS, minutes);
    let pause = |duration| Phase {
        name: "pause".to_owned(),
        duration,
        shape: Shape::Pause,
    };
    // The second sender begins when the backend is back: its delays are those of what is fresh.
    let mut late = steady(10 * MINUTE);
    late.phases.insert(0, pause(outage.end + MINUTE / 6));
    let mut world = World::new(Setup {
        seed: 9,
        yaml: exporters(64, [keys.as_str()]),
        backends: vec![Plan {
            outages: vec![outage.clone()],
            capacity: Some(Capacity {
                items_per_second: 4.0 * CAPACITY,
                wait_max: MINUTE,
                until: Duration::MAX,
            }),
            ..Plan::default()
        }],
        traffic: vec![steady(outage.end), late],
    });
    world.pass(outage.end + 11 * MINUTE);
    let first = outage.end.as_secs() as usize;
    let offered = world.backend(0).offered[first..first + 60].iter().sum();
    assert!(world.settle(60 * MINUTE), "{:?}", world.lane(0));
    assert_eq!(world.lost(0), 0, "{catch_up}");
    (world.delay(0, 1, 0.5), world.delay(0, 1, 0.99), offered)
}

#[test]
fn what_is_fresh_passes_the_backlog_where_it_is_told_to() {
    let (_, oldest, all) = returned("");
    let (newest, _, _) = returned(", catch_up: {order: newest_first}");
    let (between, _, _) = returned(", catch_up: {order: interleave}");
    assert!(
        oldest > MINUTE / 2,
        "behind ten minutes of backlog: {oldest:?}"
    );
    let soon = Duration::from_millis(500);
    assert!(newest < soon, "{newest:?}");
    assert!(between < soon, "{between:?}");
    let (_, _, slow) = returned(", catch_up: {order: newest_first, items_per_second: 60}");
    assert!(
        all > 10_000 && slow < 6_000,
        "{slow} of {all} in the first minute"
    );
}
