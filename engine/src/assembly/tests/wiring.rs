//! Each key that reaches a connection, a request or a file: one row a key, and each value is one
//! that nothing else has, so that a key that is dropped, or lands in another's place, fails.

use super::{LIMITS, network};
use crate::assembly::{Assembly, assemble};
use crate::config::limits::{Limits, Machine, MemorySource};
use crate::config::{Config, FileConfig, Inputs, ProcessEnvironment, Verbosity, load};
use crate::egress::lane::GateRule;
use crate::egress::outlet::{NetworkSettings, OutletSettings};
use crate::exchange::Keepalive;
use crate::flow::balancing::standing::OutlierRule;
use crate::flow::balancing::{BalancingRule, Policy};
use crate::flow::sizing::auto::AutoRule;
use crate::flow::{BreakerRule, BudgetRule, ConcurrencyRule, Rate, RateRule};
use crate::ingress::{HttpReceiver, Protocol};
use crate::net::{client, server};
use crate::units::ByteCount;
use std::path::Path;
use std::time::Duration;

const SEVEN: Duration = Duration::from_secs(7);

/// One receiver with these protocols and one exporter.
fn configured(protocols: &str, exporter: &str, service: &str) -> Config {
    let id = exporter.split(':').next().expect("an id");
    let text = format!(
        "yaml:receivers: {{otlp: {{protocols: {{{protocols}}}}}}}\nexporters: {{{exporter}}}\n\
         service: {{{service} pipelines: {{traces: {{receivers: [otlp], exporters: [{id}]}}}}}}"
    );
    let inputs = Inputs {
        configs: vec![text],
        sets: Vec::new(),
    };
    let loaded = load(&inputs, &ProcessEnvironment).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(loaded.config.warnings, [], "{protocols} {exporter}");
    loaded.config
}

fn receiving(protocols: &str) -> Assembly {
    assemble(&configured(protocols, "nop: ", ""), 1, &LIMITS)
}

fn sending(exporter: &str) -> Assembly {
    assemble(&configured("grpc: ", exporter, ""), 1, &LIMITS)
}

/// How a listener's connections are held, with `keys` in `protocols`.
fn served(protocols: &str) -> server::Settings {
    receiving(protocols).listeners.remove(0).server
}

fn http(keys: &str) -> HttpReceiver {
    let assembly = receiving(&format!("http: {{{keys}}}"));
    match &assembly.pipelines[0].listeners[0].receiver.protocol {
        Protocol::Http(http) => HttpReceiver::clone(http),
        Protocol::Grpc => panic!("an HTTP listener"),
    }
}

#[test]
fn keepalive_of_a_grpc_receiver() {
    type Found = fn(&server::Settings) -> Duration;
    let rows: [(&str, Found); 6] = [
        ("server_parameters: {max_connection_idle: 7s}", |s| {
            s.lifetime.idle_max
        }),
        ("server_parameters: {max_connection_age: 7s}", |s| {
            s.lifetime.age_max
        }),
        (
            "server_parameters: {max_connection_age: 1s, max_connection_age_grace: 7s}",
            |s| s.lifetime.age_grace,
        ),
        ("server_parameters: {time: 7s}", |s| s.pings.time),
        ("server_parameters: {timeout: 7s}", |s| s.pings.timeout),
        ("enforcement_policy: {min_time: 7s}", |s| s.pings.min_time),
    ];
    for (keys, found) in rows {
        let settings = served(&format!("grpc: {{keepalive: {{{keys}}}}}"));
        assert_eq!(found(&settings), SEVEN, "{keys}");
    }
    let welcome = "grpc: {keepalive: {enforcement_policy: {permit_without_stream: true}}}";
    assert!(served(welcome).pings.permit_without_stream);
    assert!(!served("grpc: ").pings.permit_without_stream);
}

#[test]
fn times_of_an_http_receiver() {
    type Found = fn(&server::Settings) -> Duration;
    let rows: [(&str, Found); 5] = [
        ("read_timeout: 7s", |s| s.timeouts.body_progress),
        ("read_header_timeout: 7s", |s| s.timeouts.header),
        ("write_timeout: 7s", |s| s.timeouts.reply),
        ("idle_timeout: 7s", |s| s.lifetime.idle_max),
        ("keepalive: {idle_timeout: 7s}", |s| s.lifetime.idle_max),
    ];
    for (keys, found) in rows {
        let settings = served(&format!("http: {{{keys}}}"));
        assert_eq!(found(&settings), SEVEN, "{keys}");
    }
}

#[test]
fn sizes_and_counts_of_receivers() {
    assert_eq!(served("grpc: {max_concurrent_streams: 7}").streams_max, 7);
    let message_max = |protocols: &str| {
        receiving(protocols).pipelines[0].listeners[0]
            .receiver
            .message_max
    };
    assert_eq!(message_max("grpc: {max_recv_msg_size_mib: 7}"), 7 << 20);
    assert_eq!(message_max("http: {max_request_body_size: 7}"), 7);
    let config = configured("grpc: ", "nop: ", "tailrace: {connections_max: 14},");
    let machine = Machine {
        memory: ByteCount::mib(4096),
        source: MemorySource::Host,
    };
    let limits = Limits::plan(&config, 2, machine).expect("enough memory");
    let assembly = assemble(&config, 2, &limits.shard);
    assert!(
        assembly
            .pipelines
            .iter()
            .all(|shard| shard.connections_max == 7)
    );
}

#[test]
fn what_only_http_receivers_have() {
    assert_eq!(http("traces_url_path: /seven").paths.traces, "/seven");
    assert_eq!(http("metrics_url_path: /seven").paths.metrics, "/seven");
    assert_eq!(http("logs_url_path: /seven").paths.logs, "/seven");
    assert_eq!(http("profiles_url_path: /seven").paths.profiles, "/seven");
    let answered = http("response_headers: {x-seven: a}").response_headers;
    assert_eq!(answered["x-seven"], "a");
    assert!(answered["x-seven"].is_sensitive());
    assert!(http("").cors.is_none());
    for (key, shown) in [
        (
            "allowed_origins: ['https://seven.example']",
            "https://seven.example",
        ),
        (
            "allowed_origins: ['*'], allowed_headers: [x-seven]",
            "\"x-seven\"",
        ),
        (
            "allowed_origins: ['*'], exposed_headers: [x-seven]",
            "\"x-seven\"",
        ),
        ("allowed_origins: ['*'], max_age: 777", "\"777\""),
    ] {
        let cors = http(&format!("cors: {{{key}}}")).cors;
        let cors = format!("{:?}", cors.expect("an origin"));
        assert!(cors.contains(shown), "{key}: {cors}");
    }
}

#[test]
fn headers_that_are_kept_with_a_request() {
    let exporter = "otlp: {endpoint: 'http://h:1', sending_queue: {batch: {partition: \
                    {metadata_keys: [x-seven]}}}}";
    for protocol in ["grpc", "http"] {
        let protocols = format!("{protocol}: {{include_metadata: true}}");
        let assembly = assemble(&configured(&protocols, exporter, ""), 1, &LIMITS);
        let receiver = &assembly.pipelines[0].listeners[0].receiver;
        let kept = format!("{:?}", receiver.metadata_keys);
        assert!(kept.contains("x-seven"), "{protocol}: {kept}");
    }
}

fn outlet(exporter: &str) -> NetworkSettings {
    network(&sending(exporter), 0).remove(0)
}

fn connection(exporter: &str) -> client::Settings {
    sending(exporter).clients.remove(0).expect("a network")
}

/// An exporter of each network kind, with these keys.
fn each(keys: &str) -> [String; 2] {
    ["otlp", "otlphttp"].map(|id| format!("{id}: {{endpoint: 'http://h:1', {keys}}}"))
}

#[test]
fn what_protects_a_destination() {
    type Breaks = fn(BreakerRule) -> bool;
    let breakers: [(&str, Breaks); 6] = [
        ("consecutive_failures: 7", |rule| {
            rule.consecutive_failures == 7
        }),
        ("failure_ratio: 0.07", |rule| rule.failure_ratio == 0.07),
        ("window: 7s", |rule| rule.window == SEVEN),
        ("min_requests: 7", |rule| rule.min_requests == 7),
        ("open_for: 7s", |rule| rule.open_for == SEVEN),
        ("probes: 7", |rule| rule.probes == 7),
    ];
    for (key, found) in breakers {
        for exporter in each(&format!("tailrace: {{circuit_breaker: {{{key}}}}}")) {
            let rule = sending(&exporter).pipelines[0].lanes[0].gate.breaker;
            assert!(rule.is_some_and(found), "{exporter}");
        }
    }
    type Spends = fn(BudgetRule) -> bool;
    let budgets: [(&str, Spends); 3] = [
        ("retry_ratio: 0.07", |rule| rule.ratio == 0.07),
        ("min_retries_per_second: 7", |rule| {
            rule.min_per_second == 7.0
        }),
        ("ttl: 7s", |rule| rule.window == SEVEN),
    ];
    for (key, found) in budgets {
        for exporter in each(&format!("tailrace: {{retry_budget: {{{key}}}}}")) {
            let rule = sending(&exporter).pipelines[0].lanes[0].gate.budget;
            assert!(rule.is_some_and(found), "{exporter}");
        }
    }
    type Adapts = fn(ConcurrencyRule) -> bool;
    let limits: [(&str, Adapts); 5] = [
        ("initial_concurrency: 7", |rule| rule.initial == 7),
        ("max_concurrency_limit: 7", |rule| rule.max == 7),
        ("decrease_ratio: 0.07", |rule| rule.decrease_ratio == 0.07),
        ("ewma_alpha: 0.07", |rule| rule.ewma_alpha == 0.07),
        ("rtt_deviation_scale: 7", |rule| {
            rule.rtt_deviation_scale == 7.0
        }),
    ];
    for (key, found) in limits {
        for exporter in each(&format!("tailrace: {{adaptive_concurrency: {{{key}}}}}")) {
            let rule = sending(&exporter).pipelines[0].lanes[0].gate.concurrency;
            assert!(rule.is_some_and(found), "{exporter}");
        }
    }
    type Limits = fn(RateRule) -> Option<Rate>;
    let rates: [(&str, Limits); 3] = [
        ("requests_per_second", |rule| rule.requests),
        ("items_per_second", |rule| rule.items),
        ("bytes_per_second", |rule| rule.bytes),
    ];
    for (key, rate) in rates {
        for exporter in each(&format!(
            "tailrace: {{rate_limit: {{{key}: 7, burst: 7s}}}}"
        )) {
            let rule = sending(&exporter).pipelines[0].lanes[0].gate.rate;
            let wanted = Rate {
                per_second: 7.0,
                burst: SEVEN,
            };
            assert_eq!(rule.and_then(rate), Some(wanted), "{exporter}");
        }
    }
    type Finds = fn(AutoRule) -> bool;
    let sizes: [(&str, Finds); 6] = [
        ("sending_queue: {num_consumers: auto}", |rule| {
            let consumers = rule.consumers.map(|bounds| (bounds.start, bounds.max));
            consumers == Some((10.0, 1000.0)) && rule.queue.is_none() && rule.flush.is_none()
        }),
        ("sending_queue: {queue_size: auto}", |rule| {
            rule.queue
                .is_some_and(|bounds| bounds.max == LIMITS.lane.0 as f64)
                && rule.consumers.is_none()
        }),
        ("sending_queue: {batch: {flush_timeout: auto}}", |rule| {
            rule.flush.is_some_and(|bounds| bounds.start == 0.2) && rule.queue.is_none()
        }),
        (
            "sending_queue: {queue_size: auto}, tailrace: {outage_target: 7s}",
            |rule| rule.targets.outage_seconds == 7.0,
        ),
        (
            "sending_queue: {queue_size: auto}, tailrace: {loss_target: 0.07}",
            |rule| rule.targets.loss == 0.07,
        ),
        (
            "sending_queue: {queue_size: auto}, tailrace: {latency_target: 7s}",
            |rule| rule.targets.latency_seconds == 7.0,
        ),
    ];
    for (keys, found) in sizes {
        for exporter in each(keys) {
            let sizing = sending(&exporter).pipelines[0].lanes[0].sizing;
            assert!(sizing.is_some_and(found), "{exporter}: {sizing:?}");
        }
    }
    for exporter in each("retry_on_failure: {jitter: full}") {
        assert!(sending(&exporter).pipelines[0].lanes[0].retry.full_jitter);
    }
    for exporter in each("") {
        let lane = sending(&exporter).pipelines.remove(0).lanes.remove(0);
        assert_eq!(lane.gate, GateRule::default());
        assert_eq!(lane.sizing, None);
        assert!(!lane.retry.full_jitter);
    }
}

#[test]
fn keys_of_both_network_exporters() {
    for exporter in each("timeout: 7s") {
        assert_eq!(outlet(&exporter).timeout, SEVEN, "{exporter}");
    }
    for exporter in each("headers: {x-seven: a}") {
        assert_eq!(
            outlet(&exporter).endpoints[0].headers["x-seven"],
            "a",
            "{exporter}"
        );
    }
    for exporter in each("tailrace: {connections_max: 7}") {
        let destination = outlet(&exporter).destination;
        assert_eq!(destination.connections_max, 7, "{exporter}");
    }
    for exporter in each("tailrace: {connection_age_max: 7s}") {
        assert_eq!(outlet(&exporter).destination.age_max, SEVEN, "{exporter}");
    }
    for exporter in each("tailrace: {dns_refresh: 7s}") {
        let name = sending(&exporter).names.remove(0).1;
        assert_eq!((name.host.as_str(), name.refresh), ("h", SEVEN));
    }
}

#[test]
fn keys_of_the_grpc_exporter() {
    let otlp = |keys: &str| format!("otlp: {{endpoint: 'http://h:1', {keys}}}");
    assert!(
        outlet(&otlp("balancer_name: round_robin"))
            .destination
            .spread
    );
    assert!(
        !outlet(&otlp("balancer_name: pick_first"))
            .destination
            .spread
    );
    assert_eq!(
        outlet(&otlp("user_agent: seven")).endpoints[0].headers["user-agent"],
        "seven"
    );
    let authority = outlet(&otlp("authority: seven")).endpoints.remove(0).uri;
    assert_eq!(
        authority.authority().map(http::uri::Authority::as_str),
        Some("seven")
    );
    let keepalive = "keepalive: {time: 17s, timeout: 7s, permit_without_stream: true}";
    let expected = Keepalive {
        time: Duration::from_secs(17),
        timeout: SEVEN,
        permit_without_stream: true,
    };
    assert_eq!(connection(&otlp(keepalive)).keepalive, Some(expected));
    assert_eq!(connection(&otlp("keepalive: {time: 0}")).keepalive, None);
}

#[test]
fn keys_of_the_http_exporter() {
    let otlp = |keys: &str| format!("otlphttp: {{endpoint: 'http://h:1', {keys}}}");
    assert_eq!(
        outlet(&otlp("max_conns_per_host: 7"))
            .destination
            .connections_max,
        7
    );
    assert_eq!(
        connection(&otlp("idle_conn_timeout: 7s")).idle_timeout,
        SEVEN
    );
    let newer = otlp("keepalive: {idle_conn_timeout: 7s}");
    assert_eq!(connection(&newer).idle_timeout, SEVEN);
    assert_eq!(outlet(&newer).destination.spare_idle_max, SEVEN);
    let pings = "http2_read_idle_timeout: 17s, http2_ping_timeout: 7s, tailrace: {http_version: 2}";
    let settings = connection(&otlp(pings));
    assert_eq!(settings.protocol, client::Protocol::Http2);
    let keepalive = settings.keepalive.expect("PINGs");
    assert_eq!(
        (keepalive.time, keepalive.timeout),
        (Duration::from_secs(17), SEVEN)
    );
}

#[test]
fn keys_of_files_and_the_console() {
    for (name, verbosity) in [
        ("basic", Verbosity::Basic),
        ("normal", Verbosity::Normal),
        ("detailed", Verbosity::Detailed),
    ] {
        let assembly = sending(&format!("debug: {{verbosity: {name}}}"));
        let outlet = &assembly.pipelines[0].outlets[0];
        assert!(
            matches!(outlet, OutletSettings::Debug(found) if *found == verbosity),
            "{name}"
        );
    }
    let plain = FileConfig {
        path: Path::new("/seven").into(),
        append: false,
        create_directory: false,
        directory_permissions: 0o755,
    };
    for (keys, expected) in [
        ("", plain.clone()),
        (
            "append: true",
            FileConfig {
                append: true,
                ..plain.clone()
            },
        ),
        (
            "create_directory: true",
            FileConfig {
                create_directory: true,
                ..plain.clone()
            },
        ),
        (
            "create_directory: true, directory_permissions: '0700'",
            FileConfig {
                create_directory: true,
                directory_permissions: 0o700,
                ..plain
            },
        ),
    ] {
        let files = sending(&format!("file: {{path: /seven, {keys}}}")).files;
        assert_eq!(files, [Some(expected)], "{keys}");
    }
}

/// An exporter of each network kind with two endpoints, and these keys beside them.
fn several(keys: &str) -> [String; 2] {
    ["otlp", "otlphttp"].map(|id| {
        format!(
            "{id}: {{tailrace: {{load_balancing: {{priority_levels: [['http://a:1'], \
             ['http://b:1']], {keys}}}}}}}"
        )
    })
}

#[test]
fn several_endpoints_of_one_exporter() {
    type Found = fn(BalancingRule) -> bool;
    let keys: [(&str, Found); 4] = [
        ("policy: round_robin", |rule| {
            rule.policy == Policy::RoundRobin
        }),
        ("policy: least_request", |rule| {
            rule.policy == Policy::LeastRequest
        }),
        ("failback_after: 7s", |rule| rule.failback_after == SEVEN),
        ("", |rule| rule.outlier.is_none()),
    ];
    for (key, found) in keys {
        for exporter in several(key) {
            assert!(outlet(&exporter).balancing.is_some_and(found), "{exporter}");
        }
    }
    type Ejects = fn(OutlierRule) -> bool;
    let keys: [(&str, Ejects); 7] = [
        ("consecutive_failures: 7", |rule| {
            rule.consecutive_failures == 7
        }),
        ("failure_ratio: 0.07", |rule| rule.failure_ratio == 0.07),
        ("interval: 7s", |rule| rule.window == SEVEN),
        ("min_requests: 7", |rule| rule.min_requests == 7),
        ("base_ejection_time: 7s", |rule| {
            rule.base_ejection_time == SEVEN
        }),
        ("max_ejection_time: 7s", |rule| {
            rule.max_ejection_time == SEVEN
        }),
        ("max_ejection_percent: 7", |rule| {
            rule.max_ejection_ratio == 0.07
        }),
    ];
    for (key, found) in keys {
        for exporter in several(&format!("outlier_detection: {{{key}}}")) {
            let rule = outlet(&exporter).balancing.expect("several");
            assert!(rule.outlier.is_some_and(found), "{exporter}");
        }
    }
    for exporter in several("") {
        let outlet = outlet(&exporter);
        let hosts = outlet.endpoints.iter().map(|one| one.uri.host());
        assert!(hosts.eq([Some("a"), Some("b")]), "{exporter}");
        let levels = outlet.balancing.expect("several").endpoints;
        let expected = [("http://a:1".to_owned(), 0), ("http://b:1".to_owned(), 1)];
        assert_eq!(levels, expected);
        let assembly = sending(&exporter);
        let names = assembly.names.iter();
        let names = names.map(|(id, name)| (id.index, name.host.as_str()));
        assert!(names.eq([(0, "a"), (1, "b")]), "{exporter}");
        assert_eq!(assembly.labels.lanes[0].endpoints, expected);
    }
}
