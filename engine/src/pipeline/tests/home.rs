//! Lanes whose home is another shard.

use super::world::*;
use crate::delivery::Verdict;
use crate::egress::balance::HANDED_OVER_MAX;
use crate::egress::lane::{Conclusion, LaneSettings};
use crate::telemetry::DropReason;
use crate::units::ShardId;

fn away(slots: usize) -> World {
    let lane = LaneSettings { slots, ..lane() };
    World::with_homes(vec![lane], vec![Some(ShardId(1))])
}

const DELIVERED: Conclusion = Conclusion::Answered(Verdict::Delivered { warning: None });

#[test]
fn batches_go_home_and_their_verdicts_come_back() {
    let mut world = away(10);
    world.request(&["a"]);
    world.turn();
    let given = world.given.pop().expect("one batch");
    assert_eq!(world.pipeline.lanes()[0].counters().handed_over, 1);
    world.hand_back(given, DELIVERED);
    assert_eq!(world.pipeline.lanes()[0].counters().delivered, 1);
    assert!(world.pipeline.is_idle());
}

#[test]
fn no_more_is_given_than_the_way_back_has_room_for() {
    let mut world = away(1000);
    for _ in 0..HANDED_OVER_MAX + 10 {
        world.request(&["a"]);
    }
    world.turn();
    assert_eq!(world.given.len(), HANDED_OVER_MAX);
    assert_eq!(
        world.pipeline.next_timeout(),
        None,
        "it waits for verdicts, not for time"
    );
    let given = world.given.remove(0);
    world.hand_back(given, DELIVERED);
    assert_eq!(
        world.given.len(),
        HANDED_OVER_MAX,
        "one back, one more given"
    );
}

#[test]
fn what_another_shard_still_has_is_given_up_at_the_end_and_its_late_verdict_is_nobodys() {
    let mut world = away(1000);
    for _ in 0..100 {
        world.request(&["a"]);
    }
    world.turn();
    world.pipeline.stop(world.now);
    assert_eq!(world.pipeline.abandon_all(world.now), 100);
    let late = world.given[0];
    world.hand_back(late, DELIVERED);
    let counters = world.pipeline.lanes()[0].counters();
    assert_eq!(counters.dropped[DropReason::Shutdown as usize], 100);
    assert!(world.pipeline.is_idle());
}

#[test]
fn what_comes_from_a_peer_after_the_end_goes_back_and_takes_nobodys_place() {
    let mut world = away(1000);
    world.request(&["own"]);
    world.turn();
    world.pipeline.stop(world.now);
    world.pipeline.abandon_all(world.now);
    world.parcel(77, &["theirs"]);
    let late = world.given[0];
    world.hand_back(late, DELIVERED);
    assert_eq!(world.handed_back, [77], "once, and not as delivered");
    assert!(world.sent.is_empty());
    assert!(world.pipeline.is_idle());
}

#[test]
fn a_shard_that_is_stopping_still_sends_for_the_others() {
    let mut world = World::new(vec![lane()]);
    world.pipeline.stop(world.now);
    assert!(world.pipeline.is_idle());
    world.parcel(77, &["theirs"]);
    assert!(!world.pipeline.is_idle());
    world.turn();
    assert_eq!(world.names(0), ["theirs"]);
    assert_eq!(world.handed_back, [77]);
    assert!(world.pipeline.is_idle());
}

#[test]
fn a_home_sends_for_others_within_its_window() {
    let mut world = World::windowed(2);
    for attempt in 0..5 {
        world.parcel(attempt, &["x"]);
    }
    world.turn();
    // Every answer came at once, and with it the next in the window.
    assert_eq!(world.sent.len(), 5);
    assert_eq!(world.handed_back, [0, 1, 2, 3, 4]);
    world.script = Box::new(|_, _| None);
    for attempt in 5..9 {
        world.parcel(attempt, &["y"]);
    }
    world.turn();
    assert_eq!(world.sent.len(), 5 + 2, "two unanswered fill the window");
}
