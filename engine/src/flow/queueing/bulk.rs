//! Servers that take many at once, and the batch size that suits them.

/// M/M^\[b\]/1: a server that takes up to `batch_max` at once, in a time that does not depend on
/// how many they are. Who arrives while a batch that is not full is under way joins it.
///
/// Source: Gross, Shortle, Thompson, Harris, "Fundamentals of Queueing Theory" (2008), section 3.2,
/// the partial-batch model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BulkService {
    /// lambda, of single arrivals.
    pub arrival_rate: f64,
    /// mu, of whole batches.
    pub service_rate: f64,
    /// b, at least 1.
    pub batch_max: u32,
}

impl BulkService {
    /// rho: what arrives, of what full batches would carry.
    pub fn utilisation(&self) -> f64 {
        self.arrival_rate / (self.service_rate * f64::from(self.batch_max.max(1)))
    }

    /// L; infinite from rho = 1 on.
    pub fn in_system(&self) -> f64 {
        match self.utilisation() < 1.0 {
            true => {
                let ratio = self.ratio();
                ratio / (1.0 - ratio)
            }
            false => f64::INFINITY,
        }
    }

    /// W, in seconds, by Little's law; the service alone where nothing arrives.
    pub fn system_seconds(&self) -> f64 {
        match self.arrival_rate > 0.0 {
            true => self.in_system() / self.arrival_rate,
            false => 1.0 / self.service_rate,
        }
    }

    /// The ratio of the geometric distribution of the number in the system: the root in (0, 1) of
    /// `mu r^(b+1) - (lambda + mu) r + lambda`.
    ///
    /// Divided by `r - 1`, the polynomial is `mu (r + r^2 + ... + r^b) - lambda`, which grows with
    /// r: bisection finds its only root.
    fn ratio(&self) -> f64 {
        let load = self.arrival_rate / self.service_rate;
        let batch = f64::from(self.batch_max.max(1));
        let (mut low, mut high) = (0.0, 1.0);
        for _ in 0..80 {
            let ratio = f64::midpoint(low, high);
            let sum = ratio * (1.0 - ratio.powf(batch)) / (1.0 - ratio);
            match sum < load {
                true => low = ratio,
                false => high = ratio,
            }
        }
        f64::midpoint(low, high)
    }
}

/// A batch's cost in the time of the server: so much for each batch, so much for each item.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BatchCost {
    pub batch_seconds: f64,
    pub item_seconds: f64,
}

impl BatchCost {
    /// The time that a batch of `items` takes.
    pub fn seconds(&self, items: f64) -> f64 {
        self.batch_seconds + self.item_seconds * items
    }

    /// The share of the time that goes into items, not into batches.
    pub fn efficiency(&self, items: f64) -> f64 {
        self.item_seconds * items / self.seconds(items)
    }

    /// The smallest batch with which one server carries `rate` items a second at `utilisation`.
    /// Infinite where no batch is large enough: the items alone keep the server busier.
    ///
    /// From `rate (batch_seconds + item_seconds b) / b <= utilisation`.
    pub fn batch_for(&self, rate: f64, utilisation: f64) -> f64 {
        let spare = utilisation - rate * self.item_seconds;
        match spare > 0.0 {
            true => (rate * self.batch_seconds / spare).max(1.0),
            false => f64::INFINITY,
        }
    }

    /// The mean time from an item's arrival to the end of its batch, in seconds, with one server
    /// and Poisson items: half of the filling, the wait of a queue of batches, the service.
    /// Infinite from rho = 1 on.
    ///
    /// Batches of b Poisson items arrive as an Erlang-b process, of squared coefficient of
    /// variation 1/b; the service is taken as fixed. Source: Kingman's formula over batches; Curry
    /// and Feldman, "Manufacturing Systems Modeling and Analysis" (2011), chapter 7.
    pub fn delay_seconds(&self, rate: f64, items: f64) -> f64 {
        let filling = (items - 1.0) / (2.0 * rate);
        let service = self.seconds(items);
        let queueing = super::general::kingman(rate / items, service, 1.0 / items, 0.0);
        filling + queueing + service
    }

    /// The batch of at most `items_max` with the least delay: large enough for the server to keep
    /// up, and no larger than the wait for it to fill is worth.
    ///
    /// The delay falls and then rises with the size (golden-section search over its logarithm).
    pub fn batch_of_least_delay(&self, rate: f64, items_max: f64) -> f64 {
        let smallest = self.batch_for(rate, 1.0).min(items_max);
        let (mut low, mut high) = (smallest.ln(), items_max.max(1.0).ln());
        let golden = (5f64.sqrt() - 1.0) / 2.0;
        for _ in 0..60 {
            let (left, right) = (high - golden * (high - low), low + golden * (high - low));
            match self.delay_seconds(rate, left.exp()) < self.delay_seconds(rate, right.exp()) {
                true => high = right,
                false => low = left,
            }
        }
        f64::midpoint(low, high).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn batches_of_one_are_the_simple_queue() {
        let bulk = BulkService {
            arrival_rate: 0.75,
            service_rate: 1.0,
            batch_max: 1,
        };
        assert!((bulk.in_system() - 3.0).abs() < 1e-9);
        assert!((bulk.system_seconds() - 4.0).abs() < 1e-9);
    }

    #[test]
    fn two_at_once_solve_a_square() {
        // 20 arrivals and 12 batches an hour: r^2 + r = 5/3, r = 0.884.
        let bulk = BulkService {
            arrival_rate: 20.0,
            service_rate: 12.0,
            batch_max: 2,
        };
        let ratio = ((1.0 + 20.0 / 3.0_f64).sqrt() - 1.0) / 2.0;
        assert!((bulk.in_system() - ratio / (1.0 - ratio)).abs() < 1e-9);
    }

    #[test]
    fn a_batch_grows_until_its_server_keeps_up() {
        let cost = BatchCost {
            batch_seconds: 1e-3,
            item_seconds: 1e-6,
        };
        // 100000/s: b = 100 / (0.8 - 0.1).
        assert!((cost.batch_for(1e5, 0.8) - 100.0 / 0.7).abs() < 1e-9);
        assert_eq!(cost.batch_for(1.0, 0.8), 1.0);
        assert_eq!(cost.batch_for(1e6, 0.8), f64::INFINITY);
        assert!((cost.efficiency(1000.0) - 0.5).abs() < 1e-12);
    }

    /// The chain of the number in the system: up by one, down by up to `b`. Solved by iteration.
    fn chain_mean(bulk: BulkService, states: usize) -> f64 {
        let batch = bulk.batch_max as usize;
        let scale = bulk.arrival_rate + bulk.service_rate;
        let (up, down) = (bulk.arrival_rate / scale, bulk.service_rate / scale);
        let mut now = vec![0.0; states];
        now[0] = 1.0;
        for _ in 0..20_000 {
            let mut next = vec![0.0; states];
            for (state, share) in now.iter().enumerate() {
                next[(state + 1).min(states - 1)] += share * up;
                next[state.saturating_sub(batch)] += share * down;
            }
            now = next;
        }
        now.iter().enumerate().map(|(n, p)| n as f64 * p).sum()
    }

    #[test]
    fn is_the_solved_chain() {
        for (load, batch_max) in [(0.5, 1), (1.5, 3), (4.0, 8), (3.0, 30)] {
            let bulk = BulkService {
                arrival_rate: load,
                service_rate: 1.0,
                batch_max,
            };
            let (found, wanted) = (bulk.in_system(), chain_mean(bulk, 200));
            assert!((found - wanted).abs() < 1e-4 * wanted, "{found} {wanted}");
        }
    }

    proptest! {
        #[test]
        fn larger_batches_hold_fewer(load in 0.1f64..0.95, batch_max in 1u32..50) {
            let at = |batch_max| BulkService { arrival_rate: load, service_rate: 1.0, batch_max };
            prop_assert!(at(batch_max + 1).in_system() <= at(batch_max).in_system() * (1.0 + 1e-9));
        }

        #[test]
        fn no_batch_has_less_delay_than_the_best(
            rate in 10.0f64..1e5, batch_seconds in 1e-5f64..1e-2, share in 0.01f64..0.9,
            other in 1.0f64..5000.0,
        ) {
            let cost = BatchCost { batch_seconds, item_seconds: share / rate };
            let best = cost.batch_of_least_delay(rate, 5000.0);
            let (found, any) = (cost.delay_seconds(rate, best), cost.delay_seconds(rate, other));
            prop_assert!(found <= any * (1.0 + 1e-6), "{best}: {found}, {other}: {any}");
        }
    }
}
