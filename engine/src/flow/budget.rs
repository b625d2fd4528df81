//! The retry budget: retries are a share of the traffic, so that a destination in trouble is not
//! given more to do because of it.
//!
//! ```text
//!   retries within ttl  <=  retry_ratio * first tries within ttl  +  min_per_second * ttl
//! ```
//!
//! What is over the budget waits, and is not given up for it. The floor lets a lane whose every slot
//! holds a batch that failed, and which sends nothing new, go on trying.
//!
//! Source: <https://linkerd.io/2-edge/reference/retries/>, and Finagle's `RetryBudget`.

use super::window::Window;
use crate::time::Instant;
use std::time::Duration;

/// How many retries there may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BudgetRule {
    /// Retries for each first try.
    pub ratio: f64,
    /// Over zero.
    pub min_per_second: f64,
    /// Over which both are counted.
    pub window: Duration,
}

/// One lane's budget. Cost: constant for each request.
#[derive(Debug)]
pub struct RetryBudget {
    rule: BudgetRule,
    /// All tries; marked are those that were made before.
    tries: Window,
}

impl RetryBudget {
    pub fn new(rule: BudgetRule) -> Self {
        Self {
            rule,
            tries: Window::new(rule.window),
        }
    }

    /// A request goes.
    pub fn record(&mut self, is_retry: bool, now: Instant) {
        self.tries.record(is_retry, now);
    }

    /// When a retry may go: now, or when to ask again. First tries meanwhile make it sooner.
    pub fn ready_at(&mut self, now: Instant) -> Instant {
        let next = self.tries.forget(now);
        let (all, retries) = self.tries.sums();
        let firsts = f64::from(all.saturating_sub(retries));
        let floor = self.rule.min_per_second * self.rule.window.as_secs_f64();
        // A floor below one retry in a whole window would never let one go.
        let allowed = (self.rule.ratio * firsts + floor).max(1.0);
        if f64::from(retries) + 1.0 <= allowed {
            now
        } else {
            next
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: u64 = 1_000_000_000;

    fn budget(ratio: f64, min_per_second: f64) -> RetryBudget {
        RetryBudget::new(BudgetRule {
            ratio,
            min_per_second,
            window: Duration::from_secs(10),
        })
    }

    /// Retries whenever it may; how many there were.
    fn retry_all(budget: &mut RetryBudget, now: Instant) -> u32 {
        let mut retries = 0;
        while budget.ready_at(now) <= now {
            budget.record(true, now);
            retries += 1;
        }
        retries
    }

    #[test]
    fn retries_are_a_fifth_of_the_traffic_and_the_floor() {
        let mut budget = budget(0.2, 1.0);
        assert_eq!(retry_all(&mut budget, Instant(0)), 10, "the floor of 10 s");
        for _ in 0..100 {
            budget.record(false, Instant(0));
        }
        assert_eq!(retry_all(&mut budget, Instant(0)), 20);
        let later = budget.ready_at(Instant(SECOND / 2));
        assert_eq!(later, Instant(SECOND), "asked again when a tenth is over");
    }

    #[test]
    fn the_floor_lets_those_through_that_have_no_traffic_beside_them() {
        let mut budget = budget(0.2, 0.001);
        let mut now = Instant(0);
        let mut retries = 0;
        while now < Instant(100 * SECOND) {
            retries += retry_all(&mut budget, now);
            let next = budget.ready_at(now);
            assert!(next > now);
            now = next;
        }
        assert!((9..=11).contains(&retries), "{retries} in ten windows");
    }

    proptest! {
        /// A destination that fails a share of everything, whose batches are all retried as soon
        /// as the budget allows: it gets at most 1.2 times the traffic, and what the floor gives.
        #[test]
        fn a_failing_destination_gets_a_fifth_more_at_most(
            per_second in 10..200u64,
            failing in 0.0..=1.0f64,
            seconds in 30..120u64,
        ) {
            let mut budget = budget(0.2, 1.0);
            let (mut firsts, mut retries, mut due) = (0u64, 0u64, 0.0f64);
            for second in 0..seconds {
                for request in 0..per_second {
                    let now = Instant(second * SECOND + request * SECOND / per_second);
                    budget.record(false, now);
                    firsts += 1;
                    due += failing;
                    while due >= 1.0 && budget.ready_at(now) <= now {
                        budget.record(true, now);
                        retries += 1;
                        due += failing - 1.0;
                    }
                }
            }
            // The window lets go of a part as a whole: one part more than the span may be counted.
            let floor = 1.0 * (seconds + 10) as f64 * 10.0 / 9.0;
            let most = 0.2 * firsts as f64 * 10.0 / 9.0 + floor;
            prop_assert!((retries as f64) <= most, "{retries} of {firsts}, at most {most}");
        }
    }
}
