//! A gate that the destination closes for a while.

use crate::time::Instant;
use std::time::Duration;

/// One lane's gate. While it is closed the lane starts no try, old or new.
///
/// A server that asks for a pause (RetryInfo, Retry-After) means all of the sender, not the one
/// request it answered: with twenty batches in flight, waiting per batch would hit it with the
/// other nineteen.
#[derive(Debug, Clone, Copy, Default)]
pub struct Throttle {
    opens: Instant,
}

impl Throttle {
    /// Closes the gate for `delay`, or leaves it closed for longer if it is already.
    pub fn close(&mut self, delay: Duration, now: Instant) {
        self.opens = self.opens.max(now + delay);
    }

    pub fn is_open(&self, now: Instant) -> bool {
        now >= self.opens
    }

    /// When the gate opens, if it is closed.
    pub fn next_timeout(&self, now: Instant) -> Option<Instant> {
        (!self.is_open(now)).then_some(self.opens)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_when_the_longest_pause_is_over() {
        let mut throttle = Throttle::default();
        assert!(throttle.is_open(Instant(0)));
        throttle.close(Duration::from_nanos(10), Instant(5));
        throttle.close(Duration::from_nanos(3), Instant(6));
        assert!(!throttle.is_open(Instant(14)));
        assert_eq!(throttle.next_timeout(Instant(14)), Some(Instant(15)));
        assert!(throttle.is_open(Instant(15)));
        assert_eq!(throttle.next_timeout(Instant(15)), None);
    }
}
