//! Which items go first.

use super::{config, faults, with};
use crate::config::{CatchUpOrder, Config, PriorityConfig};
use crate::units::Priority;
use std::time::Duration;
use tailrace_codec::Signal;

fn yaml(priority: &str) -> String {
    let tailrace = format!("service: {{tailrace: {{priority: {priority}}}, ");
    with("nop: ", "").replace("service: {", &tailrace)
}

fn priority(section: &str) -> PriorityConfig {
    config(&yaml(section)).priority.expect("given")
}

#[test]
fn rules_are_read_in_their_order() {
    let found = priority(
        "{default: low, weights: {high: 9}, max_age: 3s, rules: [{severity_min: ERROR2, priority: \
         high}, {signal: traces, span_status: error, resource_attributes: {env: prod, replica: 7}, \
         priority: medium}]}",
    );
    assert_eq!(found.default, Priority::Low);
    assert_eq!(
        (found.weights, found.max_age),
        ([9, 4, 1], Duration::from_secs(3))
    );
    let [logs, spans] = &found.rules[..] else {
        panic!("two rules: {found:?}")
    };
    assert_eq!(
        (logs.severity_min, logs.priority),
        (Some(18), Priority::High)
    );
    assert_eq!(
        (spans.signal, spans.span_status),
        (Some(Signal::Traces), Some(2))
    );
    let attributes = [("env", "prod"), ("replica", "7")];
    let attributes = attributes.map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(spans.resource_attributes, attributes);
}

#[test]
fn severities_have_the_numbers_of_the_data_model() {
    for (name, number) in [
        ("trace", 1),
        ("debug", 5),
        ("info", 9),
        ("warn", 13),
        ("Error", 17),
        ("fatal4", 24),
    ] {
        let found = priority(&format!(
            "{{rules: [{{severity_min: {name}, priority: high}}]}}"
        ));
        assert_eq!(found.rules[0].severity_min, Some(number), "{name}");
    }
}

#[test]
fn a_rule_that_cannot_be_meant_is_refused() {
    for (section, fault) in [
        (
            "{rules: [{severity_min: error}]}",
            "rules.0.priority: must be specified",
        ),
        (
            "{rules: [{priority: high}]}",
            "rules.0.priority: asks nothing",
        ),
        (
            "{rules: [{signal: metrics, severity_min: warn, priority: high}]}",
            "rules.0.severity_min: only log records have a severity",
        ),
        (
            "{rules: [{signal: logs, span_status: ok, priority: high}]}",
            "rules.0.span_status: only spans have a status",
        ),
        (
            "{rules: [{severity_min: warn, span_status: ok, priority: high}]}",
            "rules.0.span_status: no item has both",
        ),
        (
            "{rules: [{severity_min: error5, priority: high}]}",
            "rules.0.severity_min: expected a severity such as info",
        ),
        (
            "{rules: [{tenants: [a], priority: high}]}",
            "rules.0.tenants: nobody is told apart",
        ),
        ("{weights: {low: 0}}", "weights.low: must be from 1 to 1000"),
        ("{max_age: 0s}", "max_age: must be positive"),
        (
            "{rules: [{severity_min: warn, priority: urgent}]}",
            "rules.0.priority: ",
        ),
    ] {
        let found = faults(&yaml(section));
        let expected = format!("service.tailrace.priority.{fault}");
        assert!(found[0].contains(&expected), "{expected}: {found:?}");
    }
}

#[test]
fn a_backlog_has_an_order_and_a_rate() {
    let read = |keys: &str| -> Config {
        let queue =
            format!("otlp: {{endpoint: 'http://h:1', sending_queue: {{catch_up: {keys}}}}}");
        config(&with(&queue, ""))
    };
    let of = |config: &Config| config.lanes[0].queue.catch_up.expect("given");
    let found = of(&read(
        "{order: newest_first, after: 1m, items_per_second: 50}",
    ));
    assert_eq!(found.order, CatchUpOrder::NewestFirst);
    assert_eq!(found.after, Duration::from_secs(60));
    assert_eq!(
        (found.items_per_second, found.bytes_per_second),
        (Some(50.0), None)
    );
    let idle = read("{}");
    assert!(
        idle.warnings[0].why.contains("oldest_first"),
        "{:?}",
        idle.warnings
    );
    let negative =
        "otlp: {endpoint: 'http://h:1', sending_queue: {catch_up: {bytes_per_second: -1}}}";
    let found = faults(&with(negative, ""));
    assert!(
        found[0].contains("catch_up.bytes_per_second: must be at least 0"),
        "{found:?}"
    );
}
