//! How often recorders are looked at: often while they fill, seldom while they do not.
//!
//! Every look wakes the shard, which may share its processor with the service's own threads. A service
//! of two thousand requests a second fills a fiftieth of a recorder in ten milliseconds.

use std::time::Duration;

/// A recorder with the default limits holds what a thread that records 350,000 spans a second has by
/// then.
const PERIOD_MIN: Duration = Duration::from_millis(10);

/// And by then what one has that records 87,000, out of a quiet that was longer.
const PERIOD_MAX: Duration = Duration::from_millis(40);

/// Fuller, and the next look is soon.
const FULL: f64 = 1.0 / 8.0;

/// Emptier, and the next look is later.
const EMPTY: f64 = 1.0 / 32.0;

#[derive(Debug)]
pub(super) struct Pace {
    period: Duration,
    /// What was found in the fullest recorder, as a share of what it may hold.
    fullest: f64,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            period: PERIOD_MIN,
            fullest: 0.0,
        }
    }
}

impl Pace {
    /// So many bytes were found in a recorder that may hold `room`.
    pub fn found(&mut self, bytes: usize, room: usize) {
        let share = bytes as f64 / room.max(1) as f64;
        self.fullest = self.fullest.max(share);
    }

    /// All were looked at: how long to the next look. `is_waited_for`: by somebody.
    pub fn next(&mut self, is_waited_for: bool) -> Duration {
        let fullest = std::mem::take(&mut self.fullest);
        if is_waited_for || fullest > FULL {
            self.period = PERIOD_MIN;
        } else if fullest < EMPTY {
            self.period = (self.period * 2).min(PERIOD_MAX);
        }
        self.period
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quiet_recorders_are_looked_at_less_often() {
        let mut pace = Pace::default();
        let periods = [(); 4].map(|()| pace.next(false).as_millis());
        assert_eq!(periods, [20, 40, 40, 40]);
        pace.found(1, 1000);
        pace.found(200, 1000);
        assert_eq!(pace.next(false).as_millis(), 10);
        assert_eq!(pace.next(false).as_millis(), 20);
        assert_eq!(pace.next(true).as_millis(), 10);
        pace.found(50, 1000);
        assert_eq!(pace.next(false).as_millis(), 10);
        pace.found(10, 0);
        assert_eq!(pace.next(false).as_millis(), 10);
    }

    proptest! {
        /// A thread that records evenly, at whatever rate a recorder can take at the shortest period,
        /// is not dropped from for longer than the first look takes.
        #[test]
        fn an_even_rate_finds_room(share_in_10_ms in 0.0..1.0_f64) {
            let mut pace = Pace::default();
            let mut period = pace.next(false);
            for look in 0..20 {
                let share = share_in_10_ms * period.as_secs_f64() / 0.01;
                prop_assert!(look == 0 || share <= 1.0, "look {look}: {share}");
                pace.found((share * 1e6) as usize, 1_000_000);
                period = pace.next(false);
            }
        }
    }
}
