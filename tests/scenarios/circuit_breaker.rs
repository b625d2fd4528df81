//! A backend that is gone is left alone, people are told, and it gets everything when it is back.

use super::TAILRACE;
use serde_json::json;
use tailrace_tests::{
    Backend, Config, Forwarder, Protocol, Runtime, Sender, Signal, generate, on_each_runtime,
};

on_each_runtime!(the_circuit_opens_and_closes_again);

fn the_circuit_opens_and_closes_again(runtime: Runtime) {
    let mut backend = Backend::start();
    backend.kill();
    let breaker = json!({ "circuit_breaker": { "consecutive_failures": 2, "open_for": "100ms" } });
    let config = Config::to_grpc(backend.address()).set("exporters/otlp_grpc/tailrace", breaker);
    let forwarder = Forwarder::start(TAILRACE, runtime, &config);
    let export = generate::request(Signal::Logs, 1..11);
    Sender::new(Protocol::Grpc, forwarder.grpc()).send_accepted(&export);
    let cause = ["data_type=\"logs\"", "cause=\"consecutive_failures\""];
    forwarder.wait_for_metric("otelcol_exporter_circuit_opened", &cause, 1.0);
    backend.restart();
    backend.wait_for_items(10).assert_exactly(&[export]);
    for state in ["state=\"open\"", "state=\"half_open\""] {
        let labels = ["data_type=\"logs\"", state];
        forwarder.wait_for_metric("otelcol_exporter_circuit", &labels, 0.0);
    }
    let log = forwarder.stop();
    for line in [
        "the circuit is open: 2 failures in a row",
        "the circuit is closed: it answers again",
    ] {
        assert_eq!(log.matches(line).count(), 1, "{line:?} in\n{log}");
    }
}
