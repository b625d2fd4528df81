//! What is important and what is not, where a backend cannot take both.

use crate::world::backend::{Capacity, Plan};
use crate::world::film::Film;
use crate::world::{Setup, Traffic, World, exporters, with_engine};
use std::time::Duration;
use tailrace_bench::chart::Colour;
use tailrace_bench::load::arrivals::{Shape, Spacing};

/// Of the backend, in spans a second.
const CAPACITY: f64 = 200.0;
const SPANS: usize = 10;
const MINUTES: Duration = Duration::from_secs(300);

const HIGH: usize = 0;
const LOW: usize = 1;

/// Two senders, at these multiples of the backend's capacity; the first is important.
fn world(overflow: &str, high: f64, low: f64) -> World {
    let priority = "priority: {default: low, rules: [{resource_attributes: {tailrace.run: \
                    '0000000000000000'}, priority: high}]}";
    world_with(priority, overflow, high, low)
}

/// The same with these keys of the engine.
fn world_with(engine: &str, overflow: &str, high: f64, low: f64) -> World {
    let keys = format!(
        "sending_queue: {{queue_size: 1000, num_consumers: 2, overflow: {overflow}}}, \
         retry_on_failure: {{max_elapsed_time: 0s}}"
    );
    let traffic = |share: f64| {
        let shape = Shape::steady(share * CAPACITY / SPANS as f64, Spacing::Poisson);
        Traffic::steady(shape, SPANS, MINUTES)
    };
    World::new(Setup {
        seed: 1,
        yaml: with_engine(&exporters(64, [keys.as_str()]), engine),
        backends: vec![Plan {
            capacity: Some(Capacity {
                items_per_second: CAPACITY,
                wait_max: MINUTES,
                until: Duration::MAX,
            }),
            ..Plan::default()
        }],
        traffic: vec![traffic(high), traffic(low)],
    })
}

fn missing(world: &World, sender: usize) -> u64 {
    let arrived = &world.backend(0).arrived;
    world.senders[sender].accepted.missing_from(arrived)
}

/// How many of a sender's items the backend took.
fn taken(world: &World, sender: usize) -> u64 {
    world.senders[sender].accepted.len() - missing(world, sender)
}

#[test]
fn ten_times_as_much_of_little_importance_costs_the_important_nothing() {
    let mut world = world("drop_lowest_priority", 0.5, 10.0);
    let mut film = Film::new(0, Duration::from_secs(5));
    film.pass(&mut world, MINUTES);
    film.save(
        "priority.svg",
        &[
            vec![
                film.rate("spans of low priority / s", Colour::Grey, |it| it.low[0]),
                film.rate("of high priority / s", Colour::Red, |it| it.high[0]),
            ],
            vec![
                film.rate("low delivered / s", Colour::Grey, |it| it.low[1]),
                film.rate("high delivered / s", Colour::Green, |it| it.high[1]),
                film.mark("capacity", CAPACITY),
            ],
        ],
    );
    assert!(world.settle(MINUTES), "{:?}", world.lane(0));
    assert_eq!(missing(&world, HIGH), 0);
    assert_eq!(world.senders[HIGH].refusals(), 0);
    let [high, low] = [HIGH, LOW].map(|sender| world.delay(0, sender, 0.99));
    // Two batches on their way and its own: three times 50 ms, and what chance heaps up.
    assert!(high < Duration::from_millis(500), "{high:?}");
    assert!(low > 10 * high, "{low:?} of {high:?}");
    // What is left goes to the others: the backend is never idle.
    let busy = world.backend(0).taken as f64 / (CAPACITY * MINUTES.as_secs_f64());
    assert!(busy > 0.98, "{busy}");
    let [high, _, low] = world.lane(0).priorities;
    assert_eq!((high.lost, low.lost), (0, missing(&world, LOW)));
}

#[test]
fn what_is_of_little_importance_does_not_starve() {
    let mut world = world("drop_oldest", 3.0, 0.2);
    world.pass(MINUTES);
    // Sixteen to one by weight, and every fourth turn for its age where it has waited for 10 s.
    let low = taken(&world, LOW) as f64 / world.backend(0).taken as f64;
    assert!(low > 1.0 / 18.0, "{low}");
    let waited = world.delay(0, LOW, 0.99);
    assert!(waited < Duration::from_secs(60), "{waited:?}");
}

#[test]
fn without_classes_all_wait_alike() {
    let mut world = world_with("", "drop_oldest", 0.5, 10.0);
    world.pass(MINUTES);
    let [high, low] = [HIGH, LOW].map(|sender| world.delay(0, sender, 0.5));
    assert!(high > low / 2, "{high:?} of {low:?}");
    assert!(missing(&world, HIGH) > 0, "the important is dropped too");
}
