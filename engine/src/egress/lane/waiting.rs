//! What waits in a lane: in the order in which it came, or by class and tenant.

use crate::batch::Part;
use crate::flow::fair::{FairQueue, FairRule};
use crate::time::Instant;
use crate::units::Priority;
use std::collections::VecDeque;

/// Room that a queue begins with; see the store's. A queue goes round in it: 128 KiB, once as many
/// parts have passed.
const WAITING_MIN: usize = 2048;

/// Two forms, because most lanes sort nothing and have one ring.
#[derive(Debug)]
pub(super) enum Waiting {
    InOrder(VecDeque<Part>),
    Fair(Box<FairQueue<Part>>),
}

impl Waiting {
    pub fn new(rule: Option<FairRule>) -> Self {
        match rule {
            None => Self::InOrder(VecDeque::with_capacity(WAITING_MIN)),
            Some(rule) => Self::Fair(Box::new(FairQueue::new(rule))),
        }
    }

    pub fn push(&mut self, part: Part) {
        match self {
            Self::InOrder(parts) => parts.push_back(part),
            Self::Fair(parts) => parts.push(part),
        }
    }

    /// Takes back the rest of what was popped last: it goes before all others.
    pub fn push_first(&mut self, part: Part) {
        match self {
            Self::InOrder(parts) => parts.push_front(part),
            Self::Fair(parts) => parts.push_first(part),
        }
    }

    /// Who goes next. `deferred`: a class that goes when the others have nothing, or for its age.
    pub fn pop(&mut self, deferred: Option<Priority>, now: Instant) -> Option<Part> {
        match self {
            Self::InOrder(parts) => parts.pop_front(),
            Self::Fair(parts) => parts.pop(deferred, now),
        }
    }

    /// When to [`pop`](Self::pop) again though nothing came, after it had nothing.
    pub const fn poll_ready(&mut self) -> Option<Instant> {
        match self {
            Self::InOrder(_) => None,
            Self::Fair(parts) => parts.poll_ready(),
        }
    }

    pub fn drop_oldest(&mut self) -> Option<Part> {
        match self {
            Self::InOrder(parts) => parts.pop_front(),
            Self::Fair(parts) => parts.drop_oldest(),
        }
    }

    /// Takes out what is to be given up for something of `priority`.
    pub fn drop_lowest(&mut self, priority: Priority) -> Option<Part> {
        match self {
            Self::InOrder(parts) => parts.pop_front(),
            Self::Fair(parts) => parts.drop_lowest(priority),
        }
    }

    /// Everything, in no order.
    pub fn drain(&mut self) -> Vec<Part> {
        match self {
            Self::InOrder(parts) => parts.drain(..).collect(),
            Self::Fair(parts) => parts.drain(),
        }
    }
}
