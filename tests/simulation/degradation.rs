//! A queue that fills: what is given up, in which order, and that it ends.

use crate::world::backend::{Capacity, Plan};
use crate::world::film::Film;
use crate::world::{Setup, Traffic, World, exporters, with_engine};
use std::time::Duration;
use tailrace_bench::chart::Colour;
use tailrace_bench::load::arrivals::{Phase, Shape, Spacing};
use tailrace_engine::telemetry::DropReason;
use tailrace_engine::units::DegradationStep as Step;

/// Of the backend, in spans a second.
const CAPACITY: f64 = 200.0;
const SPANS: usize = 10;
const MINUTE: Duration = Duration::from_secs(60);

/// One sender of high priority and one of low, which sends `low` times the capacity for two minutes,
/// and then a tenth of it.
fn world(low: f64, overflow: &str, degradation: &str) -> World {
    let keys = format!(
        "sending_queue: {{queue_size: 500, num_consumers: 2, overflow: \
         {overflow}}}, retry_on_failure: {{max_elapsed_time: 0s}}, tailrace: {{{degradation}}}"
    );
    let phase = |duration, share: f64| Phase {
        name: String::new(),
        duration,
        shape: Shape::steady(share * CAPACITY / SPANS as f64, Spacing::Poisson),
    };
    let traffic = |phases| Traffic {
        phases,
        items: SPANS,
        tenant: None,
    };
    let priority = "priority: {default: low, rules: [{resource_attributes: {tailrace.run: \
                    '0000000000000000'}, priority: high}]}";
    World::new(Setup {
        seed: 2,
        yaml: with_engine(&exporters(64, [keys.as_str()]), priority),
        backends: vec![Plan {
            capacity: Some(Capacity {
                items_per_second: CAPACITY,
                wait_max: 10 * MINUTE,
                until: Duration::MAX,
            }),
            ..Plan::default()
        }],
        traffic: vec![
            traffic(vec![phase(6 * MINUTE, 0.3)]),
            traffic(vec![phase(2 * MINUTE, low), phase(4 * MINUTE, 0.1)]),
        ],
    })
}

fn step(world: &World) -> Step {
    let steps = world.lane(0).steps;
    let on = steps.iter().position(|shards| *shards == 1);
    Step::ALL[on.expect("it is on one of them")]
}

#[test]
fn what_is_important_passes_and_all_is_normal_again_in_order() {
    let mut world = world(3.0, "reject", "degradation: {hold: 5s}");
    let mut film = Film::new(0, Duration::from_secs(1));
    let (mut up, mut down): (Vec<Step>, Vec<Step>) = Default::default();
    for _ in 0..6 * 60 {
        let before = step(&world);
        film.pass(&mut world, Duration::from_secs(1));
        let after = step(&world);
        if after > before {
            up.push(after);
        } else if after < before {
            down.push(after);
        }
    }
    film.save(
        "degradation.svg",
        &[
            vec![
                film.rate("low admitted / s", Colour::Grey, |it| it.low[0]),
                film.rate("dropped by sampling / s", Colour::Red, |it| it.dropped),
            ],
            vec![film.level("spans inside", Colour::Orange, 1.0, |it| it.inside)],
            vec![
                film.rate("high delivered / s", Colour::Green, |it| it.high[1]),
                film.rate("spans taken / s", Colour::Blue, |it| it.taken),
                film.mark("capacity", CAPACITY),
            ],
        ],
    );
    assert!(up.contains(&Step::SampleLow), "{up:?}");
    assert_eq!(step(&world), Step::Normal);
    let steps = Step::ALL
        .into_iter()
        .rev()
        .skip_while(|step| *step >= up[up.len() - 1]);
    let steps: Vec<_> = steps.collect();
    assert!(
        down.ends_with(&steps),
        "one after the other: {up:?}, {down:?}"
    );
    assert!(world.settle(10 * MINUTE), "{:?}", world.lane(0));
    let counters = world.lane(0);
    let sampled = counters.dropped[DropReason::Sampled as usize];
    assert!(sampled > 1000, "{sampled}");
    assert_eq!(
        counters.dropped.iter().sum::<u64>(),
        sampled,
        "nothing else is dropped"
    );
    // What was left out was said so: all else that was accepted is there, once.
    assert_eq!(world.lost(0), sampled);
    assert_eq!(
        (world.backend(0).corrupt, world.backend(0).duplicates),
        (0, 0)
    );
    let [high, _, _] = counters.priorities;
    assert_eq!(high.lost, 0);
    assert_eq!(
        world.senders[0].refusals(),
        0,
        "{:?}",
        world.senders[0].refused
    );
}

#[test]
fn sampling_holds_a_queue_that_would_overflow() {
    let mut world = world(3.0, "sample", "");
    world.pass(6 * MINUTE);
    assert!(world.settle(10 * MINUTE), "{:?}", world.lane(0));
    let counters = world.lane(0);
    let sampled = counters.dropped[DropReason::Sampled as usize];
    let overflow = counters.dropped[DropReason::Overflow as usize];
    assert!(sampled > 1000, "{sampled}");
    assert!(
        overflow * 10 < sampled,
        "{overflow} of {sampled} found it full"
    );
    assert!(world.senders.iter().all(|sender| sender.refusals() == 0));
    assert_eq!(world.lost(0), sampled + overflow);
    assert_eq!(world.backend(0).corrupt, 0);
}
