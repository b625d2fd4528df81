//! What is done, step by step, while a queue fills faster than it empties.
//!
//! ```text
//!   normal -> compress harder -> defer low -> sample low -> sample medium -> reject
//!          <-                 <-            <-            <-               <-
//! ```
//!
//! Each step is entered when the queue is as full as its mark, one after the other, and left again,
//! one at a time, when the queue has been below its mark by a margin for a while. So a queue that
//! hovers at a mark does not go up and down, and recovery is in order.

use crate::time::Instant;
pub use crate::units::DegradationStep as Step;
use std::time::Duration;

/// When steps are taken.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LadderRule {
    /// By [`Step`], but for the first: how full the queue is when it is entered, in (0, 1]; over 1 for
    /// a step that is left out.
    pub marks: [f64; Step::ALL.len() - 1],
    /// How far below its mark the queue must be for a step to be left.
    pub margin: f64,
    /// For how long.
    pub hold: Duration,
}

/// From one step to the next, up or down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    pub from: Step,
    pub to: Step,
}

#[derive(Debug)]
pub struct Ladder {
    rule: LadderRule,
    step: Step,
    /// Since when the queue has been low enough to leave the step.
    calm_since: Option<Instant>,
}

impl Ladder {
    pub const fn new(rule: LadderRule) -> Self {
        Self {
            rule,
            step: Step::Normal,
            calm_since: None,
        }
    }

    pub const fn step(&self) -> Step {
        self.step
    }

    /// The queue is as full as this now, 0 to 1. One step at a time: call it until `None`.
    pub fn handle_fill(&mut self, fill: f64, now: Instant) -> Option<Change> {
        let from = self.step;
        if let Some(next) = self.above().filter(|(_, mark)| fill >= *mark) {
            self.calm_since = None;
            self.step = next.0;
            return Some(Change { from, to: next.0 });
        }
        let mark = self.mark(from)?;
        if fill >= mark - self.rule.margin {
            self.calm_since = None;
            return None;
        }
        let since = *self.calm_since.get_or_insert(now);
        if now.since(since) < self.rule.hold {
            return None;
        }
        self.calm_since = Some(now);
        self.step = self.below();
        Some(Change {
            from,
            to: self.step,
        })
    }

    /// When to look again though the queue did not change.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.calm_since
            .filter(|_| self.step != Step::Normal)
            .map(|since| since + self.rule.hold)
    }

    /// The next step that is not left out, and its mark.
    fn above(&self) -> Option<(Step, f64)> {
        let mut steps = Step::ALL[self.step as usize + 1..].iter();
        let used = |step: &&Step| self.mark(**step).is_some_and(|mark| mark <= 1.0);
        let step = *steps.find(used)?;
        Some((step, self.mark(step)?))
    }

    fn below(&self) -> Step {
        let mut steps = Step::ALL[..self.step as usize].iter().rev();
        let used = |step: &&Step| self.mark(**step).is_none_or(|mark| mark <= 1.0);
        steps.find(used).copied().unwrap_or_default()
    }

    /// `None` for the first.
    fn mark(&self, step: Step) -> Option<f64> {
        let index = (step as usize).checked_sub(1)?;
        self.rule.marks.get(index).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RULE: LadderRule = LadderRule {
        marks: [0.5, 0.6, 0.7, 0.8, 0.9],
        margin: 0.1,
        hold: Duration::from_secs(10),
    };

    const fn at(seconds: u64) -> Instant {
        Instant(seconds * 1_000_000_000)
    }

    fn steps(ladder: &mut Ladder, fill: f64, now: Instant) -> Vec<Step> {
        let changes = std::iter::from_fn(|| ladder.handle_fill(fill, now));
        changes.map(|change| change.to).collect()
    }

    #[test]
    fn steps_are_taken_in_order_up_and_down() {
        let mut ladder = Ladder::new(RULE);
        assert!(steps(&mut ladder, 0.49, at(0)).is_empty());
        assert_eq!(steps(&mut ladder, 0.75, at(1)), Step::ALL[1..4]);
        assert_eq!(steps(&mut ladder, 1.0, at(2)), Step::ALL[4..]);
        // Below all marks: one step each ten seconds.
        let mut seen = Vec::new();
        for second in 3..70 {
            seen.extend(steps(&mut ladder, 0.1, at(second)));
        }
        let down: Vec<_> = Step::ALL[..5].iter().rev().copied().collect();
        assert_eq!(seen, down);
        assert_eq!(ladder.next_timeout(), None);
    }

    #[test]
    fn a_queue_that_hovers_at_a_mark_stays_on_its_step() {
        let mut ladder = Ladder::new(RULE);
        steps(&mut ladder, 0.5, at(0));
        for second in 1..100 {
            let fill = if second % 2 == 0 { 0.41 } else { 0.55 };
            assert!(steps(&mut ladder, fill, at(second)).is_empty());
        }
        assert_eq!(ladder.step(), Step::CompressHarder);
    }

    #[test]
    fn a_step_without_a_mark_is_left_out() {
        let mut ladder = Ladder::new(LadderRule {
            marks: [2.0, 2.0, 0.7, 2.0, 0.9],
            ..RULE
        });
        assert_eq!(
            steps(&mut ladder, 1.0, at(0)),
            [Step::SampleLow, Step::Reject]
        );
        assert!(steps(&mut ladder, 0.0, at(1)).is_empty());
        assert_eq!(steps(&mut ladder, 0.0, at(11)), [Step::SampleLow]);
        assert_eq!(steps(&mut ladder, 0.0, at(21)), [Step::Normal]);
    }

    proptest! {
        #[test]
        fn it_moves_by_one_step_and_tells_when_to_look(
            fills in prop::collection::vec((0.0..1.2f64, 0u64..15), 1..200),
        ) {
            let mut ladder = Ladder::new(RULE);
            let mut now = at(0);
            for (fill, seconds) in fills {
                now = now + Duration::from_secs(seconds);
                let mut before = ladder.step();
                while let Some(change) = ladder.handle_fill(fill, now) {
                    prop_assert_eq!(change.from, before);
                    prop_assert_eq!((change.to as i32 - before as i32).abs(), 1);
                    before = change.to;
                }
                if let Some(next) = ladder.next_timeout() {
                    prop_assert!(next > now);
                }
            }
        }
    }
}
