//! All load on one connection: its shard is busy, and the other one helps to send.

use super::TAILRACE;
use serde_json::json;
use tailrace_tests::sender::OneConnection;
use tailrace_tests::{
    Config, Forwarder, Protocol, Runtime, Signal, generate, on_each_runtime, wait,
};

on_each_runtime!(one_connection_uses_both_shards);

const ITEMS: u64 = 1000;

fn one_connection_uses_both_shards(runtime: Runtime) {
    let sink = Forwarder::start(TAILRACE, runtime, &Config::new().exporter("nop", json!({})));
    let mut exporter = Config::grpc_exporter(sink.grpc());
    // More work than receiving it is.
    exporter["compression"] = json!("gzip");
    exporter["sending_queue"] = json!({ "wait_for_result": true, "num_consumers": 64 });
    let config = Config::new().exporter("otlp_grpc", exporter);
    let forwarder = Forwarder::start(TAILRACE, runtime, &config);
    let request = generate::request(Signal::Traces, 1..1 + ITEMS);
    let mut connection = OneConnection::open(Protocol::Grpc, forwarder.grpc());
    let mut sent = 0;
    wait::until_true("the busy shard to give batches away", || {
        let statuses = connection.send(&request, 100);
        assert!(statuses.iter().all(|status| status.is_success()));
        sent += 100;
        forwarder.metric("otelcol_shard_batches_given", &[]) > Some(0.0)
    });
    forwarder.assert_accounted();
    let spans = (sent * ITEMS) as f64;
    forwarder.wait_for_metric("otelcol_exporter_sent_spans", &[], spans);
    sink.wait_for_metric("otelcol_receiver_accepted_spans", &[], spans);
    // It answers GOAWAY only while it sends.
    drop(connection);
    forwarder.stop();
    sink.stop();
}
