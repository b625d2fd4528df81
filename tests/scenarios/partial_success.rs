//! Partial success is success: counted as rejected, never sent again.

use super::TAILRACE;
use tailrace_tests::backend::Answer;
use tailrace_tests::{
    Backend, Config, Forwarder, Protocol, Runtime, Sender, Signal, generate, on_each_runtime,
};

on_each_runtime!(over_grpc, over_http);

fn over_grpc(runtime: Runtime) {
    rejected_is_not_resent(runtime, Config::to_grpc);
}

fn over_http(runtime: Runtime) {
    rejected_is_not_resent(runtime, Config::to_http);
}

fn rejected_is_not_resent(runtime: Runtime, config: fn(std::net::SocketAddr) -> Config) {
    let backend = Backend::start();
    backend.script(|script| {
        script.next.push_back(Answer::Partial {
            rejected: 3,
            message: "three are too old".to_owned(),
        });
    });
    let forwarder = Forwarder::start(TAILRACE, runtime, &config(backend.address()));
    let sender = Sender::new(Protocol::Grpc, forwarder.grpc());
    let (first, second) = (
        generate::request(Signal::Traces, 1..11),
        generate::request(Signal::Traces, 11..21),
    );
    sender.send_accepted(&first);
    backend.wait_for_calls(1);
    sender.send_accepted(&second);
    backend.wait_for_items(20);
    forwarder.wait_for_metric("otelcol_exporter_rejected_spans", &[], 3.0);
    forwarder.assert_accounted();
    forwarder.stop();
    assert_eq!(backend.call_count(), 2);
    backend.received().assert_exactly(&[first, second]);
}
