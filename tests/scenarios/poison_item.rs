//! A batch that a backend refuses because of one item costs that item and no other.

use super::TAILRACE;
use serde_json::json;
use tailrace_tests::{
    Backend, Config, Export, Forwarder, Outcome, Protocol, Runtime, Sender, Signal, generate,
    on_each_runtime,
};

on_each_runtime!(only_the_culprits_are_lost, many_culprits_cost_nobody_else);

fn only_the_culprits_are_lost(runtime: Runtime) {
    let backend = Backend::start();
    let poison = [1, 77, 200];
    backend.script(|script| script.poison.extend(poison));
    let batch = json!({ "send_batch_size": 200, "timeout": "100ms" });
    let config = Config::to_grpc(backend.address()).processor("batch", batch);
    let forwarder = Forwarder::start(TAILRACE, runtime, &config);
    let sent: Vec<Export> = (0..20)
        .map(|n| generate::request(Signal::Traces, 1 + n * 10..11 + n * 10))
        .collect();
    let outcomes = Sender::new(Protocol::Grpc, forwarder.grpc()).send_all(&sent, 20);
    assert!(outcomes.iter().all(Outcome::is_accepted), "{outcomes:?}");
    let received = backend.wait_for_items(197);
    assert_eq!(received.duplicates(), 0);
    let ids = received.ids(Signal::Traces);
    let lost: Vec<u64> = (1..201).filter(|id| !ids.contains(id)).collect();
    assert_eq!(lost, poison);
    forwarder.assert_accounted();
    forwarder.stop();
}

/// One sender's bug, spread evenly through a merged batch of a hundred requests.
fn many_culprits_cost_nobody_else(runtime: Runtime) {
    let backend = Backend::start();
    let poison: Vec<u64> = (0..17).map(|n| 1 + n * 6).collect();
    backend.script(|script| script.poison.extend(poison.iter().copied()));
    let batch = json!({ "send_batch_size": 100, "timeout": "100ms" });
    let config = Config::to_grpc(backend.address()).processor("batch", batch);
    let forwarder = Forwarder::start_with(TAILRACE, runtime, &config, &["--shards", "1"]);
    let sent: Vec<Export> = (1..101)
        .map(|n| generate::request(Signal::Traces, n..n + 1))
        .collect();
    let outcomes = Sender::new(Protocol::Grpc, forwarder.grpc()).send_all(&sent, 100);
    assert!(outcomes.iter().all(Outcome::is_accepted), "{outcomes:?}");
    let received = backend.wait_for_items(100 - 17);
    let ids = received.ids(Signal::Traces);
    let lost: Vec<u64> = (1..101).filter(|id| !ids.contains(id)).collect();
    assert_eq!(lost, poison);
    forwarder.assert_accounted();
    forwarder.stop();
}
