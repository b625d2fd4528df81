//! Keys that others leave without effect: each is named, and nothing else is.

use super::{config, warnings, with};
use crate::config::ListenerConfig;

/// The keys that a file's warnings name, each below `above`.
#[track_caller]
fn named(text: &str, above: &str) -> Vec<String> {
    let key = |warning: String| {
        let (path, why) = warning.split_once(": ").expect("a path and why");
        assert!(!why.is_empty());
        let key = path.strip_prefix(above);
        key.unwrap_or_else(|| panic!("{warning}")).to_owned()
    };
    warnings(text).into_iter().map(key).collect()
}

fn listener(server: &str) -> String {
    with("nop: ", "").replace("{grpc: }", server)
}

fn only_listener(server: &str) -> ListenerConfig {
    config(&listener(server)).listeners.remove(0)
}

#[test]
fn of_exporters() {
    for (exporter, keys) in [
        (
            "otlp: {endpoint: 'http://h:1', user_agent: a, headers: {User-Agent: b, content-type: c}}",
            &["headers.content-type", "headers.User-Agent"][..],
        ),
        (
            "otlp: {endpoint: 'http://h:1', headers: {user-agent: b}}",
            &[],
        ),
        (
            "otlp: {endpoint: 'http://h:1', keepalive: {time: 0, timeout: 5s}}",
            &["keepalive.timeout"],
        ),
        (
            "otlp: {endpoint: 'http://h:1', sending_queue: {enabled: false, num_consumers: 3, batch: }}",
            &["sending_queue.num_consumers", "sending_queue.batch"],
        ),
        (
            "otlp: {endpoint: 'http://h:1', retry_on_failure: {enabled: false, max_interval: 1s}}",
            &["retry_on_failure.max_interval"],
        ),
        (
            "otlp: {endpoint: 'http://h:1', retry_on_failure: {initial_interval: 0}}",
            &["retry_on_failure.initial_interval"],
        ),
        (
            "otlphttp: {endpoint: 'http://h:1', headers: {Content-Type: c}, compression: none, \
             compression_params: {level: 7}}",
            &["headers.Content-Type", "compression_params.level"],
        ),
        (
            "otlphttp: {endpoint: 'http://h:1', http2_read_idle_timeout: 20s, http2_ping_timeout: 3s}",
            &["http2_read_idle_timeout", "http2_ping_timeout"],
        ),
        (
            "otlphttp: {endpoint: 'http://h:1', http2_ping_timeout: 3s, tailrace: {http_version: 2}}",
            &["http2_ping_timeout"],
        ),
        (
            "otlphttp: {endpoint: 'http://h:1', http2_read_idle_timeout: 20s, \
             http2_ping_timeout: 3s, tailrace: {http_version: 2}}",
            &[],
        ),
        (
            "otlphttp: {endpoint: 'http://h:1', max_conns_per_host: 7, tailrace: {connections_max: 3}}",
            &["max_conns_per_host"],
        ),
        (
            "otlp: {endpoint: 'http://h:1', retry_on_failure: {jitter: full, randomization_factor: 0.3}}",
            &["retry_on_failure.randomization_factor"],
        ),
        (
            "otlp: {endpoint: 'http://h:1', retry_on_failure: {enabled: false}, \
             tailrace: {retry_budget: {}}}",
            &["tailrace.retry_budget"],
        ),
        (
            "otlp: {endpoint: 'http://h:1', tailrace: {outage_target: 1m, latency_target: 2s}}",
            &["tailrace.outage_target", "tailrace.latency_target"],
        ),
        (
            "otlp: {endpoint: 'http://h:1', sending_queue: {queue_size: auto}, \
             tailrace: {outage_target: 1m}}",
            &[],
        ),
        (
            "otlp: {endpoint: 'http://h:1', sending_queue: {enabled: false, queue_size: auto}, \
             tailrace: {outage_target: 1m}}",
            &["sending_queue.queue_size", "tailrace.outage_target"],
        ),
        (
            "otlp: {endpoint: 'http://h:1', sending_queue: {batch: {flush_timeout: auto}}, \
             tailrace: {latency_target: 2s}}",
            &[],
        ),
        (
            "otlphttp: {tailrace: {load_balancing: {endpoints: ['http://h:1', 'http://i:1'], \
             hash_key: service, hash_balance_factor: 200, failback_after: 3s}}}",
            &[
                "tailrace.load_balancing.hash_key",
                "tailrace.load_balancing.hash_balance_factor",
                "tailrace.load_balancing.failback_after",
            ],
        ),
        (
            "otlphttp: {tailrace: {load_balancing: {policy: consistent_hash, hash_key: service, \
             priority_levels: [['http://h:1'], ['http://i:1']], failback_after: 3s}}}",
            &[],
        ),
        (
            "otlp: {endpoint: 'http://h:1', tailrace: {degradation: {sample_low: 0, \
             sample_low_ratio: 0.2, sample_medium_ratio: 0.3}}}",
            &["tailrace.degradation.sample_low_ratio"],
        ),
        (
            "file: {path: /x, directory_permissions: '0700'}",
            &["directory_permissions"],
        ),
        (
            "file: {path: /x, directory_permissions: '0700', create_directory: true}",
            &[],
        ),
    ] {
        let id = exporter.split(':').next().expect("an id");
        let above = format!("exporters.{id}.");
        assert_eq!(named(&with(exporter, ""), &above), keys, "{exporter}");
    }
}

#[test]
fn of_priorities() {
    for (section, keys) in [
        (
            "{default: low, max_age: 3s, weights: {low: 2}}",
            &["weights", "max_age"][..],
        ),
        ("{max_age: 3s, rules: [{signal: logs, priority: low}]}", &[]),
    ] {
        let tailrace = format!("service: {{tailrace: {{priority: {section}}}, ");
        let text = with("nop: ", "").replace("service: {", &tailrace);
        assert_eq!(
            named(&text, "service.tailrace.priority."),
            keys,
            "{section}"
        );
    }
}

#[test]
fn of_batches_of_profiles() {
    let batch = "otlp: {endpoint: 'http://h:1', sending_queue: {batch: }}";
    let traces = with(batch, "");
    assert_eq!(warnings(&traces), [""; 0]);
    let profiles = warnings(&traces.replace("{traces:", "{profiles:"));
    assert_eq!(
        profiles,
        [
            "exporters.otlp: profiles are sent as they came, whatever batch and \
             sending_queue.batch say: each request has a dictionary of its own"
        ]
    );
}

#[test]
fn of_receivers() {
    for (server, keys) in [
        (
            "{http: {cors: {max_age: 5, exposed_headers: [x], allowed_headers: [y]}}}",
            &[
                "http.cors.allowed_headers",
                "http.cors.exposed_headers",
                "http.cors.max_age",
            ][..],
        ),
        ("{http: {cors: {allowed_origins: ['*'], max_age: 5}}}", &[]),
        (
            "{http: {read_timeout: 5m, write_timeout: 31s}}",
            &["http.read_timeout", "http.write_timeout"],
        ),
        ("{http: {read_timeout: 30s, write_timeout: 0}}", &[]),
        (
            "{grpc: {keepalive: {server_parameters: {max_connection_age_grace: 5s}}}}",
            &["grpc.keepalive.server_parameters.max_connection_age_grace"],
        ),
        (
            "{grpc: {max_concurrent_streams: 10001}}",
            &["grpc.max_concurrent_streams"],
        ),
        ("{grpc: {max_concurrent_streams: 10000}}", &[]),
        (
            "{http: {response_headers: {Content-Type: x, x-a: b}}}",
            &["http.response_headers.Content-Type"],
        ),
    ] {
        let found = named(&listener(server), "receivers.otlp.protocols.");
        assert_eq!(found, keys, "{server}");
    }
}

#[test]
fn of_the_memory_limiter() {
    for (limiter, keys) in [
        (
            "limit_mib: 512, limit_percentage: 50, spike_limit_percentage: 10",
            &["limit_percentage", "spike_limit_percentage"][..],
        ),
        (
            "limit_percentage: 50, spike_limit_mib: 10",
            &["spike_limit_mib"],
        ),
        ("limit_mib: 512, spike_limit_mib: 10", &[]),
        ("limit_percentage: 50, spike_limit_percentage: 10", &[]),
    ] {
        let more = format!("processors: {{memory_limiter: {{check_interval: 1s, {limiter}}}}}");
        let found = named(&with("nop: ", &more), "processors.memory_limiter.");
        assert_eq!(found, keys, "{limiter}");
    }
}

#[test]
fn of_metrics() {
    let pull = |exporter: &str| format!("{{pull: {{exporter: {{{exporter}}}}}}}");
    let both = pull("prometheus: {port: 0}, prometheus/development: {port: 1}");
    let newer = pull("prometheus/development: {port: 1}");
    for (metrics, keys) in [
        ("level: basic".to_owned(), &["level"][..]),
        ("level: detailed".to_owned(), &["level"]),
        ("level: normal".to_owned(), &[]),
        (format!("address: 'h:1', readers: [{newer}]"), &["address"]),
        (
            format!("readers: [{both}]"),
            &["readers.0.pull.exporter.prometheus/development"],
        ),
        (format!("readers: [{newer}, {{}}]"), &["readers.1"]),
        (format!("readers: [{}]", pull("")), &["readers.0"]),
    ] {
        let text = with("nop: ", "").replace(
            "service: {",
            &format!("service: {{telemetry: {{metrics: {{{metrics}}}}}, "),
        );
        let found = named(&text, "service.telemetry.metrics.");
        assert_eq!(found, keys, "{metrics}");
    }
}

#[test]
fn streams_of_one_connection_are_bounded() {
    let streams = |count: u64| {
        let server = format!("{{grpc: {{max_concurrent_streams: {count}}}}}");
        only_listener(&server).streams_max
    };
    assert_eq!(
        [0, 7, 10_000, 4_000_000_000].map(streams),
        [128, 7, 10_000, 10_000]
    );
}
