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
    a_hangup_is_said_and_changes_nothing,
    what_another_shard_sends_is_delivered,
    what_cannot_be_delivered_is_said,
    who_waits_for_delivery_is_told_at_the_end,
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
    let http = forwarder.http();
    wait::until_true("a new connection to be closed", || {
        tailrace_tests::forwarder::get(http, "/v1/traces").is_none()
    });
    assert!(forwarder.is_running(), "it ended with answers outstanding");
    backend.release();
    let status = forwarder.wait();
    assert!(status.success(), "{status}: {}", forwarder.log());
    backend.received().assert_exactly(&sent);
}

/// With one consumer one shard sends for both: the other may not end before it has its verdicts,
/// nor the first before the other's batches came.
fn what_another_shard_sends_is_delivered(runtime: Runtime) {
    let backend = Backend::start();
    backend.hold();
    let queue = json!({ "num_consumers": 1, "queue_size": 1000 });
    let config = Config::to_grpc(backend.address()).set("exporters/otlp_grpc/sending_queue", queue);
    let mut forwarder = Forwarder::start(TAILRACE, runtime, &config);
    let sent = requests();
    let outcomes = Sender::new(Protocol::Grpc, forwarder.grpc()).send_all(&sent, 16);
    assert!(outcomes.iter().all(Outcome::is_accepted), "{outcomes:?}");
    forwarder.terminate();
    let health = forwarder.address("health_check", "http");
    wait::until_true("the health check to say no", || {
        tailrace_tests::forwarder::get(health, "/").is_none_or(|(status, _)| status == 503)
    });
    backend.release();
    let status = forwarder.wait();
    assert!(status.success(), "{status}: {}", forwarder.log());
    backend.received().assert_exactly(&sent);
}

fn what_cannot_be_delivered_is_said(runtime: Runtime) {
    let mut backend = Backend::start();
    let config =
        Config::to_grpc(backend.address()).set("service/tailrace/shutdown_timeout", json!("1ms"));
    let mut forwarder = Forwarder::start(TAILRACE, runtime, &config);
    backend.kill();
    let sender = Sender::new(Protocol::Grpc, forwarder.grpc());
    sender.send_accepted(&generate::request(Signal::Traces, 1..11));
    sender.send_accepted(&generate::request(Signal::Logs, 1..21));
    forwarder.terminate();
    let status = forwarder.wait();
    let log = forwarder.log();
    assert_eq!(status.code(), Some(75), "{log}");
    assert!(log.contains("30 items were accepted"), "{log}");
    for (signal, items) in [("traces", 10), ("logs", 20)] {
        let line = log
            .lines()
            .find(|line| line.contains("not delivered in time") && line.contains(signal));
        let line = line.unwrap_or_else(|| panic!("no line about {signal}: {log}"));
        assert!(line.contains(&format!("items={items}")), "{line}");
        assert!(line.contains("otlp_grpc"), "{line}");
    }
}

fn who_waits_for_delivery_is_told_at_the_end(runtime: Runtime) {
    let backend = Backend::start();
    backend.hold();
    let config = Config::to_grpc(backend.address())
        .set("service/tailrace/shutdown_timeout", json!("1ms"))
        .set(
            "exporters/otlp_grpc/sending_queue",
            json!({ "wait_for_result": true }),
        );
    let mut forwarder = Forwarder::start(TAILRACE, runtime, &config);
    let sender = Sender::new(Protocol::Grpc, forwarder.grpc());
    let outcome = std::thread::scope(|scope| {
        let sent = scope.spawn(|| sender.send(&generate::request(Signal::Traces, 1..11)));
        backend.wait_for_calls(1);
        forwarder.terminate();
        sent.join().expect("the sender")
    });
    assert!(outcome.is_retryable(), "{outcome:?}");
    assert_eq!(forwarder.wait().code(), Some(75), "{}", forwarder.log());
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
    assert_eq!(forwarder.wait().code(), Some(130), "{}", forwarder.log());
}

/// Supervisors and terminals send it; there is no reloading yet, and nothing else to do about it.
fn a_hangup_is_said_and_changes_nothing(runtime: Runtime) {
    let backend = Backend::start();
    let mut forwarder = Forwarder::start(TAILRACE, runtime, &Config::to_grpc(backend.address()));
    for _ in 0..2 {
        forwarder.hang_up();
    }
    wait::until_true("the signal to be logged", || {
        forwarder.log().contains("SIGHUP is reserved for reloading")
    });
    assert!(forwarder.is_running());
    assert_eq!(forwarder.health().expect("an answer").0, 200);
    let sender = Sender::new(Protocol::Grpc, forwarder.grpc());
    let sent = generate::request(Signal::Traces, 1..11);
    sender.send_accepted(&sent);
    forwarder.stop();
    backend.received().assert_exactly(&[sent]);
}
