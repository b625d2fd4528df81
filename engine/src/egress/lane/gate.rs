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
use crate::batch::Size;
use crate::delivery::Verdict;
use crate::flow::balancing;
use crate::flow::breaker::{Change, State};
use crate::flow::{
    Breaker, BreakerRule, BudgetRule, Concurrency, ConcurrencyRule, Ramp, RateLimit, RateRule,
    RetryBudget, Throttle,
};
use crate::telemetry::{Circuit, Hold};
use crate::time::Instant;
use std::time::Duration;

/// What a lane's gate is told once. What is absent protects nothing.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct GateRule {
    pub breaker: Option<BreakerRule>,
    pub budget: Option<BudgetRule>,
    pub concurrency: Option<ConcurrencyRule>,
    pub rate: Option<RateRule>,
}

/// Whether a batch goes for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Try {
    First,
    Again,
}

/// What an attempt's end has done to the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Told {
    /// The destination shut it.
    pub throttled: bool,
    pub circuit: Option<Change>,
}

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
    circuit: u32,
    started: Instant,
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

    /// The same for one of several endpoints. One that asks for a pause is well.
    pub const fn of_endpoint(self) -> balancing::Ended {
        match self {
            Self::Answered | Self::Throttled(_) => balancing::Ended::Answered,
            Self::Failed => balancing::Ended::Failed,
            Self::Unknown => balancing::Ended::Unknown,
        }
    }
}

/// One lane's gate.
#[derive(Debug)]
pub struct Gate {
    throttle: Throttle,
    ramp: Ramp,
    breaker: Option<Breaker>,
    budget: Option<RetryBudget>,
    concurrency: Option<Concurrency>,
    rate: Option<RateLimit>,
    /// Grows each time the gate shuts: what was sent before says nothing of what comes after.
    epoch: u32,
}

impl Gate {
    /// `slots`: attempts on their way at once that the lane would have without a gate.
    pub fn new(rule: GateRule, slots: usize) -> Self {
        Self {
            throttle: Throttle::default(),
            ramp: Ramp::new(slots),
            breaker: rule.breaker.map(Breaker::new),
            budget: rule.budget.map(RetryBudget::new),
            concurrency: rule.concurrency.map(Concurrency::new),
            rate: rule.rate.map(RateLimit::new),
            epoch: 0,
        }
    }

    /// The lane has so many slots from now on.
    pub fn set_slots(&mut self, slots: usize) {
        self.ramp.set_slots(slots);
    }

    /// Whether an attempt may start while so many are on their way.
    pub fn permit(&mut self, in_flight: usize, now: Instant) -> Permit {
        if let Some(until) = self.throttle.shut_until(now) {
            return held(Hold::Throttle, until);
        }
        if let Some(breaker) = &mut self.breaker {
            let until = breaker.ready_at(now);
            if until > now {
                return held(Hold::Circuit, until);
            }
        }
        if !self.ramp.has_room(in_flight) {
            return held(Hold::Ramp, Instant::NEVER);
        }
        let concurrency = self.concurrency.as_ref();
        if concurrency.is_some_and(|concurrency| !concurrency.has_room(in_flight)) {
            return held(Hold::Concurrency, Instant::NEVER);
        }
        if let Some(rate) = &mut self.rate {
            let until = rate.ready_at(now);
            if until > now {
                return held(Hold::RateLimit, until);
            }
        }
        Permit::Go
    }

    /// When a batch may go again that [`permit`](Self::permit) lets go: now, or when to ask again.
    pub fn retry_at(&mut self, now: Instant) -> Instant {
        self.budget
            .as_mut()
            .map_or(now, |budget| budget.ready_at(now))
    }

    /// An attempt of this size starts, and so many are on their way with it.
    pub fn start(&mut self, which: Try, size: Size, in_flight: usize, now: Instant) -> Ticket {
        if let Some(concurrency) = &mut self.concurrency {
            concurrency.start(in_flight);
        }
        if let Some(rate) = &mut self.rate {
            rate.take(size.items, size.bytes, now);
        }
        if let Some(budget) = &mut self.budget {
            budget.record(which == Try::Again, now);
        }
        let circuit = self.breaker.as_mut().map_or(0, |breaker| {
            breaker.start();
            breaker.epoch()
        });
        Ticket {
            epoch: self.epoch,
            circuit,
            started: now,
        }
    }

    /// An attempt has ended.
    pub fn record(&mut self, ticket: Ticket, ended: Ended, now: Instant) -> Told {
        let failed = match ended {
            Ended::Answered => Some(false),
            Ended::Failed => Some(true),
            Ended::Throttled(_) | Ended::Unknown => None,
        };
        let breaker = self.breaker.as_mut();
        let circuit = breaker.and_then(|breaker| breaker.record(ticket.circuit, failed, now));
        if let Some(concurrency) = &mut self.concurrency {
            match ended {
                Ended::Answered => concurrency.handle_answer(now.since(ticket.started), now),
                Ended::Throttled(_) | Ended::Failed => concurrency.handle_push_back(now),
                Ended::Unknown => {}
            }
        }
        let throttled = match ended {
            Ended::Throttled(delay) => self.throttle.handle_delay(delay, now),
            Ended::Answered | Ended::Failed | Ended::Unknown => false,
        };
        if throttled || circuit == Some(Change::Closed) {
            self.epoch = self.epoch.wrapping_add(1);
            self.ramp.start();
        } else if ended == Ended::Answered && ticket.epoch == self.epoch {
            self.ramp.handle_answer();
        }
        Told { throttled, circuit }
    }

    /// Attempts that may be on their way at once, where that is adapted.
    pub fn concurrency_limit(&self) -> Option<usize> {
        self.concurrency.as_ref().map(Concurrency::limit)
    }

    /// The state of the circuit, where there is a breaker.
    pub fn circuit(&self) -> Option<Circuit> {
        let breaker = self.breaker.as_ref()?;
        Some(match breaker.state() {
            State::Closed => Circuit::Closed,
            State::Open { .. } => Circuit::Open,
            State::HalfOpen => Circuit::HalfOpen,
        })
    }

    /// Ends every pause: what is inside is to be tried at once, though no faster than may be.
    pub fn lift(&mut self) {
        self.throttle.lift();
        self.ramp.end();
        if let Some(breaker) = &mut self.breaker {
            breaker.reset();
        }
    }
}

const fn held(by: Hold, until: Instant) -> Permit {
    Permit::Held(Held { by, until })
}
