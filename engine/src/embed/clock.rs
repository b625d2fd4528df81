//! Nanoseconds since 1970 at the cost of reading a counter.
//!
//! ```text
//!   ticks of a counter --x rate--> nanoseconds since the last sample + that sample's time of day
//! ```
//!
//! The counter is the processor's time stamp counter where the kernel says that it runs at one rate
//! on all processors, and the monotonic clock elsewhere. The engine's thread compares it with the
//! system's clocks, after 10 ms first and every second at last, so that steps and the slewing of
//! the time of day are followed. A span takes the time of day once, when it starts; its end is that
//! and ticks since, so it is never before its start.
//!
//! There are crates that read this counter. `fastant` measures its rate before `main` for 20 ms or
//! more in every program that links it, and `quanta` at the first call for up to 200 ms; both measure
//! once, and an error of 10 in a million is a millisecond after two minutes.

mod calibration;
mod counter;

use calibration::{Calibration, Conversion, Sample};
use counter::Counter;
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Shorter, and the rate would be off by more than 60 in a million.
const FIRST_WINDOW: Duration = Duration::from_millis(1);

/// How often the clocks are compared: each time twice as long as before, up to this.
const WINDOW_MAX: Duration = Duration::from_secs(1);

/// The sample is the closest of so many: an interrupt may come between two looks at clocks.
const TRIES: usize = 5;

/// A time of day, and the counter at that time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Moment {
    /// Nanoseconds since 1970.
    pub(super) unix: u64,
    ticks: u64,
}

/// Shared between threads: one compares the clocks, all others read.
#[derive(Debug)]
pub(super) struct Clock {
    counter: Counter,
    /// How often `slots` changed; the last one written is the one of its lowest bit.
    version: AtomicU64,
    slots: [[AtomicU64; 3]; 2],
    /// Touched by who compares the clocks.
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    calibration: Calibration,
    window: Duration,
    last: Instant,
}

impl Clock {
    /// A clock that knows its rate after the first [`calibrate`](Self::calibrate), or at once where
    /// the counter has nanoseconds.
    pub(super) fn new() -> Self {
        let counter = Counter::of_this_machine();
        let first = sample(&counter);
        Self {
            counter,
            version: AtomicU64::new(0),
            slots: Default::default(),
            state: Mutex::new(State {
                calibration: Calibration::new(first),
                window: FIRST_WINDOW,
                last: Instant::now(),
            }),
        }
    }

    /// Waits until the rate is known, at most a millisecond since [`new`](Self::new).
    pub(super) fn settle(&self) {
        let since = {
            let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.last.elapsed()
        };
        std::thread::sleep(FIRST_WINDOW.saturating_sub(since));
        self.calibrate(Instant::now());
    }

    /// Compares the clocks, where it is time to.
    pub(super) fn calibrate(&self, now: Instant) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(state.last) < state.window {
            return;
        }
        let conversion = state.calibration.update(sample(&self.counter));
        state.last = now;
        state.window = (state.window * 2).clamp(Duration::from_millis(10), WINDOW_MAX);
        self.publish(conversion);
    }

    #[inline]
    pub(super) fn now(&self) -> Moment {
        let ticks = self.counter.ticks();
        Moment {
            unix: self.conversion().unix_at(ticks),
            ticks,
        }
    }

    /// Nanoseconds since 1970, counted from `start`.
    #[inline]
    pub(super) fn since(&self, start: Moment) -> u64 {
        let ticks = self.counter.ticks();
        let elapsed = self.conversion().nanos(ticks.saturating_sub(start.ticks));
        start.unix.saturating_add(elapsed)
    }

    /// The moment of a time of day given by the caller.
    pub(super) fn at(&self, unix: u64) -> Moment {
        let now = self.now();
        let ago = now.unix.saturating_sub(unix);
        Moment {
            unix,
            ticks: now.ticks.saturating_sub(self.conversion().ticks_of(ago)),
        }
    }

    /// Who publishes holds the lock of `state`.
    fn publish(&self, conversion: Conversion) {
        let version = self.version.load(Ordering::Relaxed) + 1;
        // A reader that sees a word of what follows sees the version before it, at least.
        fence(Ordering::Release);
        let slot = &self.slots[version as usize % 2];
        for (word, value) in slot.iter().zip(conversion.words()) {
            word.store(value, Ordering::Relaxed);
        }
        self.version.store(version, Ordering::Release);
    }

    #[inline]
    fn conversion(&self) -> Conversion {
        loop {
            let version = self.version.load(Ordering::Acquire);
            let slot = &self.slots[version as usize % 2];
            let [a, b, c] = slot;
            let words = [a, b, c].map(|word| word.load(Ordering::Relaxed));
            fence(Ordering::Acquire);
            // This slot is written again only after the version has changed.
            if self.version.load(Ordering::Relaxed) == version {
                return Conversion::from_words(words);
            }
        }
    }
}

/// All clocks at once, as nearly as can be had.
fn sample(counter: &Counter) -> Sample {
    let tries = (0..TRIES).map(|_| {
        let before = counter.ticks();
        let monotonic = counter.monotonic();
        let unix = SystemTime::now().duration_since(UNIX_EPOCH);
        let between = counter.ticks().saturating_sub(before);
        let sample = Sample {
            ticks: before + between / 2,
            monotonic,
            unix: unix.map_or(0, |unix| unix.as_nanos() as u64),
        };
        (between, sample)
    });
    let closest = tries.min_by_key(|(between, _)| *between);
    closest.map_or_else(Sample::default, |(_, sample)| sample)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unix() -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.expect("after 1970").as_nanos() as u64
    }

    #[test]
    fn it_tells_the_time_of_day_and_goes_on_from_a_start() {
        let clock = Clock::new();
        clock.settle();
        let start = clock.now();
        // Far from a timed assertion: a rate that is wrong is wrong by far more.
        assert!(start.unix.abs_diff(unix()) < 10_000_000_000, "{start:?}");
        let end = clock.since(start);
        assert!(end >= start.unix && end - start.unix < 10_000_000_000);
        let before = clock.at(start.unix - 5_000_000);
        let end = clock.since(before);
        assert!(end >= start.unix - 1_000, "{end} {start:?}");
    }

    /// What is read was published as a whole.
    #[test]
    fn readers_see_whole_conversions() {
        let clock = Clock::new();
        let conversion = |n: u64| Conversion::from_words([n, n + 1, n + 2]);
        clock.publish(conversion(0));
        let count = if cfg!(miri) { 50 } else { 200_000 };
        std::thread::scope(|scope| {
            scope.spawn(|| (1..count).for_each(|n| clock.publish(conversion(n))));
            let mut last = 0;
            while last + 1 < count {
                let [a, b, c] = clock.conversion().words();
                assert!(b == a + 1 && c == a + 2 && a >= last);
                last = a;
            }
        });
    }
}
