//! What a lane does while its queue fills: the steps of its ladder, and how much it samples.

use super::Lane;
use crate::batch::Part;
use crate::config::Overflow;
use crate::flow::ladder::{Change, LadderRule, Step};
use crate::telemetry::DropReason;
use crate::time::Instant;
use crate::units::{ItemCount, Priority};
use tailrace_codec::otlp::sampling::{Mode, Precision, Rule, Unsampled};

/// What a lane leaves out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SamplingRule {
    /// Of spans that upstream recorded and did not sample.
    pub unsampled: Unsampled,
    /// The shares that are kept on the steps that sample, in (0, 1].
    pub low: f64,
    pub medium: f64,
}

impl Default for SamplingRule {
    fn default() -> Self {
        Self {
            unsampled: Unsampled::Keep,
            low: 1.0,
            medium: 1.0,
        }
    }
}

/// What a lane gives up, and when.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Degradation {
    pub ladder: Option<LadderRule>,
    pub sampling: SamplingRule,
}

/// Where `overflow: sample` begins to sample.
const SAMPLED_FROM: f64 = 0.5;

/// Of records without a trace id: the same in all processes, so that all stages keep the same.
const SEED: u64 = 0;

impl Lane {
    /// The fill of the queue, 0 to 1, in its own measure and in bytes; over 1 for a part that was
    /// taken though it is larger than the whole queue.
    fn filled(&self) -> f64 {
        let limit = self.settings.queue;
        let held = self.held.all();
        let by_size = held.by(limit.sizer) as f64 / limit.max as f64;
        by_size.max(held.bytes as f64 / limit.bytes_max as f64)
    }

    /// Takes what steps the queue asks for.
    pub(super) fn watch_fill(&mut self, now: Instant) {
        if self.ladder.is_none() {
            return;
        }
        let fill = self.filled();
        if let Some(ladder) = &mut self.ladder {
            while let Some(change) = ladder.handle_fill(fill, now) {
                self.ladder_changes.push_back(change);
            }
        }
    }

    pub(super) fn step(&self) -> Step {
        self.ladder
            .as_ref()
            .map_or(Step::Normal, |ladder| ladder.step())
    }

    /// One step that was taken, until `None`.
    pub fn poll_ladder(&mut self) -> Option<Change> {
        self.ladder_changes.pop_front()
    }

    /// A class that goes when the others have nothing, or for its age.
    pub(super) fn deferred(&self) -> Option<Priority> {
        (self.step() >= Step::DeferLow).then_some(Priority::Low)
    }

    /// Whether nothing of this priority is taken in any more.
    pub fn turns_away(&self, priority: Priority) -> bool {
        self.step() == Step::Reject && priority != Priority::High
    }

    /// How items of this priority are sampled now. `None`: all are taken.
    pub fn sampling(&self, priority: Priority) -> Option<Rule> {
        let rule = self.settings.degradation.sampling;
        let step = self.step();
        let by_step = match priority {
            Priority::Low if step >= Step::SampleLow => rule.low,
            Priority::Medium if step >= Step::SampleMedium => rule.medium,
            Priority::High | Priority::Medium | Priority::Low => 1.0,
        };
        let ratio = by_step * self.by_overflow();
        if ratio >= 1.0 && rule.unsampled == Unsampled::Keep {
            return None;
        }
        Some(Rule {
            mode: match ratio < 1.0 {
                true => Mode::Proportional {
                    ratio,
                    precision: Precision::default(),
                },
                false => Mode::All,
            },
            unsampled: rule.unsampled,
            fail_closed: false,
            seed: SEED,
        })
    }

    /// With `overflow: sample`: all up to half of the queue, then half, a quarter, an eighth, a
    /// sixteenth. In steps, because the same trace is kept by the same step wherever it passes.
    fn by_overflow(&self) -> f64 {
        if self.settings.queue.overflow != Overflow::Sample {
            return 1.0;
        }
        let over = (self.filled() - SAMPLED_FROM) / (1.0 - SAMPLED_FROM);
        if over < 0.0 {
            return 1.0;
        }
        0.5f64.powi((over * 4.0).floor() as i32 + 1).max(1.0 / 16.0)
    }

    /// Items of a part were left out, and never waited.
    pub fn count_left_out(&mut self, part: &Part, reason: DropReason, items: ItemCount) {
        self.counters.admitted += items;
        self.counters.drop_items(reason, items);
        let class = &mut self.counters.priorities[part.class.priority as usize];
        class.admitted += items;
        class.lost += items;
    }
}
