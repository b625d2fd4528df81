//! A start that fails says what could not be had and which key names it, and ends with the code of
//! its kind. Nothing has been bound then that it says it listens on.

use super::TAILRACE;
use serde_json::{Value, json};
use std::net::TcpListener;
use tailrace_tests::Config;
use tailrace_tests::forwarder::{Ended, Folder, run_to_end};

fn valid() -> Config {
    Config::new().exporter("nop", Value::Null)
}

/// Runs it to its end, which is before it is ready.
fn fail(args: &[&str], config: &Config) -> Ended {
    let args: Vec<_> = ["run"].iter().chain(args).copied().collect();
    let ended = run_to_end(TAILRACE, &args, &config.to_yaml());
    assert!(!ended.stderr.contains("ready shards="), "{}", ended.stderr);
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    ended
}

fn last_line(ended: &Ended) -> &str {
    let line = ended.stderr.lines().last().unwrap_or_default();
    assert!(line.starts_with("tailrace: "), "{}", ended.stderr);
    line
}

#[test]
fn a_taken_port_is_an_error_and_not_a_share_of_the_traffic() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
    let address = taken.local_addr().expect("a bound address").to_string();
    for key in [
        "receivers/otlp/protocols/grpc/endpoint",
        "receivers/otlp/protocols/http/endpoint",
        "extensions/health_check/endpoint",
    ] {
        let ended = fail(&[], &valid().set(key, json!(address)));
        assert_eq!(ended.code, Some(69), "{ended:?}");
        assert!(last_line(&ended).contains(&address), "{ended:?}");
    }
}

#[test]
fn wrong_flags_are_not_a_wrong_configuration() {
    let ended = run_to_end(TAILRACE, &["run", "--no-such-flag"], &valid().to_yaml());
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("--no-such-flag"), "{ended:?}");
}

#[test]
fn a_log_that_cannot_be_written_is_named_before_anything_is_bound() {
    let folder = Folder::create();
    let path = folder.path("nowhere/tailrace.log").display().to_string();
    let outputs = json!(["stderr", path]);
    let config = valid().set("service/telemetry/logs/output_paths", outputs);
    let ended = fail(&[], &config);
    assert_eq!(ended.code, Some(71), "{ended:?}");
    let line = last_line(&ended);
    let key = "service.telemetry.logs.output_paths";
    assert!(line.contains(key) && line.contains(&path), "{line}");
    assert!(!ended.stderr.contains("listening"), "{ended:?}");
}

#[test]
fn a_ready_file_that_cannot_be_written_is_named_before_anything_is_bound() {
    let folder = Folder::create();
    let nowhere = folder.path("nowhere/ready.json").display().to_string();
    let directory = folder.path("").display().to_string();
    for path in [&nowhere, &directory] {
        let ended = fail(&["--ready-file", path], &valid());
        assert_eq!(ended.code, Some(71), "{ended:?}");
        let line = last_line(&ended);
        assert!(line.contains("--ready-file"), "{line}");
        assert!(line.contains(path.as_str()), "{line}");
        assert!(!ended.stderr.contains("listening"), "{ended:?}");
    }
}

/// Whoever waits for the file would take a process for ready that never was.
#[test]
fn a_start_that_fails_leaves_no_ready_file() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
    let address = taken.local_addr().expect("a bound address").to_string();
    let config = valid().set("receivers/otlp/protocols/grpc/endpoint", json!(address));
    let folder = Folder::create();
    let path = folder.path("ready.json").display().to_string();
    let ended = fail(&["--ready-file", &path], &config);
    assert_eq!(ended.code, Some(69), "{ended:?}");
    let left = std::fs::read_dir(folder.path("")).expect("a folder of ours");
    assert_eq!(left.count(), 0);
}

#[test]
fn an_exporter_that_cannot_open_its_file_names_it() {
    let folder = Folder::create();
    let path = folder.path("nowhere/out.jsonl").display().to_string();
    let config = Config::new().exporter("file", json!({ "path": path }));
    let ended = fail(&[], &config);
    assert_eq!(ended.code, Some(71), "{ended:?}");
    assert!(last_line(&ended).contains(&path), "{ended:?}");
}

#[test]
fn memory_that_is_too_little_says_how_much_is_needed() {
    let config = valid().set("service/tailrace/memory_limit_mib", json!(1));
    for command in ["run", "validate"] {
        let ended = run_to_end(TAILRACE, &[command], &config.to_yaml());
        assert_eq!(ended.code, Some(78), "{command}: {ended:?}");
        let mut lines = ended.stderr.lines();
        let first = lines.next().unwrap_or_default();
        assert!(first.contains("need at least"), "{ended:?}");
        // Who needs it, line by line.
        assert!(
            lines.any(|line| line.contains("requests, each shard")),
            "{ended:?}"
        );
    }
}
