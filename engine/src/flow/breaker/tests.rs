use super::*;
use crate::flow::Random;
use proptest::prelude::*;

const fn at(millis: u64) -> Instant {
    Instant(millis * 1_000_000)
}

fn rule() -> BreakerRule {
    BreakerRule {
        consecutive_failures: 5,
        failure_ratio: 0.5,
        window: Duration::from_secs(10),
        min_requests: 20,
        open_for: Duration::from_secs(5),
        probes: 2,
    }
}

/// One request that goes and ends at once. `None`: it may not go.
fn attempt(breaker: &mut Breaker, failed: bool, now: Instant) -> Option<Option<Change>> {
    if breaker.ready_at(now) > now {
        return None;
    }
    breaker.start();
    Some(breaker.record(breaker.epoch(), Some(failed), now))
}

fn opened(rule: BreakerRule) -> Breaker {
    let mut breaker = Breaker::new(rule);
    for _ in 0..rule.consecutive_failures {
        attempt(&mut breaker, true, at(0)).expect("closed");
    }
    breaker
}

#[test]
fn failures_in_a_row_open_it_and_an_answer_between_them_does_not() {
    let mut breaker = Breaker::new(rule());
    for failed in [true, true, true, true, false, true, true, true, true] {
        assert_eq!(attempt(&mut breaker, failed, at(0)), Some(None));
    }
    let by = Tripped::ConsecutiveFailures(5);
    let change = attempt(&mut breaker, true, at(0));
    assert_eq!(change, Some(Some(Change::Opened(by))));
    let until = at(5000);
    assert_eq!(breaker.state(), State::Open { until, by });
    assert_eq!(breaker.ready_at(at(4999)), until);
    assert_eq!(breaker.ready_at(at(5000)), at(5000));
}

#[test]
fn a_share_of_failures_opens_it_once_there_are_enough_requests() {
    let mut breaker = Breaker::new(rule());
    for index in 0..19 {
        assert_eq!(
            attempt(&mut breaker, index % 2 == 0, at(index)),
            Some(None),
            "{index}"
        );
    }
    // The twentieth is an answer: 10 of 20 failed, but only a failure opens it.
    assert_eq!(attempt(&mut breaker, false, at(19)), Some(None));
    let by = Tripped::FailureRatio {
        failed: 11,
        requests: 21,
    };
    let change = attempt(&mut breaker, true, at(20));
    assert_eq!(change, Some(Some(Change::Opened(by))));
}

#[test]
fn failures_older_than_the_window_are_forgotten() {
    let mut breaker = Breaker::new(rule());
    for index in 0..100 {
        // One failure in two, but only two requests in each window.
        let now = at(index * 5_500);
        assert_eq!(attempt(&mut breaker, index % 2 == 0, now), Some(None));
    }
}

#[test]
fn half_open_it_lets_probes_through_and_closes_by_their_answers() {
    let mut breaker = opened(rule());
    let now = at(5000);
    assert_eq!(breaker.ready_at(now), now);
    breaker.start();
    assert_eq!(breaker.ready_at(now), now);
    breaker.start();
    assert_eq!(breaker.ready_at(now), Instant::NEVER, "two probes are out");
    let epoch = breaker.epoch();
    assert_eq!(breaker.record(epoch, Some(false), now), None);
    assert_eq!(breaker.ready_at(now), now);
    assert_eq!(
        breaker.record(epoch, Some(false), now),
        Some(Change::Closed)
    );
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn a_failed_probe_opens_it_again_and_the_other_probe_is_history() {
    let mut breaker = opened(rule());
    let now = at(5000);
    for _ in 0..2 {
        assert_eq!(breaker.ready_at(now), now);
        breaker.start();
    }
    let epoch = breaker.epoch();
    let change = breaker.record(epoch, Some(true), now);
    assert_eq!(change, Some(Change::Opened(Tripped::Probe)));
    assert_eq!(breaker.record(epoch, Some(false), at(6000)), None);
    assert_eq!(breaker.ready_at(at(6000)), at(10_000));
}

#[test]
fn a_probe_that_says_nothing_makes_room_for_another() {
    let mut breaker = opened(BreakerRule {
        probes: 1,
        ..rule()
    });
    let now = at(5000);
    assert_eq!(breaker.ready_at(now), now);
    breaker.start();
    assert_eq!(breaker.ready_at(now), Instant::NEVER);
    assert_eq!(breaker.record(breaker.epoch(), None, now), None);
    assert_eq!(breaker.ready_at(now), now);
}

/// A backend that is up for one second and down for one, and twenty callers that never rest.
#[test]
fn a_flapping_destination_is_asked_less_than_twice_a_second_while_it_is_down() {
    let mut breaker = Breaker::new(rule());
    let (mut while_down, mut while_up) = (0, 0);
    for millis in 0..60_000 {
        let down = (millis / 1000) % 2 == 1;
        for _ in 0..20 {
            if attempt(&mut breaker, down, at(millis)).is_some() {
                *(if down { &mut while_down } else { &mut while_up }) += 1;
            }
        }
    }
    assert!(while_down < 60, "{while_down} in thirty seconds");
    assert!(
        while_up > 60_000,
        "{while_up}: it returns when the destination does"
    );
}

proptest! {
    /// Any order of requests that start and end: something can always go, now, at a moment that
    /// comes, or once a probe that is out has ended; and half open never more than the probes.
    #[test]
    fn it_never_stays_shut_for_ever(
        seed: u64,
        consecutive_failures in 1..5u32,
        probes in 1..4u32,
        steps in 1..500usize,
    ) {
        let rule = BreakerRule { consecutive_failures, probes, min_requests: 3, ..rule() };
        let mut breaker = Breaker::new(rule);
        let mut random = Random::new(seed);
        let mut out: Vec<u32> = Vec::new();
        let mut now = at(0);
        for _ in 0..steps {
            now = now + Duration::from_millis(random.next_u64() % 1000);
            if random.unit() < 0.5 {
                let ready = breaker.ready_at(now);
                if ready <= now {
                    breaker.start();
                    out.push(breaker.epoch());
                } else if ready == Instant::NEVER {
                    prop_assert!(out.contains(&breaker.epoch()), "nobody to wait for");
                } else {
                    prop_assert!(ready <= now + rule.open_for);
                }
            } else if !out.is_empty() {
                let epoch = out.swap_remove(random.next_u64() as usize % out.len());
                let failed = [None, Some(false), Some(true)][random.next_u64() as usize % 3];
                breaker.record(epoch, failed, now);
            }
            if breaker.state() == State::HalfOpen {
                let probing = out.iter().filter(|epoch| **epoch == breaker.epoch()).count();
                prop_assert!(probing <= probes as usize);
            }
        }
    }
}
