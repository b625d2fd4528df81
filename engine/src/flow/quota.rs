//! A quota of the process, divided among shards by how much each is asked for.
//!
//! Each shard has a bucket with its share of the rate. Shares add up to one, so that in a steady state
//! the process passes what the quota says, however its traffic is spread. They are set anew once a
//! period by what was asked in the last one; a shard that gains hears of it at another moment than the
//! one that loses. Over any time `t` no more passes than `rate (t + burst + period)`, and one request
//! for each shard.

/// What a shard always has of an even share, so that who was quiet is heard at once.
const FLOOR: f64 = 0.1;

/// Each shard's share, by what it was asked for. Shares add up to 1.
///
/// Panics: never; without shards there are no shares.
pub fn shares(asked: &[f64]) -> Vec<f64> {
    let even = 1.0 / asked.len() as f64;
    let sum: f64 = asked.iter().sum();
    let by_demand = |asked: &f64| match sum > 0.0 && sum.is_finite() {
        true => FLOOR * even + (1.0 - FLOOR) * asked / sum,
        false => even,
    };
    asked.iter().map(by_demand).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::bucket::{Bucket, Rate};
    use crate::time::Instant;
    use proptest::prelude::*;
    use std::time::Duration;

    #[test]
    fn who_is_asked_for_all_gets_nearly_all() {
        let shares = shares(&[0.0, 5.0, 0.0, 0.0]);
        assert!(shares[1] > 0.92 && shares[0] > 0.02, "{shares:?}");
        assert_eq!(super::shares(&[0.0, 0.0]), [0.5, 0.5]);
    }

    proptest! {
        #[test]
        fn shares_add_up(asked in prop::collection::vec(0.0..1e9f64, 1..64)) {
            let shares = shares(&asked);
            let sum: f64 = shares.iter().sum();
            prop_assert!((sum - 1.0).abs() < 1e-9);
            prop_assert!(shares.iter().all(|share| *share > 0.0));
        }

        /// Whatever comes to which shard, and whichever hears of its share first.
        #[test]
        fn the_process_passes_no_more_than_the_bound(
            shards in 2..6usize,
            late in 0..100u64,
            offers in prop::collection::vec((0..6usize, 1..300u64), 50..600),
        ) {
            const RATE: f64 = 1000.0;
            const PERIOD: u64 = 100;
            let burst = Duration::from_millis(500);
            let rate = |share: f64| Rate { per_second: RATE * share, burst };
            let at = |millis: u64| Instant(millis * 1_000_000);
            let mut buckets: Vec<_> =
                (0..shards).map(|_| Bucket::new(rate(1.0 / shards as f64))).collect();
            let mut asked = vec![0.0; shards];
            let mut pending: Vec<(u64, usize, f64)> = Vec::new();
            let (mut passed, mut largest) = (0, 0);
            for (step, (shard, amount)) in (0u64..).zip(offers) {
                let millis = step * 10;
                if millis.is_multiple_of(PERIOD) {
                    // Every second shard hears of it later.
                    for (shard, share) in shares(&asked).into_iter().enumerate() {
                        let delay = if shard % 2 == 0 { 0 } else { late };
                        pending.push((millis + delay, shard, share));
                    }
                    asked.fill(0.0);
                }
                pending.retain(|(due, shard, share)| {
                    let is_due = *due <= millis;
                    if is_due {
                        buckets[*shard].set_rate(rate(*share), at(millis));
                    }
                    !is_due
                });
                let shard = shard % shards;
                asked[shard] += amount as f64;
                if buckets[shard].ready_at(at(millis)) == at(millis) {
                    buckets[shard].take(amount, at(millis));
                    passed += amount;
                    largest = largest.max(amount);
                }
                let seconds = (millis + PERIOD) as f64 / 1000.0 + burst.as_secs_f64();
                let most = RATE * seconds + (largest * shards as u64) as f64;
                prop_assert!(passed as f64 <= most, "{passed} of at most {most} at {millis} ms");
            }
        }
    }
}
