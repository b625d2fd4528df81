//! `tailrace components`: what this build has, as the Collector lists it.

use super::TAILRACE;
use serde_json::{Value, json};
use std::process::Command;
use tailrace_tests::forwarder::end_of_command;

fn components(args: &[&str]) -> String {
    let mut command = Command::new(TAILRACE);
    command.arg("components").args(args);
    let ended = end_of_command(command);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.is_empty(), "{ended:?}");
    ended.stdout
}

fn listed() -> Value {
    serde_json::from_str(&components(&["--json"])).expect("JSON")
}

#[test]
fn each_class_lists_its_components() {
    let listed = listed();
    let names = |class: &str| -> Vec<String> {
        let components = listed[class].as_array().expect("a list");
        let name = |component: &Value| component["name"].as_str().expect("a name").to_owned();
        components.iter().map(name).collect()
    };
    assert_eq!(names("receivers"), ["otlp", "nop"]);
    for exporter in ["otlp_grpc", "otlp_http", "debug", "file", "nop"] {
        assert!(names("exporters").iter().any(|name| name == exporter));
    }
    for processor in ["batch", "memory_limiter"] {
        assert!(names("processors").iter().any(|name| name == processor));
    }
    assert_eq!(names("extensions"), ["health_check"]);
}

#[test]
fn aliases_and_stability_are_told() {
    let listed = listed();
    let component = |class: &str, name: &str| -> Value {
        let components = listed[class].as_array().expect("a list");
        let found = components
            .iter()
            .find(|component| component["name"] == name);
        found
            .unwrap_or_else(|| panic!("no {name} in {listed}"))
            .clone()
    };
    assert_eq!(
        component("exporters", "otlp_grpc")["aliases"],
        json!(["otlp"])
    );
    assert_eq!(
        component("exporters", "otlp_http")["aliases"],
        json!(["otlphttp"])
    );
    for (class, name) in [("receivers", "otlp"), ("exporters", "otlp_grpc")] {
        let stability = &component(class, name)["stability"];
        for signal in ["traces", "metrics", "logs"] {
            assert_eq!(stability[signal], "Beta", "{name}: {stability}");
        }
        assert_eq!(stability["profiles"], "Alpha", "{name}: {stability}");
    }
}

/// The list for people has what the list for programs has, in the same order.
#[test]
fn both_forms_say_the_same() {
    let text = components(&[]);
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("buildinfo:"));
    assert_eq!(lines.next(), Some("  command: tailrace"));
    for (class, components) in listed().as_object().expect("a map") {
        assert!(text.contains(&format!("\n{class}:\n")), "{class}: {text}");
        for component in components.as_array().expect("a list") {
            let name = component["name"].as_str().expect("a name");
            assert!(
                text.contains(&format!("  - name: {name}\n")),
                "{name}: {text}"
            );
            for alias in component["aliases"].as_array().expect("a list") {
                let alias = alias.as_str().expect("a name");
                let told = |line: &str| line.contains("aliases: [") && line.contains(alias);
                assert!(text.lines().any(told), "{alias}: {text}");
            }
        }
    }
}
