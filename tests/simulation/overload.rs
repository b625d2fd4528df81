//! Ten times as much as the backend can take, for half an hour.

use crate::world::backend::{Capacity, Plan};
use crate::world::film::Film;
use crate::world::{Setup, Traffic, World, exporters};
use std::time::Duration;
use tailrace_bench::chart::Colour;
use tailrace_bench::load::arrivals::{Shape, Spacing};

/// Of the backend, in spans a second.
const CAPACITY: f64 = 40.0;

const SPANS: usize = 20;

const MIB: f64 = 1_048_576.0;

const KEYS: &str = "sending_queue: {queue_size: 1000000}, retry_on_failure: {max_elapsed_time: 0s}";

const HALF_AN_HOUR: Duration = Duration::from_secs(1800);

#[test]
fn memory_stays_within_its_limit_and_who_is_refused_is_told() {
    let capacity = Capacity {
        items_per_second: CAPACITY,
        wait_max: Duration::from_secs(2),
        until: Duration::MAX,
    };
    let mut world = World::new(Setup {
        seed: 1,
        // Some are refused for longer than the five minutes after which they would be given up.
        yaml: exporters(24, [KEYS]),
        backends: vec![Plan {
            capacity: Some(capacity),
            ..Plan::default()
        }],
        traffic: vec![Traffic::steady(
            Shape::steady(10.0 * CAPACITY / SPANS as f64, Spacing::Poisson),
            SPANS,
            HALF_AN_HOUR,
        )],
    });
    let mut film = Film::new(0, Duration::from_secs(10));
    film.pass(&mut world, HALF_AN_HOUR);
    film.save(
        "overload.svg",
        &[
            vec![
                film.rate("requests sent / s", Colour::Grey, |frame| frame.sent),
                film.rate("requests refused / s", Colour::Red, |frame| frame.refused),
            ],
            vec![
                film.rate("spans offered / s", Colour::Orange, |frame| frame.offered),
                film.rate("spans taken / s", Colour::Blue, |frame| frame.taken),
                film.mark("capacity", CAPACITY),
            ],
            vec![
                film.level("MiB buffered", Colour::Green, MIB, |frame| frame.bytes),
                film.mark("limit", world.bytes_max() as f64 / MIB),
            ],
        ],
    );
    // Half an hour at one level: Little's law holds between what is measured apart.
    let queue = world.lane(0).queue;
    assert!(queue.little_deviation() < 0.05, "{queue:?}");
    assert!(
        (queue.items_out_per_second / CAPACITY - 1.0).abs() < 0.05,
        "{queue:?}"
    );
    assert!(queue.utilisation() > 0.99, "{queue:?}");
    // The limit was what held, and is never passed: each step checks that.
    assert!(world.peak_bytes > world.bytes_max() / 2);
    let senders = &world.senders[0];
    assert!(
        senders.refusals() > senders.sent / 2,
        "{:?}",
        senders.refused
    );
    assert!(senders.refused_without_delay.is_empty());
    let answered = senders.accepted.len() / SPANS as u64 + senders.refusals();
    assert_eq!(answered, senders.sent, "every request has one answer");
    // The backend was kept busy all the while.
    let backend = world.backend(0);
    assert!(backend.taken as f64 > 0.95 * CAPACITY * HALF_AN_HOUR.as_secs_f64());
    assert!(world.settle(HALF_AN_HOUR), "{:?}", world.lane(0));
    assert_eq!(world.lost(0), 0);
    assert_eq!(world.backend(0).duplicates, 0);
}
