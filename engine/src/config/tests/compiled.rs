//! What the file becomes: listeners, lanes, routes, batching.

use super::{config, warnings, with};
use crate::config::{
    BatchConfig, Compression, ExporterConfig, HttpVersion, ListenAddress, ListenerProtocol,
    MemoryLimit, Overflow, Sizer, Target,
};
use crate::units::{ByteCount, LaneId};
use std::time::Duration;
use tailrace_codec::Signal;

/// One `otlp` exporter behind the given pipelines.
fn batched(queue: &str, processors: &str, pipelines: &str) -> String {
    format!(
        "receivers: {{otlp: {{protocols: {{grpc: {{include_metadata: true}}}}}}}}\n\
         processors: {{{processors}}}\n\
         exporters: {{otlp: {{endpoint: 'http://h:1', sending_queue: {{{queue}}}}}}}\n\
         service: {{pipelines: {{{pipelines}}}}}"
    )
}

const BATCH: &str = "traces: {receivers: [otlp], processors: [batch], exporters: [otlp]}";

fn sizes(batch: &BatchConfig) -> (u64, u64, u64) {
    let millis = u64::try_from(batch.flush_timeout.as_millis()).expect("small");
    (batch.min_size, batch.max_size, millis)
}

#[test]
fn one_lane_for_each_exporter_and_signal() {
    let config = config(
        "
receivers:
  otlp: {protocols: {grpc: , http: }}
  otlp/logs: {protocols: {grpc: {endpoint: 'localhost:1'}}}
exporters: {nop: , debug: }
service:
  pipelines:
    traces: {receivers: [otlp], exporters: [nop, debug]}
    logs: {receivers: [otlp, otlp/logs], exporters: [nop]}
    logs/more: {receivers: [otlp/logs], exporters: [debug]}
",
    );
    let lanes: Vec<_> = config
        .lanes
        .iter()
        .map(|l| (l.exporter.as_str(), l.signal))
        .collect();
    assert_eq!(
        lanes,
        [
            ("nop", Signal::Traces),
            ("debug", Signal::Traces),
            ("nop", Signal::Logs),
            ("debug", Signal::Logs),
        ]
    );
    let grpc = &config.listeners[0];
    assert_eq!(grpc.route(Signal::Traces), [LaneId(0), LaneId(1)]);
    assert_eq!(grpc.route(Signal::Logs), [LaneId(2)]);
    assert_eq!(grpc.route(Signal::Metrics), []);
    assert_eq!(config.listeners[1].routes, grpc.routes);
    assert!(matches!(
        config.listeners[1].protocol,
        ListenerProtocol::Http(_)
    ));
    assert_eq!(
        config.listeners[2].route(Signal::Logs),
        [LaneId(2), LaneId(3)]
    );
    assert_eq!(config.lanes[2].pipelines.len(), 1);
}

#[test]
fn defaults_are_the_collector_s() {
    let config = config(&with("otlp: {endpoint: 'http://h:1'}", ""));
    let listener = &config.listeners[0];
    assert_eq!(
        listener.address,
        ListenAddress::Tcp {
            host: "localhost".into(),
            port: 4317
        }
    );
    assert_eq!(listener.message_bytes_max, ByteCount::mib(64));
    let lane = &config.lanes[0];
    assert_eq!((lane.queue.size, lane.queue.sizer), (1000, Sizer::Requests));
    assert_eq!(
        (lane.queue.num_consumers, lane.queue.wait_for_result),
        (10, false)
    );
    assert_eq!(lane.batch, None);
    assert_eq!(lane.retry.max_elapsed_time, Some(Duration::from_secs(300)));
    let ExporterConfig::OtlpGrpc(exporter) = &lane.kind else {
        panic!("a gRPC exporter")
    };
    assert_eq!(
        exporter.target,
        Target::Name {
            host: "h".into(),
            port: 1
        }
    );
    assert_eq!(exporter.compression, Compression::Gzip { level: None });
    assert_eq!(exporter.timeout, Duration::from_secs(5));
    assert_eq!(exporter.connections.max, 10);
    assert_eq!(config.telemetry.metrics.prometheus.len(), 1);
    assert_eq!(config.memory.limit, MemoryLimit::Default);
}

#[test]
fn both_styles_of_batching_hold_together() {
    let rule = |queue: &str, batch: &str| {
        let text = batched(queue, &format!("batch: {{{batch}}}"), BATCH);
        config(&text).lanes[0].batch.clone().expect("a batch")
    };
    assert_eq!(sizes(&rule("", "")), (8192, u64::MAX, 200));
    let rule_of_both = rule(
        "batch: {min_size: 100, max_size: 500, flush_timeout: 1s}",
        "send_batch_size: 300, send_batch_max_size: 900, timeout: 2s, metadata_keys: [A]",
    );
    assert_eq!(sizes(&rule_of_both), (300, 500, 2000));
    assert_eq!(rule_of_both.metadata_keys, ["a"]);
    // The smallest maximum wins over the largest minimum.
    let crossed = rule(
        "batch: {min_size: 10, max_size: 200}",
        "send_batch_size: 300",
    );
    assert_eq!(sizes(&crossed), (200, 200, 200));
    // At once, but never more than so many.
    let at_once = rule("", "timeout: 0, send_batch_max_size: 9000");
    assert_eq!((at_once.min_size, at_once.max_size), (0, 9000));
    // The queue's sizer is the batch's unless that is requests.
    let inherited = config(&batched(
        "sizer: bytes, queue_size: 9000, batch: ",
        "",
        &BATCH.replace("[batch]", "[]"),
    ));
    let inherited = inherited.lanes[0].batch.as_ref().expect("a batch");
    assert_eq!((inherited.sizer, inherited.min_size), (Sizer::Bytes, 8192));
}

#[test]
fn sizers_that_differ_are_warned_of() {
    let text = batched(
        "batch: {sizer: bytes, min_size: 5}",
        "batch: {metadata_keys: [k]}",
        BATCH,
    );
    let lane = &config(&text).lanes[0];
    let batch = lane.batch.as_ref().expect("a batch");
    assert_eq!((batch.sizer, batch.min_size), (Sizer::Bytes, 5));
    assert_eq!(batch.metadata_keys, ["k"]);
    assert_eq!(
        warnings(&text),
        [
            "exporters.otlp: sending_queue.batch counts bytes and a batch processor before it counts \
         items: sending_queue.batch decides the sizes",
        ]
    );
}

#[test]
fn pipelines_that_share_an_exporter_share_its_batching() {
    let text = batched(
        "",
        "batch: {send_batch_size: 10}, batch/2: {send_batch_size: 20, timeout: 1s}",
        "traces/a: {receivers: [otlp], processors: [batch], exporters: [otlp]}, \
         traces/b: {receivers: [otlp], processors: [batch/2], exporters: [otlp]}",
    );
    let config = config(&text);
    assert_eq!(config.lanes.len(), 1);
    assert_eq!(
        sizes(config.lanes[0].batch.as_ref().expect("a batch")),
        (20, u64::MAX, 1000)
    );
    assert_eq!(config.lanes[0].pipelines.len(), 2);
    assert_eq!(config.listeners[0].route(Signal::Traces), [LaneId(0)]);
    assert_eq!(
        warnings(&text),
        [
            "service.pipelines: several traces pipelines lead from receiver otlp to one exporter; it \
         is sent to once, where the Collector sends once for each pipeline",
            "exporters.otlp: pipelines traces/a and traces/b share this exporter but batch \
         differently: one rule holds for all, the largest minimum, the smallest maximum and the \
         longest timeout",
        ]
    );
}

#[test]
fn forward_connectors_are_followed() {
    let config = config(
        "
receivers: {otlp: {protocols: {grpc: }}}
processors: {batch: {send_batch_size: 10}, batch/2: {send_batch_size: 20}}
exporters: {nop: , debug: }
connectors: {forward: }
service:
  pipelines:
    traces/in: {receivers: [otlp], processors: [batch], exporters: [forward, debug]}
    traces/out: {receivers: [forward], processors: [batch/2], exporters: [nop]}
",
    );
    let minimum = |lane: usize| {
        config.lanes[lane]
            .batch
            .as_ref()
            .map(|batch| batch.min_size)
    };
    assert_eq!(config.lanes[0].exporter.as_str(), "nop");
    assert_eq!((minimum(0), minimum(1)), (Some(20), Some(10)));
    assert_eq!(
        config.listeners[0].route(Signal::Traces),
        [LaneId(0), LaneId(1)]
    );
}

#[test]
fn senders_wait_where_no_queue_stands_between() {
    let off = config(&batched(
        "enabled: false",
        "",
        &BATCH.replace("[batch]", "[]"),
    ));
    let queue = off.lanes[0].queue;
    assert!(queue.wait_for_result);
    assert_eq!((queue.size, queue.num_consumers), (u64::MAX, u32::MAX));
    // A batch processor answers at once.
    let behind = config(&batched("enabled: false", "batch: ", BATCH));
    assert!(!behind.lanes[0].queue.wait_for_result);
    let asked = config(&batched("wait_for_result: true", "batch: ", BATCH));
    assert!(asked.lanes[0].queue.wait_for_result);
}

#[test]
fn headers_are_kept_where_someone_asks_for_them() {
    let text = batched("", "batch: {metadata_keys: [X-Tenant, b]}", BATCH);
    assert_eq!(config(&text).listeners[0].metadata_keys, ["x-tenant", "b"]);
    let without = text.replace("include_metadata: true", "");
    assert!(config(&without).listeners[0].metadata_keys.is_empty());
    assert_eq!(
        warnings(&without),
        [
            "receivers.otlp.protocols.grpc: metadata_keys behind this receiver find no headers \
         without include_metadata",
        ]
    );
}

#[test]
fn http_exporters_have_a_url_for_each_signal() {
    let text = "
receivers: {otlp: {protocols: {http: }}}
exporters:
  otlphttp:
    endpoint: http://h:4318/base/
    logs_endpoint: http://[::1]/custom?key=k
    headers: {Host: tenant.example, x-a: b}
    compression: zlib
    compression_params: {level: 9}
    max_conns_per_host: 3
    http2_read_idle_timeout: 30s
    tailrace: {http_version: 2, connection_age_max: 10m, dns_refresh: 5s}
service:
  pipelines:
    traces: {receivers: [otlp], exporters: [otlphttp]}
    logs: {receivers: [otlp], exporters: [otlphttp]}
    profiles: {receivers: [otlp], exporters: [otlphttp]}
";
    let config = config(text);
    let exporter = |signal| {
        let lane = config
            .lanes
            .iter()
            .find(|lane| lane.signal == signal)
            .expect("a lane");
        let ExporterConfig::OtlpHttp(exporter) = &lane.kind else {
            panic!("an HTTP exporter")
        };
        exporter.clone()
    };
    let traces = exporter(Signal::Traces);
    assert_eq!(traces.path, "/base/v1/traces");
    assert_eq!(
        traces.target,
        Target::Name {
            host: "h".into(),
            port: 4318
        }
    );
    assert_eq!(traces.authority, "tenant.example");
    assert_eq!(traces.headers.len(), 1);
    assert_eq!(traces.compression, Compression::Deflate { level: Some(9) });
    assert_eq!(traces.version, HttpVersion::Http2);
    assert_eq!(traces.connections.max, 3);
    assert_eq!(traces.connections.age_max, Duration::from_secs(600));
    assert_eq!(
        traces.keepalive.map(|k| k.time),
        Some(Duration::from_secs(30))
    );
    let logs = exporter(Signal::Logs);
    assert_eq!(
        logs.target,
        Target::Address("[::1]:80".parse().expect("address"))
    );
    assert_eq!(
        logs.query.as_ref().map(|query| query.reveal()),
        Some("key=k")
    );
    assert_eq!(
        exporter(Signal::Profiles).path,
        "/base/v1development/profiles"
    );
}

#[test]
fn the_memory_limiter_sets_the_process_limit() {
    let limiter = |keys: &str| {
        let text = batched(
            "",
            &format!("memory_limiter: {{check_interval: 1s, {keys}}}"),
            BATCH,
        );
        config(&text.replace("[batch]", "[memory_limiter]")).memory
    };
    let memory = limiter("limit_mib: 400");
    assert_eq!(memory.limit, MemoryLimit::Bytes(ByteCount::mib(400)));
    assert_eq!(memory.spike, MemoryLimit::Default);
    let memory = limiter("limit_percentage: 75, spike_limit_percentage: 10");
    assert_eq!(
        (memory.limit, memory.spike),
        (MemoryLimit::Percent(75), MemoryLimit::Percent(10))
    );
    let text = with("nop: {}", "").replace(
        "service: {",
        "service: {tailrace: {memory_limit_mib: 64, shards: 2}, ",
    );
    let config = config(&text);
    assert_eq!(config.memory.limit, MemoryLimit::Bytes(ByteCount::mib(64)));
    assert_eq!(config.engine.shards.map(u32::from), Some(2));
}

#[test]
fn a_full_queue_does_what_either_key_says() {
    for (queue, overflow) in [
        ("", Overflow::Reject),
        ("block_on_overflow: true", Overflow::Block),
        ("block_on_overflow: true, overflow: block", Overflow::Block),
        ("overflow: block", Overflow::Block),
        ("overflow: reject", Overflow::Reject),
        ("overflow: drop_newest", Overflow::DropNewest),
        ("overflow: drop_oldest", Overflow::DropOldest),
    ] {
        let config = config(&batched(queue, "batch: ", BATCH));
        assert_eq!(config.lanes[0].queue.overflow, overflow, "{queue}");
    }
}
