//! What may be retried is, and not before the backend's own delay has passed; what may not is not.

use super::TAILRACE;
use std::time::Duration;
use tailrace_tests::backend::Answer;
use tailrace_tests::{
    Backend, Config, Forwarder, Protocol, Runtime, Sender, Signal, generate, on_each_runtime,
};
use tonic::Code;

on_each_runtime!(
    grpc_waits_for_retry_info,
    http_waits_for_retry_after,
    a_pause_holds_for_all_requests,
    what_is_refused_for_good_is_not_sent_again,
);

const DELAY: Duration = Duration::from_secs(1);

fn grpc_waits_for_retry_info(runtime: Runtime) {
    let answers = [Code::Unavailable, Code::ResourceExhausted].map(|code| Answer::Grpc {
        code,
        message: "later".to_owned(),
        retry_after: Some(DELAY),
    });
    for answer in answers {
        retries_after_the_delay(runtime, Config::to_grpc, answer);
    }
}

fn http_waits_for_retry_after(runtime: Runtime) {
    let answers = [429, 503].map(|status| Answer::Http {
        status,
        retry_after: Some("1".to_owned()),
    });
    for answer in answers {
        retries_after_the_delay(runtime, Config::to_http, answer);
    }
}

fn retries_after_the_delay(
    runtime: Runtime,
    config: fn(std::net::SocketAddr) -> Config,
    answer: Answer,
) {
    let backend = Backend::start();
    backend.script(|script| script.next.push_back(answer.clone()));
    let forwarder = Forwarder::start(TAILRACE, runtime, &config(backend.address()));
    let export = generate::request(Signal::Logs, 1..11);
    Sender::new(Protocol::Grpc, forwarder.grpc()).send_accepted(&export);
    backend.wait_for_items(10).assert_exactly(&[export]);
    let calls = backend.calls();
    assert_eq!(calls.len(), 2, "one refusal, one success");
    // The configured backoff starts at 20 ms: a wait this long is the backend's wish.
    let waited = calls[1].at - calls[0].at;
    assert!(waited >= DELAY, "{answer:?} was retried after {waited:?}");
    forwarder.stop();
}

fn a_pause_holds_for_all_requests(runtime: Runtime) {
    let backend = Backend::start();
    let busy = Answer::Http {
        status: 429,
        retry_after: Some("1".to_owned()),
    };
    backend.script(|script| script.next.push_back(busy));
    let forwarder = Forwarder::start(TAILRACE, runtime, &Config::to_http(backend.address()));
    let sender = Sender::new(Protocol::Grpc, forwarder.grpc());
    let exports: Vec<_> = (0..6)
        .map(|index| generate::request(Signal::Logs, 1 + 10 * index..11 + 10 * index))
        .collect();
    sender.send_accepted(&exports[0]);
    backend.wait_for_calls(1);
    let labels = ["exporter=\"otlp_http\"", "data_type=\"logs\""];
    forwarder.wait_for_metric("otelcol_exporter_throttled", &labels, 1.0);
    for export in &exports[1..] {
        sender.send_accepted(export);
    }
    backend.wait_for_items(60).assert_exactly(&exports);
    let calls = backend.calls();
    assert_eq!(calls.len(), 7, "one refusal, six successes");
    let waited = calls[1].at - calls[0].at;
    assert!(waited >= DELAY, "another request came after {waited:?}");
    forwarder.stop();
}

fn what_is_refused_for_good_is_not_sent_again(runtime: Runtime) {
    for code in [
        Code::InvalidArgument,
        Code::PermissionDenied,
        Code::ResourceExhausted,
    ] {
        let backend = Backend::start();
        backend.script(|script| script.next.push_back(Answer::grpc(code)));
        let forwarder = Forwarder::start(TAILRACE, runtime, &Config::to_grpc(backend.address()));
        let sender = Sender::new(Protocol::Grpc, forwarder.grpc());
        // One item: nothing of it can be saved by cutting it up.
        sender.send_accepted(&generate::request(Signal::Logs, 1..2));
        backend.wait_for_calls(1);
        let next = generate::request(Signal::Logs, 2..12);
        sender.send_accepted(&next);
        backend.wait_for_items(10).assert_exactly(&[next]);
        forwarder.assert_accounted();
        forwarder.stop();
        assert_eq!(backend.call_count(), 2, "{code:?} was retried");
    }
}
