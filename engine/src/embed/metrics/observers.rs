//! The thread on which callbacks are called, and how the shard asks it.
//!
//! ```text
//!   shard's thread            observing thread             application's threads
//!   ask ------- queue ------> callback, callback ...  <--- registered, dropped
//!    .                            |
//!   collect <--- bell ------- all have ended
//! ```
//!
//! A callback is the application's: it may block, or panic. The shard waits for it no longer than it is
//! told to, without stopping; in good time it has another thread go on with the callbacks behind it.
//! One that goes on is not called again before it has ended, so that each holds one thread at most.
//! Threads are there only while callbacks are, and are started by the shard: they run where it may.

use super::observable::{Callback, Called, drop_caught};
use super::series::Recorded;
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};

/// One for each engine. Neither lock is held while a callback is called or dropped.
#[derive(Debug, Default)]
pub(super) struct Observers {
    registered: Mutex<Vec<Registered>>,
    round: Mutex<Round>,
    changed: Condvar,
}

/// The instrument is known apart from its callback: the shard must not be the last one to hold that.
#[derive(Debug)]
struct Registered {
    recorded: Arc<Recorded>,
    callback: Weak<Callback>,
}

#[derive(Debug, Default)]
struct Round {
    number: u64,
    queue: VecDeque<Registered>,
    /// Calls of this round that go on.
    calls: usize,
    /// The thread that takes from the queue, as threads are counted; 0: there is none.
    thread: u64,
    threads: u64,
    has_ended: bool,
}

/// What wakes the shard.
pub(in crate::embed) type Bell = Arc<dyn Fn() + Send + Sync>;

impl Observers {
    pub fn register(&self, callback: &Arc<Callback>) {
        lock(&self.registered).push(Registered {
            recorded: Arc::clone(&callback.recorded),
            callback: Arc::downgrade(callback),
        });
    }

    /// Has all callbacks called. `false`: there are none.
    pub fn ask(self: &Arc<Self>, bell: &Bell) -> io::Result<bool> {
        let mut registered = lock(&self.registered);
        let mut round = lock(&self.round);
        round.number += 1;
        round.calls = 0;
        round.queue.clear();
        registered.retain(|Registered { recorded, callback }| {
            let is_there = callback.strong_count() > 0;
            // Also of those that are gone: what they observed before vanishes.
            if let Some(mut observed) = recorded.observed() {
                observed.begin(round.number, is_there);
            }
            if is_there {
                round.queue.push_back(Registered {
                    recorded: Arc::clone(recorded),
                    callback: Weak::clone(callback),
                });
            }
            is_there
        });
        drop(registered);
        if round.queue.is_empty() {
            round.thread = 0;
        } else if round.thread == 0 {
            self.start(&mut round, bell)?;
        }
        self.changed.notify_all();
        Ok(!round.queue.is_empty())
    }

    /// Whether all calls of the round have ended.
    pub fn have_answered(&self) -> bool {
        let round = lock(&self.round);
        round.queue.is_empty() && round.calls == 0
    }

    /// Whether nothing is left of the round but so many calls that go on.
    #[cfg(test)]
    pub fn has_calls_only(&self, calls: usize) -> bool {
        let round = lock(&self.round);
        round.queue.is_empty() && round.calls == calls
    }

    /// Has another thread go on behind a callback that takes long.
    pub fn relieve(self: &Arc<Self>, bell: &Bell) -> io::Result<()> {
        let mut round = lock(&self.round);
        if round.queue.is_empty() {
            return Ok(());
        }
        self.start(&mut round, bell)
    }

    /// What has not answered is waited for no longer.
    pub fn give_up(&self) {
        let mut round = lock(&self.round);
        round.queue.clear();
        if round.calls > 0 {
            // The next round is not to wait for the thread of this one.
            round.thread = 0;
        }
    }

    /// Its threads end, each as soon as it is in no callback.
    pub fn end(&self) {
        lock(&self.round).has_ended = true;
        self.changed.notify_all();
    }

    fn start(self: &Arc<Self>, round: &mut Round, bell: &Bell) -> io::Result<()> {
        let number = round.threads + 1;
        let (observers, bell) = (Arc::clone(self), Arc::clone(bell));
        std::thread::Builder::new()
            .name("tailrace-observe".to_owned())
            .spawn(move || observers.serve(number, &bell))?;
        (round.threads, round.thread) = (number, number);
        Ok(())
    }

    /// A thread's life.
    fn serve(&self, thread: u64, bell: &Bell) {
        while let Some((number, next)) = self.next(thread) {
            next.call(number);
            if self.end_call(number) {
                bell();
            }
        }
    }

    /// Whether it was the last one of the round that goes on.
    fn end_call(&self, number: u64) -> bool {
        let mut round = lock(&self.round);
        let is_of_round = round.number == number;
        round.calls -= usize::from(is_of_round);
        is_of_round && round.calls == 0 && round.queue.is_empty()
    }

    /// The next callback, and the round. `None`: the thread is to end.
    fn next(&self, thread: u64) -> Option<(u64, Registered)> {
        let mut round = lock(&self.round);
        while !round.has_ended && round.thread == thread {
            if let Some(next) = round.queue.pop_front() {
                round.calls += 1;
                return Some((round.number, next));
            }
            round = self
                .changed
                .wait(round)
                .unwrap_or_else(PoisonError::into_inner);
        }
        None
    }
}

impl Registered {
    fn call(&self, round: u64) {
        let called = match self.callback.upgrade() {
            Some(callback) => {
                let called = callback.call(round);
                drop_caught(callback);
                called
            }
            None => Called::Returned,
        };
        match called {
            Called::Busy => return,
            Called::Returned => {}
            Called::Panicked => {
                self.recorded.outbox.drop_measurement();
                tracing::error!(
                    "instrument {}: its callback panicked, and is called no more; what it \
                     observed is no longer reported",
                    self.recorded.identity.name
                );
            }
        }
        if let Some(mut observed) = self.recorded.observed() {
            observed.end_call(round);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
