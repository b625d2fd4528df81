//! HTTP in, HTTP out: protobuf and JSON, HTTP/1.1 and cleartext HTTP/2, in every combination.

use super::TAILRACE;
use serde_json::json;
use tailrace_tests::{
    Backend, Config, Export, Forwarder, Protocol, Runtime, Sender, Signal, forwarder, generate,
    on_each_runtime,
};

on_each_runtime!(
    passes_every_signal_through,
    converts_between_protobuf_and_json,
    answers_as_the_specification_says,
);

const SENDERS: [Protocol; 3] = [
    Protocol::HttpProtobuf,
    Protocol::HttpJson,
    Protocol::Http2Protobuf,
];

fn passes_every_signal_through(runtime: Runtime) {
    let backend = Backend::start();
    let config = Config::to_http(backend.address());
    let forwarder = Forwarder::start(TAILRACE, runtime, &config);
    let sent = send_from_each(&forwarder);
    backend.wait_for_items(900).assert_exactly(&sent);
    assert!(
        backend
            .calls()
            .iter()
            .all(|call| call.protocol == "http/protobuf")
    );
    forwarder.stop();
}

fn converts_between_protobuf_and_json(runtime: Runtime) {
    let backend = Backend::start();
    let config = Config::to_http(backend.address())
        .set("exporters/otlp_http/encoding", json!("json"))
        .set("exporters/otlp_http/compression", json!("none"));
    let forwarder = Forwarder::start(TAILRACE, runtime, &config);
    let sent = send_from_each(&forwarder);
    backend.wait_for_items(900).assert_exactly(&sent);
    assert!(
        backend
            .calls()
            .iter()
            .all(|call| call.protocol == "http/json")
    );
    forwarder.stop();
}

/// 100 items of each stable signal over each protocol, every other request compressed.
fn send_from_each(forwarder: &Forwarder) -> Vec<Export> {
    let mut sent = Vec::new();
    let mut first = 1;
    for protocol in SENDERS {
        for signal in Signal::STABLE {
            let sender = Sender::new(protocol, forwarder.http());
            let gzip = sent.len() % 2 == 1;
            let sender = if gzip { sender.gzip() } else { sender };
            let export = generate::request(signal, first..first + 100);
            first += 100;
            sender.send_accepted(&export);
            sent.push(export);
        }
    }
    sent
}

fn answers_as_the_specification_says(runtime: Runtime) {
    let backend = Backend::start();
    let config = Config::to_http(backend.address());
    let forwarder = Forwarder::start(TAILRACE, runtime, &config);
    let status = |method: &str, path: &str, content_type: &str, body: &[u8]| {
        forwarder::request(forwarder.http(), method, path, content_type, body)
            .expect("an answer")
            .0
    };
    let protobuf = "application/x-protobuf";
    assert_eq!(status("POST", "/v1/traces", protobuf, b""), 200);
    assert_eq!(status("POST", "/v1/traces", "application/json", b"{}"), 200);
    assert_eq!(status("GET", "/v1/traces", protobuf, b""), 405);
    assert_eq!(status("POST", "/v1/nothing", protobuf, b""), 404);
    assert_eq!(status("POST", "/v1/traces", "text/plain", b"hello"), 415);
    assert_eq!(status("POST", "/v1/traces", protobuf, &[0x0a, 0xff]), 400);
    assert_eq!(status("POST", "/v1/traces", "application/json", b"{"), 400);
    forwarder.stop();
}
