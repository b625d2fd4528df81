//! The share of time a shard works rather than waits.

use crate::time::Instant;
use std::time::Duration;

/// The span over which [`Busy::ratio`] is measured.
const WINDOW: Duration = Duration::from_secs(1);

/// Measures one shard's busy time, told at the end of each of its turns.
#[derive(Debug, Clone, Copy, Default)]
pub struct Busy {
    total: Duration,
    window_start: Instant,
    in_window: Duration,
    ratio: f64,
}

impl Busy {
    pub fn new(now: Instant) -> Self {
        Self {
            window_start: now,
            ..Self::default()
        }
    }

    /// A turn that began at `since` ends.
    pub fn handle_turn(&mut self, since: Instant, now: Instant) {
        let turn = now - since;
        self.total += turn;
        self.in_window += turn;
        let elapsed = now - self.window_start;
        if elapsed >= WINDOW {
            self.ratio = self.in_window.as_secs_f64() / elapsed.as_secs_f64();
            self.window_start = now;
            self.in_window = Duration::ZERO;
        }
    }

    /// Since the shard started.
    pub const fn total(&self) -> Duration {
        self.total
    }

    /// Between 0 and 1, over the last second or since the last turn, whichever is longer.
    pub fn ratio(&self, now: Instant) -> f64 {
        let elapsed = now - self.window_start;
        if elapsed >= WINDOW {
            return self.in_window.as_secs_f64() / elapsed.as_secs_f64();
        }
        self.ratio
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn the_ratio_is_that_of_the_last_second() {
        let mut busy = Busy::new(Instant(0));
        busy.handle_turn(Instant(0), Instant(250 * MS));
        assert_eq!(busy.ratio(Instant(500 * MS)), 0.0, "no window is over yet");
        busy.handle_turn(Instant(750 * MS), Instant(1_000 * MS));
        assert_eq!(busy.ratio(Instant(1_500 * MS)), 0.5);
        assert_eq!(busy.total(), Duration::from_millis(500));
    }

    #[test]
    fn a_shard_that_sleeps_long_is_not_busy() {
        let mut busy = Busy::new(Instant(0));
        busy.handle_turn(Instant(0), Instant(1_000 * MS));
        assert_eq!(busy.ratio(Instant(1_500 * MS)), 1.0);
        assert_eq!(busy.ratio(Instant(9_000 * MS)), 0.0);
    }
}
