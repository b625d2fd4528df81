//! A backend that hangs, and a queue that gives up what is of little importance: errors arrive,
//! also out of requests that hold both.

use super::TAILRACE;
use serde_json::json;
use tailrace_tests::{
    Backend, Config, Forwarder, Protocol, Runtime, Sender, Signal, generate, on_each_runtime,
};

on_each_runtime!(errors_arrive_and_the_rest_is_dropped);

/// As the generator has it: numbers 1 to 24 in turn.
const fn is_error(id: u64) -> bool {
    id % 24 + 1 >= 17
}

fn errors_arrive_and_the_rest_is_dropped(runtime: Runtime) {
    let backend = Backend::start();
    backend.hold();
    let mut exporter = Config::grpc_exporter(backend.address());
    exporter["sending_queue"] = json!({
        "queue_size": 100,
        "sizer": "items",
        "num_consumers": 1,
        "overflow": "drop_lowest_priority",
    });
    let priority = json!({ "rules": [{ "severity_min": "error", "priority": "high" }] });
    let config = Config::new()
        .exporter("otlp_grpc", exporter)
        .set("service/tailrace", json!({ "priority": priority }));
    let forwarder = Forwarder::start_with(TAILRACE, runtime, &config, &["--shards", "1"]);
    let sender = Sender::new(Protocol::Grpc, forwarder.grpc());
    // One is on its way; a third of what follows are errors, and fits.
    sender.send_accepted(&generate::request(Signal::Logs, 1..2));
    backend.wait_for_calls(1);
    for first in (2..242).step_by(24) {
        sender.send_accepted(&generate::request(Signal::Logs, first..first + 24));
    }
    let all = 2..242;
    let errors: Vec<u64> = all.filter(|id| is_error(*id)).collect();
    assert_eq!(errors.len(), 80);
    backend.release();
    forwarder.wait_for_metric("otelcol_exporter_queue_size", &["data_type=\"logs\""], 0.0);
    let arrived = backend.received().ids(Signal::Logs);
    for id in &errors {
        assert!(arrived.contains(id), "{id} is an error and did not arrive");
    }
    let labels = ["data_type=\"logs\"", "priority=\"high\""];
    forwarder.wait_for_metric("otelcol_exporter_priority_delivered_items", &labels, 80.0);
    forwarder.wait_for_metric("otelcol_exporter_priority_lost_items", &labels, 0.0);
    let lost = 241 - arrived.len() as u64;
    assert!(
        lost > 100,
        "only a hundred items have room, {lost} are lost"
    );
    let labels = ["data_type=\"logs\"", "priority=\"medium\""];
    forwarder.wait_for_metric("otelcol_exporter_priority_lost_items", &labels, lost as f64);
    forwarder.assert_accounted();
    forwarder.stop();
}
