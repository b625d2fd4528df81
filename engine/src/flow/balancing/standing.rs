//! Whether one endpoint is given work: out after too many failures, back by one probe.
//!
//! ```text
//!         failures, or nobody answers            the pause is over, and there is something to send
//!   In ---------------------------------> Out ----------------------------------------> Probing
//!   ^                                      ^                                               |
//!   |                                      +------------------------ failed ---------------+
//!   +--------------------------------------------------------------- answered -------------+
//! ```
//!
//! Only attempts that were sent in the present state say something of it: the epoch grows with every
//! change, and what ends with an older one changes nothing.
//!
//! Source: the terms are those of
//! <https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/outlier>.

use crate::flow::window::Window;
use crate::time::Instant;
use std::time::Duration;

/// When an endpoint that answers badly is left alone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OutlierRule {
    /// Failures in a row. At least 1.
    pub consecutive_failures: u32,
    /// Share of failures within `window`, in (0, 1].
    pub failure_ratio: f64,
    pub window: Duration,
    /// Requests within `window` below which the share says nothing.
    pub min_requests: u32,
    /// How long it is out: so many times as long as it has been out of late.
    pub base_ejection_time: Duration,
    pub max_ejection_time: Duration,
    /// The largest share of a level's endpoints that is out for failures; one may always be.
    pub max_ejection_ratio: f64,
}

/// Why an endpoint is out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ejection {
    ConsecutiveFailures(u32),
    /// So many failures among so many requests.
    FailureRatio {
        failed: u32,
        requests: u32,
    },
    /// None of its addresses takes a connection.
    Unreachable,
    /// On its way back it failed again.
    Probe,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    In,
    Out { until: Instant },
    Probing,
}

/// One endpoint's state, and what led to it.
#[derive(Debug)]
pub struct Standing {
    rule: Option<OutlierRule>,
    state: State,
    epoch: u32,
    failures_in_a_row: u32,
    window: Window,
    /// Times that it was out of late: one is forgotten for each base time that it is in.
    times: u32,
    /// When it came back.
    since: Instant,
}

/// Without a rule only an endpoint that nobody reaches is out; the pause is then its connections'.
const PAUSE_MIN: Duration = Duration::from_millis(200);

impl Standing {
    pub fn new(rule: Option<OutlierRule>) -> Self {
        let span = rule.map_or(Duration::from_secs(10), |rule| rule.window);
        Self {
            rule,
            state: State::In,
            epoch: 0,
            failures_in_a_row: 0,
            window: Window::new(span),
            times: 0,
            since: Instant(0),
        }
    }

    pub const fn state(&self) -> State {
        self.state
    }

    pub const fn epoch(&self) -> u32 {
        self.epoch
    }

    pub const fn is_in(&self) -> bool {
        matches!(self.state, State::In)
    }

    /// The pause is over: the next attempt is a probe.
    pub fn begin_probe(&mut self) {
        debug_assert!(matches!(self.state, State::Out { .. }));
        self.enter(State::Probing);
    }

    /// An attempt of `epoch` was answered. Whether the endpoint is back by it.
    pub fn handle_answered(&mut self, epoch: u32, now: Instant) -> bool {
        if epoch != self.epoch {
            return false;
        }
        self.failures_in_a_row = 0;
        self.window.record(false, now);
        if self.state != State::Probing {
            return false;
        }
        self.since = now;
        self.enter(State::In);
        true
    }

    /// An attempt of `epoch` failed. What speaks for leaving the endpoint alone, if anything does.
    pub fn handle_failed(&mut self, epoch: u32, now: Instant) -> Option<Ejection> {
        if epoch != self.epoch {
            return None;
        }
        if self.state == State::Probing {
            return Some(Ejection::Probe);
        }
        self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
        self.window.record(true, now);
        let rule = self.rule?;
        if self.failures_in_a_row >= rule.consecutive_failures {
            return Some(Ejection::ConsecutiveFailures(self.failures_in_a_row));
        }
        let (requests, failed) = self.window.sums();
        let enough = requests >= rule.min_requests;
        let is_over = f64::from(failed) >= rule.failure_ratio * f64::from(requests);
        (enough && is_over).then_some(Ejection::FailureRatio { failed, requests })
    }

    /// Leaves the endpoint alone for its own time, and at least until `not_before`.
    pub fn eject(&mut self, not_before: Option<Instant>, now: Instant) {
        let pause = self.rule.map_or(PAUSE_MIN, |rule| {
            if self.is_in() {
                let forgotten =
                    now.since(self.since).as_nanos() / rule.base_ejection_time.as_nanos().max(1);
                let forgotten = u32::try_from(forgotten).unwrap_or(u32::MAX);
                self.times = self.times.saturating_sub(forgotten);
            }
            self.times = self.times.saturating_add(1);
            let grown = rule.base_ejection_time.saturating_mul(self.times);
            grown.min(rule.max_ejection_time)
        });
        let until = now + pause;
        self.enter(State::Out {
            until: not_before.map_or(until, |other| other.max(until)),
        });
    }

    /// Leaves the endpoint alone until its connections may be tried again.
    pub fn leave_until(&mut self, until: Instant, now: Instant) {
        let until = until.max(now + PAUSE_MIN);
        self.enter(State::Out { until });
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.epoch = self.epoch.wrapping_add(1);
        self.failures_in_a_row = 0;
        if let (State::In, Some(rule)) = (state, self.rule) {
            // What it did before it was out is no word on what it does now.
            self.window = Window::new(rule.window);
        }
    }
}
