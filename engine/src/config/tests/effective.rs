//! What is shown: it reads back, and it shows no secret.

use super::{load_text, with};
use crate::config::{Inputs, load};

const FULL: &str = "
receivers:
  otlp: {protocols: {grpc: {include_metadata: true}, http: {cors: {allowed_origins: ['*']}}}}
  nop:
processors: {batch: {metadata_keys: [a]}, memory_limiter: {check_interval: 1s, limit_mib: 100}}
exporters:
  otlp: {endpoint: 'unix:///tmp/s$$x', sending_queue: {batch: {max_size: 9000}}}
  otlp_http/x: {endpoint: 'http://h:1', sending_queue: {enabled: false}, tls: {insecure: true}}
  file: {path: \"/tmp/a b\" }
  debug:
  nop:
connectors: {forward: }
extensions: {health_check: {response_body: {healthy: 'yes'}}}
service:
  extensions: [health_check]
  telemetry:
    metrics: {readers: [{pull: {exporter: {prometheus: {port: 0}}}}]}
    resource: {service.name: x, service.version: }
  tailrace: {shards: 2}
  pipelines:
    traces: {receivers: [otlp, nop], processors: [memory_limiter, batch], exporters: [otlp, forward]}
    traces/2: {receivers: [forward], exporters: [debug, file, nop]}
    logs: {receivers: [otlp], exporters: [otlp_http/x]}
";

#[test]
fn what_is_printed_reads_back_as_the_same_configuration() {
    let first = load_text(FULL).expect("valid");
    for printed in [first.effective.to_yaml(), first.effective.to_json()] {
        let second = load_text(&printed).unwrap_or_else(|faults| panic!("{faults}\n{printed}"));
        assert_eq!(second.config, first.config, "{printed}");
        assert_eq!(second.effective, first.effective);
    }
}

#[test]
fn defaults_are_filled_in() {
    let text = with("otlp: {endpoint: 'http://h:1'}", "");
    let yaml = load_text(&text).expect("valid").effective.to_yaml();
    for line in [
        "    timeout: \"5s\"",
        "    compression: gzip",
        "      queue_size: 1000",
    ] {
        assert!(
            yaml.lines().any(|printed| printed == line),
            "{line} in\n{yaml}"
        );
    }
}

#[test]
fn auto_is_printed_as_it_was_written() {
    let text = with(
        "otlp: {endpoint: 'http://h:1', sending_queue: {num_consumers: auto, queue_size: 'auto', \
         batch: {flush_timeout: auto}}}",
        "",
    );
    let first = load_text(&text).expect("valid");
    let yaml = first.effective.to_yaml();
    for line in [
        "      num_consumers: auto",
        "      queue_size: auto",
        "        flush_timeout: auto",
    ] {
        assert!(
            yaml.lines().any(|printed| printed == line),
            "{line} in\n{yaml}"
        );
    }
    let second = load_text(&yaml).unwrap_or_else(|faults| panic!("{faults}\n{yaml}"));
    assert_eq!(second.config, first.config);
}

#[test]
fn what_an_expansion_brought_is_masked_and_words_and_numbers_are_not() {
    let resource = |resource: &str| {
        let text = with(
            "otlp: {endpoint: '${env:HOST}:${env:PORT}', tls: {insecure: true}, \
             compression: '${yaml:zstd}', timeout: '${yaml:7s}', sending_queue: \
             {queue_size: '${env:PORT}'}}",
            "",
        )
        .replace("exporters: [otlp]", "exporters: ['${yaml:otlp}']")
        .replace(
            "service: {",
            &format!("service: {{telemetry: {{resource: {resource}}}, "),
        );
        load_text(&text).expect("valid").effective.to_yaml()
    };
    let map = resource("{a: '${env:CANARY}', b: shown}");
    for line in [
        "    endpoint: \"[REDACTED]\"",
        "    compression: zstd",
        "    timeout: \"7s\"",
        "      queue_size: 4317",
        "        - otlp",
        "      a: \"[REDACTED]\"",
        "      b: shown",
    ] {
        assert!(map.lines().any(|shown| shown == line), "{line}\n{map}");
    }
    let list = resource("{attributes: [{name: a, value: '${env:CANARY}'}]}");
    assert!(list.contains("      a: \"[REDACTED]\""), "{list}");
}

/// Every place where people put a secret, right and wrong.
const CANARIES: [&str; 17] = [
    "otlp: {endpoint: 'http://h:1', headers: {authorization: 'Bearer c4n4ry'}}",
    "otlp: {endpoint: 'http://h:1', headers: {authorization: 'Bearer ${env:CANARY}'}}",
    "otlp: {endpoint: 'http://h:1', headers: [{name: a, value: c4n4ry}]}",
    "otlp: {endpoint: 'http://h:1', headers: 'c4n4ry'}",
    "otlp: {endpoint: 'http://h:1', headers: ['c4n4ry']}",
    "otlp: {endpoint: 'http://h:1', headers: {a: [c4n4ry]}}",
    "otlp: {endpoint: 'http://h:1', headers: {a: \"c4n4ry\\n\"}}",
    "otlp: {endpoint: 'http://user:c4n4ry@h:1'}",
    "otlphttp: {endpoint: 'http://user:c4n4ry@h:1'}",
    "otlphttp: {traces_endpoint: 'http://h:1/x?key=c4n4ry'}",
    "otlphttp: {endpoint: 'c4n4ry'}",
    "otlp: {endpoint: '${env:CANARY}'}",
    "otlp: {endpoint: 'http://h:1', user_agent: c4n4ry}",
    "otlp: {endpoint: 'http://h:1', timeout: '${env:CANARY}'}",
    "otlp: {endpoint: 'http://h:1', compression: '${env:CANARY}'}",
    "otlp: {endpoint: 'http://h:1', auth: {token: c4n4ry}}",
    "otlp: {endpoint: 'http://h:1', tls: {insecure: true, key_pem: c4n4ry}}",
];

/// Places of values that are shown where they stand in the file itself.
const BROUGHT: [&str; 6] = [
    "otlp: {endpoint: 'http://h:1', authority: '${env:CANARY}'}",
    "otlp: {endpoint: 'http://${env:CANARY}:1'}",
    "otlp: {endpoint: 'http://h:1', headers: [{name: '${env:CANARY} x', value: v}]}",
    "otlp: {endpoint: 'http://h:1', authority: '${env:${env:CANARY}}'}",
    "otlp: {endpoint: 'http://h:1', authority: '${file:/${env:CANARY}}'}",
    "file: {path: '/${env:CANARY}'}",
];

#[test]
fn nothing_that_an_expansion_brought_is_shown() {
    for exporter in BROUGHT {
        let shown = match load_text(&with(exporter, "")) {
            Ok(loaded) => {
                let warnings = loaded.config.warnings.iter().map(ToString::to_string);
                let warnings: String = warnings.collect();
                format!(
                    "{:?}{}{warnings}",
                    loaded.effective,
                    loaded.effective.to_yaml()
                )
            }
            Err(faults) => faults,
        };
        assert!(!shown.contains("c4n4ry"), "{exporter}\n{shown}");
    }
}

#[test]
fn no_secret_is_in_any_output() {
    for exporter in CANARIES {
        let shown = match load_text(&with(exporter, "")) {
            Ok(loaded) => {
                let warnings = loaded.config.warnings.iter().map(ToString::to_string);
                format!(
                    "{loaded:?} {:?} {} {} {}",
                    loaded.config,
                    loaded.effective.to_yaml(),
                    loaded.effective.to_json(),
                    warnings.collect::<String>(),
                )
            }
            Err(faults) => faults,
        };
        assert!(!shown.contains("c4n4ry"), "{exporter}\n{shown}");
    }
    let response = FULL.replace("http: {", "http: {response_headers: {x: c4n4ry}, ");
    let loaded = load_text(&response).expect("valid");
    assert!(!format!("{loaded:?}{}", loaded.effective.to_yaml()).contains("c4n4ry"));
    let inputs = Inputs {
        configs: vec!["yaml:c4n4ry".into()],
        sets: vec!["c4n4ry".into()],
    };
    let faults = load(&inputs, &super::Fake).expect_err("not a map");
    assert!(
        !format!("{faults} {faults:?}").contains("c4n4ry"),
        "{faults}"
    );
}
