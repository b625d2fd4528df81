//! The classes of items: their rules, and what they come to.

use crate::config::field::{Reader, changed};
use crate::config::raw::priority::{PrioritySection, Rule};
use crate::config::types::{Literal, Map};
use crate::config::{PriorityConfig, PriorityRuleConfig};
use crate::units::Priority;
use tailrace_codec::Signal;

/// A bit for each.
const RULES_MAX: usize = 64;

/// `None`: not given. Notes every rule that is broken.
pub(super) fn priority(
    section: Option<&PrioritySection>,
    has_tenants: bool,
    reader: &mut Reader,
) -> Option<PriorityConfig> {
    let section = section?;
    reader.path = ["service", "tailrace", "priority"]
        .map(str::to_owned)
        .into();
    if section.rules.len() > RULES_MAX {
        reader.rule("rules", "at most 64 rules");
    }
    let weights = [
        ("high", section.weights.high),
        ("medium", section.weights.medium),
        ("low", section.weights.low),
    ];
    reader.at("weights", |reader| {
        for (key, weight) in weights {
            if !(1..=1000).contains(&weight) {
                reader.rule(key, "must be from 1 to 1000");
            }
        }
    });
    if section.max_age.is_zero() {
        reader.rule("max_age", "must be positive");
    }
    if section.rules.is_empty() {
        let why = "there are no rules: everything is of one class";
        for key in changed(section).iter().filter(|key| *key != "default") {
            reader.no_effect(key, why);
        }
    }
    let mut rules = Vec::new();
    reader.at("rules", |reader| {
        for (index, rule) in section.rules.iter().enumerate() {
            reader.at(&index.to_string(), |reader| {
                check(rule, has_tenants, reader);
            });
            rules.push(compiled(rule));
        }
    });
    reader.path.clear();
    Some(PriorityConfig {
        rules,
        default: section.default,
        weights: weights.map(|(_, weight)| weight),
        max_age: section.max_age,
    })
}

fn check(rule: &Rule, has_tenants: bool, reader: &mut Reader) {
    if rule.priority.0.is_none() {
        reader.rule("priority", "must be specified: high, medium or low");
    }
    if !rule.tenants.is_empty() && !has_tenants {
        let says = "nobody is told apart: give `service.tailrace.tenants`";
        reader.rule("tenants", says);
    }
    let asks = rule.signal.0.is_some()
        || !rule.tenants.is_empty()
        || rule.severity_min.0.is_some()
        || rule.span_status.0.is_some()
        || [
            &rule.resource_attributes,
            &rule.scope_attributes,
            &rule.attributes,
        ]
        .iter()
        .any(|asked| !asked.0.is_empty());
    if !asks {
        let says = "asks nothing: a priority for all the rest is `default`";
        reader.rule("priority", says);
    }
    let signal = rule.signal.0;
    if rule.severity_min.0.is_some() && signal.is_some_and(|signal| signal != Signal::Logs) {
        reader.rule("severity_min", "only log records have a severity");
    }
    if rule.span_status.0.is_some() && signal.is_some_and(|signal| signal != Signal::Traces) {
        reader.rule("span_status", "only spans have a status");
    }
    if rule.severity_min.0.is_some() && rule.span_status.0.is_some() {
        reader.rule("span_status", "no item has both a severity and a status");
    }
    if signal == Some(Signal::Profiles) && !rule.attributes.0.is_empty() {
        let says = "attributes of profiles are in their dictionary and are not looked for";
        reader.rule("attributes", says);
    }
}

fn compiled(rule: &Rule) -> PriorityRuleConfig {
    let pairs = |map: &Map<Literal>| {
        let pair = |(key, value): &(String, Literal)| (key.clone(), value.0.clone());
        map.0.iter().map(pair).collect()
    };
    PriorityRuleConfig {
        signal: rule.signal.0,
        tenants: rule.tenants.clone(),
        severity_min: rule.severity_min.0.map(|severity| severity.0),
        span_status: rule.span_status.0.map(|status| status as u8),
        resource_attributes: pairs(&rule.resource_attributes),
        scope_attributes: pairs(&rule.scope_attributes),
        attributes: pairs(&rule.attributes),
        // One that is missing is noted.
        priority: rule.priority.0.unwrap_or(Priority::Medium),
    }
}
