//! What a destination's answers do to everything else that waits for it.

use super::*;
use crate::flow::breaker::Tripped;
use crate::flow::{BreakerRule, BudgetRule, ConcurrencyRule, Rate, RateRule};
use crate::telemetry::{Circuit, Hold, OpenedBy};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn held_back(rig: &Rig, by: Hold) -> u64 {
    rig.lane.counters().held_back[by as usize]
}

/// What holds the lane back, of all there is.
fn holds(rig: &Rig) -> Vec<Hold> {
    let held = |hold: &Hold| held_back(rig, *hold) > 0;
    Hold::ALL.into_iter().filter(held).collect()
}

#[test]
fn a_pause_holds_for_everything_that_waits_and_ends_in_a_ramp() {
    let mut rig = Rig::new(settings());
    for name in ["a", "b", "c", "d", "e", "f"] {
        rig.admit(&[name]);
    }
    assert_eq!(rig.send().len(), 4);
    rig.end(ANSWERED(unavailable(Some(seconds(10)))));
    rig.end(ANSWERED(delivered()));
    assert!(rig.send().is_empty(), "a slot is free, and nothing goes");
    assert_eq!(held_back(&rig, Hold::Throttle), 1);
    // What was on its way is refused too, with a shorter pause: the longer holds.
    rig.end(ANSWERED(unavailable(Some(seconds(3)))));
    rig.end(ANSWERED(delivered()));
    assert_eq!(rig.lane.counters().throttled, 1);
    assert_eq!(rig.next_timeout(), Some(seconds(10)));
    // The batches that were refused are due; one goes, though four slots are free.
    assert_eq!(rig.send(), [["c"]]);
    assert_eq!(held_back(&rig, Hold::Ramp), 1);
    assert_eq!(rig.next_timeout(), None, "an answer comes first");
    let mut answers = 0;
    while rig.sent.len() < 2 {
        rig.end(ANSWERED(delivered()));
        answers += 1;
        rig.admit(&["x"]);
        rig.send();
    }
    assert_eq!(answers, 4, "1 + 4 * 0.3 is over 2");
    assert_eq!(holds(&rig), [Hold::Ramp]);
    for _ in 0..6 {
        rig.end(ANSWERED(delivered()));
        rig.admit(&["x"]);
        rig.send();
    }
    assert_eq!(holds(&rig), [], "the ramp has ended");
}

#[test]
fn answers_to_what_was_sent_before_a_pause_do_not_climb_its_ramp() {
    let mut rig = Rig::new(settings());
    for name in ["a", "b", "c", "d", "e", "f"] {
        rig.admit(&[name]);
    }
    rig.send();
    rig.end(ANSWERED(unavailable(Some(seconds(1)))));
    rig.now = rig.now + seconds(2);
    assert!(rig.send().is_empty(), "three are still on their way");
    for _ in 0..3 {
        rig.end(ANSWERED(delivered()));
    }
    assert_eq!(rig.send(), [["e"]]);
}

#[test]
fn a_failure_without_a_word_holds_back_its_own_batch_alone() {
    let mut rig = Rig::new(settings());
    rig.admit(&["a"]);
    rig.send();
    rig.admit(&["b"]);
    rig.end(ANSWERED(unavailable(None)));
    assert_eq!(rig.send(), [["b"]]);
    assert_eq!(holds(&rig), []);
}

#[test]
fn the_end_of_the_process_does_not_wait_for_a_pause() {
    let mut rig = Rig::new(settings());
    rig.admit(&["a"]);
    rig.send();
    rig.end(ANSWERED(unavailable(Some(seconds(100)))));
    rig.admit(&["b"]);
    assert!(rig.send().is_empty());
    rig.lane.flush();
    assert_eq!(rig.send(), [["a"], ["b"]]);
}

#[test]
fn a_flush_waits_for_a_pause_that_was_asked_for() {
    let mut rig = Rig::new(settings());
    rig.admit(&["a"]);
    rig.send();
    rig.end(ANSWERED(unavailable(Some(seconds(100)))));
    rig.admit(&["b"]);
    rig.lane.flush_once();
    assert!(rig.send().is_empty());
    assert_eq!(rig.next_timeout(), Some(seconds(100)));
    assert_eq!(rig.send(), [["a"]]);
}

fn with_breaker() -> Rig {
    let breaker = BreakerRule {
        consecutive_failures: 3,
        failure_ratio: 1.0,
        window: seconds(10),
        min_requests: 100,
        open_for: seconds(20),
        probes: 1,
    };
    Rig::new(LaneSettings {
        gate: GateRule {
            breaker: Some(breaker),
            ..GateRule::default()
        },
        ..settings()
    })
}

#[test]
fn an_open_circuit_sends_nothing_then_one_probe_and_closes_into_a_ramp() {
    let mut rig = with_breaker();
    for name in ["a", "b", "c", "d", "e", "f"] {
        rig.admit(&[name]);
    }
    rig.send();
    for _ in 0..3 {
        assert_eq!(rig.lane.poll_circuit(), None);
        rig.end(Conclusion::Unsent);
    }
    let opened = Change::Opened(Tripped::ConsecutiveFailures(3));
    assert_eq!(rig.lane.poll_circuit(), Some(opened));
    assert_eq!(rig.lane.poll_circuit(), None, "told once");
    // Backoffs are over after five seconds; the circuit is not.
    assert!(rig.send().is_empty());
    assert_eq!(rig.next_timeout(), Some(seconds(20)));
    assert_eq!(rig.send(), [["a"]], "the probe");
    let counters = rig.lane.counters();
    assert_eq!(counters.circuit[Circuit::HalfOpen as usize], 1);
    assert_eq!(held_back(&rig, Hold::Circuit), 1);
    let (probe, _) = rig.sent.pop().expect("the probe");
    rig.end_batch(probe, ANSWERED(unavailable(None)));
    let again = Change::Opened(Tripped::Probe);
    assert_eq!(rig.lane.poll_circuit(), Some(again));
    assert!(rig.send().is_empty());
    assert_eq!(rig.next_timeout(), Some(seconds(20)));
    assert_eq!(rig.send().len(), 1);
    let (probe, _) = rig.sent.pop().expect("the probe");
    rig.end_batch(probe, ANSWERED(delivered()));
    assert_eq!(rig.lane.poll_circuit(), Some(Change::Closed));
    // "d" was sent before all this and has not ended; beside it the ramp lets nothing go.
    assert!(rig.send().is_empty());
    rig.end(ANSWERED(delivered()));
    assert_eq!(rig.send().len(), 1);
    let opened = rig.lane.counters().circuit_opened;
    assert_eq!(opened[OpenedBy::ConsecutiveFailures as usize], 1);
    assert_eq!(opened[OpenedBy::Probe as usize], 1);
}

#[test]
fn answers_that_refuse_the_data_do_not_open_the_circuit() {
    let mut rig = with_breaker();
    for _ in 0..10 {
        rig.admit(&["a"]);
        rig.send();
        rig.end(ANSWERED(refused(Code::PermissionDenied)));
    }
    assert_eq!(rig.lane.poll_circuit(), None);
    assert_eq!(rig.lane.counters().circuit[Circuit::Closed as usize], 1);
}

#[test]
fn retries_over_the_budget_wait_while_what_is_new_goes() {
    let budget = BudgetRule {
        ratio: 0.5,
        min_per_second: 0.01,
        window: seconds(10),
    };
    let mut rig = Rig::new(LaneSettings {
        gate: GateRule {
            budget: Some(budget),
            ..GateRule::default()
        },
        ..settings()
    });
    for name in ["a", "b", "c"] {
        rig.admit(&[name]);
    }
    rig.send();
    for _ in 0..3 {
        rig.end(ANSWERED(unavailable(None)));
    }
    assert_eq!(rig.next_timeout(), Some(seconds(5)));
    assert_eq!(rig.send(), [["a"]], "one retry for three first tries");
    assert_eq!(held_back(&rig, Hold::RetryBudget), 1);
    let waits = rig.next_timeout().expect("asked again");
    assert!(waits > Duration::ZERO && waits <= seconds(1));
    rig.admit(&["d"]);
    assert_eq!(
        rig.send(),
        [["d"], ["b"]],
        "its share lets another retry go"
    );
    rig.lane.flush();
    assert_eq!(rig.send(), [["c"]]);
}

#[test]
fn no_more_goes_than_the_rate_and_what_is_over_it_waits() {
    let rate = Rate {
        per_second: 2.0,
        burst: seconds(1),
    };
    let mut rig = Rig::new(LaneSettings {
        gate: GateRule {
            rate: Some(RateRule {
                items: Some(rate),
                ..RateRule::default()
            }),
            ..GateRule::default()
        },
        ..settings()
    });
    for name in ["a", "b", "c", "d", "e"] {
        rig.admit(&[name]);
    }
    assert_eq!(rig.send(), [["a"], ["b"]], "the burst");
    assert_eq!(holds(&rig), [Hold::RateLimit]);
    rig.end(ANSWERED(delivered()));
    assert!(rig.send().is_empty(), "an answer makes no room in a second");
    rig.next_timeout();
    assert_eq!(rig.send(), [["c"]]);
    let waited = rig.next_timeout().expect("it is asked again");
    assert!(
        waited > seconds(0) && waited <= Duration::from_millis(501),
        "{waited:?}"
    );
    assert_eq!(rig.send(), [["d"]]);
    // The end of the process is no reason to send faster.
    rig.lane.flush();
    assert!(rig.send().is_empty());
    rig.next_timeout();
    rig.end(ANSWERED(delivered()));
    assert_eq!(rig.send(), [["e"]]);
}

#[test]
fn as_many_go_at_once_as_the_destination_answers_well() {
    let mut rig = Rig::new(LaneSettings {
        gate: GateRule {
            concurrency: Some(ConcurrencyRule {
                initial: 2,
                max: 3,
                decrease_ratio: 0.5,
                ewma_alpha: 0.4,
                rtt_deviation_scale: 2.5,
            }),
            ..GateRule::default()
        },
        ..settings()
    });
    for _ in 0..30 {
        rig.admit(&["x"]);
    }
    assert_eq!(rig.send().len(), 2);
    assert_eq!(holds(&rig), [Hold::Concurrency]);
    assert_eq!(rig.lane.counters().concurrency_limit, Some(2));
    while rig.lane.counters().concurrency_limit < Some(3) {
        rig.now = rig.now + Duration::from_millis(50);
        rig.end(ANSWERED(delivered()));
        rig.send();
    }
    assert_eq!(rig.sent.len(), 3, "four slots are free");
    rig.now = rig.now + seconds(1);
    rig.end(ANSWERED(unavailable(None)));
    assert_eq!(rig.lane.counters().concurrency_limit, Some(1));
}
