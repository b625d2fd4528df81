//! Exponential backoff with jitter: the Collector's `retry_on_failure`.
//!
//! ```text
//!   interval  5 s -> 7.5 s -> 11.25 s -> ... -> 30 s, 30 s, ...     (times `multiplier`, capped)
//!   delay     uniform in [interval * (1 - r), interval * (1 + r)]   (r: `randomization_factor`)
//!             full jitter: uniform in [0, interval]
//!   next try  now + max(delay, the server's own delay), or never if that is past `max_elapsed`
//! ```
//!
//! Source: <https://github.com/cenkalti/backoff> (v5, `ExponentialBackOff`) and the Collector's
//! `exporter/exporterhelper/internal/retry_sender.go`. Full jitter:
//! <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>.

use super::Random;
use crate::time::Instant;
use std::time::Duration;

/// The configuration of one exporter: the keys of `retry_on_failure`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BackoffRule {
    /// `false`: the first failure is final.
    pub enabled: bool,
    pub initial_interval: Duration,
    /// In [0, 1].
    pub randomization_factor: f64,
    /// The delay is anything up to the interval, whatever the factor.
    pub full_jitter: bool,
    pub multiplier: f64,
    pub max_interval: Duration,
    /// How long after the first try the last may start. `None` (the file's 0): for ever.
    pub max_elapsed: Option<Duration>,
}

impl Default for BackoffRule {
    fn default() -> Self {
        Self {
            enabled: true,
            initial_interval: Duration::from_secs(5),
            randomization_factor: 0.5,
            full_jitter: false,
            multiplier: 1.5,
            max_interval: Duration::from_secs(30),
            max_elapsed: Some(Duration::from_secs(300)),
        }
    }
}

/// What follows a failed try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Try again then.
    At(Instant),
    /// The next try would be too late, or retries are off: give the batch up.
    Exhausted,
}

/// The retries of one batch.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    /// Zero before the first failure.
    interval: Duration,
    give_up_after: Instant,
}

impl Backoff {
    /// Call when the first try starts: `max_elapsed` counts from there.
    pub fn start(rule: &BackoffRule, now: Instant) -> Self {
        Self {
            interval: Duration::ZERO,
            give_up_after: rule
                .max_elapsed
                .map_or(Instant::NEVER, |elapsed| now + elapsed),
        }
    }

    /// A try failed; `server_delay` is what the answer asked for (RetryInfo, Retry-After).
    ///
    /// The server's delay wins where it is the longer one, and does not reset the interval.
    pub fn handle_failure(
        &mut self,
        rule: &BackoffRule,
        server_delay: Option<Duration>,
        now: Instant,
        random: &mut Random,
    ) -> Next {
        if !rule.enabled {
            return Next::Exhausted;
        }
        let delay = self
            .next_delay(rule, random)
            .max(server_delay.unwrap_or_default());
        let next = now + delay;
        if next > self.give_up_after {
            Next::Exhausted
        } else {
            Next::At(next)
        }
    }

    fn next_delay(&mut self, rule: &BackoffRule, random: &mut Random) -> Duration {
        if self.interval.is_zero() {
            self.interval = rule.initial_interval;
        }
        let delay = if rule.full_jitter {
            self.interval.mul_f64(random.unit())
        } else {
            jittered(self.interval, rule.randomization_factor, random)
        };
        self.interval = grown(self.interval, rule);
        delay
    }
}

/// The interval of the try after this one. Both overflow and the cap end at `max_interval`.
fn grown(interval: Duration, rule: &BackoffRule) -> Duration {
    if interval.as_secs_f64() >= rule.max_interval.as_secs_f64() / rule.multiplier {
        rule.max_interval
    } else {
        Duration::try_from_secs_f64(interval.as_secs_f64() * rule.multiplier)
            .unwrap_or(rule.max_interval)
    }
}

/// Uniform in `interval` plus or minus `factor` of it.
fn jittered(interval: Duration, factor: f64, random: &mut Random) -> Duration {
    if factor == 0.0 {
        return interval;
    }
    let seconds = interval.as_secs_f64() * (1.0 - factor + 2.0 * factor * random.unit());
    Duration::try_from_secs_f64(seconds).unwrap_or(interval)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const S: u64 = 1_000_000_000;

    fn exact(max_elapsed: Option<u64>) -> BackoffRule {
        BackoffRule {
            randomization_factor: 0.0,
            max_elapsed: max_elapsed.map(Duration::from_secs),
            ..BackoffRule::default()
        }
    }

    fn delays(rule: &BackoffRule, count: usize, seed: u64) -> Vec<Duration> {
        let mut random = Random::new(seed);
        let mut backoff = Backoff::start(rule, Instant(0));
        (0..count)
            .map(|_| backoff.next_delay(rule, &mut random))
            .collect()
    }

    #[test]
    fn intervals_grow_to_the_cap_and_stay() {
        let millis: Vec<u128> = delays(&exact(None), 7, 0)
            .iter()
            .map(Duration::as_millis)
            .collect();
        assert_eq!(
            millis,
            [5_000, 7_500, 11_250, 16_875, 25_312, 30_000, 30_000]
        );
    }

    #[test]
    fn gives_up_when_the_next_try_would_start_too_late() {
        // 5 + 7.5 seconds of waiting, tries that take no time: the third try starts at 12.5 s.
        let mut random = Random::new(0);
        for (max_elapsed, last) in [
            (13, Next::At(Instant(12_500_000_000))),
            (12, Next::Exhausted),
        ] {
            let rule = exact(Some(max_elapsed));
            let mut backoff = Backoff::start(&rule, Instant(0));
            let first = backoff.handle_failure(&rule, None, Instant(0), &mut random);
            assert_eq!(first, Next::At(Instant(5 * S)));
            let second = backoff.handle_failure(&rule, None, Instant(5 * S), &mut random);
            assert_eq!(second, last);
        }
    }

    #[test]
    fn a_try_that_starts_exactly_at_the_limit_is_made() {
        let rule = exact(Some(5));
        let mut backoff = Backoff::start(&rule, Instant(0));
        let next = backoff.handle_failure(&rule, None, Instant(0), &mut Random::new(0));
        assert_eq!(next, Next::At(Instant(5 * S)));
    }

    #[test]
    fn the_longer_of_both_delays_wins() {
        let rule = exact(None);
        for (server, at) in [(None, 5), (Some(2), 5), (Some(9), 9)] {
            let mut backoff = Backoff::start(&rule, Instant(0));
            let server = server.map(Duration::from_secs);
            let next = backoff.handle_failure(&rule, server, Instant(0), &mut Random::new(0));
            assert_eq!(next, Next::At(Instant(at * S)));
            // The interval goes on from its own last value.
            let next = backoff.handle_failure(&rule, None, Instant(0), &mut Random::new(0));
            assert_eq!(next, Next::At(Instant(7_500_000_000)));
        }
    }

    #[test]
    fn retries_switched_off_end_at_once() {
        let rule = BackoffRule {
            enabled: false,
            ..BackoffRule::default()
        };
        let mut backoff = Backoff::start(&rule, Instant(0));
        let next = backoff.handle_failure(&rule, None, Instant(0), &mut Random::new(0));
        assert_eq!(next, Next::Exhausted);
    }

    #[test]
    fn without_max_elapsed_it_goes_on_for_ever() {
        let rule = exact(None);
        let mut backoff = Backoff::start(&rule, Instant(0));
        let year = Instant(365 * 86_400 * S);
        let next = backoff.handle_failure(&rule, None, year, &mut Random::new(0));
        assert_eq!(next, Next::At(year + Duration::from_secs(5)));
    }

    #[test]
    fn full_jitter_is_anything_up_to_the_interval() {
        let rule = BackoffRule {
            full_jitter: true,
            multiplier: 1.0,
            ..exact(None)
        };
        let delays = delays(&rule, 1000, 7);
        let mean = delays.iter().sum::<Duration>().as_secs_f64() / 1000.0;
        assert!((2.3..2.7).contains(&mean), "{mean}: half of 5 s");
        assert!(delays.iter().all(|delay| delay.as_secs_f64() <= 5.0));
        assert!(delays.iter().any(|delay| delay.as_secs_f64() < 0.1));
    }

    #[test]
    fn zero_intervals_retry_at_once_as_the_collector_does() {
        let rule = BackoffRule {
            initial_interval: Duration::ZERO,
            ..exact(None)
        };
        assert_eq!(delays(&rule, 3, 0), [Duration::ZERO; 3]);
    }

    proptest! {
        #[test]
        fn delays_stay_within_the_jitter_of_their_interval(
            seed: u64,
            factor in 0.0..=1.0f64,
            multiplier in 0.0..10.0f64,
            initial in 0..100_000u64,
            max in 0..1_000_000u64,
        ) {
            let rule = BackoffRule {
                initial_interval: Duration::from_millis(initial),
                max_interval: Duration::from_millis(max),
                randomization_factor: factor,
                multiplier,
                ..BackoffRule::default()
            };
            let exact = BackoffRule { randomization_factor: 0.0, ..rule };
            for (delay, interval) in
                delays(&rule, 20, seed).iter().zip(delays(&exact, 20, seed))
            {
                let interval = interval.as_secs_f64();
                prop_assert!(delay.as_secs_f64() >= interval * (1.0 - factor) - 1e-6);
                prop_assert!(delay.as_secs_f64() <= interval * (1.0 + factor) + 1e-6);
            }
        }

        #[test]
        fn no_rule_panics(
            factor: f64, multiplier: f64, initial: u64, max: u64, server: u64, now: u64,
            full_jitter: bool,
        ) {
            let rule = BackoffRule {
                enabled: true,
                initial_interval: Duration::from_secs(initial),
                max_interval: Duration::from_secs(max),
                randomization_factor: factor,
                full_jitter,
                multiplier,
                max_elapsed: None,
            };
            let mut backoff = Backoff::start(&rule, Instant(now));
            let mut random = Random::new(now);
            for _ in 0..5 {
                let server = Some(Duration::from_secs(server));
                backoff.handle_failure(&rule, server, Instant(now), &mut random);
            }
        }
    }
}
