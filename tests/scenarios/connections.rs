//! Connections to a backend come and go; what is sent over them arrives once.

use super::TAILRACE;
use serde_json::json;
use tailrace_tests::{
    Backend, Config, Export, Forwarder, Load, Protocol, Runtime, Signal, on_each_runtime, wait,
};

on_each_runtime!(
    goaway_loses_and_repeats_nothing,
    close_loses_and_repeats_nothing,
    old_connections_are_replaced,
    idle_connections_stay_closed,
);

/// A backend that sends GOAWAY after every twentieth stream.
fn goaway_loses_and_repeats_nothing(runtime: Runtime) {
    let backend = Backend::start();
    backend.script(|script| script.requests_per_connection = Some(20));
    let config = Config::to_grpc(backend.address());
    let sent = sent_until_connected(10, runtime, &backend, &config);
    backend.received().assert_exactly(&sent);
}

/// One that ends HTTP/1.1 connections after every twentieth request.
fn close_loses_and_repeats_nothing(runtime: Runtime) {
    let backend = Backend::start();
    backend.script(|script| script.requests_per_connection = Some(20));
    let config = Config::to_http(backend.address());
    let sent = sent_until_connected(10, runtime, &backend, &config);
    backend.received().assert_exactly(&sent);
}

fn old_connections_are_replaced(runtime: Runtime) {
    let connections = json!({ "connection_age_max": "150ms" });
    let kinds: [(fn(_) -> Config, _); 2] = [
        (Config::to_grpc, "exporters/otlp_grpc/tailrace"),
        (Config::to_http, "exporters/otlp_http/tailrace"),
    ];
    for (config, key) in kinds {
        let backend = Backend::start();
        let config = config(backend.address()).set(key, connections.clone());
        // A new one for each shard and signal, and for each again.
        let sent = sent_until_connected(12, runtime, &backend, &config);
        backend.received().assert_exactly(&sent);
    }
}

/// What is idle is closed, and nothing is opened before there is something to send.
fn idle_connections_stay_closed(runtime: Runtime) {
    let backend = Backend::start();
    let config = Config::to_http(backend.address())
        .set("exporters/otlp_http/idle_conn_timeout", json!("50ms"));
    let forwarder = Forwarder::start(TAILRACE, runtime, &config);
    let sender = tailrace_tests::Sender::new(Protocol::Grpc, forwarder.grpc());
    let export = |n: u64| tailrace_tests::generate::request(Signal::Logs, n * 10 + 1..n * 10 + 6);
    for round in 0..3 {
        sender.send_accepted(&export(round));
        backend.wait_for_items(5 * (round as usize + 1));
        wait::until_true("no connection to the backend", || {
            forwarder.metric("otelcol_shard_connections_out", &[]) == Some(0.0)
        });
        assert_eq!(backend.connections(), round as usize + 1);
    }
    forwarder.stop();
}

/// Sends until the backend was connected to so often; everything that was acknowledged.
fn sent_until_connected(
    connections: usize,
    runtime: Runtime,
    backend: &Backend,
    config: &Config,
) -> Vec<Export> {
    let forwarder = Forwarder::start(TAILRACE, runtime, config);
    let load = Load::start(Protocol::Grpc, forwarder.grpc(), Signal::Traces, 4, 5);
    wait::until_true(&format!("{connections} connections"), || {
        backend.connections() >= connections
    });
    let sent = load.stop();
    forwarder.assert_accounted();
    forwarder.stop();
    sent
}
