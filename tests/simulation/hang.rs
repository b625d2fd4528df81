//! One of a hundred destinations takes requests and answers none.

use crate::world::backend::Plan;
use crate::world::film::Film;
use crate::world::{Setup, Traffic, World, exporters};
use std::time::Duration;
use tailrace_bench::chart::Colour;
use tailrace_bench::load::arrivals::{Shape, Spacing};

const LANES: usize = 100;
const HUNG: usize = 17;
const SPANS: usize = 5;

const MINUTE: Duration = Duration::from_secs(60);

/// Five requests a second to all of them; `keys` are the hung one's.
fn world(keys: &str) -> World {
    let keys = (0..LANES).map(|lane| match lane {
        HUNG => keys,
        _ => "sending_queue: {queue_size: 100}",
    });
    let backends = (0..LANES).map(|lane| match lane {
        HUNG => Plan {
            script: "phases: [{faults: [{share: 1, silence: true}]}]".to_owned(),
            ..Plan::default()
        },
        _ => Plan {
            script: "phases: [{latency: {exponential: 10ms}}]".to_owned(),
            ..Plan::default()
        },
    });
    World::new(Setup {
        seed: 2,
        yaml: exporters(512, keys),
        backends: backends.collect(),
        traffic: vec![Traffic::steady(
            Shape::steady(5.0, Spacing::Poisson),
            SPANS,
            MINUTE,
        )],
    })
}

/// The minute of traffic, and what follows it.
fn filmed(picture: &str, world: &mut World) {
    let mut film = Film::new(HUNG, Duration::from_secs(1));
    film.pass(world, MINUTE);
    film.save(
        picture,
        &[
            vec![
                film.rate("requests sent / s", Colour::Grey, |frame| frame.sent),
                film.rate("requests refused / s", Colour::Red, |frame| frame.refused),
                film.rate("spans dropped / s", Colour::Violet, |frame| frame.dropped),
            ],
            vec![film.level(
                "spans inside for the hung one",
                Colour::Green,
                1.0,
                |frame| frame.inside,
            )],
        ],
    );
    world.pass(Duration::from_secs(10));
}

fn others_have_everything(world: &World) {
    for lane in (0..LANES).filter(|lane| *lane != HUNG) {
        assert_eq!(world.lost(lane), 0, "lane {lane}");
        assert_eq!(world.backend(lane).duplicates, 0, "lane {lane}");
    }
}

#[test]
fn with_reject_the_senders_see_it_and_the_others_get_what_was_accepted() {
    let mut world = world("timeout: 5s, sending_queue: {queue_size: 100}");
    filmed("hang-reject.svg", &mut world);
    let senders = &world.senders[0];
    assert!(
        senders.refusals() > senders.sent / 2,
        "{:?}",
        senders.refused
    );
    assert!(senders.refused_without_delay.is_empty());
    others_have_everything(&world);
    let hung = world.lane(HUNG);
    assert_eq!(hung.delivered, 0);
    assert_eq!(hung.queue_size, hung.queue_capacity, "{hung:?}");
}

#[test]
fn with_drop_oldest_nobody_sees_it_and_what_is_dropped_is_counted() {
    let mut world = world("sending_queue: {queue_size: 100, overflow: drop_oldest}, timeout: 5s");
    filmed("hang-drop.svg", &mut world);
    assert_eq!(
        world.senders[0].refusals(),
        0,
        "{:?}",
        world.senders[0].refused
    );
    others_have_everything(&world);
    let hung = world.lane(HUNG);
    let dropped: u64 = hung.dropped.iter().sum();
    assert!(dropped > hung.admitted / 2, "{hung:?}");
}
