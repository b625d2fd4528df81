//! An exporter that hangs and drops what its queue cannot hold: the other exporter gets everything,
//! no sender is refused, and what was dropped is counted.

use super::TAILRACE;
use serde_json::json;
use tailrace_tests::{
    Backend, Config, Export, Forwarder, Protocol, Runtime, Sender, Signal, generate,
    on_each_runtime,
};

on_each_runtime!(the_newest_goes, the_oldest_goes);

fn the_newest_goes(runtime: Runtime) {
    let (hung, sent) = isolates(runtime, "drop_newest");
    // Two on their way and eight waiting, the first that came.
    hung.wait_for_items(100).assert_exactly(&sent[..10]);
}

fn the_oldest_goes(runtime: Runtime) {
    let (hung, sent) = isolates(runtime, "drop_oldest");
    let (first, last) = (&sent[..2], &sent[sent.len() - 8..]);
    hung.wait_for_items(100)
        .assert_exactly(&[first, last].concat());
}

/// Sends a hundred requests past an exporter that answers none of them. The backend behind it, and
/// what was sent.
fn isolates(runtime: Runtime, overflow: &str) -> (Backend, Vec<Export>) {
    let (hung, sound) = (Backend::start(), Backend::start());
    hung.hold();
    let queue = json!({ "queue_size": 10, "num_consumers": 2, "overflow": overflow });
    let mut hanging = Config::grpc_exporter(hung.address());
    hanging["sending_queue"] = queue;
    let config = Config::new()
        .exporter("otlp_grpc/hung", hanging)
        .exporter("otlp_grpc/sound", Config::grpc_exporter(sound.address()));
    // One shard: its share of the queue is the queue.
    let forwarder = Forwarder::start_with(TAILRACE, runtime, &config, &["--shards", "1"]);
    let sender = Sender::new(Protocol::Grpc, forwarder.grpc());
    let sent: Vec<Export> = (0..100)
        .map(|n| generate::request(Signal::Traces, 1 + n * 10..11 + n * 10))
        .collect();
    for (n, export) in sent.iter().enumerate() {
        sender.send_accepted(export);
        if n == 1 {
            // They are on their way before the queue is full, and so cannot be dropped.
            hung.wait_for_calls(2);
        }
    }
    sound.wait_for_items(1000).assert_exactly(&sent);
    let labels = ["exporter=\"otlp_grpc/hung\"", "reason=\"overflow\""];
    forwarder.wait_for_metric("otelcol_exporter_dropped_spans", &labels, 900.0);
    hung.release();
    hung.wait_for_items(100);
    forwarder.assert_accounted();
    forwarder.stop();
    (hung, sent)
}
