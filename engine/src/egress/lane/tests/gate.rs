//! What a destination's answers do to everything else that waits for it.

use super::*;
use crate::telemetry::Hold;

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn held_back(rig: &Rig, by: Hold) -> u64 {
    rig.lane.counters().held_back[by as usize]
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
    assert_eq!(rig.lane.counters().held_back, [0, 1]);
    for _ in 0..6 {
        rig.end(ANSWERED(delivered()));
        rig.admit(&["x"]);
        rig.send();
    }
    assert_eq!(rig.lane.counters().held_back, [0, 0], "the ramp has ended");
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
    assert_eq!(rig.lane.counters().held_back, [0, 0]);
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
