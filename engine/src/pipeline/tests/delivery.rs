//! What becomes of batches that are refused, too large, lost or late.

use super::world::*;
use crate::batch::{Batching, Sizer};
use crate::egress::lane::LaneSettings;
use crate::exchange::{Answer, Failure};
use crate::flow::BackoffRule;
use crate::telemetry::{DropReason, RejectReason};
use std::time::Duration;
use tailrace_codec::grpc::Code;

fn batching(min: u64, max: u64) -> LaneSettings {
    let flush_timeout = Duration::from_millis(200);
    let rule = Batching {
        min,
        max,
        sizer: Sizer::Items,
        flush_timeout,
    };
    LaneSettings {
        batching: Some(rule),
        ..lane()
    }
}

#[test]
fn what_is_accepted_is_delivered_once_and_in_order() {
    let mut world = World::new(vec![lane()]);
    for names in [["a", "b"], ["c", "d"]] {
        let (_, reply) = world.request(&names);
        assert_eq!(code(reply.as_ref()), Some(Code::Ok));
    }
    world.turn();
    assert_eq!(world.names(0), ["a", "b", "c", "d"]);
    assert!(world.pipeline.is_idle());
    assert_eq!(world.pipeline.lanes()[0].counters().delivered, 4);
}

#[test]
fn batches_fill_to_the_maximum_and_leave_at_the_timeout() {
    let mut world = World::new(vec![batching(3, 3)]);
    world.request(&["a", "b"]);
    world.request(&["c", "d", "e", "f"]);
    world.turn();
    let sizes: Vec<_> = world.sent.iter().map(|(_, names)| names.len()).collect();
    assert_eq!(sizes, [3, 3]);
    world.request(&["g"]);
    world.turn();
    assert_eq!(world.sent.len(), 2, "one item waits for company");
    world.pass(Duration::from_millis(200));
    assert_eq!(world.names(0), ["a", "b", "c", "d", "e", "f", "g"]);
}

#[test]
fn tenants_are_kept_apart_only_where_the_exporter_says_so() {
    let apart = LaneSettings {
        partitions: true,
        ..batching(2, 2)
    };
    let mut world = World::new(vec![batching(2, 2), apart]);
    for (tenant, name) in [("red", "a"), ("blue", "b"), ("red", "c"), ("blue", "d")] {
        world.tenant_request(tenant, &[name]);
    }
    world.turn();
    let of_lane = |lane| {
        let sent = world.sent.iter().filter(move |(to, _)| *to == lane);
        sent.map(|(_, names)| names.concat()).collect::<Vec<_>>()
    };
    assert_eq!(of_lane(0), ["ab", "cd"]);
    assert_eq!(of_lane(1), ["ac", "bd"]);
}

#[test]
fn a_lost_connection_is_retried_after_the_backoff() {
    let mut world = World::new(vec![lane()]);
    let mut failures = 2;
    world.script = Box::new(move |_, _| {
        failures -= 1;
        let lost = Answer::Failed(Failure::ConnectionLost);
        Some(if failures >= 0 { lost } else { ok() })
    });
    world.request(&["a"]);
    world.pass(Duration::from_millis(4_999));
    assert_eq!(world.sent.len(), 1);
    world.pass(Duration::from_millis(1));
    assert_eq!(world.sent.len(), 2, "5 s, then 7.5 s");
    world.pass(Duration::from_millis(7_500));
    assert_eq!(world.pipeline.lanes()[0].counters().delivered, 1);
    assert_eq!(world.pipeline.lanes()[0].counters().send_failed, 2);
}

#[test]
fn retries_end_and_are_counted() {
    let rule = BackoffRule {
        max_elapsed: Some(Duration::from_secs(30)),
        ..lane().retry
    };
    let mut world = World::new(vec![LaneSettings {
        retry: rule,
        ..lane()
    }]);
    world.script = Box::new(|_, _| Some(status(Code::Unavailable)));
    world.request(&["a", "b"]);
    world.pass(Duration::from_secs(60));
    let counters = world.pipeline.lanes()[0].counters();
    assert_eq!(counters.dropped[DropReason::RetriesExhausted as usize], 2);
    assert!(world.pipeline.is_idle());
}

#[test]
fn one_bad_item_in_a_merged_batch_costs_only_itself() {
    let mut world = World::new(vec![batching(8, 8)]);
    world.script = Box::new(|_, names| {
        let bad = names.iter().any(|name| name == "bad");
        Some(if bad {
            status(Code::InvalidArgument)
        } else {
            ok()
        })
    });
    world.request(&["a", "b", "c"]);
    world.request(&["d", "bad", "e"]);
    world.request(&["f", "g"]);
    world.pass(Duration::from_secs(1));
    let counters = world.pipeline.lanes()[0].counters();
    assert_eq!(
        (
            counters.delivered,
            counters.rejected[RejectReason::Refused as usize]
        ),
        (7, 1)
    );
    let alone = world
        .sent
        .iter()
        .filter(|(_, names)| names == &["bad"])
        .count();
    assert_eq!(alone, 1);
    assert!(world.pipeline.is_idle());
}

#[test]
fn a_batch_over_the_limit_is_split_and_the_limit_remembered() {
    let mut world = World::new(vec![lane()]);
    let message = "grpc: received message larger than max (4000 vs. 2000)";
    world.script = Box::new(move |_, names| {
        let too_large = Answer::Grpc {
            code: Code::ResourceExhausted,
            message: message.into(),
            details: bytes::Bytes::new(),
            body: bytes::Bytes::new(),
        };
        Some(if names.len() > 4 { too_large } else { ok() })
    });
    let long = "x".repeat(450);
    let names = [long.as_str(); 8];
    world.request(&names);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.pipeline.lanes()[0].counters().delivered, 8);
    let tries = world.sent.len();
    world.request(&names);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.pipeline.lanes()[0].counters().delivered, 16);
    let refused = world.sent[tries..]
        .iter()
        .filter(|(_, names)| names.len() > 4)
        .count();
    assert_eq!(refused, 0, "the second time it is cut before it is sent");
}

#[test]
fn unprocessed_is_sent_again_at_once_but_not_for_ever() {
    let mut world = World::new(vec![lane()]);
    world.script = Box::new(|_, _| Some(Answer::Failed(Failure::Unprocessed)));
    world.request(&["a"]);
    world.turn();
    assert_eq!(world.sent.len(), 4);
    world.pass(Duration::from_secs(5));
    assert_eq!(world.sent.len(), 5);
}

#[test]
fn people_are_told_what_a_destination_says_but_not_each_time() {
    let mut world = World::new(vec![lane()]);
    world.script = Box::new(|_, _| Some(status(Code::Unauthenticated)));
    for _ in 0..5 {
        world.request(&["a"]);
        world.turn();
    }
    assert_eq!(world.notices, ["refused: UNAUTHENTICATED"]);
    world.script = Box::new(|_, _| Some(ok()));
    world.pass(Duration::from_secs(60));
    world.request(&["a"]);
    world.turn();
    assert_eq!(world.notices.len(), 1, "success is no news");
}
