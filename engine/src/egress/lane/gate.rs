//! What protects a destination: asked before anything is sent, told how everything ended.
//!
//! ```text
//!   poll_send ----> permit ----> Go | Held { by, until }
//!   the attempt goes: start ----> Ticket, kept in its slot
//!   the attempt ends: record(ticket, result)
//! ```
//!
//! Cost: constant for each attempt, no allocation.

use super::Conclusion;
use crate::delivery::Verdict;
use crate::flow::{Ramp, Throttle};
use crate::telemetry::Hold;
use crate::time::Instant;
use std::time::Duration;

/// Whether an attempt may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permit {
    Go,
    Held(Held),
}

/// Why nothing goes, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    pub by: Hold,
    /// [`Instant::NEVER`]: until an attempt that is on its way has ended.
    pub until: Instant,
}

/// What the gate wants to be told again when the attempt has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    /// Which of the gate's openings let the attempt go.
    epoch: u32,
}

/// How an attempt ended, as far as the destination's state shows in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The destination processed the request, whatever it thinks of the data.
    Answered,
    /// It asked for a pause.
    Throttled(Duration),
    /// Nobody answered, or with a failure that may pass.
    Failed,
    /// It says nothing of the destination: a stream refused for certain, a body that has no form.
    Unknown,
}

impl Ended {
    pub const fn of(conclusion: &Conclusion) -> Self {
        match conclusion {
            Conclusion::Answered(verdict) => match verdict {
                Verdict::Delivered { .. }
                | Verdict::Partial { .. }
                | Verdict::TooLarge(_)
                | Verdict::Refused { .. } => Self::Answered,
                Verdict::Retry {
                    after: Some(delay), ..
                } if !delay.is_zero() => Self::Throttled(*delay),
                Verdict::Retry { .. } => Self::Failed,
                Verdict::RetryNow => Self::Unknown,
            },
            Conclusion::Unsent => Self::Failed,
            Conclusion::Unfit => Self::Unknown,
        }
    }
}

/// One lane's gate.
#[derive(Debug)]
pub struct Gate {
    throttle: Throttle,
    ramp: Ramp,
    /// Grows each time the gate shuts: what was sent before says nothing of what comes after.
    epoch: u32,
}

impl Gate {
    /// `slots`: attempts on their way at once that the lane would have without a gate.
    pub fn new(slots: usize) -> Self {
        Self {
            throttle: Throttle::default(),
            ramp: Ramp::new(slots),
            epoch: 0,
        }
    }

    /// Whether an attempt may start while so many are on their way.
    pub fn permit(&self, in_flight: usize, now: Instant) -> Permit {
        if let Some(until) = self.throttle.shut_until(now) {
            return held(Hold::Throttle, until);
        }
        if !self.ramp.has_room(in_flight) {
            return held(Hold::Ramp, Instant::NEVER);
        }
        Permit::Go
    }

    /// An attempt starts.
    pub const fn start(&mut self) -> Ticket {
        Ticket { epoch: self.epoch }
    }

    /// An attempt has ended. Whether the destination shut the gate with it.
    pub fn record(&mut self, ticket: Ticket, ended: Ended, now: Instant) -> bool {
        match ended {
            Ended::Answered if ticket.epoch == self.epoch => self.ramp.handle_answer(),
            Ended::Answered | Ended::Failed | Ended::Unknown => {}
            Ended::Throttled(delay) if self.throttle.handle_delay(delay, now) => {
                self.epoch = self.epoch.wrapping_add(1);
                self.ramp.start();
                return true;
            }
            Ended::Throttled(_) => {}
        }
        false
    }

    /// The process stops: what is left is tried at once.
    pub const fn lift(&mut self) {
        self.throttle.lift();
        self.ramp.end();
    }
}

const fn held(by: Hold, until: Instant) -> Permit {
    Permit::Held(Held { by, until })
}
