//! A backend is gone for an hour, and comes back to what has gathered meanwhile.

use crate::world::backend::{Capacity, Plan};
use crate::world::film::Film;
use crate::world::{Setup, Traffic, World, exporters};
use std::time::Duration;
use tailrace_bench::chart::Colour;
use tailrace_bench::load::arrivals::{Shape, Spacing};

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
