//! Several backends behind one exporter: all of them work, one that fails is left alone, and one
//! that is gone costs nothing but its share of the work.

use super::TAILRACE;
use serde_json::{Value, json};
use tailrace_tests::backend::Answer;
use tailrace_tests::{
    Backend, Config, Export, Forwarder, Protocol, Runtime, Sender, Signal, generate,
    on_each_runtime, wait,
};
use tonic::Code;

on_each_runtime!(
    batches_are_spread_and_go_round_a_backend_that_is_gone,
    one_that_fails_is_left_alone,
    the_next_level_takes_over_and_gives_back,
    the_spans_of_a_trace_meet_at_one_backend,
);

/// The exporter of `protocol` with these backends, and these keys of `load_balancing`.
fn config(protocol: Protocol, key: &str, backends: Value, more: Value) -> Config {
    let (id, mut body) = match protocol {
        Protocol::Grpc => (
            "otlp_grpc",
            Config::grpc_exporter(([127, 0, 0, 1], 1).into()),
        ),
        _ => (
            "otlp_http",
            Config::http_exporter(([127, 0, 0, 1], 1).into()),
        ),
    };
    body["endpoint"] = Value::Null;
    // A failure shows in the retries at once, and nothing waits for them.
    body["tailrace"]["load_balancing"] = more;
    body["tailrace"]["load_balancing"][key] = backends;
    body["sending_queue"] = json!({ "queue_size": 10_000, "num_consumers": 4 });
    Config::new().exporter(id, body)
}

/// With one shard the numbers are exact: what one knows another has to find out for itself.
fn start(runtime: Runtime, config: &Config) -> Forwarder {
    Forwarder::start_with(TAILRACE, runtime, config, &["--shards", "1"])
}

fn url(backend: &Backend) -> String {
    format!("http://{}", backend.address())
}

fn send(forwarder: &Forwarder, requests: std::ops::Range<u64>) -> Vec<Export> {
    let sender = Sender::new(Protocol::Grpc, forwarder.grpc());
    let exports =
        requests.map(|request| generate::request(Signal::Logs, request * 10..request * 10 + 10));
    let exports: Vec<_> = exports.collect();
    for export in &exports {
        sender.send_accepted(export);
    }
    exports
}

/// Whether all of it arrived, somewhere.
fn wait_for_all(backends: &[&Backend], sent: &[Export]) {
    let items: usize = sent.len() * 10;
    wait::until_true("everything arrives", || {
        let ids = backends
            .iter()
            .map(|backend| backend.received().ids(Signal::Logs));
        let ids: std::collections::BTreeSet<u64> = ids.flatten().collect();
        ids.len() == items
    });
}

fn batches_are_spread_and_go_round_a_backend_that_is_gone(runtime: Runtime) {
    for protocol in [Protocol::Grpc, Protocol::HttpProtobuf] {
        let mut backends = [Backend::start(), Backend::start(), Backend::start()];
        let urls = json!(backends.each_ref().map(url));
        let config = config(
            protocol,
            "endpoints",
            urls,
            json!({ "policy": "round_robin" }),
        );
        let forwarder = start(runtime, &config);
        let mut sent = send(&forwarder, 1..61);
        wait_for_all(&backends.each_ref(), &sent);
        for backend in &backends {
            assert!(backend.call_count() > 0, "each has some of it");
        }
        backends[1].kill();
        sent.extend(send(&forwarder, 61..121));
        wait_for_all(&backends.each_ref(), &sent);
        let gone = format!("endpoint=\"{}\"", url(&backends[1]));
        let labels = ["data_type=\"logs\"", gone.as_str()];
        forwarder.wait_for_metric("otelcol_exporter_endpoint_ejected", &labels, 1.0);
        forwarder.assert_accounted();
        backends[1].restart();
        let before = backends[1].call_count();
        let mut next = 121;
        wait::until_true("it has its share again", || {
            sent.extend(send(&forwarder, next..next + 1));
            next += 1;
            backends[1].call_count() > before + 3
        });
        wait_for_all(&backends.each_ref(), &sent);
        forwarder.stop();
    }
}

fn one_that_fails_is_left_alone(runtime: Runtime) {
    let backends = [Backend::start(), Backend::start(), Backend::start()];
    backends[2].script(|script| script.otherwise = Answer::grpc(Code::Unavailable));
    let urls = json!(backends.each_ref().map(url));
    let outliers = json!({ "outlier_detection": { "consecutive_failures": 3 } });
    let config = config(Protocol::Grpc, "endpoints", urls, outliers);
    let forwarder = start(runtime, &config);
    let sent = send(&forwarder, 1..61);
    wait_for_all(&[&backends[0], &backends[1]], &sent);
    let failing = format!("endpoint=\"{}\"", url(&backends[2]));
    let labels = ["data_type=\"logs\"", failing.as_str()];
    forwarder.wait_for_metric("otelcol_exporter_endpoint_ejected", &labels, 1.0);
    // Four are on their way at once at most, beside the three that put it out.
    assert!(
        backends[2].call_count() <= 3 + 4,
        "{}",
        backends[2].call_count()
    );
    forwarder.assert_accounted();
    let log = forwarder.stop();
    let line = format!(
        "the endpoint {} is left alone: 3 failures in a row",
        url(&backends[2])
    );
    assert!(log.contains(&line), "{log}");
}

fn the_next_level_takes_over_and_gives_back(runtime: Runtime) {
    let mut first = Backend::start();
    let second = Backend::start();
    let levels = json!([[url(&first)], [url(&second)]]);
    let soon = json!({ "failback_after": "200ms" });
    let config = config(Protocol::Grpc, "priority_levels", levels, soon);
    let forwarder = start(runtime, &config);
    let mut sent = send(&forwarder, 1..11);
    wait_for_all(&[&first], &sent);
    assert_eq!(second.call_count(), 0, "it has nothing to stand in for");
    first.kill();
    sent.extend(send(&forwarder, 11..21));
    wait_for_all(&[&first, &second], &sent);
    first.restart();
    let in_use = format!("endpoint=\"{}\"", url(&first));
    let labels = ["data_type=\"logs\"", in_use.as_str(), "level=\"0\""];
    let mut next = 21;
    wait::until_true("the first is in use again", || {
        sent.extend(send(&forwarder, next..next + 1));
        next += 1;
        forwarder.metric("otelcol_exporter_endpoint_level_in_use", &labels) == Some(1.0)
    });
    wait_for_all(&[&first, &second], &sent);
    let calls = second.call_count();
    sent.extend(send(&forwarder, next..next + 10));
    wait_for_all(&[&first, &second], &sent);
    assert_eq!(second.call_count(), calls);
    let log = forwarder.stop();
    for line in [
        "no endpoint of priority level 0 is left: level 1 takes over",
        "priority level 0 has lasted: back from level 1",
    ] {
        assert_eq!(log.matches(line).count(), 1, "{line:?} in\n{log}");
    }
}

/// As the generator has it: four spans of each.
const fn trace(id: u64) -> u64 {
    id / 4
}

fn the_spans_of_a_trace_meet_at_one_backend(runtime: Runtime) {
    let mut backends = [Backend::start(), Backend::start(), Backend::start()];
    let urls = json!(backends.each_ref().map(url));
    let hashed = json!({ "policy": "consistent_hash", "hash_balance_factor": 0 });
    let mut config = config(Protocol::Grpc, "endpoints", urls, hashed);
    let batch = json!({ "min_size": 40, "flush_timeout": "20ms" });
    config = config.set("exporters/otlp_grpc/sending_queue/batch", batch);
    let forwarder = start(runtime, &config);
    let sender = Sender::new(Protocol::Grpc, forwarder.grpc());
    let owners = |backends: &[Backend; 3]| {
        let mut owners = std::collections::BTreeMap::new();
        for (index, backend) in backends.iter().enumerate() {
            for id in backend.received().ids(Signal::Traces) {
                let owner = *owners.entry(trace(id)).or_insert(index);
                assert_eq!(owner, index, "trace {} is at two backends", trace(id));
            }
        }
        owners
    };
    let arrived = |backends: &[Backend; 3]| {
        let ids = backends
            .iter()
            .map(|backend| backend.received().ids(Signal::Traces).len());
        ids.sum::<usize>()
    };
    // Cut across the traces: two thirds of the requests hold a part of one.
    for first in (0..600).step_by(10) {
        sender.send_accepted(&generate::request(Signal::Traces, first..first + 10));
    }
    wait::until_true("everything arrives", || arrived(&backends) == 600);
    let before = owners(&backends);
    for backend in &backends {
        assert!(backend.call_count() > 0, "each has some of it");
    }
    forwarder.assert_accounted();
    backends[1].kill();
    for first in (600..1200).step_by(10) {
        sender.send_accepted(&generate::request(Signal::Traces, first..first + 10));
    }
    wait::until_true("everything arrives", || arrived(&backends) == 1200);
    let after = owners(&backends);
    assert!(
        before
            .iter()
            .all(|(trace, owner)| after.get(trace) == Some(owner))
    );
    forwarder.stop();
}
