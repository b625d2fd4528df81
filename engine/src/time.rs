//! A moment as a value. Decisions take `now`; only `runtime` reads a clock.

use std::ops::{Add, Sub};
use std::time::Duration;

/// Nanoseconds on the monotonic clock since the process first asked for the time.
///
/// Unlike [`std::time::Instant`] it can be made from a number, so a simulation has a clock too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Instant(pub u64);

impl Instant {
    /// Later than any moment that will come: 584 years.
    pub const NEVER: Self = Self(u64::MAX);

    /// The moment so long before this one, at the earliest the first.
    pub fn before(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)),
        )
    }

    /// The time passed since `earlier`, zero where `earlier` is not in the past.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// Saturates at [`Instant::NEVER`]: a timeout of `Duration::MAX` means none.
    fn add(self, duration: Duration) -> Self {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

impl Sub<Self> for Instant {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.since(earlier)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Instant(5) + Duration::MAX, Instant::NEVER);
        assert_eq!(Instant(5).since(Instant(9)), Duration::ZERO);
        assert_eq!(Instant(9) - Instant(5), Duration::from_nanos(4));
    }
}
