//! `tailrace sink` behind `tailrace run`, before `tailrace load`: what was acknowledged arrives,
//! though the backend misbehaves, and the ledgers prove it.

use super::TAILRACE;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Output, Stdio};
use tailrace_tests::forwarder::{Folder, SIGINT, signal};
use tailrace_tests::{Config, Forwarder, Runtime, on_each_runtime};

on_each_runtime!(
    a_flaky_backend_costs_nothing_that_was_acknowledged,
    neither_does_one_that_is_gone_and_comes_back,
    nor_one_that_hangs,
    nor_one_that_takes_less_than_comes,
);

/// Faults that a retry heals; those before an answer leave duplicates.
const SCRIPT: &str = "
phases:
  - requests: 40
    faults:
      - {share: 0.3, refuse: {grpc: UNAVAILABLE, retry_after: 5ms}}
      - {share: 0.1, reset_stream: REFUSED_STREAM}
      - {share: 0.1, reset_stream: INTERNAL_ERROR}
      - {share: 0.05, reset_connection: true}
    connections: {goaway_after: 20}
";

/// A sink that ends when it is told to, or is dropped.
struct Sink {
    child: Child,
    address: SocketAddr,
}

impl Sink {
    fn start(args: &[&str]) -> Self {
        let mut child = Command::new(TAILRACE)
            .args(["sink", "--listen", "127.0.0.1:0", "--json"])
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let stderr = child.stderr.as_mut().expect("it is a pipe");
        let mut line = String::new();
        BufReader::new(stderr)
            .read_line(&mut line)
            .expect("a line of text");
        let address = line.trim().strip_prefix("listening on ");
        let address = address.unwrap_or_else(|| panic!("{line}"));
        Self {
            address: address.parse().expect("an address"),
            child,
        }
    }

    /// Ends it as a user would: its figures.
    fn stop(mut self) -> Value {
        signal(&self.child, SIGINT);
        let stdout = self.child.stdout.take().expect("it is a pipe");
        let figures = serde_json::from_reader(stdout).expect("JSON");
        assert!(self.child.wait().expect("a child of ours").success());
        figures
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        // Fails only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn tailrace(args: &[&str]) -> Output {
    Command::new(TAILRACE)
        .args(args)
        .output()
        .expect("the binary starts")
}

fn load(endpoint: SocketAddr, args: &[&str]) -> Value {
    let endpoint = endpoint.to_string();
    let fixed = ["load", "--json", "--endpoint", &endpoint];
    let output = tailrace(&[&fixed, args].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn a_flaky_backend_costs_nothing_that_was_acknowledged(runtime: Runtime) {
    let folder = Folder::create();
    let path = |name: &str| folder.path(name).display().to_string();
    let (script, sent, received) = (path("flaky.yaml"), path("sent"), path("received"));
    std::fs::write(&script, SCRIPT).expect("a file in a folder of our own");
    let sink = Sink::start(&["--script", &script, "--ledger", &received]);
    let mut exporter = Config::grpc_exporter(sink.address);
    exporter["sending_queue"] = json!({ "queue_size": 10000 });
    let config = Config::new().exporter("otlp_grpc", exporter);
    let forwarder = Forwarder::start(TAILRACE, runtime, &config);
    let figures = load(
        forwarder.grpc(),
        &["--requests", "200", "--items", "10", "--ledger", &sent],
    );
    assert_eq!(figures["items"]["acknowledged"], 2000);
    forwarder.stop();
    let seen = sink.stop();
    let run = figures["plan"]["run"].as_str().expect("a number");
    assert_eq!(seen["runs"][run], 2000, "{seen}");
    assert!(seen["faults"]["refuse"].as_u64() > Some(0), "{seen}");
    let check = [
        "ledger",
        "check",
        &sent,
        &received,
        "--json",
        "--faults-min",
        "5",
    ];
    let output = tailrace(&check);
    assert!(output.status.success(), "{output:?}");
    let finding: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(finding["run"], run);
    assert_eq!(finding["lost_items"], 0);
    assert_eq!(finding["delivered_items"], 2000);
    assert_eq!(finding["duplicate_items"], seen["total"]["duplicate_items"]);
}

/// Two thousand items at a rate, before a backend with these phases: all of them arrive, and at least
/// one fault was met.
fn survives(runtime: Runtime, phases: &str) {
    let folder = Folder::create();
    let path = |name: &str| folder.path(name).display().to_string();
    let (script, sent, received) = (path("script.yaml"), path("sent"), path("received"));
    std::fs::write(&script, format!("phases: [{phases}]")).expect("a file of our own");
    let sink = Sink::start(&["--script", &script, "--ledger", &received]);
    let mut exporter = Config::grpc_exporter(sink.address);
    exporter["sending_queue"] = json!({ "queue_size": 10000 });
    exporter["timeout"] = json!("300ms");
    let config = Config::new().exporter("otlp_grpc", exporter);
    let forwarder = Forwarder::start(TAILRACE, runtime, &config);
    let rate = ["--requests", "200", "--items", "10", "--rate", "200req/s"];
    let figures = load(
        forwarder.grpc(),
        &[&rate[..], &["--ledger", &sent]].concat(),
    );
    assert_eq!(figures["items"]["acknowledged"], 2000);
    forwarder.wait_for_metric(
        "otelcol_exporter_queue_size",
        &["data_type=\"traces\""],
        0.0,
    );
    forwarder.assert_accounted();
    forwarder.stop();
    let seen = sink.stop();
    let output = tailrace(&["ledger", "check", &sent, &received, "--json"]);
    assert!(output.status.success(), "{output:?}\n{seen}");
    let finding: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(
        (&finding["lost_items"], &finding["delivered_items"]),
        (&json!(0), &json!(2000))
    );
    let faults = seen["faults"].as_object().expect("by kind");
    let met: u64 = faults.values().filter_map(Value::as_u64).sum();
    assert!(met > 0, "{seen}");
}

fn neither_does_one_that_is_gone_and_comes_back(runtime: Runtime) {
    let gone =
        "{for: 700ms, faults: [{share: 1, reset_connection: true}], connections: {refused: 1}}";
    survives(runtime, &format!("{{requests: 20}}, {gone}, {{for: 1h}}"));
}

fn nor_one_that_hangs(runtime: Runtime) {
    let hangs = "{for: 700ms, faults: [{share: 1, silence: true}]}";
    survives(runtime, &format!("{{requests: 20}}, {hangs}, {{for: 1h}}"));
}

fn nor_one_that_takes_less_than_comes(runtime: Runtime) {
    survives(runtime, "{items_per_second: 1000}");
}

#[test]
fn what_a_backend_rejects_is_lost_and_said_so() {
    let folder = Folder::create();
    let path = |name: &str| folder.path(name).display().to_string();
    let (script, sent, received) = (path("script.yaml"), path("sent"), path("received"));
    let text = "phases: [{requests: 1, faults: [{partial_success: {rejected: 3}}]}]";
    std::fs::write(&script, text).expect("a file in a folder of our own");
    let sink = Sink::start(&["--script", &script, "--ledger", &received]);
    let config = Config::to_grpc(sink.address);
    let forwarder = Forwarder::start(TAILRACE, Runtime::Epoll, &config);
    // Acknowledged before the backend is asked: so its rejection is a loss.
    let to = forwarder.grpc();
    load(
        to,
        &["--requests", "100", "--items", "10", "--ledger", &sent],
    );
    forwarder.stop();
    sink.stop();
    let output = tailrace(&["ledger", "check", &sent, &received, "--json"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let finding: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(finding["lost_items"], 3);
}

#[test]
fn what_cannot_be_is_one_clear_line_and_a_code() {
    let folder = Folder::create();
    let script = folder.path("script.yaml").display().to_string();
    std::fs::write(&script, "phases: [{fro: 5s}]").expect("a file in a folder of our own");
    let taken = Sink::start(&[]);
    let address = taken.address.to_string();
    for (args, code, expected) in [
        (
            ["--script", &script],
            78,
            "phases.0.fro: unknown key; did you mean \"for\"?",
        ),
        (["--listen", &address], 69, "Address already in use"),
        (["--listen", "nowhere"], 2, "expected host:port"),
        (
            ["--ledger", "/nonexistent/ledger"],
            71,
            "/nonexistent/ledger: No such file",
        ),
    ] {
        let output = tailrace(&[&["sink"], &args[..]].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{args:?}: {said}");
        assert!(said.contains(expected), "{args:?}: {said}");
    }
}
