//! Hostile peers: each is cut off or kept within bounds, and a healthy one is served meanwhile.

use super::TAILRACE;
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpStream;
use tailrace_tests::attack::{self, Ending};
use tailrace_tests::{
    Attack, Backend, Config, Forwarder, Load, Outcome, Protocol, Runtime, Sender, Signal,
    forwarder, generate, on_each_runtime,
};
use tonic::Code;

on_each_runtime!(
    floods_are_cut_off,
    a_declared_length_takes_no_memory,
    a_compression_bomb_is_refused,
    deep_nesting_is_refused_or_passed_through,
    a_slow_head_is_cut_off,
);

/// What an attack may add to the resident memory.
const GROWTH_MAX: u64 = 32 << 20;

fn floods_are_cut_off(runtime: Runtime) {
    let backend = Backend::start();
    let forwarder = Forwarder::start(TAILRACE, runtime, &Config::to_grpc(backend.address()));
    let load = Load::start(Protocol::Grpc, forwarder.grpc(), Signal::Traces, 2, 10);
    load.wait_for_more(100);
    let before = forwarder.resident_bytes();
    for attack in Attack::ALL {
        let ending = attack.run(forwarder.grpc(), 200_000);
        assert!(
            matches!(ending, Ending::Closed { .. }),
            "{attack:?}: {ending:?}"
        );
        // The healthy senders go on, on the connections they had.
        load.wait_for_more(50);
        let growth = forwarder.resident_bytes().saturating_sub(before);
        assert!(growth < GROWTH_MAX, "{attack:?} added {growth} bytes");
    }
    let acknowledged = load.stop();
    forwarder.stop();
    backend.received().assert_exactly(&acknowledged);
}

fn a_declared_length_takes_no_memory(runtime: Runtime) {
    let backend = Backend::start();
    let forwarder = Forwarder::start(TAILRACE, runtime, &Config::to_grpc(backend.address()));
    let before = forwarder.resident_bytes();
    // 4 GiB is over any limit: refused before a byte of it came.
    attack::declare_message(forwarder.grpc(), u32::MAX)
        .expect("a connection")
        .wait_for_verdict();
    // Within the limit, and never sent: held open they pin what was reserved, not what is said.
    let held: Vec<_> = (0..50)
        .map(|_| attack::declare_message(forwarder.grpc(), 32 << 20).expect("a connection"))
        .collect();
    let export = generate::request(Signal::Traces, 1..11);
    drop(held);
    // What the dropped ones had reserved is free again, at the latest when a sender tries again.
    let sender = Sender::new(Protocol::Grpc, forwarder.grpc());
    tailrace_tests::wait::until_true("a healthy sender to be served", || {
        sender.send(&export).is_accepted()
    });
    let growth = forwarder.resident_bytes().saturating_sub(before);
    assert!(growth < GROWTH_MAX, "{growth} bytes");
    backend.wait_for_items(10).assert_exactly(&[export]);
    forwarder.stop();
}

fn a_compression_bomb_is_refused(runtime: Runtime) {
    let backend = Backend::start();
    let config = Config::to_grpc(backend.address())
        .set(
            "receivers/otlp/protocols/grpc/max_recv_msg_size_mib",
            json!(4),
        )
        .set(
            "receivers/otlp/protocols/http/max_request_body_size",
            json!(4 << 20),
        );
    let forwarder = Forwarder::start(TAILRACE, runtime, &config);
    let before = forwarder.resident_bytes();
    // 64 MiB of one letter: some 64 KiB on the wire.
    let bomb = generate::large_span(1, 64 << 20);
    match Sender::new(Protocol::Grpc, forwarder.grpc())
        .gzip()
        .send(&bomb)
    {
        Outcome::Grpc {
            code, retry_after, ..
        } => assert_eq!((code, retry_after), (Code::ResourceExhausted, None)),
        other => panic!("a bomb got {other:?}"),
    }
    match Sender::new(Protocol::HttpProtobuf, forwarder.http())
        .gzip()
        .send(&bomb)
    {
        Outcome::Http { status, .. } => assert_eq!(status.as_u16(), 413),
        other => panic!("a bomb got {other:?}"),
    }
    let growth = forwarder.resident_bytes().saturating_sub(before);
    assert!(growth < GROWTH_MAX, "{growth} bytes");
    let export = generate::request(Signal::Traces, 2..12);
    Sender::new(Protocol::Grpc, forwarder.grpc())
        .gzip()
        .send_accepted(&export);
    backend.wait_for_items(10).assert_exactly(&[export]);
    forwarder.stop();
}

fn deep_nesting_is_refused_or_passed_through(runtime: Runtime) {
    let backend = Backend::start();
    let forwarder = Forwarder::start(TAILRACE, runtime, &Config::to_grpc(backend.address()));
    // What is only passed on need not be looked into so deep; what is converted must be.
    attack::send_message(forwarder.grpc(), &attack::nested_protobuf(5_000))
        .expect("a connection")
        .wait_for_verdict();
    for depth in [1_000, 100_000] {
        let body = attack::nested_json(depth);
        let json = "application/json";
        let answer = forwarder::request(forwarder.http(), "POST", "/v1/traces", json, &body);
        assert_eq!(answer.map(|(status, _)| status), Some(400), "depth {depth}");
    }
    let export = generate::request(Signal::Traces, 1..11);
    Sender::new(Protocol::Grpc, forwarder.grpc()).send_accepted(&export);
    backend.wait_for_items(10);
    forwarder.stop();
}

fn a_slow_head_is_cut_off(runtime: Runtime) {
    let backend = Backend::start();
    let timeout = "receivers/otlp/protocols/http/read_header_timeout";
    let config = Config::to_grpc(backend.address()).set(timeout, json!("300ms"));
    let forwarder = Forwarder::start(TAILRACE, runtime, &config);
    let mut slow = TcpStream::connect(forwarder.http()).expect("a connection");
    slow.write_all(b"POST /v1/traces HTTP/1.1\r\nx-slow: ")
        .expect("a connection");
    // Returns when the forwarder hangs up, which nothing but the timeout makes it do.
    slow.set_read_timeout(Some(tailrace_tests::wait::PATIENCE))
        .expect("a socket option");
    let mut answer = Vec::new();
    slow.read_to_end(&mut answer)
        .expect("the end of the connection, within the patience");
    let export = generate::request(Signal::Traces, 1..11);
    Sender::new(Protocol::HttpProtobuf, forwarder.http()).send_accepted(&export);
    backend.wait_for_items(10).assert_exactly(&[export]);
    forwarder.stop();
}
