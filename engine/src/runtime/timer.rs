//! Time: the clock of the process, and timers that all share one sleep of the executor.

use super::context;
use super::deadlines::{Deadlines, Key};
use super::{RuntimeKind, epoll, uring};
use crate::net::Clock;
use crate::time::Instant;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::OnceLock;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// The time since the process first asked. Never goes back; the same on every thread.
///
/// Cost: one read of the monotonic clock through the vDSO, about 30 ns.
pub fn now() -> Instant {
    static START: OnceLock<std::time::Instant> = OnceLock::new();
    let start = START.get_or_init(std::time::Instant::now);
    Instant(u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX))
}

/// A moment to be woken at, which can be moved any number of times, before and after it came.
///
/// One per connection is cheap: moving it later costs one store, earlier a heap operation. Fires up
/// to a millisecond late, never early.
#[derive(Debug, Default)]
pub struct Timer(Option<Key>);

/// The time given to [`timeout`] passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elapsed;

impl Timer {
    /// A timer that waits to be set.
    pub const fn new() -> Self {
        Self(None)
    }

    /// A timer that is set. Panics outside [`run`](super::run).
    pub fn at(deadline: Instant) -> Self {
        let mut timer = Self::new();
        timer.reset(deadline);
        timer
    }

    /// Waits until `at`.
    pub async fn until(at: Instant) {
        Self::at(at).await;
    }

    /// Sets a new deadline. The task that last polled the timer is woken when it comes.
    pub fn reset(&mut self, deadline: Instant) {
        let timers = &context::current().timers;
        match self.0 {
            Some(key) => timers.change(|deadlines| deadlines.reset(key, deadline)),
            None => self.0 = Some(timers.change(|deadlines| deadlines.insert(deadline))),
        }
    }
}

impl Future for Timer {
    type Output = ();

    /// Ready when the deadline passed, and again and again until the timer is reset.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.0.is_none() {
            self.reset(Instant::NEVER);
        }
        let timers = &context::current().timers;
        let mut deadlines = timers.deadlines.borrow_mut();
        self.0.map_or(Poll::Pending, |key| deadlines.poll(key, cx))
    }
}

impl Clock for Timer {
    fn now(&self) -> Instant {
        now()
    }

    /// Cost: where `at` is the same as before, no clock is read.
    fn poll_until(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()> {
        let timers = &context::current().timers;
        let same = |key: &Key| timers.deadlines.borrow().deadline(*key) == at;
        if !self.0.as_ref().is_some_and(same) {
            self.reset(at);
            if at <= now() {
                return Poll::Ready(());
            }
        }
        Pin::new(self).poll(cx)
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        // Without a context the deadlines are gone already.
        if let (Some(key), Some(context)) = (self.0, context::try_current()) {
            let waker = context.timers.deadlines.borrow_mut().remove(key);
            drop(waker);
        }
    }
}

/// Waits for `duration`.
pub async fn sleep(duration: Duration) {
    Timer::until(now() + duration).await;
}

/// Waits for `future`, but not longer than `duration`; the future is dropped then.
pub async fn timeout<T>(duration: Duration, future: impl Future<Output = T>) -> Result<T, Elapsed> {
    let mut future = pin!(future);
    let mut timer = Timer::at(now() + duration);
    std::future::poll_fn(|cx| {
        if let Poll::Ready(value) = future.as_mut().poll(cx) {
            return Poll::Ready(Ok(value));
        }
        Pin::new(&mut timer).poll(cx).map(|()| Err(Elapsed))
    })
    .await
}

/// The timers of one thread, and the task that sleeps until the nearest of them.
#[derive(Debug, Default)]
pub(super) struct Timers {
    deadlines: RefCell<Deadlines>,
    /// What the driver sleeps until; none while it is not asleep.
    asleep_until: Cell<Option<Instant>>,
    driver: RefCell<Option<Waker>>,
}

impl Timers {
    /// Changes the deadlines and wakes the driver if it would oversleep.
    fn change<T>(&self, change: impl FnOnce(&mut Deadlines) -> T) -> T {
        let mut deadlines = self.deadlines.borrow_mut();
        let result = change(&mut deadlines);
        let oversleeps = match (deadlines.next(), self.asleep_until.get()) {
            (Some(next), Some(until)) => next < until,
            _ => false,
        };
        drop(deadlines);
        if oversleeps && let Some(driver) = self.driver.borrow_mut().take() {
            self.asleep_until.set(None);
            driver.wake();
        }
        result
    }
}

/// One sleep of the executor.
pub(super) enum Sleep {
    Uring(uring::Sleep),
    Epoll(epoll::Sleep),
}

impl Sleep {
    fn new(kind: RuntimeKind, duration: Duration) -> Self {
        match kind {
            RuntimeKind::Uring => Self::Uring(uring::sleep(duration)),
            RuntimeKind::Epoll => Self::Epoll(epoll::sleep(duration)),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Uring(sleep) => uring::poll_sleep(sleep, cx),
            Self::Epoll(sleep) => epoll::poll_sleep(sleep, cx),
        }
    }
}

/// Fires the timers of this thread. Runs as its first task.
pub(super) async fn drive() {
    let context = context::current();
    let timers = &context.timers;
    let mut sleep: Option<(Instant, Sleep)> = None;
    std::future::poll_fn(|cx| {
        loop {
            let now = now();
            // Each waker is run outside the borrow: what it wakes may set timers.
            loop {
                let due = timers.deadlines.borrow_mut().expire(now);
                match due {
                    Some(Some(waker)) => waker.wake(),
                    Some(None) => {}
                    None => break,
                }
            }
            let next = timers.deadlines.borrow().next();
            match (next, &sleep) {
                (Some(next), Some((until, _))) if next == *until => {}
                (Some(next), _) => sleep = Some((next, Sleep::new(context.kind, next - now))),
                (None, _) => sleep = None,
            }
            if let Some((_, sleeping)) = &mut sleep
                && sleeping.poll(cx).is_ready()
            {
                sleep = None;
                continue;
            }
            *timers.driver.borrow_mut() = Some(cx.waker().clone());
            timers
                .asleep_until
                .set(Some(next.unwrap_or(Instant::NEVER)));
            return Poll::<()>::Pending;
        }
    })
    .await;
}
