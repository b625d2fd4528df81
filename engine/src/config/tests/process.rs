//! What the process is to tell of itself: logs, metrics, health.

use super::{config, with};
use crate::config::{
    Config, HealthCheckBody, ListenAddress, LogEncoding, LogLevel, LogOutput, MetricsLevel,
};
use std::num::NonZeroU32;
use std::time::Duration;

fn service(keys: &str) -> Config {
    config(&with("nop: ", "").replace("service: {", &format!("service: {{{keys}, ")))
}

#[test]
fn logs() {
    let logs = |keys: &str| {
        service(&format!("telemetry: {{logs: {{{keys}}}}}"))
            .telemetry
            .logs
    };
    for (name, level) in [
        ("debug", LogLevel::Debug),
        ("info", LogLevel::Info),
        ("WARN", LogLevel::Warn),
        ("error", LogLevel::Error),
    ] {
        assert_eq!(logs(&format!("level: {name}")).level, level);
    }
    assert_eq!(logs("encoding: console").encoding, LogEncoding::Console);
    assert_eq!(logs("encoding: json").encoding, LogEncoding::Json);
    assert_eq!(logs("").outputs, [LogOutput::Stderr]);
    assert_eq!(
        logs("output_paths: [stdout, stderr, /x.log, 'file:///y.log']").outputs,
        [
            LogOutput::Stdout,
            LogOutput::Stderr,
            LogOutput::File("/x.log".into()),
            LogOutput::File("/y.log".into()),
        ]
    );
    let fields = logs("initial_fields: {a: 7}").initial_fields;
    assert_eq!(fields, [("a".to_owned(), "7".to_owned())]);
}

#[test]
fn metrics() {
    let metrics = |keys: &str| {
        service(&format!("telemetry: {{metrics: {{{keys}}}}}"))
            .telemetry
            .metrics
    };
    let tcp = |host: &str, port| ListenAddress::Tcp {
        host: host.into(),
        port,
    };
    assert_eq!(metrics("").prometheus, [tcp("localhost", 8888)]);
    assert_eq!(metrics("address: 'h:7'").prometheus, [tcp("h", 7)]);
    let reader = |host: &str, port| {
        format!("{{pull: {{exporter: {{prometheus: {{host: '{host}', port: {port}}}}}}}}}")
    };
    let both = metrics(&format!(
        "readers: [{}, {}]",
        reader("a", 7),
        reader("[::1]", 8)
    ));
    assert_eq!(both.prometheus, [tcp("a", 7), tcp("::1", 8)]);
    let off = metrics(&format!("level: none, readers: [{}]", reader("a", 7)));
    assert_eq!(
        (off.level, off.prometheus),
        (MetricsLevel::None, Vec::new())
    );
}

#[test]
fn health_checks() {
    let check = |keys: &str| {
        let more = format!("extensions: {{health_check: {{{keys}}}}}");
        let text =
            with("nop: ", &more).replace("service: {", "service: {extensions: [health_check], ");
        config(&text).health_checks.remove(0)
    };
    let plain = check("");
    assert_eq!(plain.path, "/");
    assert_eq!(plain.response_body, None);
    assert_eq!(plain.address.to_string(), "localhost:13133");
    assert_eq!(check("path: /seven").path, "/seven");
    assert_eq!(check("endpoint: 'h:7'").address.to_string(), "h:7");
    assert_eq!(
        check("endpoint: /seven.sock, transport: unix").address,
        ListenAddress::Unix("/seven.sock".into())
    );
    let body = HealthCheckBody {
        healthy: "up".into(),
        unhealthy: "down".into(),
    };
    let told = check("response_body: {healthy: up, unhealthy: down}");
    assert_eq!(told.response_body, Some(body));
}

#[test]
fn our_own_keys() {
    let engine = |keys: &str| service(&format!("tailrace: {{{keys}}}")).engine;
    assert_eq!(engine("shards: 7").shards, NonZeroU32::new(7));
    assert_eq!(engine("shards: 0").shards, None);
    assert_eq!(
        engine("shutdown_timeout: 7s").shutdown_timeout,
        Duration::from_secs(7)
    );
    assert_eq!(engine("connections_max: 7").connections_max, 7);
}
