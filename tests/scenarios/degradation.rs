//! A backend that hangs: the queue fills, steps are taken and told, and left again when it answers.

use super::TAILRACE;
use serde_json::json;
use tailrace_tests::{
    Backend, Config, Forwarder, Protocol, Runtime, Sender, Signal, generate, on_each_runtime,
};

on_each_runtime!(
    steps_are_taken_and_left_and_told,
    a_fuller_queue_takes_a_share_of_the_traces,
);

/// An exporter with one consumer and a queue of twenty requests, and its backend, which hangs.
fn start(runtime: Runtime) -> (Backend, Forwarder) {
    let backend = Backend::start();
    backend.hold();
    let mut exporter = Config::grpc_exporter(backend.address());
    exporter["sending_queue"] = json!({ "queue_size": 20, "num_consumers": 1 });
    exporter["tailrace"]["degradation"] = json!({
        "sample_medium": 70,
        "sample_medium_ratio": 0.5,
        "hold": "100ms",
    });
    let config = Config::new().exporter("otlp_grpc", exporter);
    let forwarder = Forwarder::start_with(TAILRACE, runtime, &config, &["--shards", "1"]);
    (backend, forwarder)
}

/// How many of 40 requests of ten items are accepted until one is refused.
fn fill(forwarder: &Forwarder, signal: Signal) -> u64 {
    let sender = Sender::new(Protocol::Grpc, forwarder.grpc());
    let export = |request: u64| generate::request(signal, 1 + request * 10..11 + request * 10);
    let answers = (0..40).map(|request| sender.send(&export(request)));
    answers.take_while(|answer| answer.is_accepted()).count() as u64
}

fn steps_are_taken_and_left_and_told(runtime: Runtime) {
    let (backend, forwarder) = start(runtime);
    // Of metrics nothing is left out. Nineteen of twenty requests: the last place is for what is of
    // high priority, of which there is nothing here.
    assert_eq!(fill(&forwarder, Signal::Metrics), 19);
    let step = |step| ["data_type=\"metrics\"", step];
    forwarder.wait_for_metric(
        "otelcol_exporter_degradation",
        &step("step=\"reject\""),
        1.0,
    );
    backend.release();
    forwarder.wait_for_metric(
        "otelcol_exporter_degradation",
        &step("step=\"normal\""),
        1.0,
    );
    backend.wait_for_items(190);
    forwarder.assert_accounted();
    let log = forwarder.stop();
    for line in [
        "the queue fills: it goes from normal to compress_harder",
        "the queue fills: it goes from sample_medium to reject",
        "the queue empties: it goes back from reject to sample_medium",
        "the queue empties: it goes back from compress_harder to normal",
    ] {
        assert_eq!(log.matches(line).count(), 1, "{line:?} in\n{log}");
    }
}

fn a_fuller_queue_takes_a_share_of_the_traces(runtime: Runtime) {
    let (backend, forwarder) = start(runtime);
    // The generator's traces have low numbers: none is in the half that is kept.
    assert_eq!(fill(&forwarder, Signal::Traces), 40);
    let labels = ["exporter=\"otlp_grpc\"", "reason=\"sampled\""];
    forwarder.wait_for_metric("otelcol_exporter_dropped_spans", &labels, 260.0);
    backend.release();
    backend.wait_for_items(140);
    forwarder.assert_accounted();
    forwarder.stop();
}
