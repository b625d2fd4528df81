//! A batch that is too large for the backend is split and sent again; the limit is remembered.

use super::TAILRACE;
use serde_json::json;
use tailrace_tests::{
    Backend, Config, Forwarder, Protocol, Runtime, Sender, Signal, generate, on_each_runtime,
};

on_each_runtime!(over_grpc, over_http);

fn over_grpc(runtime: Runtime) {
    splits_until_it_fits(runtime, Config::to_grpc);
}

fn over_http(runtime: Runtime) {
    splits_until_it_fits(runtime, Config::to_http);
}

fn splits_until_it_fits(runtime: Runtime, config: fn(std::net::SocketAddr) -> Config) {
    let backend = Backend::start();
    backend.script(|script| script.message_bytes_max = Some(100_000));
    let batch = json!({ "send_batch_size": 2000, "timeout": "100ms" });
    let config = config(backend.address()).processor("batch", batch);
    let forwarder = Forwarder::start(TAILRACE, runtime, &config);
    let sender = Sender::new(Protocol::Grpc, forwarder.grpc());
    // About half a megabyte.
    let export = generate::request(Signal::Traces, 1..1001);
    sender.send_accepted(&export);
    backend
        .wait_for_items(1000)
        .assert_exactly(std::slice::from_ref(&export));

    let refused = || {
        let calls = backend.calls();
        calls.iter().filter(|call| !call.answer.accepts()).count()
    };
    let learning = refused();
    assert!(learning > 0, "the limit was never met");
    let again = generate::request(Signal::Traces, 1001..2001);
    sender.send_accepted(&again);
    backend
        .wait_for_items(2000)
        .assert_exactly(&[export, again]);
    let relearning = refused() - learning;
    assert!(
        relearning < learning,
        "{learning} refusals taught nothing: {relearning} more for a second batch of that size"
    );
    forwarder.stop();
}
