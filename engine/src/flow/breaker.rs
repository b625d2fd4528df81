//! The circuit breaker: a destination that fails is left alone, and asked now and then by a probe.
//!
//! ```text
//!            consecutive_failures in a row, or
//!            failure_ratio of at least min_requests within window
//!   Closed ------------------------------------------------------> Open
//!      ^                                                            |  open_for
//!      |  `probes` answers in a row                                 v
//!      +--------------------------------------------------------- HalfOpen
//!                                              a failure: back to Open
//! ```
//!
//! Only attempts that were sent in the present state say something of it: the machine's epoch grows
//! with every change, and what is recorded with an older one is not counted.
//!
//! Source: M. Nygard, "Release It!" (2nd ed., 2018), chapter 5; the thresholds are those of
//! <https://resilience4j.readme.io/docs/circuitbreaker>.

use super::window::Window;
use crate::time::Instant;
use std::time::Duration;

/// When a breaker opens and closes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BreakerRule {
    /// Failures in a row that open it. At least 1.
    pub consecutive_failures: u32,
    /// Share of failures within `window` that opens it, in (0, 1].
    pub failure_ratio: f64,
    pub window: Duration,
    /// Requests within `window` below which the share says nothing.
    pub min_requests: u32,
    /// How long nothing is sent.
    pub open_for: Duration,
    /// Requests on their way at once while half open, and answers that close it. At least 1.
    pub probes: u32,
}

/// What opened a breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tripped {
    ConsecutiveFailures(u32),
    /// So many failures among so many requests.
    FailureRatio {
        failed: u32,
        requests: u32,
    },
    /// A probe failed.
    Probe,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Closed,
    Open { until: Instant, by: Tripped },
    HalfOpen,
}

/// A change that people should know of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Opened(Tripped),
    Closed,
}

/// One destination's breaker. Cost: constant for each request.
#[derive(Debug)]
pub struct Breaker {
    rule: BreakerRule,
    state: State,
    epoch: u32,
    /// Closed: failures in a row. Half open: answers in a row.
    in_a_row: u32,
    /// Half open: probes that have not ended.
    probing: u32,
    window: Window,
}

impl Breaker {
    pub fn new(rule: BreakerRule) -> Self {
        Self {
            rule,
            state: State::Closed,
            epoch: 0,
            in_a_row: 0,
            probing: 0,
            window: Window::new(rule.window),
        }
    }

    pub const fn state(&self) -> State {
        self.state
    }

    /// To be told again with [`record`](Self::record).
    pub const fn epoch(&self) -> u32 {
        self.epoch
    }

    /// When a request may go: now, then, or [`Instant::NEVER`] for once a probe has ended.
    pub fn ready_at(&mut self, now: Instant) -> Instant {
        if let State::Open { until, .. } = self.state {
            if now < until {
                return until;
            }
            self.enter(State::HalfOpen);
        }
        if self.state == State::HalfOpen && self.probing >= self.rule.probes {
            return Instant::NEVER;
        }
        now
    }

    /// A request goes, which [`ready_at`](Self::ready_at) allowed.
    pub fn start(&mut self) {
        if self.state == State::HalfOpen {
            self.probing += 1;
        }
    }

    /// A request has ended. `failed`: `None` where its end says nothing of the destination.
    pub fn record(&mut self, epoch: u32, failed: Option<bool>, now: Instant) -> Option<Change> {
        if epoch != self.epoch {
            return None;
        }
        match self.state {
            State::Closed => self.record_closed(failed?, now),
            State::HalfOpen => self.record_probe(failed, now),
            State::Open { .. } => None,
        }
    }

    /// Lets everything go, as if nothing had happened.
    pub fn reset(&mut self) {
        self.enter(State::Closed);
    }

    fn record_closed(&mut self, failed: bool, now: Instant) -> Option<Change> {
        self.window.record(failed, now);
        self.in_a_row = if failed { self.in_a_row + 1 } else { 0 };
        let tripped = self.tripped(failed)?;
        Some(self.open(tripped, now))
    }

    fn tripped(&self, failed: bool) -> Option<Tripped> {
        if !failed {
            return None;
        }
        if self.in_a_row >= self.rule.consecutive_failures {
            return Some(Tripped::ConsecutiveFailures(self.in_a_row));
        }
        let (requests, failed) = self.window.sums();
        let share = f64::from(failed) / f64::from(requests.max(1));
        let is_too_many = requests >= self.rule.min_requests && share >= self.rule.failure_ratio;
        is_too_many.then_some(Tripped::FailureRatio { failed, requests })
    }

    fn record_probe(&mut self, failed: Option<bool>, now: Instant) -> Option<Change> {
        self.probing = self.probing.saturating_sub(1);
        if failed? {
            return Some(self.open(Tripped::Probe, now));
        }
        self.in_a_row += 1;
        if self.in_a_row < self.rule.probes {
            return None;
        }
        self.enter(State::Closed);
        Some(Change::Closed)
    }

    fn open(&mut self, by: Tripped, now: Instant) -> Change {
        let until = now + self.rule.open_for;
        self.enter(State::Open { until, by });
        Change::Opened(by)
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.epoch = self.epoch.wrapping_add(1);
        self.in_a_row = 0;
        self.probing = 0;
        self.window.clear();
    }
}

#[cfg(test)]
mod tests;
