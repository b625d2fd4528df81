//! A queue that sizes itself: consumers, room and flush timeout from what it sees of itself, looked
//! at every few seconds and changed only where that is worth it.
//!
//! ```text
//!   seen --> wanted --> within bounds --> far enough off, often enough? --> changed, with its why
//! ```
//!
//! More consumers can make a destination slower instead of letting more through; then the service
//! time asks for still more of them. So growth is on trial: where the service time rose by more
//! than half and no more left than before, it is taken back and not tried again for a while.

use super::decide::{self, Backlog, Batches, seconds};
use super::{Capacity, Targets, Workload, forecast};
use crate::time::Instant;
use std::time::Duration;

/// Between two looks.
const PERIOD: Duration = Duration::from_secs(5);
/// Batches of late below which nothing is decided.
const BATCHES_MIN: f64 = 20.0;
/// What differs by less is let be.
const WORTH: f64 = 1.25;
/// Looks in a row that ask for more, or for less, before it is done: a burst is answered soon, and
/// a lull has to last a minute.
const GROW_AFTER: u32 = 2;
const SHRINK_AFTER: u32 = 12;
/// The most by which consumers grow at once.
const STEP: f64 = 2.0;
/// After growth that helped nothing.
const PENALTY: Duration = Duration::from_secs(300);

/// What is sized, and for what. `None`: as configured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AutoRule {
    pub targets: Targets,
    /// Batches at once.
    pub consumers: Option<Bounds>,
    /// Bytes.
    pub queue: Option<Bounds>,
    /// Seconds.
    pub flush: Option<Bounds>,
}

/// Where a size begins, and what it never leaves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    pub start: f64,
    pub min: f64,
    pub max: f64,
}

/// The queue as it was of late.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seen {
    /// Rates are above zero where `batches` is.
    pub workload: Workload,
    pub batch_items: f64,
    /// Batches that ended of late.
    pub batches: f64,
    /// Items that left, a second.
    pub items_out_per_second: f64,
    /// How full the queue is. In [0, 1].
    pub fill: f64,
}

/// A size, as it is and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Sized {
    pub value: f64,
    pub why: String,
    /// How often it has changed.
    pub changes: u64,
    bounds: Bounds,
    /// Looks in a row that asked for more (positive) or less.
    streak: i64,
}

/// One queue's sizes. Cost: nothing between two looks; a look allocates the reasons.
#[derive(Debug, Clone)]
pub struct Auto {
    targets: Targets,
    pub consumers: Option<Sized>,
    pub queue: Option<Sized>,
    pub flush: Option<Sized>,
    next_look: Instant,
    trial: Option<Trial>,
    no_growth_until: Instant,
}

/// What was before consumers grew.
#[derive(Debug, Clone, Copy)]
struct Trial {
    consumers: f64,
    service_seconds: f64,
    items_out_per_second: f64,
    looks: u32,
}

/// Looks after which a trial of growth is judged, if it did not succeed before: by then most of what
/// counts is of after it.
const TRIAL_LOOKS: u32 = 6;

impl Auto {
    pub fn new(rule: &AutoRule) -> Self {
        Self {
            targets: rule.targets,
            consumers: rule.consumers.map(Sized::new),
            queue: rule.queue.map(Sized::new),
            flush: rule.flush.map(Sized::new),
            next_look: Instant(0),
            trial: None,
            no_growth_until: Instant(0),
        }
    }

    /// Whether it is time for a look.
    pub fn is_due(&self, now: Instant) -> bool {
        now >= self.next_look
    }

    /// Looks at the queue. `true`: a size has changed.
    pub fn look(&mut self, seen: &Seen, now: Instant) -> bool {
        self.next_look = now + PERIOD;
        if seen.batches < BATCHES_MIN {
            return false;
        }
        let batches = Batches::new(&seen.workload, seen.batch_items);
        let sized = self.size_consumers(seen, &batches, now);
        let roomed = self.size_queue(seen, &batches);
        let flushed = self.size_flush(&seen.workload);
        sized || roomed || flushed
    }

    fn size_consumers(&mut self, seen: &Seen, batches: &Batches, now: Instant) -> bool {
        let Some(consumers) = &mut self.consumers else {
            return false;
        };
        if let Some(trial) = &mut self.trial {
            trial.looks += 1;
            let slower = seen.workload.rtt_seconds > 1.5 * trial.service_seconds;
            let no_more = seen.items_out_per_second < 1.1 * trial.items_out_per_second;
            if no_more && trial.looks < TRIAL_LOOKS {
                return false;
            }
            let before = trial.consumers;
            let was = trial.service_seconds;
            self.trial = None;
            if slower && no_more {
                self.no_growth_until = now + PENALTY;
                let why = format!(
                    "with {:.0} a batch took {} instead of {} and no more left",
                    consumers.value,
                    seconds(seen.workload.rtt_seconds),
                    seconds(was),
                );
                consumers.set(before, why);
                return true;
            }
        }
        let wanted = decide::consumers(&seen.workload, &self.targets, batches);
        let before = consumers.value;
        if wanted.value > before && now < self.no_growth_until {
            return false;
        }
        let step = wanted.value.min(before * STEP);
        if !consumers.ask(step, wanted.why) {
            return false;
        }
        if consumers.value > before {
            self.trial = Some(Trial {
                consumers: before,
                service_seconds: seen.workload.rtt_seconds,
                items_out_per_second: seen.items_out_per_second,
                looks: 0,
            });
        }
        true
    }

    fn size_queue(&mut self, seen: &Seen, batches: &Batches) -> bool {
        let Some(queue) = &mut self.queue else {
            return false;
        };
        let servers = match &self.consumers {
            Some(consumers) => consumers.value,
            None => decide::consumers(&seen.workload, &self.targets, batches).value,
        };
        let model = batches.queue(&seen.workload, servers);
        let backlog = Backlog::new(&seen.workload, &self.targets, &model, batches);
        let capacity = Capacity {
            memory_bytes: queue.bounds.max,
            ..Capacity::default()
        };
        let wanted = decide::queue(&backlog, &self.targets, &capacity);
        // A backlog is what the room is for: while there is one, less arrives than would.
        if wanted.value < queue.value && seen.fill > 0.5 {
            return false;
        }
        queue.ask(wanted.value, wanted.why)
    }

    /// Half of what the latency target leaves beside the 99th percentile of the service: the other
    /// half is for those that wait for a consumer.
    fn size_flush(&mut self, workload: &Workload) -> bool {
        let Some(flush) = &mut self.flush else {
            return false;
        };
        let target = self.targets.latency_seconds;
        let service = forecast::lognormal_quantile(workload.rtt_seconds, workload.rtt_scv, 0.99);
        let spare = (target - service).max(0.0);
        let why = format!(
            "half of what {} leaves beside {}, the 99th percentile of a batch's service",
            seconds(target),
            seconds(service)
        );
        flush.ask(spare / 2.0, why)
    }
}

impl Sized {
    fn new(bounds: Bounds) -> Self {
        Self {
            value: bounds.start,
            why: "as it starts: nothing has asked for another for long enough".to_owned(),
            changes: 0,
            bounds,
            streak: 0,
        }
    }

    /// One look's wish. `true`: it is granted.
    fn ask(&mut self, wanted: f64, why: String) -> bool {
        let value = wanted.clamp(self.bounds.min, self.bounds.max);
        if value.is_nan() {
            return false;
        }
        let more = value > self.value;
        if value <= self.value * WORTH && value * WORTH >= self.value {
            self.streak = 0;
            return false;
        }
        self.streak = match more {
            true => self.streak.max(0) + 1,
            false => self.streak.min(0) - 1,
        };
        if self.streak < i64::from(GROW_AFTER) && self.streak > -i64::from(SHRINK_AFTER) {
            return false;
        }
        let why = match value == wanted {
            true => why,
            false => format!("{why}; bounded by the limits"),
        };
        self.set(value, why);
        true
    }

    fn set(&mut self, value: f64, why: String) {
        self.value = value;
        self.why = why;
        self.changes += 1;
        self.streak = 0;
    }
}

#[cfg(test)]
mod tests;
