//! What a lane gives up while its queue fills.

use super::super::*;
use super::ANSWERED;
use super::rig::*;
use crate::flow::ladder::{LadderRule, Step};
use tailrace_codec::otlp::sampling::{Mode, Unsampled};

fn degrading(overflow: Overflow) -> LaneSettings {
    LaneSettings {
        slots: 1,
        queue: QueueLimit {
            max: 10,
            overflow,
            ..settings().queue
        },
        fair: Some(FairRule::default()),
        degradation: Degradation {
            ladder: Some(LadderRule {
                marks: [0.2, 0.4, 0.6, 0.8, 1.0],
                margin: 0.1,
                hold: S,
            }),
            sampling: SamplingRule {
                low: 0.25,
                medium: 0.5,
                ..SamplingRule::default()
            },
        },
        ..settings()
    }
}

fn ratio(lane: &Lane, priority: Priority) -> Option<f64> {
    match lane.sampling(priority)?.mode {
        Mode::Proportional { ratio, .. } => Some(ratio),
        mode => panic!("{mode:?}"),
    }
}

#[test]
fn each_step_gives_up_more() {
    let mut rig = Rig::new(degrading(Overflow::Reject));
    let mut seen = Vec::new();
    for request in 0..10 {
        assert!(rig.lane.takes(Size::LEAST, Priority::Medium), "{request}");
        rig.admit(&["x"]);
        while let Some(change) = rig.lane.poll_ladder() {
            seen.push(change.to);
        }
        let sampled = [Priority::High, Priority::Medium, Priority::Low];
        let sampled = sampled.map(|priority| ratio(&rig.lane, priority));
        let expected = match request + 1 {
            ..6 => [None, None, None],
            6..8 => [None, None, Some(0.25)],
            _ => [None, Some(0.5), Some(0.25)],
        };
        assert_eq!(sampled, expected, "{request}");
    }
    assert_eq!(seen, Step::ALL[1..]);
    assert!(!rig.lane.takes(Size::LEAST, Priority::Medium));
    assert_eq!(rig.lane.counters().steps, [0, 0, 0, 0, 0, 1]);
}

#[test]
fn an_empty_lane_comes_back_by_itself() {
    let mut rig = Rig::new(degrading(Overflow::Reject));
    for _ in 0..4 {
        rig.admit(&["x"]);
    }
    assert_eq!(rig.lane.step(), Step::DeferLow);
    for _ in 0..4 {
        rig.send();
        rig.end(ANSWERED(Verdict::Delivered { warning: None }));
    }
    let mut looks = 0;
    rig.send();
    while let Some(next) = rig.lane.next_timeout() {
        rig.now = next;
        rig.send();
        looks += 1;
        assert!(looks < 10);
    }
    assert_eq!((rig.lane.step(), looks), (Step::Normal, 2));
}

#[test]
fn a_lane_that_samples_by_its_fill_gets_stricter_in_steps() {
    let mut rig = Rig::new(LaneSettings {
        slots: 1,
        queue: QueueLimit {
            max: 16,
            overflow: Overflow::Sample,
            ..settings().queue
        },
        ..settings()
    });
    let mut ratios = Vec::new();
    for _ in 0..16 {
        rig.admit(&["x"]);
        ratios.push(ratio(&rig.lane, Priority::Medium).unwrap_or(1.0));
    }
    let expected = [
        1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125, 0.0625, 0.0625,
        0.0625,
    ];
    assert_eq!(ratios, expected);
    rig.admit(&["y"]);
    assert_eq!(
        rig.lane.counters().dropped[DropReason::Overflow as usize],
        1
    );
}

#[test]
fn what_upstream_did_not_sample_is_left_out_at_any_fill() {
    let rig = Rig::new(LaneSettings {
        degradation: Degradation {
            ladder: None,
            sampling: SamplingRule {
                unsampled: Unsampled::DropMarked,
                ..SamplingRule::default()
            },
        },
        ..settings()
    });
    let rule = rig.lane.sampling(Priority::High).expect("it samples");
    assert_eq!(
        (rule.mode, rule.unsampled),
        (Mode::All, Unsampled::DropMarked)
    );
}
