//! A destination gets no more than it was said to take, and in the end everything.

use super::TAILRACE;
use serde_json::json;
use std::time::Duration;
use tailrace_tests::{
    Backend, Config, Forwarder, Protocol, Runtime, Sender, Signal, generate, on_each_runtime,
};

on_each_runtime!(what_is_over_the_rate_waits_and_is_delivered);

fn what_is_over_the_rate_waits_and_is_delivered(runtime: Runtime) {
    let backend = Backend::start();
    let rate = json!({ "rate_limit": { "items_per_second": 20, "burst": "500ms" } });
    let config = Config::to_grpc(backend.address()).set("exporters/otlp_grpc/tailrace", rate);
    let forwarder = Forwarder::start(TAILRACE, runtime, &config);
    let sender = Sender::new(Protocol::Grpc, forwarder.grpc());
    let exports: Vec<_> = (0..4)
        .map(|index| generate::request(Signal::Logs, 1 + 10 * index..11 + 10 * index))
        .collect();
    for export in &exports {
        sender.send_accepted(export);
    }
    let labels = ["data_type=\"logs\"", "reason=\"rate_limit\""];
    forwarder.wait_for_metric("otelcol_exporter_held_back", &labels, 1.0);
    backend.wait_for_items(40).assert_exactly(&exports);
    let calls = backend.calls();
    // The burst and what overdraws it go at once; the last two are paid for by half a second each.
    let waited = calls[3].at - calls[0].at;
    assert!(waited >= Duration::from_millis(950), "{waited:?}");
    forwarder.wait_for_metric("otelcol_exporter_held_back", &labels, 0.0);
    forwarder.stop();
}
