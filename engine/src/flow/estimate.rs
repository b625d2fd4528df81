//! What was seen of late: how fast a shard lets go of bytes, which a refused sender's delay is
//! computed from, and what a queue does ([`Station`]).

pub mod station;

pub use station::{Station, View};

use crate::time::Instant;
use std::time::Duration;

/// The rate is measured over windows of this length.
const WINDOW: Duration = Duration::from_secs(1);

/// What is asked of a sender at least and at most. Below a second a refused sender is a busy loop;
/// above half a minute it forgets its data before it comes back.
const DELAY_MIN: Duration = Duration::from_secs(1);
const DELAY_MAX: Duration = Duration::from_secs(30);

/// While nothing leaves, nobody knows: the specification's usual first retry.
const DELAY_UNKNOWN: Duration = Duration::from_secs(5);

/// An exponentially weighted rate in bytes per second (mu of the shard as a server of bytes).
#[derive(Debug, Default)]
pub struct DrainRate {
    window_start: Instant,
    window_bytes: u64,
    bytes_per_second: f64,
}

impl DrainRate {
    /// `bytes` were let go.
    pub fn record(&mut self, bytes: u64, now: Instant) {
        let elapsed = now - self.window_start;
        if elapsed >= WINDOW {
            let rate = self.window_bytes as f64 / elapsed.as_secs_f64();
            // Half the weight to the newest window: two windows after a backend died or came
            // back, the delay says so.
            self.bytes_per_second = f64::midpoint(self.bytes_per_second, rate);
            self.window_start = now;
            self.window_bytes = 0;
        }
        self.window_bytes += bytes;
    }

    /// How long until `bytes` more will have been let go.
    pub fn time_for(&self, bytes: u64, now: Instant) -> Duration {
        let elapsed = (now - self.window_start).max(WINDOW).as_secs_f64();
        let rate = f64::midpoint(self.bytes_per_second, self.window_bytes as f64 / elapsed);
        if rate < 1.0 {
            return DELAY_UNKNOWN;
        }
        let wait = Duration::try_from_secs_f64(bytes as f64 / rate).unwrap_or(DELAY_MAX);
        wait.clamp(DELAY_MIN, DELAY_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant(seconds * 1_000_000_000)
    }

    #[test]
    fn the_delay_is_what_draining_takes() {
        let mut rate = DrainRate::default();
        for second in 0..20 {
            rate.record(1_000_000, at(second));
        }
        let delay = rate.time_for(5_000_000, at(20)).as_secs_f64();
        assert!((4.5..5.6).contains(&delay), "{delay}");
        assert_eq!(rate.time_for(1, at(20)), DELAY_MIN);
        assert_eq!(rate.time_for(u64::MAX, at(20)), DELAY_MAX);
    }

    #[test]
    fn nothing_drained_is_not_for_ever() {
        assert_eq!(DrainRate::default().time_for(1 << 30, at(9)), DELAY_UNKNOWN);
    }
}
