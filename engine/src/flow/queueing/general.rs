//! Queues of any arrivals and services, from the first two moments of both: G/G/c.
//!
//! A moment is given as the squared coefficient of variation, variance over squared mean: 0 is a
//! clock, 1 is Poisson or exponential, more is bursty.

use super::erlang::erlang_c;

/// The mean wait of an M/G/1 queue, in seconds; exact. Infinite from rho = 1 on.
///
/// `service_scv` is that of the service time. Source: Kleinrock, section 5.7 (Pollaczek 1930,
/// Khinchine 1932).
pub fn pollaczek_khinchine(arrival_rate: f64, service_seconds: f64, service_scv: f64) -> f64 {
    kingman(arrival_rate, service_seconds, 1.0, service_scv)
}

/// The mean wait of a G/G/1 queue, in seconds; exact for M/G/1, and in heavy traffic for all.
/// Infinite from rho = 1 on.
///
/// Source: Kingman, "The Single Server Queue in Heavy Traffic", Mathematical Proceedings of the
/// Cambridge Philosophical Society 57 (1961).
pub fn kingman(arrival_rate: f64, service_seconds: f64, arrival_scv: f64, service_scv: f64) -> f64 {
    let rho = arrival_rate * service_seconds;
    match rho < 1.0 {
        true => rho / (1.0 - rho) * f64::midpoint(arrival_scv, service_scv) * service_seconds,
        false => f64::INFINITY,
    }
}

/// A queue with `servers` equal servers and room for all.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GeneralQueue {
    /// lambda.
    pub arrival_rate: f64,
    /// 1 / mu of one server.
    pub service_seconds: f64,
    /// c, at least 1.
    pub servers: u32,
    /// Squared coefficient of variation of the time between arrivals.
    pub arrival_scv: f64,
    /// Squared coefficient of variation of the service time.
    pub service_scv: f64,
}

impl GeneralQueue {
    /// a, in erlangs.
    pub fn offered(&self) -> f64 {
        self.arrival_rate * self.service_seconds
    }

    /// rho.
    pub fn utilisation(&self) -> f64 {
        self.offered() / f64::from(self.servers.max(1))
    }

    /// The share of arrivals that waits, taken from M/M/c; 1 from rho = 1 on.
    pub fn waiting_probability(&self) -> f64 {
        erlang_c(self.servers.max(1), self.offered())
    }

    /// W_q, in seconds: M/M/c's, times the mean of the two variabilities. Exact for M/M/c and
    /// M/G/1; within some percent for the rest where rho is over a half. Infinite from rho = 1 on.
    ///
    /// Source: Allen, "Probability, Statistics, and Queueing Theory" (1990), section 5.3; Bolch et
    /// al., section 6.14.
    pub fn queueing_seconds(&self) -> f64 {
        let utilisation = self.utilisation();
        if utilisation >= 1.0 {
            return f64::INFINITY;
        }
        let servers = f64::from(self.servers.max(1));
        let exponential =
            self.waiting_probability() * self.service_seconds / (servers * (1.0 - utilisation));
        exponential * self.variability()
    }

    /// W, in seconds.
    pub fn system_seconds(&self) -> f64 {
        self.queueing_seconds() + self.service_seconds
    }

    /// L, by Little's law.
    pub fn in_system(&self) -> f64 {
        self.arrival_rate * self.system_seconds()
    }

    /// The wait that a share `quantile` of the arrivals does not exceed, in seconds.
    ///
    /// Those that wait at all wait exponentially: exact for M/M/c, and the limit of heavy traffic
    /// for the rest. Source: Whitt, "Approximations for the GI/G/m Queue", Production and
    /// Operations Management 2 (1993).
    pub fn queueing_quantile_seconds(&self, quantile: f64) -> f64 {
        let waiting = self.waiting_probability();
        let exceed = 1.0 - quantile;
        match exceed < waiting {
            true => self.queueing_seconds() / waiting * (waiting / exceed).ln(),
            false => 0.0,
        }
    }

    /// The share of arrivals that a queue with room for `waiting_max` beside those served refuses.
    ///
    /// The queue's tail is geometric with the ratio of [`Self::decay`], cut off at the room there
    /// is; refused is what the cut took, as in M/M/c/K. Exact at rho = 1 and within some percent
    /// of its exponent elsewhere.
    pub fn blocking(&self, waiting_max: f64) -> f64 {
        let (rho, decay) = (self.utilisation(), self.decay());
        if rho > 1.0 {
            // All servers are always busy: the excess is refused, and what the queue's own swing
            // idles.
            return 1.0 - (1.0 - self.idle_beyond(waiting_max)) / rho;
        }
        if decay == 0.0 {
            return self.waiting_probability() / (waiting_max + 1.0);
        }
        let cut = (-decay * waiting_max).exp();
        let waiting = self.waiting_probability();
        waiting * (1.0 - rho) * cut / (1.0 - waiting * rho * cut)
    }

    /// The room beside those served with which at most `blocking_max` is refused. Infinite from
    /// rho = 1 on, where the excess is refused however long the queue.
    pub fn room_for_blocking(&self, blocking_max: f64) -> f64 {
        if self.utilisation() >= 1.0 {
            return f64::INFINITY;
        }
        // `blocking` solved for its cut.
        let (rho, waiting) = (self.utilisation(), self.waiting_probability());
        let cut = blocking_max / (waiting * (1.0 - rho + blocking_max * rho));
        match cut < 1.0 {
            true => -cut.ln() / self.decay(),
            false => 0.0,
        }
    }

    /// How fast the number waiting becomes unlikely: P(n + 1) = P(n) exp(-decay).
    ///
    /// M/M/c's `-ln rho`, divided by the variability: a queue twice as variable has a tail twice
    /// as long. Source: the exponent of the diffusion approximation, Bolch et al., section 6.14;
    /// Kobayashi, "Application of the Diffusion Approximation to Queueing Networks I", Journal of
    /// the ACM 21 (1974).
    pub fn decay(&self) -> f64 {
        let variability = self.variability().max(1e-3);
        self.utilisation().ln().abs() / variability
    }

    fn variability(&self) -> f64 {
        f64::midpoint(self.arrival_scv, self.service_scv)
    }

    /// With rho > 1: the share of service lost because the queue ran empty for a moment.
    fn idle_beyond(&self, waiting_max: f64) -> f64 {
        let rho = self.utilisation();
        let cut = (-self.decay() * (waiting_max + 1.0)).exp();
        (rho - 1.0) * cut / (rho - cut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::queueing::FiniteQueue;
    use proptest::prelude::*;

    fn queue(rho: f64, servers: u32, arrival_scv: f64, service_scv: f64) -> GeneralQueue {
        GeneralQueue {
            arrival_rate: rho * f64::from(servers),
            service_seconds: 1.0,
            servers,
            arrival_scv,
            service_scv,
        }
    }

    #[test]
    fn one_server_is_the_text_book_s() {
        // rho = 0.8, s = 1: M/M/1 waits 4 s, M/D/1 half of it, an Erlang-2 service three quarters.
        assert!((pollaczek_khinchine(0.8, 1.0, 1.0) - 4.0).abs() < 1e-12);
        assert!((pollaczek_khinchine(0.8, 1.0, 0.0) - 2.0).abs() < 1e-12);
        assert!((pollaczek_khinchine(0.8, 1.0, 0.5) - 3.0).abs() < 1e-12);
        assert!((kingman(0.8, 1.0, 0.0, 0.5) - 1.0).abs() < 1e-12);
        assert_eq!(kingman(1.0, 1.0, 0.0, 0.5), f64::INFINITY);
    }

    #[test]
    fn several_servers_are_the_text_book_s() {
        // Kleinrock's M/M/2 at rho = 3/4: C = 9/14, W_q = C / (2 - 1.5) = 9/7.
        let queue = queue(0.75, 2, 1.0, 1.0);
        assert!((queue.queueing_seconds() - 9.0 / 7.0).abs() < 1e-12);
        assert!((queue.in_system() - 1.5 * (1.0 + 9.0 / 7.0)).abs() < 1e-12);
    }

    #[test]
    fn quantiles_of_one_server_are_exponential() {
        // M/M/1: P(W_q > t) = rho exp(-(mu - lambda) t).
        let queue = queue(0.5, 1, 1.0, 1.0);
        assert_eq!(queue.queueing_quantile_seconds(0.4), 0.0);
        let wanted = (0.5_f64 / 0.01).ln() / 0.5;
        assert!((queue.queueing_quantile_seconds(0.99) - wanted).abs() < 1e-12);
    }

    #[test]
    fn a_queue_without_steady_state_is_infinite_not_wrong() {
        let queue = queue(1.2, 4, 1.0, 2.0);
        assert_eq!(queue.queueing_seconds(), f64::INFINITY);
        assert_eq!(queue.room_for_blocking(1e-6), f64::INFINITY);
        assert!((queue.blocking(1e6) - 1.0 / 6.0).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn with_exponential_times_blocking_is_that_of_the_bounded_queue(
            rho in 0.1f64..0.99, servers in 1u32..40, room in 0u32..100
        ) {
            let exact = FiniteQueue {
                arrival_rate: rho * f64::from(servers),
                service_rate: 1.0,
                servers,
                capacity: u64::from(servers + room),
            };
            let exact = exact.steady().blocking;
            let found = queue(rho, servers, 1.0, 1.0).blocking(f64::from(room));
            prop_assert!((found - exact).abs() <= 1e-6 * exact + 1e-300, "{found} {exact}");
        }

        #[test]
        fn the_room_is_what_the_target_takes(
            rho in 0.3f64..0.99, servers in 1u32..40, scv in 0.1f64..8.0, exponent in 2i32..9
        ) {
            let queue = queue(rho, servers, scv, 1.0);
            let target = 10f64.powi(-exponent);
            let room = queue.room_for_blocking(target);
            prop_assert!(queue.blocking(room) <= target * (1.0 + 1e-6));
            prop_assert!(room == 0.0 || queue.blocking(room * 0.9) > target);
        }

        #[test]
        fn variability_load_and_quantile_each_lengthen_the_wait(
            rho in 0.05f64..0.95, servers in 1u32..40, scv in 0.1f64..4.0, quantile in 0.5f64..0.99
        ) {
            let base = queue(rho, servers, scv, scv);
            let more = queue(rho, servers, scv * 1.5, scv);
            let busier = queue(rho + 0.04, servers, scv, scv);
            prop_assert!(more.queueing_seconds() > base.queueing_seconds());
            prop_assert!(busier.queueing_seconds() > base.queueing_seconds());
            let at = |quantile| base.queueing_quantile_seconds(quantile);
            prop_assert!(at(quantile) <= at(quantile + 0.009));
        }
    }
}
