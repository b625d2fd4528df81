//! SIGTERM: what was accepted is delivered before the process ends; what cannot be is said.

use super::TAILRACE;
use serde_json::json;
use tailrace_tests::{
    Backend, Config, Export, Forwarder, Outcome, Protocol, Runtime, Sender, Signal, generate,
    on_each_runtime, wait,
};

on_each_runtime!(
    what_waits_is_delivered,
    an_open_batch_is_delivered,
    a_second_signal_ends_at_once,
);

fn requests() -> Vec<Export> {
    (0..50)
        .map(|n| generate::request(Signal::Traces, 1 + n * 10..11 + n * 10))
        .collect()
}

fn what_waits_is_delivered(runtime: Runtime) {
    let backend = Backend::start();
    backend.hold();
    let mut forwarder = Forwarder::start(TAILRACE, runtime, &Config::to_grpc(backend.address()));
    let sent = requests();
    let outcomes = Sender::new(Protocol::Grpc, forwarder.grpc()).send_all(&sent, 8);
    assert!(outcomes.iter().all(Outcome::is_accepted), "{outcomes:?}");
    let health = forwarder.address("health_check", "http");
    forwarder.terminate();
    wait::until_true("the health check to say no", || {
        tailrace_tests::forwarder::get(health, "/").is_none_or(|(status, _)| status == 503)
    });
    assert!(forwarder.is_running(), "it ended with answers outstanding");
    backend.release();
    let status = forwarder.wait();
    assert!(status.success(), "{status}: {}", forwarder.log());
    backend.received().assert_exactly(&sent);
}

fn an_open_batch_is_delivered(runtime: Runtime) {
    let backend = Backend::start();
    // Neither the size nor the age will ever seal it.
    let batch = json!({ "send_batch_size": 1_000_000, "timeout": "1h" });
    let config = Config::to_grpc(backend.address()).processor("batch", batch);
    let forwarder = Forwarder::start(TAILRACE, runtime, &config);
    let sent = requests();
    let outcomes = Sender::new(Protocol::Grpc, forwarder.grpc()).send_all(&sent, 8);
    assert!(outcomes.iter().all(Outcome::is_accepted), "{outcomes:?}");
    assert_eq!(backend.call_count(), 0);
    forwarder.stop();
    backend.received().assert_exactly(&sent);
}

fn a_second_signal_ends_at_once(runtime: Runtime) {
    let backend = Backend::start();
    backend.hold();
    let mut forwarder = Forwarder::start(TAILRACE, runtime, &Config::to_grpc(backend.address()));
    let sender = Sender::new(Protocol::Grpc, forwarder.grpc());
    sender.send_accepted(&generate::request(Signal::Traces, 1..11));
    backend.wait_for_calls(1);
    let health = forwarder.address("health_check", "http");
    forwarder.terminate();
    wait::until_true("the health check to say no", || {
        tailrace_tests::forwarder::get(health, "/").is_none_or(|(status, _)| status == 503)
    });
    forwarder.terminate();
    let status = forwarder.wait();
    assert!(
        !status.success(),
        "leaving with items undelivered is not a success"
    );
}
