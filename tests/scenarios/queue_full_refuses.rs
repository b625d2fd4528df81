//! A full queue answers the sender with a retryable refusal; nothing that was accepted is dropped.

use super::TAILRACE;
use serde_json::json;
use std::time::Duration;
use tailrace_tests::{
    Backend, Config, Export, Forwarder, Outcome, Protocol, Runtime, Sender, Signal, generate,
    on_each_runtime,
};

on_each_runtime!(grpc_senders_are_told_when, http_senders_are_told_when);

fn grpc_senders_are_told_when(runtime: Runtime) {
    refuses_and_recovers(runtime, Protocol::Grpc);
}

fn http_senders_are_told_when(runtime: Runtime) {
    refuses_and_recovers(runtime, Protocol::HttpProtobuf);
}

fn refuses_and_recovers(runtime: Runtime, protocol: Protocol) {
    let backend = Backend::start();
    backend.hold();
    let queue = json!({ "queue_size": 10, "sizer": "requests", "num_consumers": 2 });
    let config = Config::to_grpc(backend.address()).set("exporters/otlp_grpc/sending_queue", queue);
    // One shard: its share of the queue is the queue, whichever connection the kernel gives it.
    let forwarder = Forwarder::start_with(TAILRACE, runtime, &config, &["--shards", "1"]);
    let address = match protocol {
        Protocol::Grpc => forwarder.grpc(),
        _ => forwarder.http(),
    };
    let sender = Sender::new(protocol, address);
    let mut accepted: Vec<Export> = Vec::new();
    let mut refusals = Vec::new();
    for n in 0..100 {
        let export = generate::request(Signal::Traces, 1 + n * 10..11 + n * 10);
        match sender.send(&export) {
            Outcome::Accepted { .. } => accepted.push(export),
            refusal => refusals.push(refusal),
        }
    }
    assert_eq!(accepted.len(), 10, "what is on its way counts as queued");
    for refusal in &refusals {
        assert!(refusal.is_retryable(), "{refusal:?}");
        match refusal {
            Outcome::Grpc { retry_after, .. } => {
                assert!(
                    retry_after.is_some_and(|delay| delay > Duration::ZERO),
                    "{refusal:?}"
                );
            }
            Outcome::Http { headers, .. } => {
                assert!(headers.contains_key("retry-after"), "{refusal:?}");
            }
            other => panic!("not an answer: {other:?}"),
        }
    }
    // Refused by their headers: how many spans they had, nobody has read.
    let labels = ["outcome=\"refused\""];
    forwarder.wait_for_metric("otelcol_receiver_requests", &labels, refusals.len() as f64);
    backend.release();
    let count = accepted.len() * 10;
    backend.wait_for_items(count).assert_exactly(&accepted);
    sender.send_accepted(&generate::request(Signal::Traces, 5001..5002));
    backend.wait_for_items(count + 1);
    forwarder.assert_accounted();
    forwarder.stop();
}
