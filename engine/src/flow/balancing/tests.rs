//! Worlds of a few endpoints that answer, fail, slow down and come back.

use super::standing::{Ejection, OutlierRule};
use super::*;
use proptest::prelude::*;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn outlier() -> OutlierRule {
    OutlierRule {
        consecutive_failures: 5,
        failure_ratio: 0.85,
        window: 10 * SECOND,
        min_requests: 50,
        base_ejection_time: 10 * SECOND,
        max_ejection_time: 60 * SECOND,
        max_ejection_ratio: 0.5,
    }
}

fn rule(policy: Policy, levels: &[usize]) -> BalancingRule {
    let name = |(index, level): (usize, &usize)| (format!("h{index}:1"), *level);
    BalancingRule {
        policy,
        endpoints: levels.iter().enumerate().map(name).collect(),
        outlier: Some(outlier()),
        failback_after: 10 * SECOND,
    }
}

struct World {
    balancing: Balancing,
    now: Instant,
    picked: Vec<u32>,
}

impl World {
    fn new(rule: BalancingRule) -> Self {
        let picked = vec![0; rule.endpoints.len()];
        Self {
            balancing: Balancing::new(rule, 7),
            now: Instant(0),
            picked,
        }
    }

    /// One request after the other, each `MS` long: how many each endpoint had.
    fn run(&mut self, requests: u32, fails: impl Fn(usize) -> bool) -> Vec<u32> {
        self.picked.fill(0);
        for _ in 0..requests {
            let pick = self.balancing.pick(0, self.now);
            self.picked[pick.endpoint] += 1;
            self.now = self.now + MS;
            let ended = if fails(pick.endpoint) {
                Ended::Failed
            } else {
                Ended::Answered
            };
            self.balancing.handle_ended(pick, ended, self.now);
        }
        self.picked.clone()
    }

    fn changes(&mut self) -> Vec<Change> {
        std::iter::from_fn(|| self.balancing.poll_change()).collect()
    }
}

#[test]
fn round_robin_gives_each_as_much() {
    let mut world = World::new(rule(Policy::RoundRobin, &[0, 0, 0]));
    assert_eq!(world.run(300, |_| false), [100, 100, 100]);
}

#[test]
fn one_that_fails_is_out_after_five_and_asked_by_single_probes() {
    let mut world = World::new(rule(Policy::RoundRobin, &[0, 0, 0]));
    let dead = |endpoint| endpoint == 1;
    assert_eq!(world.run(15, dead)[1], 5);
    let why = Ejection::ConsecutiveFailures(5);
    assert_eq!(world.changes(), [Change::Ejected { endpoint: 1, why }]);
    assert_eq!(world.run(3000, dead)[1], 0);
    // 10 s, then 20 s, then 30 s: three probes in the first minute and a half.
    assert_eq!(world.run(62_000, dead)[1], 3);
    assert_eq!(world.changes(), [], "nobody is told of a probe that fails");
    world.run(60_000, |_| false);
    assert_eq!(world.changes(), [Change::Returned { endpoint: 1 }]);
    assert_eq!(world.run(300, |_| false), [100, 100, 100]);
}

#[test]
fn half_may_be_out_and_no_more() {
    let mut world = World::new(rule(Policy::RoundRobin, &[0, 0, 0, 0]));
    world.run(1000, |_| true);
    let out = (0..4).filter(|&endpoint| world.balancing.tally(endpoint).2);
    assert_eq!(out.count(), 2);
}

#[test]
fn the_only_one_is_never_out_for_its_answers() {
    let mut world = World::new(rule(Policy::RoundRobin, &[0]));
    assert_eq!(world.run(100, |_| true), [100]);
    assert_eq!(world.changes(), []);
}

#[test]
fn a_share_of_failures_is_enough() {
    let mut world = World::new(rule(Policy::RoundRobin, &[0, 0, 0]));
    // Nine of ten, never five in a row would be: one of five is answered.
    let mut count = 0;
    for _ in 0..400 {
        let pick = world.balancing.pick(0, world.now);
        world.now = world.now + MS;
        count += u32::from(pick.endpoint == 0);
        let failed = pick.endpoint == 0 && count % 5 != 0;
        let ended = if failed {
            Ended::Failed
        } else {
            Ended::Answered
        };
        world.balancing.handle_ended(pick, ended, world.now);
    }
    assert_eq!(world.changes(), [], "four of five are under 0.85");
}

#[test]
fn the_second_level_takes_over_at_once_and_gives_back_when_the_first_lasts() {
    let mut world = World::new(rule(Policy::RoundRobin, &[0, 0, 1]));
    let first_fails = |endpoint| endpoint < 2;
    assert_eq!(world.run(20, first_fails), [5, 5, 10]);
    let level = Change::Level { from: 0, to: 1 };
    assert!(world.changes().contains(&level));
    // It comes back: probes at 10 s, then a request a second for ten seconds.
    let picked = world.run(15_000, |_| false);
    assert!((5..15).contains(&(picked[0] + picked[1])), "{picked:?}");
    assert_eq!(world.balancing.level(), 1);
    let picked = world.run(10_000, |_| false);
    assert!(picked[0] > 2000 && picked[1] > 2000, "{picked:?}");
    assert!(world.changes().contains(&Change::Level { from: 1, to: 0 }));
}

#[test]
fn a_first_level_that_flaps_is_not_gone_back_to() {
    let mut world = World::new(rule(Policy::RoundRobin, &[0, 1]));
    world.run(20, |endpoint| endpoint == 0);
    world.changes();
    // Each probe succeeds, and what follows fails.
    for round in 0..600u32 {
        let fails = round % 8 != 0;
        world.run(1000, |endpoint| endpoint == 0 && fails);
    }
    let levels = world.changes();
    let levels = levels
        .iter()
        .filter(|change| matches!(change, Change::Level { .. }));
    assert_eq!(levels.count(), 0, "in ten minutes");
}

#[test]
fn what_nobody_reaches_is_out_until_its_connections_may_be_tried() {
    let mut world = World::new(rule(Policy::RoundRobin, &[0, 0]));
    let until = world.now + 700 * MS;
    world.balancing.handle_unreachable(1, until, world.now);
    assert_eq!(world.run(600, |_| false), [600, 0]);
    assert_eq!(world.run(400, |_| false)[1], 151, "a probe, then its turn");
    // All of them: the one that comes back first holds what there is.
    for (endpoint, pause) in [(0, 900 * MS), (1, 300 * MS)] {
        let until = world.now + pause;
        world
            .balancing
            .handle_unreachable(endpoint, until, world.now);
    }
    assert!(!world.balancing.has_choice(world.now));
    assert_eq!(world.balancing.pick(0, world.now).endpoint, 1);
}

#[test]
fn least_request_moves_the_share_of_one_that_slows_down_within_a_hundred_requests() {
    let mut world = World::new(rule(Policy::LeastRequest, &[0, 0, 0]));
    // Ten at once; endpoint 0 takes 10 ms, and a second once it is slow.
    let mut open: Vec<(Instant, Pick)> = Vec::new();
    let mut shares = Vec::new();
    for turn in 0..4000u32 {
        while open.len() >= 10 {
            let first = open.iter().enumerate().min_by_key(|(_, (end, _))| *end);
            let index = first.expect("ten").0;
            let (end, pick) = open.swap_remove(index);
            world.now = world.now.max(end);
            world
                .balancing
                .handle_ended(pick, Ended::Answered, world.now);
        }
        let pick = world.balancing.pick(0, world.now);
        let slow = pick.endpoint == 0 && turn >= 2000;
        let taken = if slow { SECOND } else { 10 * MS };
        open.push((world.now + taken, pick));
        shares.push(pick.endpoint == 0);
    }
    let share = |from: usize, to: usize| shares[from..to].iter().filter(|slow| **slow).count();
    assert!((500..850).contains(&share(0, 2000)), "{}", share(0, 2000));
    assert!(share(2000, 2100) < 20, "{}", share(2000, 2100));
    assert!(share(2100, 4000) < 40, "{}", share(2100, 4000));
}

proptest! {
    /// Whatever the keys: nobody has more than the bound of the mean on its way, rounded up.
    #[test]
    fn consistent_hashing_keeps_its_bound(
        keys in prop::collection::vec(0..4u64, 1..300),
        endpoints in 1..8usize,
    ) {
        let bound = 1.25;
        let rule = rule(Policy::ConsistentHash { by: HashBy::TraceId, bound }, &vec![0; endpoints]);
        let mut balancing = Balancing::new(rule, 1);
        for (sent, key) in keys.into_iter().enumerate() {
            balancing.pick(ring::hash(&key.to_le_bytes()), Instant(0));
            let most = (bound * (sent + 1) as f64 / endpoints as f64).ceil() as u32;
            for endpoint in 0..endpoints {
                prop_assert!(balancing.tally(endpoint).1 <= most);
            }
        }
    }

    /// Whatever ends how and when: counts return to nothing, and somebody is always chosen.
    #[test]
    fn counts_return_to_nothing(
        turns in prop::collection::vec((0..4u8, 0..5000u64), 1..300),
        seed: u64,
    ) {
        let mut balancing = Balancing::new(rule(Policy::LeastRequest, &[0, 0, 1, 2]), seed);
        let mut now = Instant(0);
        let mut open = Vec::new();
        for (what, pause) in turns {
            now = now + Duration::from_millis(pause);
            match (what, open.pop()) {
                (0, Some(pick)) => balancing.handle_ended(pick, Ended::Answered, now),
                (1, Some(pick)) => balancing.handle_ended(pick, Ended::Failed, now),
                (2, Some(pick)) => {
                    balancing.handle_unreachable(pick.endpoint, now + SECOND, now);
                    balancing.handle_ended(pick, Ended::Unknown, now);
                }
                (_, other) => {
                    open.extend(other);
                    open.push(balancing.pick(pause, now));
                }
            }
        }
        for pick in open {
            balancing.handle_ended(pick, Ended::Answered, now);
        }
        prop_assert!((0..4).all(|endpoint| balancing.tally(endpoint).1 == 0));
    }
}
