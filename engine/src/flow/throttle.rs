//! A destination's own word on when to come back: RetryInfo, Retry-After.
//!
//! The Collector holds back the one batch that was refused and sends all others on, which a
//! throttling server must refuse one by one. Here the word holds for whoever asks next.
//!
//! Source: <https://opentelemetry.io/docs/specs/otlp/#otlpgrpc-throttling>,
//! <https://opentelemetry.io/docs/specs/otlp/#otlphttp-throttling>.

use crate::time::Instant;
use std::time::Duration;

/// Shut until the longest delay that was asked for has passed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Throttle {
    shut_until: Instant,
}

impl Throttle {
    /// The destination asked for a pause. Whether this is what shuts the gate: answers to what was
    /// sent before it was shut may come after, and lengthen the pause at most.
    pub fn handle_delay(&mut self, delay: Duration, now: Instant) -> bool {
        let was_open = self.shut_until <= now;
        self.shut_until = self.shut_until.max(now + delay);
        was_open && self.shut_until > now
    }

    /// When the pause ends, while it lasts.
    pub fn shut_until(&self, now: Instant) -> Option<Instant> {
        (self.shut_until > now).then_some(self.shut_until)
    }

    /// Forgets what was asked for.
    pub const fn lift(&mut self) {
        self.shut_until = Instant(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Instant {
        Instant(seconds * 1_000_000_000)
    }

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_longest_pause_holds_and_is_one_pause() {
        let mut throttle = Throttle::default();
        assert_eq!(throttle.shut_until(at(1)), None);
        assert!(throttle.handle_delay(seconds(5), at(1)));
        assert!(!throttle.handle_delay(seconds(2), at(2)), "shut already");
        assert_eq!(throttle.shut_until(at(5)), Some(at(6)));
        assert!(!throttle.handle_delay(seconds(9), at(3)), "only longer");
        assert_eq!(throttle.shut_until(at(6)), Some(at(12)));
        assert_eq!(throttle.shut_until(at(12)), None);
        assert!(throttle.handle_delay(seconds(1), at(12)), "another pause");
    }

    #[test]
    fn no_delay_is_no_pause() {
        let mut throttle = Throttle::default();
        assert!(!throttle.handle_delay(Duration::ZERO, at(1)));
        assert_eq!(throttle.shut_until(at(1)), None);
    }
}
