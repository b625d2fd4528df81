//! Quotas of the process, divided anew among the shards by what each was asked for.

use crate::flow::quota;
use crate::time::Instant;
use crate::units::ShardId;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// How often shares are set anew, while anybody is asked for anything.
const PERIOD: Duration = Duration::from_millis(100);

/// Of what was asked before, so much counts in the next period.
const MEMORY: f64 = 0.5;

/// Asked for less than that (seconds of a quota), a tenant is forgotten: its shares are even.
const FORGOTTEN: f64 = 1e-6;

/// Whose quota; `None` is the one of all tenants together.
pub type Tenant = Option<Arc<str>>;

/// What shards were asked for, by tenant.
#[derive(Debug)]
pub struct Shares {
    shards: usize,
    /// By shard, in seconds of the quota.
    asked: HashMap<Tenant, Vec<f64>>,
    due: Option<Instant>,
}

impl Shares {
    pub fn new(shards: usize) -> Self {
        Self {
            shards,
            asked: HashMap::new(),
            due: None,
        }
    }

    pub fn handle_asked(&mut self, shard: ShardId, asked: Vec<(Tenant, f64)>, now: Instant) {
        for (tenant, seconds) in asked {
            let by_shard = self.asked.entry(tenant);
            let by_shard = by_shard.or_insert_with(|| vec![0.0; self.shards]);
            if let Some(sum) = by_shard.get_mut(shard.index()) {
                *sum += seconds;
            }
        }
        self.due.get_or_insert(now + PERIOD);
    }

    pub const fn next_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// Each tenant's shares by shard, where they are due.
    pub fn handle_timeout(&mut self, now: Instant) -> Vec<(Tenant, Vec<f64>)> {
        if self.due.is_none_or(|due| due > now) {
            return Vec::new();
        }
        let shares = self.asked.iter_mut().map(|(tenant, asked)| {
            for seconds in &mut *asked {
                *seconds *= MEMORY;
                if *seconds < FORGOTTEN {
                    *seconds = 0.0;
                }
            }
            (tenant.clone(), quota::shares(asked))
        });
        let shares = shares.collect();
        self.asked
            .retain(|_, asked| asked.iter().any(|seconds| *seconds > 0.0));
        self.due = (!self.asked.is_empty()).then(|| now + PERIOD);
        shares
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: u64) -> Instant {
        Instant(millis * 1_000_000)
    }

    #[test]
    fn shares_follow_what_is_asked_and_are_even_in_the_end() {
        let tenant: Tenant = Some("a".into());
        let mut shares = Shares::new(2);
        assert_eq!(shares.next_timeout(), None);
        shares.handle_asked(ShardId(1), vec![(tenant.clone(), 1.0)], at(0));
        assert!(shares.handle_timeout(at(99)).is_empty());
        let [(whose, by_shard)] = &shares.handle_timeout(at(100))[..] else {
            panic!("one tenant");
        };
        assert_eq!(*whose, tenant);
        assert!(by_shard[1] > 0.9, "{by_shard:?}");
        let mut last = Vec::new();
        let mut now = 100;
        while let Some(due) = shares.next_timeout() {
            last = shares.handle_timeout(due);
            now += 1;
            assert!(now < 200, "it ends");
        }
        assert_eq!(last, [(tenant, vec![0.5, 0.5])]);
    }
}
