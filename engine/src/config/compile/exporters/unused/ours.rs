//! Keys below `tailrace`, which are not the Collector's.

use super::keys;
use crate::config::BalancingPolicy;
use crate::config::field::Reader;
use crate::config::raw::balancing::LoadBalancing;
use crate::config::raw::degradation::Degradation;
use crate::config::raw::shared::{Connections, Queue, Retry};

pub(super) fn warn(ours: &Connections, queue: &Queue, retry: &Retry, reader: &mut Reader) {
    reader.at("tailrace", |reader| {
        targets(ours, queue, reader);
        if ours.retry_budget.0.is_some() && !retry.enabled {
            reader.no_effect("retry_budget", "retry_on_failure.enabled is false");
        }
        if let Some(balancing) = &ours.load_balancing.0 {
            reader.at("load_balancing", |reader| load_balancing(balancing, reader));
        }
        if let Some(steps) = &ours.degradation.0 {
            reader.at("degradation", |reader| degradation(steps, reader));
        }
    });
}

/// What `auto` aims at.
fn targets(ours: &Connections, queue: &Queue, reader: &mut Reader) {
    let flush = queue.batch.0.as_ref().map(|batch| &batch.flush_timeout);
    let is_auto = queue.num_consumers.0.is_none()
        || queue.queue_size.0.is_none()
        || flush.is_some_and(|flush| flush.0.is_none());
    let why = match (queue.enabled, is_auto) {
        (true, true) => return,
        (true, false) => "nothing of sending_queue is `auto`",
        (false, _) => "sending_queue.enabled is false",
    };
    let targets = ["outage_target", "loss_target", "latency_target"];
    keys(ours, &targets, why, reader);
}

fn load_balancing(ours: &LoadBalancing, reader: &mut Reader) {
    if ours.policy != BalancingPolicy::ConsistentHash {
        let why = "policy is not consistent_hash";
        keys(ours, &["hash_key", "hash_balance_factor"], why, reader);
    }
    if ours.priority_levels.len() < 2 {
        let why = "there is one level alone: give several in priority_levels";
        keys(ours, &["failback_after"], why, reader);
    }
}

fn degradation(steps: &Degradation, reader: &mut Reader) {
    if steps.sample_low == 0 {
        keys(steps, &["sample_low_ratio"], "sample_low is 0", reader);
    }
    if steps.sample_medium == 0 {
        let why = "sample_medium is 0";
        keys(steps, &["sample_medium_ratio"], why, reader);
    }
}
