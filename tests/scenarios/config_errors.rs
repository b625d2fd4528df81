//! A configuration that cannot be is refused with one clear line a fault, and an exit code.

use super::TAILRACE;
use serde_json::{Value, json};
use tailrace_tests::Config;
use tailrace_tests::forwarder::{Ended, run_to_end};

fn valid() -> Config {
    Config::new().exporter("nop", Value::Null)
}

fn validate(config: &Config) -> Ended {
    run_to_end(TAILRACE, &["validate"], &config.to_yaml())
}

#[test]
fn a_valid_file_says_nothing_and_succeeds() {
    let ended = validate(&valid());
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn each_fault_is_named_with_its_path() {
    let faults = [
        // What is wrong, and what the message has to contain.
        (
            valid().set("receivers/otlp/protocols/grpc/endpiont", json!("x")),
            vec!["endpiont", "endpoint"],
        ),
        (
            valid().set("exporters/otlp_grcp", json!({})),
            vec!["otlp_grcp", "otlp_grpc"],
        ),
        (
            valid().set("service/pipelines/traces/exporters", json!(["nope"])),
            vec!["nope", "pipelines"],
        ),
        (
            valid().set("processors/batch", json!({ "timeout": "soon" })),
            vec!["timeout", "soon"],
        ),
        (
            valid().exporter("otlp_grpc", json!({ "endpoint": "127.0.0.1:4317" })),
            vec!["tls"],
        ),
        (
            valid().exporter(
                "otlp_grpc",
                json!({ "endpoint": "http://127.0.0.1:4317", "auth": { "authenticator": "a" } }),
            ),
            vec!["auth"],
        ),
    ];
    for (config, words) in faults {
        for command in ["validate", "run"] {
            let ended = run_to_end(TAILRACE, &[command], &config.to_yaml());
            assert_eq!(ended.code, Some(1), "{command}: {}", config.to_yaml());
            for word in &words {
                assert!(
                    ended.stderr.contains(word),
                    "{word} is not in:\n{}",
                    ended.stderr
                );
            }
            assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
        }
    }
}

#[test]
fn a_set_without_a_value_is_wrong_use_of_the_command_line() {
    for set in ["a", "=", "=5"] {
        let ended = run_to_end(TAILRACE, &["validate", "--set", set], &valid().to_yaml());
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains("--set takes key=value"), "{ended:?}");
    }
}

#[test]
fn several_faults_are_told_at_once() {
    let config = valid()
        .set("receivers/otlp/protocols/grpc/endpiont", json!("x"))
        .set("exporters/nonsense", json!({}));
    let ended = validate(&config);
    assert!(
        ended.stderr.contains("endpiont") && ended.stderr.contains("nonsense"),
        "{ended:?}"
    );
}

#[test]
fn the_effective_configuration_is_printed_without_secrets() {
    let exporter = json!({
        "endpoint": "http://127.0.0.1:4317",
        "headers": { "x-key": "canary-4711" },
    });
    let config = valid().exporter("otlp_grpc", exporter);
    let ended = run_to_end(TAILRACE, &["print-config"], &config.to_yaml());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(!ended.stdout.contains("canary-4711"), "{}", ended.stdout);
    assert!(ended.stdout.contains("x-key"), "{}", ended.stdout);
    // A default that the file did not say.
    assert!(
        ended.stdout.contains("max_recv_msg_size_mib"),
        "{}",
        ended.stdout
    );
}

#[test]
fn faults_are_offered_as_json() {
    let config = valid().set("receivers/otlp/protocols/grpc/endpiont", json!("x"));
    let ended = run_to_end(TAILRACE, &["validate", "--json"], &config.to_yaml());
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let report: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!(report["valid"], json!(false));
    let fault = &report["faults"][0];
    let path = json!(["receivers", "otlp", "protocols", "grpc", "endpiont"]);
    assert_eq!(fault["path"], path);
    assert!(
        fault["line"].is_u64() && fault["column"].is_u64(),
        "{fault}"
    );
    assert_eq!(fault["message"], "unknown key; did you mean \"endpoint\"?");
}

#[test]
fn what_is_printed_reads_back() {
    let config = valid().set("service/tailrace/shards", json!(2));
    let first = run_to_end(TAILRACE, &["print-config"], &config.to_yaml());
    assert_eq!(first.code, Some(0), "{first:?}");
    let second = run_to_end(TAILRACE, &["print-config"], &first.stdout);
    assert_eq!(second.stdout, first.stdout);
    let json = run_to_end(TAILRACE, &["print-config", "--json"], &config.to_yaml());
    let json: Value = serde_json::from_str(&json.stdout).expect("JSON");
    assert_eq!(json["service"]["tailrace"]["shards"], 2);
}

/// As in `tailrace components | head -1`.
#[test]
fn a_reader_that_leaves_is_no_fault() {
    let mut child = std::process::Command::new(TAILRACE)
        .arg("components")
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the binary starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("a child of ours");
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
}
