//! IPv6 on both sides, as addresses and as wildcards.

use super::TAILRACE;
use serde_json::json;
use std::net::{Ipv6Addr, SocketAddr, TcpListener};
use tailrace_tests::{
    Backend, Config, Forwarder, Protocol, Runtime, Sender, Signal, generate, on_each_runtime, wait,
};

on_each_runtime!(brackets_are_read_and_both_families_are_served);

fn brackets_are_read_and_both_families_are_served(runtime: Runtime) {
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        wait::skip_for_machine("IPv6 on the loopback interface");
        return;
    }
    let backend = Backend::start();
    let listening = json!({
        "grpc": { "endpoint": "[::1]:0" },
        "http": { "endpoint": "[::]:0" },
    });
    let inner = Config::to_grpc(backend.address()).set("receivers/otlp/protocols", listening);
    let inner = Forwarder::start(TAILRACE, runtime, &inner);
    assert!(inner.grpc().is_ipv6(), "{}", inner.grpc());
    let outer = Forwarder::start(TAILRACE, runtime, &Config::to_grpc(inner.grpc()));
    let over_v6 = generate::request(Signal::Traces, 1..21);
    Sender::new(Protocol::Grpc, outer.grpc()).send_accepted(&over_v6);
    outer.stop();
    // The wildcard takes IPv4 as well, as Go's listeners do.
    let port = inner.http().port();
    let over_v4 = generate::request(Signal::Logs, 1..11);
    let v4 = SocketAddr::from(([127, 0, 0, 1], port));
    Sender::new(Protocol::HttpJson, v4).send_accepted(&over_v4);
    inner.stop();
    backend.received().assert_exactly(&[over_v6, over_v4]);
}
