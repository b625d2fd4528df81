//! No text makes the reader panic, and every default is valid.

use super::load_text;
use crate::config::components::CLASSES;
use crate::config::field::{Fields, Key, Reader, Shape};
use crate::config::node::{Node, Position, Value};
use crate::config::yaml;
use proptest::prelude::*;

/// YAML-like trees made of the words that the reader knows.
fn tree() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "receivers",
        "exporters",
        "processors",
        "service",
        "pipelines",
        "otlp",
        "otlp_http",
        "batch",
        "memory_limiter",
        "traces",
        "logs",
        "protocols",
        "grpc",
        "http",
        "endpoint",
        "sending_queue",
        "headers",
        "tls",
        "telemetry",
        "metrics",
        "readers",
        "enabled",
        "forward",
        "connectors",
        "extensions",
        "health_check",
        "nop",
        "debug",
        "file",
        "tailrace",
        "resource",
    ]);
    let leaf = prop_oneof![
        word.clone().prop_map(str::to_owned),
        "[0-9]{1,20}",
        Just("true".to_owned()),
        Just("null".to_owned()),
        Just("5s".to_owned()),
        Just("'${env:HOST}'".to_owned()),
        Just("'${X:-${env:PORT}}'".to_owned()),
        Just("'http://h:1'".to_owned()),
        Just("'localhost:1'".to_owned()),
        Just("'*'".to_owned()),
    ];
    leaf.prop_recursive(6, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|items| format!("[{}]", items.join(", "))),
            prop::collection::btree_map(word.clone(), inner, 0..5).prop_map(|entries| {
                let entry = |(key, value)| format!("{key}: {value}");
                format!(
                    "{{{}}}",
                    entries
                        .into_iter()
                        .map(entry)
                        .collect::<Vec<_>>()
                        .join(", ")
                )
            }),
        ]
    })
}

proptest! {
    #[test]
    fn no_tree_panics(text in tree()) {
        let _ = load_text(&text);
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,60}|[-:{}\\[\\]&*!|>'\"%@`#?,\\n a]{0,60}") {
        let _ = load_text(&text);
    }
}

#[test]
fn every_default_is_valid() {
    fn check(keys: &[Key], path: &str) {
        for key in keys {
            let path = format!("{path}.{}", key.name);
            assert!(
                yaml::parse(key.default, &"default".into()).is_ok(),
                "{path}"
            );
            assert!(!key.doc.trim().is_empty(), "{path}");
            if let Shape::Section(keys) = &key.shape {
                check(keys, &path);
            }
        }
    }
    for class in CLASSES {
        for component in class.components {
            check(&(component.keys)(), component.name);
        }
    }
    // Reading an empty map reads every default; a panic would end here.
    let at = Position {
        source: "x".into(),
        line: 1,
        column: 1,
    };
    let empty = Node::new(Value::Mapping(Vec::new()), at);
    let mut reader = Reader::default();
    let _ = Fields::of(&empty, &mut reader);
    let _ = load_text(
        "{receivers: {otlp: {protocols: {grpc: , http: {cors: {}}}}}, processors: {batch: , \
         memory_limiter: }, exporters: {otlp: , otlphttp: , debug: , file: }, \
         extensions: {health_check: {response_body: {}}}, service: {telemetry: {metrics: \
         {readers: [{pull: {exporter: {prometheus: {}}}}]}}}}",
    );
    assert_eq!(reader.faults, []);
}
