//! What the process tells of itself: health, metrics under the Collector's names, logs.

use super::TAILRACE;
use tailrace_tests::{
    Backend, Config, Forwarder, Protocol, Runtime, Sender, Signal, generate, on_each_runtime,
};

on_each_runtime!(
    counts_what_passed,
    a_batch_processor_has_its_series,
    hides_secrets,
    the_process_says_who_it_is,
);

fn counts_what_passed(runtime: Runtime) {
    let backend = Backend::start();
    let forwarder = Forwarder::start(TAILRACE, runtime, &Config::to_grpc(backend.address()));
    let (status, body) = forwarder.health().expect("an answer");
    assert_eq!(status, 200, "{body}");
    assert!(body.contains("Server available"), "{body}");

    let grpc = Sender::new(Protocol::Grpc, forwarder.grpc());
    let http = Sender::new(Protocol::HttpProtobuf, forwarder.http());
    grpc.send_accepted(&generate::request(Signal::Traces, 1..11));
    http.send_accepted(&generate::request(Signal::Traces, 11..31));
    grpc.send_accepted(&generate::request(Signal::Metrics, 1..41));
    grpc.send_accepted(&generate::request(Signal::Logs, 1..51));
    backend.wait_for_items(120);

    let receiver = |name: &str, transport: &str, value| {
        let labels = ["receiver=\"otlp\"", transport];
        forwarder.wait_for_metric(name, &labels, value);
    };
    receiver(
        "otelcol_receiver_accepted_spans",
        "transport=\"grpc\"",
        10.0,
    );
    receiver(
        "otelcol_receiver_accepted_spans",
        "transport=\"http\"",
        20.0,
    );
    receiver(
        "otelcol_receiver_accepted_metric_points",
        "transport=\"grpc\"",
        40.0,
    );
    receiver(
        "otelcol_receiver_accepted_log_records",
        "transport=\"grpc\"",
        50.0,
    );
    let exporter = |name: &str, value| {
        forwarder.wait_for_metric(name, &["exporter=\"otlp_grpc\""], value);
    };
    exporter("otelcol_exporter_sent_spans", 30.0);
    exporter("otelcol_exporter_sent_metric_points", 40.0);
    exporter("otelcol_exporter_sent_log_records", 50.0);
    exporter("otelcol_exporter_queue_size", 0.0);
    forwarder.assert_accounted();
    forwarder.stop();
}

/// Its batches are formed in the exporter's lanes, and counted under its own id all the same.
fn a_batch_processor_has_its_series(runtime: Runtime) {
    let backend = Backend::start();
    let batch = serde_json::json!({ "send_batch_size": 10, "timeout": "1h" });
    let config = Config::to_grpc(backend.address()).processor("batch/mine", batch);
    let forwarder = Forwarder::start(TAILRACE, runtime, &config);
    let sender = Sender::new(Protocol::Grpc, forwarder.grpc());
    sender.send_accepted(&generate::request(Signal::Traces, 1..11));
    backend.wait_for_items(10);
    let labels = ["processor=\"batch/mine\"", "data_type=\"traces\""];
    forwarder.wait_for_metric(
        "otelcol_processor_batch_batch_size_trigger_send",
        &labels,
        1.0,
    );
    forwarder.wait_for_metric("otelcol_processor_batch_batch_send_size_sum", &labels, 10.0);
    forwarder.stop();
}

fn the_process_says_who_it_is(runtime: Runtime) {
    let target_info = |config: &Config| {
        let forwarder = Forwarder::start(TAILRACE, runtime, config);
        let metrics = forwarder.metrics();
        let mut lines = metrics.lines();
        let line = lines.find(|line| line.starts_with("target_info"));
        let line = line.expect("a series").to_owned();
        forwarder.stop();
        line
    };
    let config = Config::new().exporter("nop", serde_json::Value::Null);
    let line = target_info(&config);
    for label in ["service_name=\"tailrace\"", "service_version=\""] {
        assert!(line.contains(label), "{line}");
    }
    assert!(line.contains("service_instance_id=\""), "{line}");
    assert_ne!(line, target_info(&config), "each start is an instance");

    let resource = serde_json::json!({
        "service.name": "edge",
        "service.version": null,
        "service.instance.id": null,
        "region": "eu",
    });
    let config = config.set("service/telemetry/resource", resource);
    let line = target_info(&config);
    for label in ["service_name=\"edge\"", "region=\"eu\""] {
        assert!(line.contains(label), "{line}");
    }
    for absent in ["service_version", "service_instance_id", "tailrace"] {
        assert!(!line.contains(absent), "{line}");
    }
}

fn hides_secrets(runtime: Runtime) {
    let mut backend = Backend::start();
    let config = Config::to_grpc(backend.address())
        .set(
            "exporters/otlp_grpc/headers",
            serde_json::json!({ "x-key": "canary-4711" }),
        )
        .set(
            "service/telemetry/logs",
            serde_json::json!({ "level": "debug" }),
        );
    let forwarder = Forwarder::start(TAILRACE, runtime, &config);
    let sender = Sender::new(Protocol::Grpc, forwarder.grpc());
    sender.send_accepted(&generate::request(Signal::Traces, 1..11));
    backend.wait_for_items(10);
    assert_eq!(backend.calls()[0].header("x-key"), "canary-4711");
    backend.kill();
    sender.send_accepted(&generate::request(Signal::Traces, 11..21));
    let metrics = forwarder.metrics();
    backend.restart();
    backend.wait_for_items(20);
    let log = forwarder.stop();
    assert!(!log.contains("canary-4711") && !metrics.contains("canary-4711"));
}
