//! Full queues, used-up credit, waiting senders, fan-out, shutdown.

use super::world::*;
use crate::batch::Sizer;
use crate::config::Overflow;
use crate::egress::lane::{LaneSettings, QueueLimit};
use crate::exchange::Reply;
use crate::telemetry::DropReason;
use std::time::Duration;
use tailrace_codec::grpc::Code;

fn queue(max: u64, overflow: Overflow) -> LaneSettings {
    let queue = QueueLimit {
        sizer: Sizer::Requests,
        max,
        bytes_max: u64::MAX,
        overflow,
    };
    LaneSettings { queue, ..lane() }
}

#[test]
fn a_full_queue_refuses_with_a_delay_and_drops_nothing() {
    let mut world = World::new(vec![queue(2, Overflow::Reject)]);
    world.script = never();
    for _ in 0..2 {
        assert_eq!(code(world.request(&["a"]).1.as_ref()), Some(Code::Ok));
        world.turn();
    }
    let (_, reply) = world.request(&["b"]);
    let Some(Reply::Grpc(reply)) = reply else {
        panic!("refused at once")
    };
    assert_eq!(reply.code, Code::Unavailable);
    let counters = world.pipeline.lanes()[0].counters();
    assert_eq!(
        (counters.admitted, counters.dropped),
        (2, [0; DropReason::ALL.len()])
    );
}

#[test]
fn one_full_lane_refuses_for_all_before_any_takes_it() {
    let mut world = World::new(vec![
        queue(1, Overflow::Reject),
        queue(100, Overflow::Reject),
    ]);
    world.script = never();
    world.request(&["a"]);
    world.turn();
    assert_eq!(
        code(world.request(&["b"]).1.as_ref()),
        Some(Code::Unavailable)
    );
    world.turn();
    assert_eq!(world.names(1), ["a"]);
}

#[test]
fn fan_out_delivers_to_every_lane_and_frees_once() {
    let mut world = World::new(vec![lane(), lane()]);
    let taken = world.pipeline.credit().taken();
    world.request(&["a", "b"]);
    assert!(world.pipeline.credit().taken() > taken);
    world.turn();
    assert_eq!((world.names(0).len(), world.names(1).len()), (2, 2));
    assert_eq!(world.pipeline.credit().taken(), taken);
}

#[test]
fn a_blocking_queue_holds_the_sender_until_there_is_room() {
    let mut world = World::new(vec![queue(1, Overflow::Block)]);
    world.script = Box::new(|_, names| (names != ["a"]).then(ok));
    world.request(&["a"]);
    world.turn();
    let (blocked, reply) = world.request(&["b"]);
    assert!(reply.is_none());
    world.turn();
    assert!(world.replies.is_empty());
    // "a" is refused by the destination; room is made.
    world.answer(status(Code::InvalidArgument));
    world.turn();
    let (id, reply) = &world.replies[0];
    assert_eq!((Some(*id), code(Some(reply))), (blocked, Some(Code::Ok)));
    assert_eq!(world.names(0), ["a", "b"]);
}

/// The last part left while the ladder still turned everything away, and let nobody in.
#[test]
fn who_was_turned_away_comes_in_when_the_ladder_comes_back() {
    let mut world = World::new(vec![LaneSettings {
        degradation: turning_away(),
        ..queue(4, Overflow::Block)
    }]);
    world.script = never();
    world.request(&["a"]);
    world.request(&["b"]);
    world.turn();
    let (turned_away, reply) = world.request(&["c"]);
    assert!(reply.is_none());
    world.script = Box::new(|_, _| Some(ok()));
    while world.pipeline.lanes()[0].held().requests > 0 {
        world.answer(ok());
        world.turn();
    }
    assert!(world.replies.is_empty(), "it is turned away still");
    world.pass(Duration::from_secs(2));
    world.turn();
    let (id, reply) = &world.replies[0];
    assert_eq!(
        (Some(*id), code(Some(reply))),
        (turned_away, Some(Code::Ok))
    );
}

#[test]
fn giving_up_answers_everyone_who_waits() {
    let waits = LaneSettings {
        waits: true,
        ..queue(1, Overflow::Block)
    };
    let mut world = World::new(vec![waits]);
    world.script = Box::new(|_, _| None);
    let (waiting, _) = world.request(&["a"]);
    world.turn();
    let (blocked, reply) = world.request(&["b"]);
    assert!(reply.is_none());
    world.pipeline.stop(world.now);
    assert_eq!(world.pipeline.abandon_all(world.now), 1, "b never got in");
    world.turn();
    let told: Vec<_> = world
        .replies
        .iter()
        .map(|(id, reply)| (Some(*id), code(Some(reply))))
        .collect();
    assert_eq!(
        told,
        [
            (blocked, Some(Code::Unavailable)),
            (waiting, Some(Code::Unavailable))
        ]
    );
    assert!(world.pipeline.is_idle());
}

#[test]
fn who_waits_for_room_comes_in_by_age_and_nobody_overtakes() {
    let mut world = World::new(vec![queue(2, Overflow::Block)]);
    world.script = never();
    for name in ["a", "b"] {
        assert!(world.request(&[name]).1.is_some());
        world.turn();
    }
    for name in ["c", "d", "e"] {
        assert!(world.request(&[name]).1.is_none(), "{name} waits");
    }
    world.turn();
    world.answer(ok());
    world.turn();
    world.answer(ok());
    world.turn();
    assert_eq!(world.names(0), ["a", "b", "c", "d"]);
    assert_eq!(world.replies.len(), 2);
    // One that comes while others wait goes behind them, room or not.
    world.answer(ok());
    world.turn();
    world.answer(ok());
    world.turn();
    assert_eq!(world.names(0), ["a", "b", "c", "d", "e"]);
}

#[test]
fn who_waits_too_long_for_room_is_told_to_come_again() {
    let mut world = World::new(vec![queue(1, Overflow::Block)]);
    world.script = never();
    world.request(&["a"]);
    world.turn();
    let (late, reply) = world.timed_request("2S", &["b"]);
    assert!(reply.is_none());
    let (waits, _) = world.request(&["c"]);
    world.pass(Duration::from_millis(1_999));
    assert!(world.replies.is_empty());
    world.pass(Duration::from_millis(1));
    assert_eq!(world.replies.len(), 1, "its deadline, and nobody else's");
    assert_eq!(Some(world.replies[0].0), late);
    assert_eq!(
        code(Some(&world.replies[0].1)),
        Some(Code::DeadlineExceeded)
    );
    world.answer(ok());
    world.turn();
    assert_eq!(Some(world.replies[1].0), waits);
    assert_eq!(world.names(0), ["a", "c"]);
    assert_eq!(world.pipeline.lanes()[0].counters().enqueue_failed, 1);
}

#[test]
fn room_in_one_lane_lets_in_who_waited_for_that_lane_though_another_keeps_the_payload() {
    let mut world = World::new(vec![queue(1, Overflow::Block), queue(100, Overflow::Block)]);
    world.script = never();
    world.request(&["a"]);
    world.turn();
    assert!(world.request(&["b"]).1.is_none());
    world.turn();
    // Lane 0 is done with "a"; lane 1 is not.
    world.answer(ok());
    world.turn();
    assert_eq!(world.names(0), ["a", "b"]);
}

#[test]
fn a_waiting_sender_hears_the_worst_of_its_lanes() {
    let waits = LaneSettings {
        waits: true,
        ..lane()
    };
    let mut world = World::new(vec![waits, waits]);
    world.script = Box::new(|lane, _| {
        Some(if lane == 0 {
            ok()
        } else {
            status(Code::PermissionDenied)
        })
    });
    let (_, reply) = world.request(&["a"]);
    assert!(reply.is_none());
    world.turn();
    assert_eq!(code(Some(&world.replies[0].1)), Some(Code::InvalidArgument));
}

#[test]
fn a_sender_that_left_changes_nothing_downstream() {
    let mut world = World::new(vec![LaneSettings {
        waits: true,
        ..lane()
    }]);
    let (id, _) = world.request(&["a"]);
    world.pipeline.handle_abandoned(id.expect("it waits"));
    world.turn();
    assert_eq!((world.names(0).len(), world.replies.len()), (1, 0));
    assert!(world.pipeline.is_idle());
}

#[test]
fn used_up_credit_refuses_before_the_body_is_read_and_returns() {
    let mut world = World::with_credit(vec![lane()], 1 << 20);
    world.script = never();
    let large = "x".repeat(300 << 10);
    let mut refused = None;
    for _ in 0..8 {
        let (_, reply) = world.request(&[&large]);
        if code(reply.as_ref()) == Some(Code::Unavailable) {
            refused = reply;
            break;
        }
        world.turn();
    }
    assert!(refused.is_some(), "a megabyte is used up");
    assert!(world.pipeline.credit().taken() <= 1 << 20);
}

#[test]
fn malformed_bytes_are_refused_for_good() {
    let mut world = World::new(vec![lane()]);
    assert_eq!(
        code(world.body(&[0x0a, 0xff]).1.as_ref()),
        Some(Code::InvalidArgument)
    );
    assert_eq!(
        code(world.body(&[]).1.as_ref()),
        Some(Code::Ok),
        "nothing is nothing to refuse"
    );
    assert!(world.pipeline.is_idle());
}

#[test]
fn an_unreachable_destination_is_tried_again() {
    let mut world = World::new(vec![lane()]);
    world.reachable = false;
    world.request(&["a"]);
    world.pass(Duration::from_secs(2));
    assert!(world.sent.is_empty());
    world.reachable = true;
    world.pass(Duration::from_secs(10));
    assert_eq!(world.names(0), ["a"]);
}

#[test]
fn stopping_flushes_refuses_and_counts_what_is_left() {
    let mut world = World::new(vec![lane()]);
    world.script = Box::new(|_, names| (names != ["stuck"]).then(ok));
    world.request(&["stuck"]);
    world.turn();
    world.pipeline.stop(world.now);
    assert_eq!(
        code(world.request(&["late"]).1.as_ref()),
        Some(Code::Unavailable)
    );
    assert_eq!(world.pipeline.abandon_all(world.now), 1);
    let counters = world.pipeline.lanes()[0].counters();
    assert_eq!(counters.dropped[DropReason::Shutdown as usize], 1);
    world.check();
    assert!(world.pipeline.is_idle());
}

/// What is half received when a shard stops may still come in; once the rest was given up it would
/// be accepted and lost.
#[test]
fn a_request_that_completes_too_late_is_not_accepted() {
    let mut world = World::new(vec![lane()]);
    let bodies = [encode(&["in time"]), encode(&["too late"])];
    let requests = bodies
        .each_ref()
        .map(|body| world.begin(body.len() as u64, &[]).expect("it is let in"));
    world.pipeline.stop(world.now);
    let reply = world.complete(requests[0], &bodies[0]);
    assert_eq!(code(reply.as_ref()), Some(Code::Ok));
    world.turn();
    assert_eq!(world.names(0), ["in time"]);
    assert_eq!(world.pipeline.abandon_all(world.now), 0);
    let reply = world.complete(requests[1], &bodies[1]);
    assert_eq!(code(reply.as_ref()), Some(Code::Unavailable));
    world.check();
    assert!(world.pipeline.is_idle());
}

/// The reply of the first request is still in the pipeline when the second one comes.
#[test]
fn a_reply_on_its_way_is_never_another_requests() {
    let mut world = World::new(vec![LaneSettings {
        waits: true,
        ..lane()
    }]);
    let (first, _) = world.request(&["a"]);
    world.turn();
    let (second, _) = world.request(&["b"]);
    assert_ne!(first, second);
    // A sender that leaves after its answer was given takes nothing from the one that came next.
    world.pipeline.handle_abandoned(first.expect("it waited"));
    world.turn();
    let answered: Vec<_> = world.replies.iter().map(|(id, _)| Some(*id)).collect();
    assert_eq!(answered, [first, second]);
}

#[test]
fn a_lane_that_drops_takes_nothing_from_the_others() {
    for overflow in [
        Overflow::DropNewest,
        Overflow::DropOldest,
        Overflow::DropLowestPriority,
    ] {
        let hung = LaneSettings {
            slots: 1,
            ..queue(2, overflow)
        };
        let mut world = World::new(vec![hung, queue(100, Overflow::Reject)]);
        world.script = Box::new(|lane, _| (lane == 1).then(ok));
        for name in ["a", "b", "c", "d"] {
            assert_eq!(code(world.request(&[name]).1.as_ref()), Some(Code::Ok));
            world.turn();
        }
        assert_eq!(world.names(1), ["a", "b", "c", "d"]);
        let counters = world.pipeline.lanes()[0].counters();
        assert_eq!(counters.dropped[DropReason::Overflow as usize], 2);
        assert_eq!((counters.in_flight, counters.waiting), (1, 1));
        assert_eq!(counters.enqueue_failed, 0);
        // Nothing keeps what was dropped: the two that the hung lane holds are alike.
        let charged = world.pipeline.store.charged();
        world.request(&["e"]);
        world.turn();
        assert_eq!(world.pipeline.store.charged(), charged);
    }
}

#[test]
fn a_sender_that_waits_for_a_lane_hears_that_it_dropped() {
    let waiting = LaneSettings {
        waits: true,
        slots: 1,
        ..queue(1, Overflow::DropNewest)
    };
    let mut world = World::new(vec![waiting]);
    world.script = never();
    assert!(world.request(&["a"]).1.is_none());
    world.turn();
    assert!(world.request(&["b"]).1.is_none());
    world.turn();
    let [(_, reply)] = &world.replies[..] else {
        panic!("one answer: {:?}", world.replies)
    };
    assert_eq!(code(Some(reply)), Some(Code::Unavailable));
}

#[test]
fn who_waits_for_a_blocking_lane_does_not_wait_for_one_that_drops() {
    let lanes = vec![queue(1, Overflow::Block), queue(1, Overflow::DropNewest)];
    let mut world = World::new(lanes);
    world.script = Box::new(|lane, names| (lane == 0 && names == ["b"]).then(ok));
    world.request(&["a"]);
    world.turn();
    assert!(world.request(&["b"]).1.is_none(), "the first lane is full");
    assert_eq!(world.pipeline.lanes()[1].counters().admitted, 1);
}
