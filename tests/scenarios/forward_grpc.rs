//! gRPC in, gRPC out: every item of every signal arrives as it was sent, once.

use super::TAILRACE;
use serde_json::json;
use tailrace_tests::{
    Backend, Config, Export, Forwarder, Outcome, Protocol, Runtime, Sender, Signal, generate,
    on_each_runtime,
};

on_each_runtime!(
    passes_every_signal_through,
    batches_without_losing_an_item,
    compresses_towards_the_backend,
    refuses_what_is_not_otlp,
);

fn passes_every_signal_through(runtime: Runtime) {
    let backend = Backend::start();
    let config = Config::to_grpc(backend.address());
    let forwarder = Forwarder::start(TAILRACE, runtime, &config);
    let mut sent = Vec::new();
    for (signal, gzip) in Signal::STABLE.into_iter().zip([false, true, false]) {
        let sender = Sender::new(Protocol::Grpc, forwarder.grpc());
        let sender = if gzip { sender.gzip() } else { sender };
        let export = generate::request(signal, 1..101);
        sender.send_accepted(&export);
        sent.push(export);
    }
    backend.wait_for_items(300).assert_exactly(&sent);
    forwarder.stop();
}

fn batches_without_losing_an_item(runtime: Runtime) {
    let backend = Backend::start();
    let batch = json!({ "send_batch_size": 500, "send_batch_max_size": 700, "timeout": "50ms" });
    let config = Config::to_grpc(backend.address()).processor("batch", batch);
    let forwarder = Forwarder::start(TAILRACE, runtime, &config);
    let sent: Vec<Export> = (0..200)
        .map(|n| generate::request(Signal::Traces, 1 + n * 10..11 + n * 10))
        .collect();
    let sender = Sender::new(Protocol::Grpc, forwarder.grpc());
    let outcomes = sender.send_all(&sent, 64);
    assert!(outcomes.iter().all(Outcome::is_accepted), "{outcomes:?}");
    backend.wait_for_items(2000).assert_exactly(&sent);
    let calls = backend.calls();
    assert!(calls.len() < 100, "{} calls for 200 requests", calls.len());
    assert!(calls.iter().all(|call| call.export.items().len() <= 700));
    forwarder.stop();
}

fn compresses_towards_the_backend(runtime: Runtime) {
    for compression in ["gzip", "zstd", "none"] {
        let backend = Backend::start();
        let config = Config::to_grpc(backend.address())
            .set("exporters/otlp_grpc/compression", json!(compression))
            .set(
                "exporters/otlp_grpc/headers",
                json!({ "x-test": "a value" }),
            );
        let forwarder = Forwarder::start(TAILRACE, runtime, &config);
        let export = generate::request(Signal::Logs, 1..501);
        Sender::new(Protocol::Grpc, forwarder.grpc()).send_accepted(&export);
        backend.wait_for_items(500).assert_exactly(&[export]);
        for call in backend.calls() {
            let encoding = call.header("grpc-encoding");
            match compression {
                "none" => assert!(matches!(encoding, "" | "identity"), "{encoding}"),
                _ => assert_eq!(encoding, compression),
            }
            assert_eq!(call.header("x-test"), "a value");
        }
        forwarder.stop();
    }
}

fn refuses_what_is_not_otlp(runtime: Runtime) {
    let backend = Backend::start();
    let config = Config::to_grpc(backend.address());
    let forwarder = Forwarder::start(TAILRACE, runtime, &config);
    // The service exists; no pipeline takes its signal.
    let sender = Sender::new(Protocol::Grpc, forwarder.grpc());
    match sender.send(&generate::request(Signal::Profiles, 1..2)) {
        Outcome::Grpc { code, .. } => assert_eq!(code, tonic::Code::Unimplemented),
        other => panic!("profiles have no pipeline, and got {other:?}"),
    }
    assert_eq!(backend.call_count(), 0);
    forwarder.stop();
}
