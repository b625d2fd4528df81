//! The time of one connection.

use crate::time::Instant;
use std::task::{Context, Poll};

/// The time, as the runtime gives it.
pub trait Clock {
    fn now(&self) -> Instant;

    /// Whether `at` has come; if not, the task is woken then. Only the last call counts.
    fn poll_until(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()>;
}
