//! The clock of a connection, set back seldom.

use crate::net::Clock;
use crate::time::Instant;
use std::task::{Context, Poll};

/// Wakes the connection in time, and sometimes before.
///
/// Each request brings a deadline of its own, nearly always later than the one the clock is set
/// to. To ring once for nothing is cheaper than to set the clock for every request.
#[derive(Debug)]
pub(super) struct Alarm<C> {
    clock: C,
    set_to: Instant,
}

impl<C: Clock> Alarm<C> {
    pub(super) const fn new(clock: C) -> Self {
        Self {
            clock,
            set_to: Instant::NEVER,
        }
    }

    pub(super) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// `Ready`: look at the time again. Otherwise the task is woken not later than `next`.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, next: Instant, now: Instant) -> Poll<()> {
        if self.set_to <= now || next < self.set_to {
            self.set_to = next;
        }
        self.clock.poll_until(cx, self.set_to)
    }
}
