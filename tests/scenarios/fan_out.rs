//! Two exporters behind one receiver: both get everything, and one that is down does not keep the
//! other from getting it.

use super::TAILRACE;
use tailrace_tests::{
    Backend, Config, Export, Forwarder, Outcome, Protocol, Runtime, Sender, Signal, generate,
    on_each_runtime,
};

on_each_runtime!(both_get_everything, one_that_is_down_gets_it_later);

fn requests() -> Vec<Export> {
    let ids = |n: u64| 1 + n * 20..21 + n * 20;
    (0..60u64)
        .map(|n| generate::request(Signal::STABLE[n as usize % 3], ids(n)))
        .collect()
}

fn both_get_everything(runtime: Runtime) {
    let (left, right) = (Backend::start(), Backend::start());
    let config = Config::new()
        .exporter("otlp_grpc/left", Config::grpc_exporter(left.address()))
        .exporter("otlp_http/right", Config::http_exporter(right.address()));
    let forwarder = Forwarder::start(TAILRACE, runtime, &config);
    let sent = requests();
    let outcomes = Sender::new(Protocol::Grpc, forwarder.grpc()).send_all(&sent, 8);
    assert!(outcomes.iter().all(Outcome::is_accepted), "{outcomes:?}");
    left.wait_for_items(1200).assert_exactly(&sent);
    right.wait_for_items(1200).assert_exactly(&sent);
    forwarder.stop();
}

fn one_that_is_down_gets_it_later(runtime: Runtime) {
    let (up, mut down) = (Backend::start(), Backend::start());
    down.kill();
    let config = Config::new()
        .exporter("otlp_grpc/up", Config::grpc_exporter(up.address()))
        .exporter("otlp_grpc/down", Config::grpc_exporter(down.address()));
    let forwarder = Forwarder::start(TAILRACE, runtime, &config);
    let sent = requests();
    let outcomes = Sender::new(Protocol::Grpc, forwarder.grpc()).send_all(&sent, 8);
    assert!(outcomes.iter().all(Outcome::is_accepted), "{outcomes:?}");
    up.wait_for_items(1200).assert_exactly(&sent);
    assert_eq!(down.call_count(), 0);
    down.restart();
    down.wait_for_items(1200).assert_exactly(&sent);
    forwarder.stop();
}
