//! When requests are due: phases of a rate that stands or changes, and the times that follow.
//!
//! Within a phase the number of arrivals expected by `t` seconds is `a t + (b - a) t² / 2T` for a
//! rate that goes from `a` to `b` within `T` seconds. The times of arrivals are that function
//! turned round, at whole numbers for constant arrivals, at sums of exponential steps for Poisson's.
//! Nothing here reads a clock: times are durations since the run began.

use crate::random::Random;
use std::time::Duration;

/// A part of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Phase {
    pub name: String,
    pub duration: Duration,
    pub shape: Shape,
}

/// How many requests a phase has, in requests a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    Pause,
    /// A closed loop: a request for each answer, as fast as answers come.
    Max,
    Ramp {
        from: f64,
        to: f64,
        spacing: Spacing,
    },
    /// So many requests at the same moment, again and again.
    Burst {
        requests: u64,
        every: Duration,
    },
}

/// How arrivals of an open loop lie in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Spacing {
    /// Evenly.
    #[default]
    Constant,
    /// As independent senders do: exponential steps.
    Poisson,
}

impl Shape {
    /// The same rate throughout, in requests a second.
    pub const fn steady(rate: f64, spacing: Spacing) -> Self {
        Self::Ramp {
            from: rate,
            to: rate,
            spacing,
        }
    }
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// A request is due then, measured from the start of the run.
    At(Duration),
    /// A closed loop: at once, where an answer has made room, from then and until then.
    Free { from: Duration, until: Duration },
    /// There are no more.
    Over,
}

/// The arrivals of all phases, one after another. Cost of one: no allocation, one square root.
#[derive(Debug)]
pub struct Arrivals {
    phases: Vec<Phase>,
    index: usize,
    /// When the phase at `index` begins.
    start: Duration,
    /// Arrivals of the phase that were taken; for Poisson's, the sum of the steps.
    taken: f64,
    random: Random,
    due: Due,
}

impl Arrivals {
    pub fn new(phases: Vec<Phase>, seed: u64) -> Self {
        let mut arrivals = Self {
            phases,
            index: 0,
            start: Duration::ZERO,
            taken: 0.0,
            random: Random::new(seed),
            due: Due::Over,
        };
        arrivals.begin();
        arrivals.find();
        arrivals
    }

    /// What is due next. It may be in the past: then the load lags behind its plan.
    pub const fn due(&self) -> Due {
        self.due
    }

    /// The request that is due is on its way. Nothing for a closed loop, whose end is a time.
    pub fn take(&mut self) {
        if let Due::At(_) = self.due {
            self.taken += self.step();
            self.find();
        }
    }

    /// The time has come to `elapsed`: closed loops whose end has come are over.
    pub fn handle_time(&mut self, elapsed: Duration) {
        while let Due::Free { until, .. } = self.due
            && until <= elapsed
        {
            self.skip();
        }
    }

    /// How many open-loop arrivals that were due before `elapsed` were not taken; takes them.
    pub fn abandon_before(&mut self, elapsed: Duration) -> u64 {
        let mut missed = 0;
        loop {
            match self.due {
                Due::At(at) if at < elapsed => {
                    missed += 1;
                    self.take();
                }
                Due::Free { until, .. } if until <= elapsed => self.skip(),
                _ => return missed,
            }
        }
    }

    /// When the last phase ends.
    pub fn end(&self) -> Duration {
        self.phases.iter().map(|phase| phase.duration).sum()
    }

    /// The phase at `index` begins.
    fn begin(&mut self) {
        self.taken = match self.shape() {
            Some(Shape::Ramp {
                spacing: Spacing::Poisson,
                ..
            }) => self.step(),
            _ => 0.0,
        };
    }

    fn shape(&self) -> Option<Shape> {
        self.phases.get(self.index).map(|phase| phase.shape)
    }

    fn step(&mut self) -> f64 {
        match self.shape() {
            Some(Shape::Ramp {
                spacing: Spacing::Poisson,
                ..
            }) => self.random.exponential(),
            _ => 1.0,
        }
    }

    /// The phase is over.
    fn skip(&mut self) {
        self.start += self.phases[self.index].duration;
        self.index += 1;
        self.begin();
        self.find();
    }

    /// Sets `due`, in this phase or a later one.
    fn find(&mut self) {
        while let Some(phase) = self.phases.get(self.index) {
            if let Some(due) = due(phase, self.start, self.taken) {
                self.due = due;
                return;
            }
            self.start += phase.duration;
            self.index += 1;
            self.begin();
        }
        self.due = Due::Over;
    }
}

/// What is due in a phase that begins at `start` and of which `taken` arrivals were taken.
fn due(phase: &Phase, start: Duration, taken: f64) -> Option<Due> {
    let seconds = match phase.shape {
        Shape::Pause => None,
        Shape::Max => {
            let until = start + phase.duration;
            return Some(Due::Free { from: start, until });
        }
        Shape::Ramp { from, to, .. } => reached(from, to, phase.duration, taken),
        Shape::Burst { requests, every } => {
            Some(every.as_secs_f64() * (taken / requests as f64).floor())
        }
    };
    let at = Duration::try_from_secs_f64(seconds?).ok()?;
    (at < phase.duration).then_some(Due::At(start + at))
}

/// Seconds until `count` arrivals are reached by a rate that goes from `from` to `to` within
/// `duration`. `None`: never.
fn reached(from: f64, to: f64, duration: Duration, count: f64) -> Option<f64> {
    if count <= 0.0 {
        return (from > 0.0 || to > 0.0).then_some(0.0);
    }
    let slope = (to - from) / duration.as_secs_f64();
    let square = slope.mul_add(2.0 * count, from * from);
    // The form without a difference of near numbers; a steady rate is its case slope = 0.
    let seconds = 2.0 * count / (from + square.max(0.0).sqrt());
    (square >= 0.0 && seconds.is_finite()).then_some(seconds)
}

#[cfg(test)]
mod tests;
