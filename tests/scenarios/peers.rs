//! The OpenTelemetry SDKs for Python and Node.js, and curl, through the forwarder: everything they
//! say they sent arrives, value by value.

use super::TAILRACE;
use std::net::SocketAddr;
use tailrace_tests::interop::{self, Sdk};
use tailrace_tests::{Backend, Config, Forwarder, Runtime, on_each_runtime, wait};

on_each_runtime!(python, node, curl);

fn python(runtime: Runtime) {
    sdk_arrives(Sdk::Python, &["grpc", "http/protobuf"], runtime);
}

fn node(runtime: Runtime) {
    sdk_arrives(Sdk::Node, &["grpc", "http/protobuf", "http/json"], runtime);
}

fn sdk_arrives(sdk: Sdk, protocols: &[&str], runtime: Runtime) {
    for (number, protocol) in protocols.iter().enumerate() {
        for gzip in [false, true] {
            let backend = Backend::start();
            let forwarder = start(runtime, &backend, number + usize::from(gzip));
            let address = if *protocol == "grpc" {
                forwarder.grpc()
            } else {
                forwarder.http()
            };
            let Some(sent) = sdk.emit(protocol, address, gzip) else {
                return;
            };
            wait::until_true("everything that the SDK sent", || {
                items(&backend) >= sent.len()
            });
            forwarder.stop();
            let calls = backend.calls();
            let received = interop::described(calls.iter().map(|call| &call.export));
            interop::assert_same(&sent, &received);
        }
    }
}

fn curl(runtime: Runtime) {
    let files = [
        ("traces.json", "/v1/traces"),
        ("metrics.json", "/v1/metrics"),
        ("logs.json", "/v1/logs"),
    ];
    // What the oracle itself reads in the files is what has to arrive.
    let oracle = Backend::start();
    for (file, path) in files {
        if interop::curl(file, &format!("http://{}{path}", oracle.address()), false).is_none() {
            return;
        }
    }
    let calls = oracle.calls();
    let sent = interop::described(calls.iter().map(|call| &call.export));
    for gzip in [false, true] {
        let backend = Backend::start();
        let forwarder = start(runtime, &backend, 0);
        for (file, path) in files {
            let url = format!("http://{}{path}", forwarder.http());
            let (status, body) = interop::curl(file, &url, gzip).expect("curl is there");
            assert_eq!(status, 200, "{body}");
            let body: serde_json::Value = serde_json::from_str(&body).expect("a JSON answer");
            assert!(body["partialSuccess"]["errorMessage"].is_null(), "{body}");
        }
        wait::until_true("everything that curl sent", || {
            items(&backend) >= sent.len()
        });
        forwarder.stop();
        let calls = backend.calls();
        let received = interop::described(calls.iter().map(|call| &call.export));
        interop::assert_same(&sent, &received);
    }
}

/// Every other peer meets the other exporter.
fn start(runtime: Runtime, backend: &Backend, number: usize) -> Forwarder {
    let config: fn(SocketAddr) -> Config = if number.is_multiple_of(2) {
        Config::to_grpc
    } else {
        Config::to_http
    };
    Forwarder::start(TAILRACE, runtime, &config(backend.address()))
}

fn items(backend: &Backend) -> usize {
    let calls = backend.calls();
    calls.iter().map(|call| call.export.items().len()).sum()
}
