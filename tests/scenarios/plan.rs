//! `tailrace plan`: sizes with their reasons, a picture, and a configuration that is valid.

use super::TAILRACE;
use serde_json::{Value, json};
use std::process::Command;
use tailrace_tests::forwarder::{Ended, end_of_command, get, run_to_end};
use tailrace_tests::{Backend, Config, Forwarder, Protocol, Runtime, Sender, Signal, generate};

const EXAMPLE: &str =
    "--rate 200k/s --item-bytes 360 --rtt 80ms --rtt-cv 1.2 --outage 30m --loss 1e-6";

fn plan(flags: &str) -> Ended {
    let mut command = Command::new(TAILRACE);
    command.arg("plan").args(flags.split_whitespace());
    end_of_command(command)
}

#[test]
fn each_size_comes_with_its_key_and_its_reason() {
    let ended = plan(EXAMPLE);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for words in [
        "sending_queue.num_consumers",
        "320.0/s x 80 ms = 25.60 under way",
        "tailrace.connections_max",
        "72 MB/s x 30 min = 129.6 GB",
        "p99.9",
        "<- planned",
    ] {
        assert!(ended.stdout.contains(words), "{words}: {}", ended.stdout);
    }
}

#[test]
fn what_is_emitted_is_valid_whatever_the_load() {
    for flags in [
        EXAMPLE,
        "--rate 5/s --rtt 2s --outage 0s",
        "--rate 20M/s --rtt 300ms --request-items 1 --memory 64MiB --latency 50ms",
        "--rate 1000/s --item-bytes 1MiB --rtt 1ms --rtt-cv 0 --packet-loss 0.01",
    ] {
        let emitted = plan(&format!("{flags} --emit-config"));
        assert_eq!(emitted.code, Some(0), "{emitted:?}");
        // How many threads and how much memory the machine of the test has is not the plan's.
        let validated = run_to_end(TAILRACE, &["validate"], &emitted.stdout);
        assert_eq!(validated.code, Some(0), "{validated:?}\n{}", emitted.stdout);
    }
}

#[test]
fn json_has_the_same_and_the_curve() {
    let ended = plan(&format!("{EXAMPLE} --json"));
    let json: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let decisions = json["decisions"].as_array().expect("a list");
    let of = |what: &str| decisions.iter().find(|decision| decision["what"] == what);
    assert_eq!(of("batch").expect("a batch")["value"], 625.0);
    assert!(json["forecast"]["blocking_probability"].as_f64() <= Some(1e-6));
    assert!(json["curve"].as_array().expect("a list").len() > 20);
}

#[test]
fn a_picture_is_written_and_one_that_cannot_be_is_said() {
    let path = std::env::temp_dir().join(format!("tailrace-plan-{}.svg", std::process::id()));
    let ended = plan(&format!("{EXAMPLE} --plot {}", path.display()));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let svg = std::fs::read_to_string(&path).expect("the picture");
    std::fs::remove_file(&path).expect("its end");
    assert!(svg.starts_with("<svg") && svg.ends_with("</svg>"));
    let ended = plan(&format!("{EXAMPLE} --plot /nowhere/at/all.svg"));
    assert_eq!(ended.code, Some(71));
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
}

#[test]
fn an_exporter_that_sizes_itself_says_why() {
    let backend = Backend::start();
    let config = Config::to_grpc(backend.address())
        .set(
            "exporters/otlp_grpc/sending_queue/num_consumers",
            json!("auto"),
        )
        .set(
            "exporters/otlp_grpc/sending_queue/queue_size",
            json!("auto"),
        );
    let forwarder = Forwarder::start(TAILRACE, Runtime::Epoll, &config);
    let sender = Sender::new(Protocol::Grpc, forwarder.grpc());
    sender.send_accepted(&generate::request(Signal::Traces, 1..11));
    backend.wait_for_items(10);
    let page = |path| get(forwarder.address("metrics", "http"), path).expect("an answer");
    let (status, text) = page("/debug/sizing");
    assert_eq!(status, 200, "{text}");
    for words in [
        "otlp_grpc traces shard 0: num_consumers = 5 batches at once",
        "otlp_grpc logs shard 1: queue_size",
        "as it starts",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let consumers = ["key=\"num_consumers\"", "data_type=\"traces\""];
    // Ten, divided among the two shards.
    forwarder.wait_for_metric("otelcol_exporter_auto_size", &consumers, 10.0);
    forwarder.wait_for_metric(
        "otelcol_exporter_consumers",
        &["data_type=\"traces\""],
        10.0,
    );
    assert_eq!(page("/debug/else").0, 404);
}

#[test]
fn wrong_flags_are_named() {
    for (flags, word) in [
        ("--rate 200k --rtt 80ms", "--rate"),
        ("--rate 200k/s --rtt 0s", "--rtt"),
        ("--rate 200k/s --rtt 80ms --loss 0", "--loss"),
        ("--rate 200k/s --rtt 80ms --memory much", "--memory"),
        ("--rate 200k/s", "--rtt"),
    ] {
        let ended = plan(flags);
        assert_eq!(ended.code, Some(2), "{flags}");
        assert!(ended.stderr.contains(word), "{}", ended.stderr);
    }
}

#[test]
fn a_running_engine_says_what_arrives() {
    let backend = Backend::start();
    let config = Config::to_grpc(backend.address());
    let forwarder = Forwarder::start(TAILRACE, Runtime::Epoll, &config);
    let url = format!("http://{}/metrics", forwarder.address("metrics", "http"));
    let idle = plan(&format!("--from-metrics {url}"));
    assert_eq!(idle.code, Some(65), "{idle:?}");
    assert!(idle.stderr.contains("nothing came of late"), "{idle:?}");

    let sender = Sender::new(Protocol::Grpc, forwarder.grpc());
    for request in 0..10 {
        sender.send_accepted(&generate::request(
            Signal::Logs,
            10 * request + 1..10 * request + 11,
        ));
    }
    backend.wait_for_items(100);
    forwarder.wait_for_metric("otelcol_exporter_sent_log_records", &[], 100.0);
    let ended = plan(&format!("--from-metrics {url} --outage 10s --json"));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let json: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!(json["running"]["signal"], "logs");
    let compared = &json["running"]["compared"]["time_inside"];
    assert!(compared["measured"].as_f64() > Some(0.0), "{compared}");
    assert!(compared["expected"].as_f64() > Some(0.0), "{compared}");
    let ended = plan(&format!("--from-metrics {url} --rtt 80ms"));
    for words in [
        "otlp_grpc (logs)",
        "10 a request, round trip 80ms",
        "num_consumers",
    ] {
        assert!(ended.stdout.contains(words), "{words}: {}", ended.stdout);
    }

    let wrong = plan(&format!("--from-metrics {url} --exporter kafka"));
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
    assert!(wrong.stderr.contains("otlp_grpc (logs)"), "{wrong:?}");
    drop(forwarder);
    assert_eq!(plan(&format!("--from-metrics {url}")).code, Some(69));
}
