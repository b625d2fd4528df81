//! Lanes whose home is another shard.

use super::world::*;
use crate::delivery::Verdict;
use crate::egress::balance::HANDED_OVER_MAX;
use crate::egress::lane::{Conclusion, LaneSettings};
use crate::units::ShardId;
use std::time::Duration;

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
fn a_home_without_room_is_asked_again_and_nothing_is_given_up() {
    let mut lane = lane();
    lane.retry.enabled = false;
    let mut world = World::with_homes(vec![lane], vec![Some(ShardId(1))]);
    world.request(&["a"]);
    world.turn();
    for _ in 0..100 {
        let given = world.given.pop().expect("it is given again and again");
        world.hand_back(given, Conclusion::Declined);
        assert!(
            world.given.is_empty(),
            "not at once: the other shard needs its turn"
        );
        world.pass(Duration::from_millis(1));
    }
    let given = world.given.pop().expect("still there");
    world.hand_back(given, DELIVERED);
    let counters = world.pipeline.lanes()[0].counters();
    assert_eq!((counters.delivered, counters.send_failed), (1, 0));
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
