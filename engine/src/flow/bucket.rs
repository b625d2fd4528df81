//! Token buckets: how much may pass in a second, and how much at once.
//!
//! A bucket may be overdrawn by what passes last: it waits until the debt is paid. So a batch larger
//! than the bucket passes too, and over any time `t` no more passes than `rate t + burst` and one
//! batch.

use crate::time::Instant;
use std::time::Duration;

/// What one bucket lets pass.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Over 0.
    pub per_second: f64,
    /// What passes at once after a pause: this long at the rate. Not zero.
    pub burst: Duration,
}

/// Full at first. Cost: constant, no allocation.
#[derive(Debug, Clone, Copy)]
pub struct Bucket {
    rate: Rate,
    /// Below zero: owed.
    level: f64,
    told: Instant,
}

impl Bucket {
    pub fn new(rate: Rate) -> Self {
        Self {
            rate,
            level: Self::room(rate),
            told: Instant(0),
        }
    }

    /// When something may pass: now, or when to ask again.
    pub fn ready_at(&mut self, now: Instant) -> Instant {
        self.fill(now);
        if self.level > 0.0 {
            return now;
        }
        let wait = Duration::try_from_secs_f64(-self.level / self.rate.per_second);
        // A nanosecond more: at the very moment the bucket is empty.
        now + wait
            .unwrap_or(Duration::MAX)
            .saturating_add(Duration::from_nanos(1))
    }

    /// So much passes.
    pub fn take(&mut self, amount: u64, now: Instant) {
        self.fill(now);
        self.level -= amount as f64;
    }

    /// So much that was taken does not pass. What there is no room for is gone when it is looked at.
    pub const fn give_back(&mut self, amount: u64) {
        self.level += amount as f64;
    }

    /// From now on it has this share of its rate. What is in it stays, as far as there is room.
    pub fn set_rate(&mut self, rate: Rate, now: Instant) {
        self.fill(now);
        self.rate = rate;
        self.level = self.level.min(Self::room(rate));
    }

    fn fill(&mut self, now: Instant) {
        let gained = now.since(self.told).as_secs_f64() * self.rate.per_second;
        self.told = self.told.max(now);
        self.level = (self.level + gained).min(Self::room(self.rate));
    }

    fn room(rate: Rate) -> f64 {
        rate.per_second * rate.burst.as_secs_f64()
    }
}

/// Limits of what is sent or taken; what is absent is not limited.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct RateRule {
    pub requests: Option<Rate>,
    pub items: Option<Rate>,
    pub bytes: Option<Rate>,
}

/// Which of the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Limited {
    Requests,
    Items,
    Bytes,
}

impl RateRule {
    /// How long the scarcest of the limits needs for so much.
    pub fn seconds(&self, requests: u64, items: u64, bytes: u64) -> f64 {
        let seconds = |rate: Option<Rate>, amount: u64| {
            rate.map_or(0.0, |rate| amount as f64 / rate.per_second)
        };
        seconds(self.requests, requests)
            .max(seconds(self.items, items))
            .max(seconds(self.bytes, bytes))
    }
}

/// A bucket for each limit.
#[derive(Debug)]
pub struct RateLimit {
    rule: RateRule,
    requests: Option<Bucket>,
    items: Option<Bucket>,
    bytes: Option<Bucket>,
}

impl RateLimit {
    pub fn new(rule: RateRule) -> Self {
        Self {
            rule,
            requests: rule.requests.map(Bucket::new),
            items: rule.items.map(Bucket::new),
            bytes: rule.bytes.map(Bucket::new),
        }
    }

    /// When a request may pass: now, or when to ask again.
    pub fn ready_at(&mut self, now: Instant) -> Instant {
        let buckets = [&mut self.requests, &mut self.items, &mut self.bytes];
        let times = buckets.into_iter().flatten().map(|b| b.ready_at(now));
        times.max().unwrap_or(now)
    }

    /// The limit that lets nothing pass now, and until when; of several the last to open.
    pub fn closed(&mut self, now: Instant) -> Option<(Limited, Instant)> {
        let buckets = [
            (Limited::Requests, &mut self.requests),
            (Limited::Items, &mut self.items),
            (Limited::Bytes, &mut self.bytes),
        ];
        let times = buckets.into_iter().filter_map(|(limited, bucket)| {
            let ready = bucket.as_mut()?.ready_at(now);
            (ready > now).then_some((limited, ready))
        });
        times.max_by_key(|(_, ready)| *ready)
    }

    /// From now on it is this share of its rule.
    pub fn set_share(&mut self, share: f64, now: Instant) {
        let pairs = [
            (&mut self.requests, self.rule.requests),
            (&mut self.items, self.rule.items),
            (&mut self.bytes, self.rule.bytes),
        ];
        for (bucket, rate) in pairs {
            if let (Some(bucket), Some(rate)) = (bucket, rate) {
                let per_second = rate.per_second * share;
                bucket.set_rate(Rate { per_second, ..rate }, now);
            }
        }
    }

    /// A request of so many items and bytes passes.
    pub fn take(&mut self, items: u64, bytes: u64, now: Instant) {
        self.take_of(1, items, bytes, now);
    }

    /// So many requests pass, of so many items and bytes in all; none for the rest of one.
    pub fn take_of(&mut self, requests: u64, items: u64, bytes: u64, now: Instant) {
        self.each(requests, items, bytes, |bucket, amount| {
            bucket.take(amount, now);
        });
    }

    /// What was taken does not pass.
    pub fn give_back(&mut self, requests: u64, items: u64, bytes: u64) {
        self.each(requests, items, bytes, Bucket::give_back);
    }

    fn each(&mut self, requests: u64, items: u64, bytes: u64, act: impl Fn(&mut Bucket, u64)) {
        for (bucket, amount) in [
            (&mut self.requests, requests),
            (&mut self.items, items),
            (&mut self.bytes, bytes),
        ] {
            if let Some(bucket) = bucket {
                act(bucket, amount);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn at(millis: u64) -> Instant {
        Instant(millis * 1_000_000)
    }

    const fn rate(per_second: f64) -> Option<Rate> {
        Some(Rate {
            per_second,
            burst: Duration::from_secs(1),
        })
    }

    #[test]
    fn after_the_burst_it_goes_by_the_rate() {
        let mut bucket = Bucket::new(rate(10.0).expect("a rate"));
        for _ in 0..10 {
            assert_eq!(bucket.ready_at(at(0)), at(0));
            bucket.take(1, at(0));
        }
        let next = bucket.ready_at(at(0));
        assert!(next > at(0) && next <= at(1), "{next:?}");
        bucket.take(5, at(0));
        let next = bucket.ready_at(at(0));
        assert!((at(500)..at(501)).contains(&next), "{next:?}");
        assert_eq!(bucket.ready_at(next), next);
    }

    #[test]
    fn what_is_larger_than_the_bucket_passes_and_is_paid_for() {
        let mut limit = RateLimit::new(RateRule {
            items: rate(100.0),
            ..RateRule::default()
        });
        assert_eq!(limit.ready_at(at(0)), at(0));
        limit.take(1000, 1, at(0));
        let next = limit.ready_at(at(0));
        assert!((at(9000)..at(9001)).contains(&next), "{next:?}");
    }

    #[test]
    fn the_scarcest_decides() {
        let mut limit = RateLimit::new(RateRule {
            requests: rate(1.0),
            items: rate(1000.0),
            bytes: rate(1_000_000.0),
        });
        limit.take(1500, 10, at(0));
        let next = limit.ready_at(at(0));
        assert!((at(500)..at(501)).contains(&next), "items: {next:?}");
        limit.take(1, 3_000_000, at(0));
        let next = limit.ready_at(at(0));
        assert!((at(2000)..at(2001)).contains(&next), "bytes: {next:?}");
    }

    #[test]
    fn a_share_is_a_share_of_rate_and_burst() {
        let mut limit = RateLimit::new(RateRule {
            items: rate(100.0),
            ..RateRule::default()
        });
        limit.set_share(0.25, at(0));
        limit.take(25, 1, at(0));
        assert_eq!(
            limit.closed(at(0)).map(|(limited, _)| limited),
            Some(Limited::Items)
        );
        limit.take(25, 1, at(0));
        let (_, ready) = limit.closed(at(0)).expect("25 are owed");
        assert!((at(1000)..at(1001)).contains(&ready), "{ready:?}");
        // Four times the rate: the debt is paid in a quarter of the time.
        limit.set_share(1.0, at(0));
        let (_, ready) = limit.closed(at(0)).expect("25 are owed");
        assert!((at(250)..at(251)).contains(&ready), "{ready:?}");
    }

    #[test]
    fn without_rates_nothing_waits() {
        let mut limit = RateLimit::new(RateRule::default());
        limit.take(u64::MAX, u64::MAX, at(1));
        assert_eq!(limit.ready_at(at(1)), at(1));
    }

    proptest! {
        /// Whoever asks at any times, and takes whenever it may.
        #[test]
        fn no_more_passes_than_the_rate_the_burst_and_one_batch(
            per_second in 0.5..1e6f64,
            burst_millis in 1..5000u64,
            steps in prop::collection::vec((0..2000u64, 1..5000u64), 1..200),
        ) {
            let burst = Duration::from_millis(burst_millis);
            let mut bucket = Bucket::new(Rate { per_second, burst });
            let (mut now, mut passed, mut largest) = (at(0), 0, 0);
            for (wait, amount) in steps {
                now = now + Duration::from_millis(wait);
                if bucket.ready_at(now) == now {
                    bucket.take(amount, now);
                    passed += amount;
                    largest = largest.max(amount);
                }
                let seconds = now.since(at(0)).as_secs_f64() + burst.as_secs_f64();
                let allowed = per_second * seconds + largest as f64;
                prop_assert!(passed as f64 <= allowed * (1.0 + 1e-9) + 1e-6);
            }
        }

        /// Who comes back when told to is let through.
        #[test]
        fn the_time_told_is_right(per_second in 0.5..1e6f64, amount in 1..1_000_000u64) {
            let burst = Duration::from_secs(1);
            let mut bucket = Bucket::new(Rate { per_second, burst });
            bucket.take(amount, at(5));
            let next = bucket.ready_at(at(5));
            // Times have whole nanoseconds.
            let soon = next + Duration::from_nanos(1);
            prop_assert_eq!(bucket.ready_at(soon), soon);
        }
    }
}
