//! What a receiver counts: by the answer it gave, never before it is known.

use super::world::*;
use crate::batch::Sizer;
use crate::config::Overflow;
use crate::egress::lane::{LaneSettings, QueueLimit};
use crate::telemetry::ReceiverCounters;
use tailrace_codec::Signal;
use tailrace_codec::grpc::Code;

/// Spans accepted, refused and failed, and requests likewise.
fn counted(world: &World) -> ([u64; 3], [u64; 3]) {
    let ReceiverCounters {
        accepted,
        refused,
        failed,
        requests_succeeded,
        requests_refused,
        requests_failed,
        ..
    } = world.pipeline.counters(world.now).receivers[0];
    let spans = Signal::Traces as usize;
    (
        [accepted[spans], refused[spans], failed[spans]],
        [requests_succeeded, requests_refused, requests_failed],
    )
}

fn waiting() -> LaneSettings {
    LaneSettings {
        waits: true,
        ..lane()
    }
}

#[test]
fn who_waits_is_counted_with_the_answer() {
    let mut world = World::new(vec![waiting()]);
    world.script = Box::new(|_, _| None);
    world.request(&["a", "b"]);
    world.request(&["c"]);
    world.turn();
    assert_eq!(counted(&world), ([0, 0, 0], [0, 0, 0]), "nobody knows yet");
    world.answer(ok());
    world.answer(status(Code::PermissionDenied));
    world.turn();
    assert_eq!(counted(&world), ([2, 1, 0], [1, 1, 0]));
}

#[test]
fn who_leaves_before_the_answer_has_been_taken_all_the_same() {
    let mut world = World::new(vec![waiting()]);
    world.script = Box::new(|_, _| None);
    let (request, _) = world.request(&["a"]);
    world.turn();
    world.pipeline.handle_abandoned(request.expect("an id"));
    assert_eq!(counted(&world), ([1, 0, 0], [1, 0, 0]));
    world.answer(ok());
    world.turn();
    assert_eq!(counted(&world), ([1, 0, 0], [1, 0, 0]), "once");
}

#[test]
fn a_bad_request_fails_and_a_full_queue_refuses() {
    let full = LaneSettings {
        queue: QueueLimit {
            sizer: Sizer::Items,
            max: 3,
            bytes_max: u64::MAX,
            overflow: Overflow::Reject,
        },
        ..lane()
    };
    let mut world = World::new(vec![full]);
    world.script = Box::new(|_, _| None);
    world.body(&[0xff; 10]);
    assert_eq!(counted(&world), ([0, 0, 0], [0, 0, 1]));
    world.request(&["a", "b"]);
    world.request(&["c", "d"]);
    assert_eq!(counted(&world), ([2, 2, 0], [1, 1, 1]));
    world.request(&["e"]);
    // Exactly full: refused before the body is read, so how many spans it has is not known.
    let (id, reply) = world.request(&["f"]);
    assert!(id.is_none(), "by its headers alone");
    assert_eq!(code(reply.as_ref()), Some(Code::Unavailable));
    assert_eq!(counted(&world), ([3, 2, 0], [2, 2, 1]));
    world.pipeline.stop(world.now);
    world.request(&["late"]);
    assert_eq!(counted(&world), ([3, 2, 0], [2, 3, 1]));
}

#[test]
fn memory_refuses_and_a_giant_fails() {
    let mut world = World::with_credit(vec![lane()], 3 << 20);
    let name = "x".repeat(3 << 20);
    world.request(&[&name]);
    assert_eq!(counted(&world), ([0, 0, 0], [0, 1, 0]), "no memory");
    let receiver = world.pipeline.counters(world.now).receivers[0];
    assert_eq!(receiver.requests_without_memory, 1);
    let name = "x".repeat(5 << 20);
    let mut world = World::new(vec![lane()]);
    world.request(&[&name]);
    assert_eq!(counted(&world), ([0, 0, 0], [0, 0, 1]), "over the limit");
}

#[test]
fn a_length_that_no_queue_has_room_for_is_refused_before_the_body() {
    let by_bytes = LaneSettings {
        queue: QueueLimit {
            sizer: Sizer::Bytes,
            max: 100,
            bytes_max: u64::MAX,
            overflow: Overflow::Reject,
        },
        ..lane()
    };
    let mut world = World::new(vec![by_bytes]);
    world.script = Box::new(|_, _| None);
    world.request(&["a"]);
    assert!(world.begin(10, &[]).is_ok(), "there is room for this");
    let (_, reply) = world.begin(99, &[]).expect_err("not for this");
    assert_eq!(code(Some(&reply)), Some(Code::Unavailable));
    assert_eq!(counted(&world).1, [1, 1, 0]);
    let gzip = [("grpc-encoding", "gzip")];
    assert!(world.begin(99, &gzip).is_ok(), "nobody knows its length");
}

/// How many requests of 512 KiB a connection gets in before one is refused, of at most a hundred.
fn fill(world: &mut World) -> usize {
    let name = "x".repeat(512 << 10);
    let accepted = (0..100).map(|_| code(world.request(&[&name]).1.as_ref()));
    accepted.take_while(|code| *code == Some(Code::Ok)).count()
}

#[test]
fn one_connection_that_fills_the_memory_leaves_room_for_others() {
    let mut world = World::with_credit(vec![lane()], 32 << 20);
    world.script = never();
    let hog = world.change_connection(None);
    // The other holds a little; then the first has half of the memory and no more.
    assert_eq!(code(world.request(&["small"]).1.as_ref()), Some(Code::Ok));
    let other = world.change_connection(Some(hog));
    let alone = fill(&mut world);
    assert!((30..34).contains(&alone), "{alone} of 64");
    let receiver = &world.pipeline.counters(world.now).receivers[0];
    assert_eq!(
        (
            receiver.requests_over_share,
            receiver.requests_without_memory
        ),
        (1, 0)
    );
    world.change_connection(Some(other));
    let theirs = fill(&mut world);
    assert!(theirs > 20, "{theirs}");
    world.check();
}

#[test]
fn a_connection_that_is_alone_has_all_of_the_memory() {
    let mut world = World::with_credit(vec![lane()], 32 << 20);
    world.script = never();
    let accepted = fill(&mut world);
    assert!(accepted > 50, "{accepted}");
    let receiver = &world.pipeline.counters(world.now).receivers[0];
    assert_eq!(
        (
            receiver.requests_over_share,
            receiver.requests_without_memory
        ),
        (0, 1)
    );
}
