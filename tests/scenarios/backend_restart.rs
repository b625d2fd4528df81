//! A backend that is killed and restarted under load loses nothing that was accepted.

use super::TAILRACE;
use serde_json::{Value, json};
use tailrace_tests::{
    Backend, Config, Forwarder, Load, Protocol, Runtime, Signal, on_each_runtime, wait,
};

on_each_runtime!(
    grpc_loses_nothing,
    http_loses_nothing,
    batched_loses_nothing
);

fn grpc_loses_nothing(runtime: Runtime) {
    let config = |backend: &Backend| roomy(Config::to_grpc(backend.address()), "otlp_grpc");
    survives_restarts(runtime, config, None);
}

fn http_loses_nothing(runtime: Runtime) {
    let config = |backend: &Backend| roomy(Config::to_http(backend.address()), "otlp_http");
    survives_restarts(runtime, config, None);
}

fn batched_loses_nothing(runtime: Runtime) {
    let config = |backend: &Backend| roomy(Config::to_grpc(backend.address()), "otlp_grpc");
    let batch = json!({ "send_batch_size": 200, "timeout": "10ms" });
    survives_restarts(runtime, config, Some(batch));
}

/// With a queue that the load cannot fill while the backend is away: a full one refuses, and the
/// load would wait for acceptance that only the backend's return could bring.
fn roomy(config: Config, exporter: &str) -> Config {
    let queue = json!({ "queue_size": 1_000_000 });
    config.set(&format!("exporters/{exporter}/sending_queue"), queue)
}

fn survives_restarts(runtime: Runtime, config: impl Fn(&Backend) -> Config, batch: Option<Value>) {
    let mut backend = Backend::start();
    let mut config = config(&backend);
    if let Some(batch) = batch {
        config = config.processor("batch", batch);
    }
    let forwarder = Forwarder::start(TAILRACE, runtime, &config);
    let load = Load::start(Protocol::Grpc, forwarder.grpc(), Signal::Traces, 4, 10);
    for _ in 0..3 {
        load.wait_for_more(300);
        backend.kill();
        // Accepted while nobody takes it: the queue holds it.
        load.wait_for_more(200);
        let before = backend.connections();
        backend.restart();
        wait::until_true("the backend to be connected to again", || {
            backend.connections() > before
        });
    }
    load.wait_for_more(100);
    let acknowledged = load.stop();
    // SIGTERM drains; after it everything accepted has arrived. What the backend took just before
    // a kill and could not acknowledge may come twice.
    forwarder.stop();
    backend.received().assert_contains(&acknowledged);
    assert!(
        backend.connections() > 3,
        "the backend was connected to again"
    );
}
