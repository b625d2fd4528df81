//! Which items go first: what the classifier looks at, and how a lane's queue is ordered.

use super::division::Division;
use super::tenants::tenants;
use crate::classify::{ClassifierSettings, Expected, Match, PriorityRule};
use crate::config::{CatchUpConfig, CatchUpOrder, Config, LaneConfig, PriorityRuleConfig};
use crate::flow::fair::{BacklogRule, FairRule, Order};
use crate::flow::{Rate, RateRule};
use std::time::Duration;

pub(super) fn classifier(config: &Config, division: Division) -> ClassifierSettings {
    let tenants = tenants(config, division.share(1.0));
    let Some(priority) = &config.priority else {
        return ClassifierSettings {
            tenants,
            ..ClassifierSettings::default()
        };
    };
    ClassifierSettings {
        rules: priority.rules.iter().map(rule).collect(),
        default: priority.default,
        tenants,
    }
}

fn rule(rule: &PriorityRuleConfig) -> PriorityRule {
    let expected = |pairs: &[(String, String)]| {
        let pair = |(key, value): &(String, String)| (key.as_str().into(), Expected::new(value));
        pairs.iter().map(pair).collect()
    };
    PriorityRule {
        matches: Match {
            signal: rule.signal,
            tenants: rule
                .tenants
                .iter()
                .map(|name| name.as_str().into())
                .collect(),
            severity_min: rule.severity_min.map(u64::from),
            span_status: rule.span_status.map(u64::from),
            resource: expected(&rule.resource_attributes),
            scope: expected(&rule.scope_attributes),
            item: expected(&rule.attributes),
        },
        priority: rule.priority,
    }
}

/// `None`: what waits goes as it came.
pub(super) fn fair(config: &Config, lane: &LaneConfig, division: Division) -> Option<FairRule> {
    let sorts = config.priority.is_some() || config.tenants.is_some();
    if !sorts && lane.queue.catch_up.is_none() {
        return None;
    }
    let default = FairRule::default();
    let backlog = lane
        .queue
        .catch_up
        .map(|catch_up| backlog(catch_up, division));
    let (weights, age_max) = match &config.priority {
        Some(priority) => (priority.weights, priority.max_age),
        None => (default.weights, default.age_max),
    };
    Some(FairRule {
        weights,
        age_max,
        backlog: backlog.unwrap_or(default.backlog),
    })
}

fn backlog(catch_up: CatchUpConfig, division: Division) -> BacklogRule {
    let rate = |total: f64| Rate {
        per_second: division.share(total),
        burst: Duration::from_secs(1),
    };
    BacklogRule {
        order: match catch_up.order {
            CatchUpOrder::OldestFirst => Order::OldestFirst,
            CatchUpOrder::NewestFirst => Order::NewestFirst,
            CatchUpOrder::Interleave => Order::Interleave,
        },
        after: catch_up.after,
        rate: RateRule {
            requests: None,
            items: catch_up.items_per_second.map(rate),
            bytes: catch_up.bytes_per_second.map(rate),
        },
    }
}
