//! Two counts over the last so many seconds, forgotten a tenth at a time.

use crate::time::Instant;
use std::time::Duration;

/// Parts that a window is kept in.
const PARTS: usize = 10;

/// How many there were, and of those how many were marked, within a span of time: of what is older
/// at most a tenth of the span is still counted. Memory: 80 bytes of counts.
#[derive(Debug, Clone)]
pub struct Window {
    part_nanos: u64,
    /// Which part of all time the newest of `parts` is.
    newest: u64,
    parts: [Counts; PARTS],
    sum: Counts,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    all: u32,
    marked: u32,
}

impl Window {
    pub fn new(span: Duration) -> Self {
        let part_nanos = span.as_nanos() / PARTS as u128;
        Self {
            part_nanos: u64::try_from(part_nanos).unwrap_or(u64::MAX).max(1),
            newest: 0,
            parts: [Counts::default(); PARTS],
            sum: Counts::default(),
        }
    }

    pub fn record(&mut self, marked: bool, now: Instant) {
        self.forget(now);
        let marked = u32::from(marked);
        let part = &mut self.parts[(self.newest % PARTS as u64) as usize];
        for counts in [part, &mut self.sum] {
            counts.all = counts.all.saturating_add(1);
            counts.marked = counts.marked.saturating_add(marked);
        }
    }

    /// All, and the marked ones, as of the last record or [`forget`](Self::forget).
    pub const fn sums(&self) -> (u32, u32) {
        (self.sum.all, self.sum.marked)
    }

    /// Lets go of what is older than the span. Returns when more will be.
    pub fn forget(&mut self, now: Instant) -> Instant {
        let current = now.0 / self.part_nanos;
        let passed = current.saturating_sub(self.newest).min(PARTS as u64);
        self.newest = self.newest.max(current);
        for back in 0..passed {
            let old = &mut self.parts[((self.newest - back) % PARTS as u64) as usize];
            let old = std::mem::take(old);
            self.sum.all = self.sum.all.saturating_sub(old.all);
            self.sum.marked = self.sum.marked.saturating_sub(old.marked);
        }
        Instant((self.newest + 1).saturating_mul(self.part_nanos))
    }

    pub fn clear(&mut self) {
        self.parts = [Counts::default(); PARTS];
        self.sum = Counts::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Against a list of everything that was ever recorded.
        #[test]
        fn what_is_younger_counts_and_what_is_older_does_not(
            span in 10..1000u64,
            events in prop::collection::vec((0..300u64, any::<bool>()), 1..200),
        ) {
            let mut window = Window::new(Duration::from_nanos(span));
            let mut all: Vec<(u64, bool)> = Vec::new();
            let mut now = 0;
            for (passed, marked) in events {
                now += passed;
                window.record(marked, Instant(now));
                all.push((now, marked));
                let within = |span: u64, only: bool| {
                    let from = now.saturating_sub(span);
                    let young = all.iter().filter(|(at, marked)| *at > from && (*marked || !only));
                    u32::try_from(young.count()).unwrap()
                };
                let (count, marked) = window.sums();
                let part = span / 10;
                for (counted, only) in [(count, false), (marked, true)] {
                    prop_assert!(counted <= within(part * 10, only) || now < span + part);
                    prop_assert!(counted >= within(part * 9, only));
                }
            }
        }
    }

    #[test]
    fn the_counts_can_be_full_without_harm() {
        let mut window = Window::new(Duration::ZERO);
        window.sum = Counts {
            all: u32::MAX,
            marked: u32::MAX,
        };
        window.record(true, Instant(0));
        assert_eq!(window.sums(), (u32::MAX, u32::MAX));
    }
}
