//! Requests whose items differ, and what of them goes first.

use super::world::{World, code, lane, never, ok, status, turning_away};
use crate::batch::Sizer;
use crate::config::Overflow;
use crate::egress::lane::{LaneSettings, QueueLimit};
use crate::flow::fair::FairRule;
use crate::telemetry::DropReason;
use std::time::Duration;
use tailrace_codec::grpc::Code;

/// One batch at a time, failures a hundred times as often as all others.
fn sorting() -> LaneSettings {
    LaneSettings {
        slots: 1,
        fair: Some(FairRule {
            weights: [100, 10, 1],
            ..FairRule::default()
        }),
        ..lane()
    }
}

#[test]
fn a_request_is_taken_apart_where_its_items_differ() {
    let mut world = World::with_classes(vec![sorting()]);
    let (_, reply) = world.request(&["a", "b!", "c", "d!"]);
    assert_eq!(code(reply.as_ref()), Some(Code::Ok));
    for _ in 0..3 {
        world.turn();
    }
    let sent: Vec<_> = world.sent.iter().map(|(_, names)| names.clone()).collect();
    assert_eq!(sent, [["b!", "d!"], ["a", "c"]]);
    assert_eq!(world.pipeline.lanes()[0].counters().delivered, 4);
    assert!(world.pipeline.is_idle());
}

#[test]
fn what_is_alike_stays_whole() {
    let mut world = World::with_classes(vec![sorting()]);
    world.request(&["a", "b", "c"]);
    world.turn();
    assert_eq!(world.names(0), ["a", "b", "c"]);
    assert_eq!(world.sent.len(), 1);
}

#[test]
fn what_is_important_goes_before_what_came_earlier() {
    let mut world = World::with_classes(vec![sorting()]);
    world.script = never();
    world.request(&["first"]);
    world.turn();
    for name in ["a", "b", "c"] {
        world.request(&[name]);
    }
    world.request(&["late!"]);
    world.script = Box::new(|_, _| Some(ok()));
    world.answer(ok());
    for _ in 0..5 {
        world.turn();
    }
    let names = world.names(0);
    let at = names.iter().position(|name| name == "late!");
    assert!(at.is_some_and(|at| at <= 2), "{names:?}");
    assert_eq!(names.len(), 5);
}

#[test]
fn a_sender_hears_the_worst_of_its_pieces() {
    let mut world = World::with_classes(vec![LaneSettings {
        waits: true,
        ..sorting()
    }]);
    world.script = Box::new(|_, names| {
        let refused = names.iter().any(|name| name.ends_with('!'));
        Some(if refused {
            status(Code::InvalidArgument)
        } else {
            ok()
        })
    });
    assert!(world.request(&["a", "b!"]).1.is_none());
    for _ in 0..4 {
        world.turn();
    }
    let [(_, reply)] = &world.replies[..] else {
        panic!("one answer: {:?}", world.replies)
    };
    assert_ne!(code(Some(reply)), Some(Code::Ok));
    let counters = world.pipeline.lanes()[0].counters();
    assert_eq!(
        (counters.delivered, counters.rejected.iter().sum()),
        (1, 1u64)
    );
}

#[test]
fn a_full_queue_gives_up_the_least_important_first() {
    let full = LaneSettings {
        queue: QueueLimit {
            sizer: Sizer::Items,
            max: 4,
            bytes_max: u64::MAX,
            overflow: Overflow::DropLowestPriority,
        },
        ..sorting()
    };
    let mut world = World::with_classes(vec![full]);
    world.script = never();
    world.request(&["sent"]);
    world.turn();
    for name in ["a", "b", "c!"] {
        world.request(&[name]);
    }
    // The queue is full of four: each that comes pushes something out.
    for name in ["d!", "e!", "f"] {
        let (_, reply) = world.request(&[name]);
        assert_eq!(code(reply.as_ref()), Some(Code::Ok), "{name}");
    }
    let counters = world.pipeline.lanes()[0].counters();
    assert_eq!(counters.dropped[DropReason::Overflow as usize], 3);
    world.script = Box::new(|_, _| Some(ok()));
    world.answer(ok());
    for _ in 0..5 {
        world.turn();
    }
    let mut names = world.names(0);
    names.sort();
    assert_eq!(names, ["c!", "d!", "e!", "sent"]);
}

/// On its last step the ladder turns away what is not important, before it is taken: of a request that
/// is taken for what is important in it nothing is dropped.
#[test]
fn of_a_request_that_is_taken_nothing_is_dropped() {
    let mut world = World::with_classes(vec![LaneSettings {
        degradation: turning_away(),
        queue: QueueLimit {
            max: 4,
            ..lane().queue
        },
        ..sorting()
    }]);
    world.script = never();
    for _ in 0..2 {
        world.request(&["a!"]);
    }
    world.turn();
    let (_, refused) = world.request(&["b"]);
    assert_eq!(code(refused.as_ref()), Some(Code::Unavailable));
    let (_, taken) = world.request(&["c", "d!"]);
    assert_eq!(code(taken.as_ref()), Some(Code::Ok));
    let counters = world.pipeline.lanes()[0].counters();
    assert_eq!(
        (counters.admitted, counters.dropped.iter().sum::<u64>()),
        (4, 0)
    );
}

/// Of those that wait for room, not only of those in the queue.
#[test]
fn what_is_important_comes_in_before_what_waits_for_room() {
    let blocking = LaneSettings {
        queue: QueueLimit {
            sizer: Sizer::Requests,
            max: 1,
            bytes_max: u64::MAX,
            overflow: Overflow::Block,
        },
        fair: Some(FairRule {
            age_max: Duration::from_secs(10),
            ..FairRule::default()
        }),
        ..sorting()
    };
    let mut world = World::with_classes(vec![blocking]);
    world.script = never();
    assert!(world.request(&["sent"]).1.is_some());
    world.turn();
    assert!(world.request(&["old"]).1.is_none(), "it waits");
    world.pass(Duration::from_secs(10));
    for name in ["a", "b!", "c!"] {
        assert!(world.request(&[name]).1.is_none(), "{name} waits");
    }
    for _ in 0..5 {
        world.answer(ok());
        world.turn();
    }
    assert_eq!(world.names(0), ["sent", "old", "b!", "c!", "a"]);
}
