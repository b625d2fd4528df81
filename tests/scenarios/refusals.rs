//! Ten thousand refusals on one connection: each sender hears its own, the connection lives, and
//! memory does not grow.

use super::TAILRACE;
use serde_json::json;
use tailrace_tests::{
    Backend, Config, Forwarder, OneConnection, Protocol, Runtime, Signal, Status, generate,
    on_each_runtime,
};

on_each_runtime!(over_grpc, over_cleartext_http2, over_http1);

const REQUESTS: usize = 10_000;
/// What ten thousand refusals may add to the resident memory, the first thousand apart.
const GROWTH_MAX: u64 = 8 << 20;

fn over_grpc(runtime: Runtime) {
    refused_whole(runtime, Protocol::Grpc);
}

fn over_cleartext_http2(runtime: Runtime) {
    refused_whole(runtime, Protocol::Http2Protobuf);
}

fn over_http1(runtime: Runtime) {
    refused_whole(runtime, Protocol::HttpProtobuf);
}

fn refused_whole(runtime: Runtime, protocol: Protocol) {
    let backend = Backend::start();
    backend.hold();
    let queue = json!({ "queue_size": 1, "sizer": "requests" });
    let config = Config::to_grpc(backend.address()).set("exporters/otlp_grpc/sending_queue", queue);
    let forwarder = Forwarder::start_with(TAILRACE, runtime, &config, &["--shards", "1"]);
    let address = match protocol {
        Protocol::Grpc => forwarder.grpc(),
        _ => forwarder.http(),
    };
    let mut connection = OneConnection::open(protocol, address);
    let export = generate::request(Signal::Traces, 1..11);
    let first = connection.send(&export, 1);
    assert!(first[0].is_success(), "there is room: {first:?}");
    let warm = REQUESTS / 10;
    let refused = |statuses: &[Status]| statuses.iter().all(Status::is_full);
    let statuses = connection.send(&export, warm);
    assert!(refused(&statuses), "{statuses:?}");
    let before = forwarder.resident_bytes();
    let statuses = connection.send(&export, REQUESTS - warm);
    assert!(refused(&statuses), "{statuses:?}");
    assert_eq!(statuses.len(), REQUESTS - warm);
    let growth = forwarder.resident_bytes().saturating_sub(before);
    assert!(growth < GROWTH_MAX, "{growth} bytes");
    let labels = ["outcome=\"refused\""];
    forwarder.wait_for_metric("otelcol_receiver_requests", &labels, REQUESTS as f64);
    drop(connection);
    backend.release();
    forwarder.stop();
}
