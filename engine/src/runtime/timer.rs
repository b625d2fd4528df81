//! The clock, and a wake-up call that can be moved.

use super::{RuntimeKind, kind};
use crate::net::Clock;
use crate::time::Instant;
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll};
use std::time::Duration;

/// The time since the process first asked for it.
pub fn now() -> Instant {
    static START: OnceLock<std::time::Instant> = OnceLock::new();
    let elapsed = START.get_or_init(std::time::Instant::now).elapsed();
    Instant(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX))
}

/// A wake-up call of one task. Cost: armed anew only when the moment changes.
#[derive(Debug)]
pub struct Timer {
    at: Instant,
    sleep: Option<Sleep>,
}

#[derive(Debug)]
enum Sleep {
    Uring(glommio::timer::Timer),
    Epoll(Pin<Box<tokio::time::Sleep>>),
}

impl Timer {
    pub const fn new() -> Self {
        Self {
            at: Instant::NEVER,
            sleep: None,
        }
    }

    /// Waits until `at`.
    pub async fn until(at: Instant) {
        let mut timer = Self::new();
        std::future::poll_fn(|cx| timer.poll_until(cx, at)).await;
    }
}

impl Default for Timer {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for Timer {
    fn now(&self) -> Instant {
        now()
    }

    fn poll_until(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()> {
        let now = now();
        if at <= now {
            return Poll::Ready(());
        }
        if at == Instant::NEVER {
            return Poll::Pending;
        }
        if self.at != at {
            self.at = at;
            self.arm(at - now);
        }
        let woken = match &mut self.sleep {
            Some(Sleep::Uring(timer)) => Pin::new(timer).poll(cx).is_ready(),
            Some(Sleep::Epoll(sleep)) => sleep.as_mut().poll(cx).is_ready(),
            None => true,
        };
        if woken {
            // The runtimes' clocks are coarser than ours: what fires early is armed once more.
            self.at = Instant::NEVER;
            return if at <= super::now() {
                Poll::Ready(())
            } else {
                self.poll_until(cx, at)
            };
        }
        Poll::Pending
    }
}

impl Timer {
    fn arm(&mut self, after: Duration) {
        match &mut self.sleep {
            Some(Sleep::Uring(timer)) => timer.reset(after),
            Some(Sleep::Epoll(sleep)) => {
                sleep.as_mut().reset(tokio::time::Instant::now() + after);
            }
            None => {
                self.sleep = Some(match kind() {
                    RuntimeKind::Uring => Sleep::Uring(glommio::timer::Timer::new(after)),
                    RuntimeKind::Epoll => Sleep::Epoll(Box::pin(tokio::time::sleep(after))),
                });
            }
        }
    }
}
