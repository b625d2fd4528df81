//! `tailrace demo`: everything accepted arrives once and whole, and the figures say so.

use super::TAILRACE;
use serde_json::Value;
use std::process::Command;
use tailrace_tests::forwarder::end_of_command;
use tailrace_tests::{Runtime, on_each_runtime};

on_each_runtime!(its_figures_are_offered_as_json);

const KEYS: [&str; 9] = [
    "accepted_items",
    "delivered_items",
    "duplicate_items",
    "corrupt_items",
    "spans_per_second",
    "cpu_ns_per_span",
    "p50_us",
    "p99_us",
    "rss_peak_bytes",
];

fn its_figures_are_offered_as_json(runtime: Runtime) {
    let mut command = Command::new(TAILRACE);
    command.args(["demo", "--json", "--duration", "1", "--spans", "10"]);
    command.args(["--in-flight", "4", "--runtime", runtime.name()]);
    let ended = end_of_command(command);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let figures: Value = serde_json::from_str(&ended.stdout).expect("JSON and nothing else");
    for key in KEYS {
        assert!(figures[key].is_number(), "{key} is not in {figures}");
    }
    let count = |key: &str| figures[key].as_u64();
    assert!(count("accepted_items") > Some(0), "{figures}");
    assert_eq!(count("delivered_items"), count("accepted_items"));
    assert_eq!(count("duplicate_items"), Some(0));
    assert_eq!(count("corrupt_items"), Some(0));
    assert!(count("p50_us") <= count("p99_us"), "{figures}");
    assert!(figures["spans_per_second"].as_f64() > Some(0.0));
    assert!(figures["cpu_ns_per_span"].as_f64() > Some(0.0));
    assert!(count("rss_peak_bytes") > Some(0), "{figures}");
}

#[test]
fn the_figures_for_people_say_that_they_are_verified() {
    let mut command = Command::new(TAILRACE);
    command.args(["demo", "--duration", "1", "--runtime", "epoll"]);
    let ended = end_of_command(command);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let last = ended.stdout.lines().last().unwrap_or_default();
    assert!(last.starts_with("verified: accepted "), "{ended:?}");
    // Live figures go apart from those of the end.
    assert!(ended.stderr.contains("arrived"), "{ended:?}");
}
