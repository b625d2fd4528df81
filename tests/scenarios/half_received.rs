//! SIGTERM while requests are half received: what still comes is taken and delivered, and one that
//! never comes holds nobody longer than the shutdown timeout.

use super::TAILRACE;
use serde_json::json;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use tailrace_tests::{
    Backend, Config, Forwarder, Runtime, Signal, attack, forwarder, generate, on_each_runtime, wait,
};

on_each_runtime!(
    the_rest_of_a_request_is_taken,
    a_sender_that_stalls_does_not_hold_the_stop,
);

fn the_rest_of_a_request_is_taken(runtime: Runtime) {
    let backend = Backend::start();
    let mut forwarder = Forwarder::start(TAILRACE, runtime, &Config::to_grpc(backend.address()));
    let sent = [
        generate::request(Signal::Traces, 1..11),
        generate::request(Signal::Traces, 11..21),
    ];
    let [over_grpc, over_http] = sent.each_ref().map(|export| export.encode_protobuf());
    let length = u32::try_from(over_grpc.len()).expect("a small message");
    let mut grpc = attack::declare_message(forwarder.grpc(), length).expect("a connection");
    grpc.wait_until_read().expect("an open connection");
    let (first, second) = over_http.split_at(over_http.len() / 2);
    let mut http = half_post(forwarder.http(), over_http.len(), first);
    let health = forwarder.address("health_check", "http");
    forwarder.terminate();
    grpc.wait_for_goaway();
    wait::until_true("the health check to say no", || {
        forwarder::get(health, "/").is_none_or(|(status, _)| status == 503)
    });
    grpc.send_declared(&over_grpc).expect("an open stream");
    http.write_all(second).expect("an open connection");
    grpc.wait_for_verdict();
    drop(grpc);
    let mut answer = String::new();
    http.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let status = forwarder.wait();
    assert!(status.success(), "{status}: {}", forwarder.log());
    backend.received().assert_exactly(&sent);
}

fn a_sender_that_stalls_does_not_hold_the_stop(runtime: Runtime) {
    let backend = Backend::start();
    let config =
        Config::to_grpc(backend.address()).set("service/tailrace/shutdown_timeout", json!("100ms"));
    let mut forwarder = Forwarder::start(TAILRACE, runtime, &config);
    let mut grpc = attack::declare_message(forwarder.grpc(), 1000).expect("a connection");
    grpc.wait_until_read().expect("an open connection");
    let mut http = half_post(forwarder.http(), 1000, b"half");
    forwarder.terminate();
    // Nothing was accepted, so nothing is lost.
    let status = forwarder.wait();
    assert!(status.success(), "{status}: {}", forwarder.log());
    let mut answer = Vec::new();
    // A reset is an end as well; success is not.
    let _ = http.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP/1.1 200"), "{answer:?}");
    assert_eq!(backend.call_count(), 0);
}

/// What HTTP/1.1 answers to `expect: 100-continue`.
const LEAVE: [u8; 25] = *b"HTTP/1.1 100 Continue\r\n\r\n";

/// A POST that declares `bytes` and has brought `first` of them. The forwarder has let it in.
fn half_post(address: SocketAddr, bytes: usize, first: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("a connection");
    let head = format!(
        "POST /v1/traces HTTP/1.1\r\nhost: forwarder\r\ncontent-length: {bytes}\r\n\
         content-type: application/x-protobuf\r\nexpect: 100-continue\r\n\r\n"
    );
    stream
        .write_all(head.as_bytes())
        .expect("an open connection");
    let mut leave = [0; LEAVE.len()];
    stream.read_exact(&mut leave).expect("leave to go on");
    assert_eq!(leave, LEAVE);
    stream.write_all(first).expect("an open connection");
    stream
}
