//! The `file` exporter: one request a line, of all signals and shards, and a full disk is the
//! sender's to know.

use super::TAILRACE;
use serde_json::json;
use tailrace_tests::forwarder::run_to_end;
use tailrace_tests::{
    Config, Export, Forwarder, Outcome, Protocol, Runtime, Sender, Signal, generate,
    on_each_runtime,
};

on_each_runtime!(
    every_request_is_a_line,
    a_full_disk_refuses,
    a_file_that_cannot_be_opened_ends_the_start
);

fn requests() -> Vec<Export> {
    let ids = |n: u64| 1 + n * 3..4 + n * 3;
    (0..600u64)
        .map(|n| generate::request(Signal::STABLE[n as usize % 3], ids(n)))
        .collect()
}

fn every_request_is_a_line(runtime: Runtime) {
    let folder = std::env::temp_dir().join(format!("tailrace-file-{}", std::process::id()));
    let path = folder.join(format!("{}.jsonl", runtime.name()));
    let config = Config::new().exporter("file", json!({ "path": path, "create_directory": true }));
    let forwarder = Forwarder::start(TAILRACE, runtime, &config);
    let sent = requests();
    // More at once than the writer takes at once, over several connections and so both shards.
    let outcomes = Sender::new(Protocol::Grpc, forwarder.grpc()).send_all(&sent, 300);
    assert!(outcomes.iter().all(Outcome::is_accepted), "{outcomes:?}");
    forwarder.assert_accounted();
    forwarder.stop();
    let text = std::fs::read_to_string(&path).expect("the file was written");
    std::fs::remove_file(&path).expect("our own file");
    let mut lines: Vec<_> = text.lines().map(written).collect();
    let mut expected: Vec<_> = sent.iter().map(ids).collect();
    lines.sort_unstable();
    expected.sort_unstable();
    assert_eq!(lines, expected);
}

fn a_full_disk_refuses(runtime: Runtime) {
    let config = Config::new().exporter("file", json!({ "path": "/dev/full" }));
    let forwarder = Forwarder::start(TAILRACE, runtime, &config);
    let sender = Sender::new(Protocol::HttpProtobuf, forwarder.http());
    for n in 0..3 {
        let outcome = sender.send(&generate::request(Signal::Logs, n * 10 + 1..n * 10 + 6));
        assert!(outcome.is_retryable(), "{outcome:?}");
    }
    forwarder.wait_for_metric("otelcol_exporter_send_failed_log_records", &[], 15.0);
    assert!(
        forwarder.log().contains("could not write"),
        "{}",
        forwarder.log()
    );
    forwarder.assert_accounted();
    forwarder.stop();
}

fn a_file_that_cannot_be_opened_ends_the_start(runtime: Runtime) {
    let config = Config::new().exporter("file", json!({ "path": "/proc/no/such/file" }));
    let args = ["run", "--runtime", runtime.name(), "--shards", "2"];
    let ended = run_to_end(TAILRACE, &args, &config.to_yaml());
    assert!(ended.code.is_some_and(|code| code != 0), "{ended:?}");
    assert!(ended.stderr.contains("/proc/no/such/file"), "{ended:?}");
}

/// The ids in one line, whatever its signal.
fn written(line: &str) -> Vec<u64> {
    let value: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
    let signal = match value.as_object().and_then(|map| map.keys().next()) {
        Some(key) if key == "resourceSpans" => Signal::Traces,
        Some(key) if key == "resourceMetrics" => Signal::Metrics,
        Some(key) if key == "resourceLogs" => Signal::Logs,
        other => panic!("{other:?}"),
    };
    ids(&Export::decode_json(signal, line.as_bytes()).expect("OTLP/JSON"))
}

fn ids(export: &Export) -> Vec<u64> {
    export
        .items()
        .iter()
        .filter_map(tailrace_tests::Item::id)
        .collect()
}
