//! Worlds left to chance: configurations, traffic and faults of every kind. What must hold in all of
//! them is checked after every step, and once more at the end.
//!
//! A failure names its seed and the command that plays it again. `just simulate 60` plays new seeds
//! for an hour.

mod chance;

use crate::world::{Setup, World};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tailrace_codec::grpc::Code;

/// Enough for the kinds to meet, in seconds of a debug build.
const SEEDS: u64 = 25;

/// One seed alone.
const SEED: &str = "SIMULATE_SEED";

/// New seeds for so many minutes.
const MINUTES: &str = "SIMULATE_MINUTES";

/// Longer than any backoff, timeout and queue of these worlds lasts once their backends behave.
const SETTLED: Duration = Duration::from_secs(2 * 3600);

#[test]
fn every_item_ends_once_and_every_sender_is_answered() {
    if let Some(seed) = number(SEED) {
        return play(seed);
    }
    let Some(minutes) = number(MINUTES) else {
        return (0..SEEDS).for_each(try_seed);
    };
    let end = Instant::now() + Duration::from_secs(60 * minutes);
    let start = SystemTime::now().duration_since(UNIX_EPOCH);
    let first = start.map_or(0, |since| since.as_secs()) << 20;
    let mut played = 0;
    while Instant::now() < end {
        try_seed(first + played);
        played += 1;
    }
    println!("{played} seeds from {first} on, no fault");
}

#[test]
fn a_seed_gives_the_same_run() {
    let play = |seed| {
        let (world, _) = played(seed);
        let backend = world.backend(0);
        let (offered, connects) = (backend.offered.clone(), backend.connects.clone());
        (world.lane(0), offered, connects)
    };
    assert_eq!(play(7), play(7));
    assert_ne!(play(7), play(8));
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().expect("a whole number"))
}

fn try_seed(seed: u64) {
    if let Err(fault) = catch_unwind(AssertUnwindSafe(|| play(seed))) {
        eprintln!(
            "to play it again: {SEED}={seed} cargo test -p tailrace-tests --test simulation any"
        );
        resume_unwind(fault);
    }
}

/// The world after all that happens in it, and whether nothing is left inside.
fn played(seed: u64) -> (World, bool) {
    let setup = chance::setup(seed);
    let ends = setup.traffic.iter().map(|traffic| {
        let phases = traffic.phases.iter().map(|phase| phase.duration);
        phases.sum::<Duration>()
    });
    let duration = ends.max().unwrap_or_default();
    let mut world = World::new(setup);
    world.pass(duration);
    let settled = world.settle(SETTLED);
    (world, settled)
}

fn play(seed: u64) {
    let Setup { yaml, backends, .. } = chance::setup(seed);
    let lanes = backends.len();
    let (world, settled) = played(seed);
    for lane in 0..lanes {
        let (counters, backend) = (world.lane(lane), world.backend(lane));
        assert!(settled, "something is left: {counters:?}\n{yaml}");
        let rejected: u64 = counters.rejected.iter().sum();
        let dropped: u64 = counters.dropped.iter().sum();
        let gone = rejected + dropped;
        assert_eq!(counters.admitted, counters.delivered + gone, "{yaml}");
        assert_eq!(backend.corrupt, 0, "{yaml}");
        let lost = world.lost(lane);
        assert!(
            lost <= gone,
            "{lost} of lane {lane} are lost, {gone} said\n{yaml}"
        );
        // A full success for items that were not taken would be one that nobody gave.
        assert!(counters.delivered <= backend.taken, "{yaml}");
    }
    for sender in &world.senders {
        assert_eq!(sender.waiting(), 0, "who waits was answered\n{yaml}");
        // Without a delay this code says never to come again. Source:
        // <https://opentelemetry.io/docs/specs/otlp/#failures>
        let for_good = sender.refused_without_delay.get(&Code::ResourceExhausted);
        assert_eq!(for_good, None, "{yaml}");
    }
}
