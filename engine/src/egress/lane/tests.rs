//! One lane by hand, then in any order of events.

mod degrade;
mod gate;
mod machine;
mod rig;

use super::*;
use crate::delivery::TooLarge;
use crate::telemetry::RejectReason;
use rig::*;

const ANSWERED: fn(Verdict) -> Conclusion = Conclusion::Answered;

#[test]
fn without_batching_each_payload_goes_as_it_came_while_slots_are_free() {
    let mut rig = Rig::new(settings());
    for name in ["a", "b", "c", "d", "e"] {
        rig.admit(&[name]);
    }
    assert_eq!(rig.send(), [["a"], ["b"], ["c"], ["d"]]);
    rig.end(ANSWERED(delivered()));
    assert_eq!(rig.send(), [["e"]]);
    assert_eq!(rig.lane.counters().requests_in_flight, 4);
}

#[test]
fn slots_without_limit_cost_nothing_before_they_are_used() {
    let mut rig = Rig::new(LaneSettings {
        slots: u32::MAX as usize,
        ..settings()
    });
    for _ in 0..5_000 {
        rig.admit(&["a"]);
    }
    assert_eq!(rig.send().len(), 5_000);
    for _ in 0..5_000 {
        rig.end(ANSWERED(unavailable(None)));
    }
    assert_eq!(rig.next_timeout(), Some(5 * S));
    assert_eq!(rig.send().len(), 5_000);
}

#[test]
fn batches_by_items_are_between_the_minimum_and_the_maximum() {
    let mut rig = Rig::new(batching(Sizer::Items, 3, 4));
    rig.admit(&["a", "b"]);
    assert!(rig.send().is_empty(), "below the minimum it waits");
    rig.admit(&["c", "d", "e", "f", "g"]);
    assert_eq!(
        rig.send(),
        [["a", "b", "c", "d"].to_vec(), ["e", "f", "g"].to_vec()]
    );
    let counters = rig.lane.counters();
    assert_eq!(
        (counters.batches_by_size, counters.batches_by_timeout),
        (2, 0)
    );
}

#[test]
fn batches_by_bytes_are_cut_at_items() {
    let one = encode(&["x"]).len() as u64;
    let two = encode(&["x", "x"]).len() as u64;
    let mut rig = Rig::new(batching(Sizer::Bytes, two, two));
    rig.admit(&["a", "b", "c", "d", "e"]);
    assert_eq!(rig.send(), [["a", "b"], ["c", "d"]]);
    assert_eq!(rig.next_timeout(), Some(Duration::from_millis(200)));
    assert_eq!(rig.send(), [["e"]]);
    // An item that is larger than a batch may be goes alone.
    let mut rig = Rig::new(batching(Sizer::Bytes, one - 1, one - 1));
    rig.admit(&["a", "b"]);
    assert_eq!(rig.send(), [["a"], ["b"]]);
}

#[test]
fn what_is_small_leaves_at_the_flush_timeout_counted_from_the_oldest() {
    let mut rig = Rig::new(batching(Sizer::Items, 100, u64::MAX));
    rig.admit(&["a"]);
    rig.send();
    rig.now = rig.now + Duration::from_millis(150);
    rig.admit(&["b"]);
    assert!(rig.send().is_empty());
    assert_eq!(rig.next_timeout(), Some(Duration::from_millis(50)));
    assert_eq!(rig.send(), [["a", "b"]]);
    assert_eq!(rig.lane.counters().batches_by_timeout, 1);
}

#[test]
fn other_metadata_is_another_batch() {
    let mut rig = Rig::new(batching(Sizer::Items, 2, 2));
    for (name, tenant) in [("a", "red"), ("b", "blue"), ("c", "red"), ("d", "blue")] {
        rig.admit_of(&[name], Some(tenant));
    }
    assert_eq!(rig.send(), [["a", "c"], ["b", "d"]]);
}

#[test]
fn room_is_measured_as_the_queue_says_and_in_bytes_besides() {
    let size = |requests, items, bytes| Size {
        requests,
        items,
        bytes,
    };
    let queue = |sizer, max| QueueLimit {
        sizer,
        max,
        bytes_max: 1000,
        overflow: Overflow::Reject,
    };
    let used = encode(&["a", "b"]).len() as u64;
    let table = [
        (queue(Sizer::Requests, 2), size(1, 50, 100), true),
        (queue(Sizer::Requests, 1), size(1, 1, 1), false),
        (queue(Sizer::Items, 5), size(1, 3, 100), true),
        (queue(Sizer::Items, 5), size(1, 4, 100), false),
        (queue(Sizer::Bytes, used + 10), size(1, 1, 10), true),
        (queue(Sizer::Bytes, used + 10), size(1, 1, 11), false),
        (queue(Sizer::Requests, 9), size(1, 1, 1000 - used), true),
        (queue(Sizer::Requests, 9), size(1, 1, 1001 - used), false),
    ];
    for (queue, size, fits) in table {
        let mut rig = Rig::new(LaneSettings {
            queue,
            ..settings()
        });
        assert!(
            rig.lane.has_room(Size {
                bytes: 5000,
                ..size
            }),
            "an empty lane takes any"
        );
        rig.admit(&["a", "b"]);
        assert_eq!(rig.lane.has_room(size), fits, "{queue:?} {size:?}");
        // On its way it still is in the queue's limit: the slot is the consumer's.
        rig.send();
        assert_eq!(rig.lane.has_room(size), fits, "{queue:?} {size:?}");
        rig.end(ANSWERED(delivered()));
        assert!(rig.lane.has_room(size));
    }
}

#[test]
fn a_batch_in_backoff_keeps_its_slot_and_its_borders() {
    let mut rig = Rig::new(LaneSettings {
        slots: 1,
        ..batching(Sizer::Items, 1, 2)
    });
    rig.admit(&["a", "b", "c"]);
    assert_eq!(rig.send(), [["a", "b"]]);
    rig.end(ANSWERED(unavailable(None)));
    assert!(rig.send().is_empty(), "the slot is taken");
    assert_eq!(rig.lane.counters().backing_off, 2);
    assert_eq!(rig.next_timeout(), Some(5 * S));
    assert_eq!(rig.send(), [["a", "b"]]);
    rig.end(ANSWERED(unavailable(Some(20 * S))));
    assert_eq!(
        rig.next_timeout(),
        Some(20 * S),
        "the server's delay is the longer one"
    );
}

#[test]
fn retries_end_with_their_time_and_the_sender_may_come_again() {
    let mut rig = Rig::new(settings());
    rig.admit(&["a"]);
    let mut tries = 0;
    while !rig.send().is_empty() {
        tries += 1;
        rig.end(ANSWERED(unavailable(None)));
        rig.next_timeout();
    }
    // 5, 7.5, 11.25, 16.875 and 25.3125 s, then 30 s each: the last that starts within 300 s.
    assert_eq!(tries, 13);
    assert_eq!(rig.settled, [Outcome::Unavailable { after: None }]);
    assert_eq!(
        rig.lane.counters().dropped[DropReason::RetriesExhausted as usize],
        1
    );
    assert_eq!(rig.lane.counters().send_failed, 13);
}

#[test]
fn what_was_not_processed_goes_again_at_once_and_outside_the_backoff() {
    let mut rig = Rig::new(settings());
    rig.admit(&["a"]);
    for _ in 0..4 {
        assert_eq!(rig.send().len(), 1);
        assert_eq!(rig.lane.counters().send_failed, 0);
        rig.end(ANSWERED(Verdict::RetryNow));
    }
    assert!(rig.send().is_empty(), "not for ever");
    assert_eq!(
        rig.next_timeout(),
        Some(5 * S),
        "the first interval: no try was counted before"
    );
}

#[test]
fn a_partial_success_is_counted_once_and_never_sent_again() {
    let mut rig = Rig::new(settings());
    rig.admit(&["a", "b", "c"]);
    rig.send();
    let message = "".into();
    rig.end(ANSWERED(Verdict::Partial {
        rejected_items: 2,
        message,
    }));
    assert!(rig.send().is_empty());
    let counters = rig.lane.counters();
    assert_eq!(counters.delivered, 1);
    assert_eq!(counters.rejected[RejectReason::PartialSuccess as usize], 2);
    assert_eq!(rig.settled, [Outcome::Partial { rejected_items: 2 }]);
}

#[test]
fn a_refusal_that_blames_the_data_costs_only_the_bad_item() {
    let mut rig = Rig::new(batching(Sizer::Items, 6, 100));
    rig.admit(&["a", "b"]);
    rig.admit(&["c", "bad"]);
    rig.admit(&["d", "e"]);
    let bad = |names: &[String]| names.iter().any(|name| name == "bad");
    rig.answer_all(|names| match bad(names) {
        true => refused(Code::InvalidArgument),
        false => delivered(),
    });
    let counters = rig.lane.counters();
    assert_eq!(counters.delivered, 5);
    assert_eq!(counters.rejected[RejectReason::Refused as usize], 1);
    let refused = rig
        .settled
        .iter()
        .filter(|outcome| **outcome == Outcome::Refused);
    assert_eq!(refused.count(), 1);
}

#[test]
fn a_refusal_of_the_sender_is_not_taken_apart() {
    for code in [
        Code::Unauthenticated,
        Code::PermissionDenied,
        Code::Unimplemented,
    ] {
        let mut rig = Rig::new(batching(Sizer::Items, 4, 100));
        rig.admit(&["a", "b", "c", "d"]);
        rig.send();
        rig.end(ANSWERED(refused(code)));
        assert!(rig.send().is_empty(), "{code:?}");
        assert_eq!(
            rig.lane.counters().rejected[RejectReason::Refused as usize],
            4
        );
    }
}

#[test]
fn a_size_limit_is_learnt_and_kept_to() {
    let mut rig = Rig::new(settings());
    let name = "x".repeat(40_000);
    let names = vec![name.as_str(); 8];
    rig.admit(&names);
    let mut refusals = 0;
    let mut answer = |names: &[String]| {
        if names.len() > 2 {
            refusals += 1;
            Verdict::TooLarge(TooLarge { limit: None })
        } else {
            delivered()
        }
    };
    rig.answer_all(&mut answer);
    rig.admit(&names);
    rig.answer_all(&mut answer);
    assert_eq!(rig.lane.counters().delivered, 16);
    assert_eq!(refusals, 3, "eight, then twice four; never again");
}

#[test]
fn one_item_that_is_too_large_is_rejected_alone() {
    let mut rig = Rig::new(settings());
    rig.admit(&["a", "huge", "b"]);
    rig.answer_all(|names| match names.iter().any(|name| name == "huge") {
        true => Verdict::TooLarge(TooLarge { limit: None }),
        false => delivered(),
    });
    let counters = rig.lane.counters();
    assert_eq!(counters.delivered, 2);
    assert_eq!(counters.rejected[RejectReason::TooLarge as usize], 1);
}

#[test]
fn a_batch_without_a_form_is_dropped_by_that_name() {
    let mut rig = Rig::new(settings());
    rig.admit(&["a"]);
    rig.send();
    rig.end(Conclusion::Unfit);
    assert_eq!(
        rig.lane.counters().dropped[DropReason::Unconvertible as usize],
        1
    );
    assert_eq!(rig.settled, [Outcome::Refused]);
}

#[test]
fn flushing_sends_what_is_open_and_what_backs_off() {
    let mut rig = Rig::new(LaneSettings {
        slots: 2,
        ..batching(Sizer::Items, 2, 2)
    });
    rig.admit(&["a", "b", "c"]);
    rig.send();
    rig.end(ANSWERED(unavailable(Some(100 * S))));
    rig.lane.flush();
    assert_eq!(rig.send(), [["a", "b"].to_vec(), ["c"].to_vec()]);
}

#[test]
fn dropping_everything_finds_it_wherever_it_is() {
    let mut rig = Rig::new(LaneSettings {
        slots: 3,
        ..batching(Sizer::Items, 2, 2)
    });
    rig.admit(&["a", "b", "c", "d", "e", "f", "g"]);
    rig.send();
    rig.end(ANSWERED(unavailable(None)));
    rig.lane.hand_over(rig.sent[0].0);
    rig.admit(&["h"]);
    assert_eq!(rig.drop_all(), 8);
    assert_eq!(
        rig.lane.counters().dropped[DropReason::Shutdown as usize],
        8
    );
    assert!(rig.store.is_empty());
}

/// A queue of three requests, with that policy.
fn overflowing(slots: usize, overflow: Overflow) -> Rig {
    Rig::new(LaneSettings {
        slots,
        queue: QueueLimit {
            max: 3,
            overflow,
            ..settings().queue
        },
        ..settings()
    })
}

#[test]
fn the_oldest_that_waits_makes_room_and_what_is_on_its_way_stays() {
    let mut rig = overflowing(1, Overflow::DropOldest);
    for name in ["a", "b", "c"] {
        rig.admit(&[name]);
    }
    assert_eq!(rig.send(), [["a"]]);
    rig.admit(&["d"]);
    rig.admit(&["e", "f"]);
    assert_eq!(
        rig.lane.counters().dropped[DropReason::Overflow as usize],
        2
    );
    rig.end(ANSWERED(Verdict::Delivered { warning: None }));
    assert_eq!(rig.send(), [["d"].to_vec()]);
    rig.end(ANSWERED(Verdict::Delivered { warning: None }));
    assert_eq!(rig.send(), [["e", "f"].to_vec()]);
}

#[test]
fn the_newest_is_dropped_where_it_finds_no_room() {
    for overflow in [Overflow::DropNewest, Overflow::DropOldest] {
        // All three will be on their way: none of them can make room.
        let mut rig = overflowing(3, overflow);
        for name in ["a", "b", "c"] {
            rig.admit(&[name]);
        }
        rig.send();
        rig.admit(&["d"]);
        assert_eq!(
            rig.lane.counters().dropped[DropReason::Overflow as usize],
            1
        );
        assert_eq!(rig.lane.held().requests, 3);
    }
}
