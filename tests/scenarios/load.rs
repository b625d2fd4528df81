//! `tailrace load` against a backend that is not our code: what it says it sent is what arrived.

use super::TAILRACE;
use serde_json::Value;
use std::collections::BTreeSet;
use std::process::{Command, Output};
use tailrace_tests::backend::Answer;
use tailrace_tests::{Backend, Item};

/// The load's JSON, and how it ended. Nothing here depends on how fast it was.
fn load(arguments: &[&str]) -> (Value, Output) {
    let output = Command::new(TAILRACE)
        .arg("load")
        .args(arguments)
        .output()
        .expect("the binary starts");
    let figures = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (figures, output)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Sends 20 requests of 5 items, and checks that the backend has each.
fn arrives(arguments: &[&str], protocol: &str) {
    let backend = Backend::start();
    let address = backend.address().to_string();
    let fixed = [
        "--json",
        "--requests",
        "20",
        "--items",
        "5",
        "--endpoint",
        &address,
    ];
    let (figures, output) = load(&[&fixed, arguments].concat());
    assert!(output.status.success(), "{arguments:?}: {}", said(&output));
    assert_eq!(
        figures["requests"]["acknowledged"], 20,
        "{arguments:?}: {figures}"
    );
    assert_eq!(figures["items"]["acknowledged"], 100);
    assert!(
        figures["cpu"]["ns_per_request"].as_f64() > Some(0.0),
        "{figures}"
    );
    assert!(
        figures["latency_us"]["p99.99"].as_f64() > Some(0.0),
        "{figures}"
    );
    let calls = backend.calls();
    assert_eq!(calls.len(), 20, "{arguments:?}");
    let mut different = BTreeSet::new();
    for call in calls {
        assert_eq!(call.protocol, protocol, "{arguments:?}");
        let items: Vec<Item> = call.export.items();
        assert_eq!(items.len(), 5, "{arguments:?}");
        different.extend(items.iter().map(|item| format!("{item:?}")));
    }
    assert_eq!(different.len(), 100, "no item is another: {arguments:?}");
}

#[test]
fn each_protocol_and_signal_arrives() {
    for signal in ["traces", "metrics", "logs"] {
        let http = ["--signal", signal, "--http", "1.1", "--connections", "2"];
        arrives(&["--signal", signal], "grpc");
        for protocol in ["http/protobuf", "http/json"] {
            arrives(&["--signal", signal, "--protocol", protocol], protocol);
            arrives(&[&http[..], &["--protocol", protocol]].concat(), protocol);
        }
    }
}

#[test]
fn each_compression_arrives() {
    for compression in ["none", "gzip", "zstd"] {
        for protocol in ["grpc", "http/protobuf", "http/json"] {
            arrives(
                &["--protocol", protocol, "--compression", compression],
                protocol,
            );
        }
    }
}

#[test]
fn an_open_loop_sends_what_it_was_told_to() {
    let rate = [
        "--rate",
        "1000req/s",
        "--arrivals",
        "poisson",
        "--connections",
        "2",
    ];
    arrives(&rate, "grpc");
}

#[test]
fn refusals_are_counted_by_code_and_retried_on_request() {
    let refusal = || Answer::Grpc {
        code: tonic::Code::Unavailable,
        message: "busy".to_owned(),
        retry_after: Some(std::time::Duration::from_millis(1)),
    };
    let run = |retry: bool| {
        let backend = Backend::start();
        backend.script(|script| script.next.extend([refusal(), refusal()]));
        let address = backend.address().to_string();
        let fixed = ["--json", "--requests", "5", "--endpoint", &address];
        let retry: &[&str] = if retry { &["--retry"] } else { &[] };
        let (figures, output) = load(&[&fixed, retry].concat());
        assert!(output.status.success(), "{}", said(&output));
        (figures, backend.received())
    };
    let (counted, _) = run(false);
    assert_eq!(counted["requests"]["failed"], 2, "{counted}");
    assert_eq!(counted["codes"]["UNAVAILABLE"]["answers"], 2, "{counted}");
    assert_eq!(counted["requests"]["acknowledged"], 3, "{counted}");
    let (retried, _) = run(true);
    assert_eq!(retried["requests"]["failed"], 0, "{retried}");
    assert_eq!(retried["requests"]["retried"], 2, "{retried}");
    assert_eq!(retried["codes"]["UNAVAILABLE"]["retries"], 2, "{retried}");
    assert_eq!(retried["requests"]["acknowledged"], 5, "{retried}");
}

#[test]
fn what_cannot_be_is_one_clear_line_and_a_code() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = closed.local_addr().expect("bound").to_string();
    drop(closed);
    let (_, output) = load(&["--endpoint", &address]);
    assert_eq!(output.status.code(), Some(69));
    let expected = format!("tailrace: cannot connect to {address}: Connection refused");
    assert!(said(&output).starts_with(&expected), "{}", said(&output));
    assert_eq!(said(&output).lines().count(), 1);

    let backend = Backend::start();
    backend.script(|script| script.otherwise = Answer::grpc(tonic::Code::PermissionDenied));
    let address = backend.address().to_string();
    let (_, output) = load(&["--json", "--requests", "3", "--endpoint", &address]);
    assert_eq!(output.status.code(), Some(1));
    let expected = "nothing was acknowledged: the answers were PERMISSION_DENIED x 3";
    assert!(said(&output).contains(expected), "{}", said(&output));

    for arguments in [
        &["--rate", "fast"][..],
        &["--http", "1.1"],
        &[],
        &["--endpoint", "https://a"],
    ] {
        let (_, output) = load(arguments);
        assert_eq!(
            output.status.code(),
            Some(2),
            "{arguments:?}: {}",
            said(&output)
        );
    }
}
