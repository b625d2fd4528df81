//! What to expect of a sized queue: blocking, and the distribution of the time from an item's
//! arrival to its batch's answer.

use crate::flow::queueing::GeneralQueue;
use crate::flow::queueing::normal::normal_quantile;

/// How many equally likely round trips stand for all of them. The tail beyond the last thousandth
/// is two of them: enough for a plan.
const STRATA: u32 = 2000;

/// Expected in the long run, while the destination works.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Forecast {
    /// rho of the consumers.
    pub utilisation: f64,
    /// The share of batches that wait for a consumer.
    pub waiting: f64,
    /// The share of batches for which there is no room.
    pub blocking: f64,
    /// L, in batches: waiting and under way.
    pub in_system: f64,
    /// W, in seconds, the filling of the batch included.
    pub mean_seconds: f64,
    pub p50_seconds: f64,
    pub p90_seconds: f64,
    pub p99_seconds: f64,
    pub p999_seconds: f64,
}

/// A point of the load-latency curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LoadPoint {
    /// Items a second.
    pub item_rate: f64,
    /// rho of the consumers.
    pub utilisation: f64,
    pub p50_seconds: f64,
    pub p99_seconds: f64,
}

/// How a batch comes together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Filling {
    pub batch_items: f64,
    /// Items that come at once.
    pub request_items: f64,
    /// A batch that is not full by then is sent as it is.
    pub flush_seconds: f64,
}

impl Filling {
    /// The longest that an item waits for its batch, at so many batches a second: the first
    /// request waits for all others, the last for none.
    fn seconds(&self, batch_items: f64, batches_per_second: f64) -> f64 {
        let others = (1.0 - self.request_items / batch_items).max(0.0);
        (others / batches_per_second).min(self.flush_seconds)
    }

    /// What a batch holds when so many items arrive a second.
    fn items_at(&self, item_rate: f64) -> f64 {
        let flushed = (item_rate * self.flush_seconds).max(self.request_items);
        self.batch_items.min(flushed)
    }
}

impl Forecast {
    pub(super) fn new(queue: &GeneralQueue, filling: &Filling, room_batches: f64) -> Self {
        let round_trips = round_trips(queue);
        let fill_seconds = filling.seconds(filling.batch_items, queue.arrival_rate);
        let delay = Delay::new(queue, fill_seconds, &round_trips);
        Self {
            utilisation: queue.utilisation(),
            waiting: queue.waiting_probability(),
            blocking: queue.blocking(room_batches),
            in_system: queue.in_system(),
            mean_seconds: delay.fill_seconds / 2.0 + queue.system_seconds(),
            p50_seconds: delay.quantile(0.5),
            p90_seconds: delay.quantile(0.9),
            p99_seconds: delay.quantile(0.99),
            p999_seconds: delay.quantile(0.999),
        }
    }
}

/// Consumers and batch stay as they are; the load goes from a tenth of what the consumers carry to
/// 99 % of it. A batch that does not fill in time is sent smaller.
pub(super) fn curve(queue: &GeneralQueue, filling: &Filling) -> Vec<LoadPoint> {
    let full = f64::from(queue.servers) / queue.service_seconds * filling.batch_items;
    let shares = (2..=18).map(|step| f64::from(step) * 0.05);
    let shares = shares.chain([0.92, 0.94, 0.96, 0.97, 0.98, 0.985, 0.99]);
    let round_trips = round_trips(queue);
    let point = |utilisation: f64| {
        let item_rate = full * utilisation;
        let filled = filling.items_at(item_rate);
        let queue = GeneralQueue {
            arrival_rate: item_rate / filled,
            ..*queue
        };
        // Smaller batches are more of them: they may be too many where full ones are not.
        let fill_seconds = filling.seconds(filled, queue.arrival_rate);
        let delay = Delay::new(&queue, fill_seconds, &round_trips);
        LoadPoint {
            item_rate,
            utilisation: queue.utilisation(),
            p50_seconds: delay.quantile(0.5),
            p99_seconds: delay.quantile(0.99),
        }
    };
    shares.map(point).collect()
}

/// The value that a share `quantile` of a log-normal variable does not exceed, given its mean and
/// squared coefficient of variation: the usual shape of round trips, and a heavier tail than a
/// normal one.
///
/// Source: Johnson, Kotz, Balakrishnan, "Continuous Univariate Distributions" (1994), chapter 14.
pub(super) fn lognormal_quantile(mean: f64, scv: f64, quantile: f64) -> f64 {
    let variance = scv.ln_1p();
    mean * (normal_quantile(quantile) * variance.sqrt() - variance / 2.0).exp()
}

/// Equally likely round trips, in ascending order; they do not depend on the load.
fn round_trips(queue: &GeneralQueue) -> Vec<f64> {
    let stratum = |index| {
        let share = (f64::from(index) + 0.5) / f64::from(STRATA);
        lognormal_quantile(queue.service_seconds, queue.service_scv, share)
    };
    (0..STRATA).map(stratum).collect()
}

/// Filling (uniform) + waiting (nothing, or exponential) + round trip (log-normal), independent.
struct Delay {
    fill_seconds: f64,
    waiting: f64,
    /// Of those that wait.
    wait_seconds: f64,
    /// Filling and round trip together, one for each stratum.
    rest_seconds: Vec<f64>,
}

impl Delay {
    fn new(queue: &GeneralQueue, fill_seconds: f64, round_trips: &[f64]) -> Self {
        let waiting = queue.waiting_probability();
        let wait_seconds = match waiting > 0.0 {
            true => queue.queueing_seconds() / waiting,
            false => 0.0,
        };
        // Strata of both in an order that has nothing to do with each other: multiples of the
        // golden ratio are spread evenly (Niederreiter, "Random Number Generation and Quasi-Monte
        // Carlo Methods", 1992, section 3.1).
        let golden = (5f64.sqrt() - 1.0) / 2.0;
        let rest = |(index, round_trip): (usize, &f64)| {
            round_trip + fill_seconds * (index as f64 * golden).fract()
        };
        Self {
            fill_seconds,
            waiting,
            wait_seconds,
            rest_seconds: round_trips.iter().enumerate().map(rest).collect(),
        }
    }

    /// Bisection of the share that takes longer. Infinite where the queue has no steady state.
    fn quantile(&self, quantile: f64) -> f64 {
        if !self.wait_seconds.is_finite() {
            return f64::INFINITY;
        }
        let longest = self.rest_seconds.iter().copied().fold(0.0, f64::max);
        let (mut low, mut high) = (0.0, longest + 40.0 * self.wait_seconds);
        for _ in 0..40 {
            let time = f64::midpoint(low, high);
            match self.longer_than(time) > 1.0 - quantile {
                true => low = time,
                false => high = time,
            }
        }
        high
    }

    fn longer_than(&self, time: f64) -> f64 {
        let exceeds = |rest: &f64| match time - rest {
            left if left < 0.0 => 1.0,
            left if self.wait_seconds > 0.0 => self.waiting * (-left / self.wait_seconds).exp(),
            _ => 0.0,
        };
        self.rest_seconds.iter().map(exceeds).sum::<f64>() / f64::from(STRATA)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SINGLE: Filling = Filling {
        batch_items: 1.0,
        request_items: 1.0,
        flush_seconds: 1.0,
    };

    fn one_server(rho: f64, service_scv: f64) -> GeneralQueue {
        GeneralQueue {
            arrival_rate: rho,
            service_seconds: 1.0,
            servers: 1,
            arrival_scv: 1.0,
            service_scv,
        }
    }

    #[test]
    fn without_variance_or_load_the_delay_is_the_round_trip() {
        let forecast = Forecast::new(&one_server(1e-9, 0.0), &SINGLE, 10.0);
        assert!((forecast.p50_seconds - 1.0).abs() < 1e-6);
        assert!((forecast.p999_seconds - 1.0).abs() < 1e-6);
    }

    #[test]
    fn a_fixed_service_adds_an_exponential_wait() {
        // rho = 0.8, W_q = 2: P(wait > t) = 0.8 exp(-t / 2.5).
        let forecast = Forecast::new(&one_server(0.8, 0.0), &SINGLE, 10.0);
        let wanted = 1.0 + 2.5 * (0.8_f64 / 0.01).ln();
        assert!((forecast.p99_seconds - wanted).abs() < 1e-3);
    }

    #[test]
    fn half_of_the_filling_is_the_mean_and_all_of_it_the_worst() {
        let queue = GeneralQueue {
            arrival_rate: 1.0,
            service_seconds: 1e-6,
            ..one_server(0.5, 0.0)
        };
        let mut filling = Filling {
            batch_items: 1000.0,
            ..SINGLE
        };
        let forecast = Forecast::new(&queue, &filling, 10.0);
        assert!((forecast.p50_seconds - 0.4995).abs() < 1e-2);
        assert!((forecast.p999_seconds - 0.998).abs() < 1e-2);
        // A batch that is one request does not wait for others.
        filling.request_items = 1000.0;
        let forecast = Forecast::new(&queue, &filling, 10.0);
        assert!(forecast.p999_seconds < 1e-3);
    }

    #[test]
    fn the_log_normal_has_the_moments_it_was_given() {
        let values: Vec<f64> = (0..10_000)
            .map(|n| lognormal_quantile(0.08, 1.44, (f64::from(n) + 0.5) / 1e4))
            .collect();
        let mean = values.iter().sum::<f64>() / 1e4;
        let square = values.iter().map(|value| value * value).sum::<f64>() / 1e4;
        assert!((mean / 0.08 - 1.0).abs() < 1e-3);
        assert!((square / (mean * mean) - 1.0 - 1.44).abs() < 0.05);
    }

    #[test]
    fn overload_has_no_percentiles() {
        let forecast = Forecast::new(&one_server(1.1, 1.0), &SINGLE, 10.0);
        assert_eq!(forecast.p50_seconds, f64::INFINITY);
        assert!(forecast.blocking > 0.09);
    }
}
