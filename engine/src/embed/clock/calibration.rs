//! From ticks of a counter to nanoseconds since 1970.

/// A rate of one: nanoseconds of a tick, as a fraction of 2^32.
const ONE: u64 = 1 << 32;

/// Clocks read at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Sample {
    pub(super) ticks: u64,
    /// Nanoseconds of a clock that is never set.
    pub(super) monotonic: u64,
    /// Nanoseconds since 1970, which may be set.
    pub(super) unix: u64,
}

/// A line through the last sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Conversion {
    ticks: u64,
    unix: u64,
    /// Nanoseconds of a tick, times 2^32.
    rate: u64,
}

impl Conversion {
    #[inline]
    pub(super) const fn unix_at(&self, ticks: u64) -> u64 {
        // A thread that was interrupted may come with ticks from before the sample.
        if ticks >= self.ticks {
            self.unix.saturating_add(self.nanos(ticks - self.ticks))
        } else {
            self.unix.saturating_sub(self.nanos(self.ticks - ticks))
        }
    }

    #[inline]
    pub(super) const fn nanos(&self, ticks: u64) -> u64 {
        ((ticks as u128 * self.rate as u128) >> 32) as u64
    }

    pub(super) const fn ticks_of(&self, nanos: u64) -> u64 {
        match ((nanos as u128) << 32).checked_div(self.rate as u128) {
            Some(ticks) => ticks as u64,
            None => 0,
        }
    }

    pub(super) const fn words(self) -> [u64; 3] {
        [self.ticks, self.unix, self.rate]
    }

    pub(super) const fn from_words([ticks, unix, rate]: [u64; 3]) -> Self {
        Self { ticks, unix, rate }
    }
}

/// What is known of a counter's rate.
#[derive(Debug)]
pub(super) struct Calibration {
    last: Sample,
    /// `None` before the second sample.
    rate: Option<u64>,
    /// Quite another rate, which the last sample spoke for.
    doubtful: Option<u64>,
}

impl Calibration {
    pub(super) const fn new(first: Sample) -> Self {
        Self {
            last: first,
            rate: None,
            doubtful: None,
        }
    }

    /// The line from now on.
    ///
    /// A rate that is off by more than one in a hundred is believed when it is seen twice in turn: a machine
    /// that slept has counted while the monotonic clock stood still, or the other way round; one that
    /// was moved to other hardware stays with the new rate.
    pub(super) fn update(&mut self, sample: Sample) -> Conversion {
        let ticks = sample.ticks.saturating_sub(self.last.ticks);
        let nanos = sample.monotonic.saturating_sub(self.last.monotonic);
        let measured = (u128::from(nanos) << 32).checked_div(u128::from(ticks));
        let measured = measured.and_then(|rate| u64::try_from(rate).ok());
        let measured = measured.filter(|rate| *rate > 0);
        self.last = sample;
        match (self.rate, measured) {
            (None, Some(rate)) => self.rate = Some(rate),
            (Some(known), Some(rate)) => {
                let is_near = |other: u64| rate.abs_diff(other) <= other / 100;
                let is_believed = is_near(known) || self.doubtful.is_some_and(is_near);
                if is_believed {
                    self.rate = Some(rate);
                }
                self.doubtful = (!is_believed).then_some(rate);
            }
            (_, None) => {}
        }
        Conversion {
            ticks: sample.ticks,
            unix: sample.unix,
            rate: self.rate.unwrap_or(ONE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: u64 = 1_000_000_000;

    /// After so many seconds of a counter with so many ticks a second.
    fn sample(ticks_a_second: u64, seconds: u64, set_by: u64) -> Sample {
        Sample {
            ticks: 77 + ticks_a_second * seconds,
            monotonic: 5 + SECOND * seconds,
            unix: 1_700_000_000 * SECOND + SECOND * seconds + set_by,
        }
    }

    proptest! {
        #[test]
        fn a_second_of_ticks_is_a_second(hertz in 1_000_000..6_000_000_000_u64, ahead in 0..100_000_u64) {
            let mut calibration = Calibration::new(sample(hertz, 0, 0));
            let line = calibration.update(sample(hertz, 1, 0));
            let then = sample(hertz, 1 + ahead, 0);
            let error = line.unix_at(then.ticks).abs_diff(then.unix);
            // A rate of 2^-32 ns a tick more or less.
            prop_assert!(error <= 1 + ((hertz * ahead) >> 32), "{error} ns after {ahead} s");
            prop_assert!(line.ticks_of(SECOND).abs_diff(hertz) <= 1 + hertz / 1_000_000);
            prop_assert_eq!(Conversion::from_words(line.words()), line);
        }
    }

    #[test]
    fn the_time_of_day_is_followed_when_it_is_set() {
        let mut calibration = Calibration::new(sample(SECOND, 0, 0));
        calibration.update(sample(SECOND, 1, 0));
        let line = calibration.update(sample(SECOND, 2, 3600 * SECOND));
        let then = sample(SECOND, 3, 3600 * SECOND);
        assert_eq!(line.unix_at(then.ticks), then.unix);
        let before = sample(SECOND, 1, 3600 * SECOND);
        assert_eq!(line.unix_at(before.ticks), before.unix);
    }

    #[test]
    fn another_rate_is_believed_when_it_is_seen_twice() {
        let mut calibration = Calibration::new(sample(SECOND, 0, 0));
        let line = calibration.update(sample(SECOND, 1, 0));
        assert_eq!(line.nanos(SECOND), SECOND);
        // The counter ran on for a minute while the machine slept.
        let mut woken = sample(SECOND, 2, 0);
        woken.ticks += 60 * SECOND;
        assert_eq!(calibration.update(woken).nanos(SECOND), SECOND);
        let mut twice = woken;
        for seconds in 1..3 {
            twice.ticks += 2 * SECOND;
            twice.monotonic += SECOND;
            let line = calibration.update(twice);
            let expected = [SECOND, SECOND / 2][seconds - 1];
            assert_eq!(line.nanos(SECOND), expected, "{seconds}");
        }
        // A counter that stands still or goes back says nothing.
        let back = Sample { ticks: 1, ..twice };
        assert_eq!(calibration.update(back).nanos(SECOND), SECOND / 2);
    }
}
