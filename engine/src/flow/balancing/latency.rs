//! How long an endpoint takes: a moving average that is forgotten where nothing is asked.
//!
//! Source: the cost of Finagle's `p2cPeakEwma`,
//! <https://twitter.github.io/finagle/guide/Clients.html#power-of-two-choices-p2c-least-loaded>.

use crate::time::Instant;
use std::time::Duration;

/// After this long without an answer about a third of the average is left.
const MEMORY: Duration = Duration::from_secs(10);
/// The cost of an endpoint of which nothing is known and that has not answered its first attempt:
/// over that of any that answers.
const UNKNOWN: f64 = 1e9;

/// Answer times of one endpoint, in seconds.
#[derive(Debug, Default)]
pub struct Latency {
    average: f64,
    at: Option<Instant>,
}

impl Latency {
    /// A rise counts at once, a fall by and by: an endpoint that slows down loses its share with
    /// the first slow answer, and earns it back by several.
    pub fn record(&mut self, taken: Duration, now: Instant) {
        let taken = taken.as_secs_f64();
        let known = self.at.is_some().then(|| self.now(now));
        self.average = match known {
            Some(average) if average > taken => (taken - average).mul_add(WEIGHT, average),
            Some(_) | None => taken,
        };
        self.at = Some(now);
    }

    /// What one more attempt would cost beside `in_flight` that are there already.
    pub fn cost(&self, in_flight: u32, now: Instant) -> f64 {
        match self.at {
            None if in_flight == 0 => 0.0,
            None => UNKNOWN + f64::from(in_flight),
            // Endpoints that answer at once differ by what is on its way alone.
            Some(_) => (self.now(now) + 1e-6) * f64::from(in_flight + 1),
        }
    }

    /// The average, less what has been forgotten: an endpoint that is not asked any more becomes
    /// worth a try.
    fn now(&self, now: Instant) -> f64 {
        let Some(at) = self.at else { return 0.0 };
        self.average * (-now.since(at).as_secs_f64() / MEMORY.as_secs_f64()).exp()
    }
}

/// Of a shorter time than the average.
const WEIGHT: f64 = 0.1;

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_slow_answer_counts_at_once_and_is_forgotten_slowly() {
        let mut latency = Latency::default();
        let mut now = Instant(0);
        latency.record(MS, now);
        latency.record(100 * MS, now);
        assert!((latency.cost(0, now) - 0.1).abs() < 1e-3);
        for _ in 0..60 {
            latency.record(MS, now);
        }
        assert!(
            latency.cost(0, now) < 0.002,
            "sixty quick answers are enough"
        );
        latency.record(100 * MS, now);
        now = now + 5 * MEMORY;
        assert!(latency.cost(0, now) < 0.001, "worth a try");
    }

    #[test]
    fn an_endpoint_that_never_answered_is_tried_once() {
        let mut known = Latency::default();
        known.record(Duration::from_secs(60), Instant(0));
        let unknown = Latency::default();
        assert!(unknown.cost(0, Instant(0)) < known.cost(0, Instant(0)));
        assert!(unknown.cost(1, Instant(0)) > known.cost(1000, Instant(0)));
    }
}
