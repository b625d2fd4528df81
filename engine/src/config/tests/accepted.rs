//! Configurations that the Collector takes start unchanged.

use super::{config, load_text, warnings, with};
use crate::config::{Environment, Inputs, ListenerProtocol, load};
use std::io;
use std::path::Path;

/// Files in the shape of the Collector's own documentation and distributions, TLS apart.
const COLLECTOR: [&str; 7] = [
    // The quick start: an agent in front of a backend.
    "
receivers:
  otlp:
    protocols:
      grpc:
        endpoint: 0.0.0.0:4317
      http:
        endpoint: 0.0.0.0:4318
processors:
  batch:
exporters:
  otlp:
    endpoint: otelcol:4317
    tls:
      insecure: true
extensions:
  health_check:
service:
  extensions: [health_check]
  pipelines:
    traces: {receivers: [otlp], processors: [batch], exporters: [otlp]}
    metrics: {receivers: [otlp], processors: [batch], exporters: [otlp]}
    logs: {receivers: [otlp], processors: [batch], exporters: [otlp]}
",
    // The otlp distribution with every signal, new names.
    "
receivers:
  otlp:
    protocols:
      grpc:
      http:
exporters:
  otlp_http:
    endpoint: http://localhost:4320
  otlp_grpc/second:
    endpoint: http://localhost:4321
    compression: none
service:
  pipelines:
    traces: {receivers: [otlp], exporters: [otlp_http, otlp_grpc/second]}
    metrics: {receivers: [otlp], exporters: [otlp_http]}
    logs: {receivers: [otlp], exporters: [otlp_http]}
    profiles: {receivers: [otlp], exporters: [otlp_http]}
",
    // A gateway with every limit.
    "
receivers:
  otlp/tenants:
    protocols:
      grpc:
        endpoint: ${env:HOST:-localhost}:${env:PORT}
        transport: tcp
        max_recv_msg_size_mib: 16
        max_concurrent_streams: 100
        include_metadata: true
        read_buffer_size: 524288
        keepalive:
          server_parameters: {max_connection_age: 1h, max_connection_age_grace: 5m, time: 30s, timeout: 5s}
          enforcement_policy: {min_time: 10s, permit_without_stream: true}
      http:
        endpoint: unix:///tmp/otlp.sock
        cors: {allowed_origins: ['http://*.example.com'], allowed_headers: ['*'], max_age: 7200}
        max_request_body_size: 1_000_000
        response_headers: {x-served-by: gateway}
        read_header_timeout: 5s
processors:
  memory_limiter: {check_interval: 1s, limit_percentage: 80, spike_limit_percentage: 25}
  batch/tenant: {timeout: 1s, send_batch_size: 1000, send_batch_max_size: 2000, metadata_keys: [X-Tenant], metadata_cardinality_limit: 50}
exporters:
  otlp:
    endpoint: dns:///gateway.example:4317
    tls: {insecure: true}
    compression: zstd
    timeout: 10s
    balancer_name: round_robin
    authority: backend
    headers: {x-key: \"${env:DIGITS}\", x-other: '5'}
    keepalive: {time: 30s, timeout: 5s, permit_without_stream: true}
    retry_on_failure: {enabled: true, initial_interval: 1s, randomization_factor: 0.2, multiplier: 2, max_interval: 10s, max_elapsed_time: 0}
    sending_queue:
      enabled: true
      num_consumers: 4
      queue_size: 100_000
      sizer: items
      block_on_overflow: true
      wait_for_result: false
      batch: {flush_timeout: 100ms, min_size: 500, max_size: 1500, partition: {metadata_keys: [x-tenant]}}
  debug: {verbosity: detailed, sampling_initial: 5, sampling_thereafter: 200}
service:
  telemetry:
    logs: {level: DEBUG, encoding: json, output_paths: [stdout], initial_fields: {service: gw}}
    metrics:
      level: detailed
      readers:
        - pull: {exporter: {prometheus: {host: 0.0.0.0, port: 8888, without_units: true}}}
    resource: {service.name: gateway, service.instance.id: }
  pipelines:
    traces/tenants:
      receivers: [otlp/tenants]
      processors: [memory_limiter, batch/tenant]
      exporters: [otlp, debug]
",
    // Anchors, older names, nulls everywhere.
    "
x: &x
  endpoint: http://localhost:4318
receivers: &r {otlp: {protocols: {http: }}, nop: }
exporters: {otlphttp: , nop: , file: {path: /tmp/out.json}}
service: {telemetry: , extensions: , pipelines: {logs: {receivers: [otlp], processors: , exporters: [nop, file]}}}
",
    // Connectors join pipelines.
    "
receivers: {otlp: {protocols: {grpc: }}}
processors: {batch: }
exporters: {nop: , debug: }
connectors: {forward: }
service:
  pipelines:
    traces/in: {receivers: [otlp], processors: [batch], exporters: [forward]}
    traces/out: {receivers: [forward], exporters: [nop, debug]}
",
    // Telemetry in the forms of the last years.
    "
receivers: {nop: }
exporters: {nop: }
service:
  telemetry:
    metrics: {level: none, address: ':8888'}
    traces: {level: none, processors: []}
    resource: {attributes: [{name: service.name, value: x}]}
    logs: {sampling: {enabled: false}, disable_caller: true, development: false}
  pipelines: {metrics: {receivers: [nop], exporters: [nop]}}
",
    // Headers as a list, the newer http keys.
    "
receivers: {otlp: {protocols: {http: {transport: tcp, keepalive: {enabled: true, idle_timeout: 30s}}}}}
exporters:
  otlp_http:
    traces_endpoint: http://localhost:1/custom
    headers: [{name: x-key, value: secret}]
    encoding: json
    compression: gzip
    compression_params: {level: 6}
    keepalive: {idle_conn_timeout: 10s}
    max_idle_conns: 100
service: {pipelines: {traces: {receivers: [otlp], exporters: [otlp_http]}}}
",
];

#[test]
fn the_collector_s_configurations_start() {
    for (index, text) in COLLECTOR.iter().enumerate() {
        // A key of one's own at the top level is an error in the Collector too.
        let text = match index {
            3 => text
                .replace("x: &x\n  endpoint: http://localhost:4318\n", "")
                .replace(
                    "otlphttp: ,",
                    "otlphttp: {endpoint: 'http://localhost:4318'},",
                ),
            _ => (*text).to_owned(),
        };
        if let Err(faults) = load_text(&text) {
            panic!("{index}: {faults}");
        }
    }
}

#[test]
fn keys_without_effect_are_warned_of_by_name() {
    let text = with(
        "otlp: {endpoint: 'http://h:1', read_buffer_size: 5, write_buffer_size: 524288, \
         wait_for_ready: true}",
        "",
    );
    assert_eq!(
        warnings(&text),
        [
            "exporters.otlp.read_buffer_size: has no effect here: buffers follow the frame size and \
         the free memory",
            "exporters.otlp.wait_for_ready: has no effect here: a batch waits while one connects, \
         and backs off where nothing answers",
        ]
    );
    let text = with(
        "otlp: {endpoint: 'h:1', tls: {insecure: true, insecure_skip_verify: true}}",
        "",
    );
    assert_eq!(
        warnings(&text),
        ["exporters.otlp.tls: has no effect here beside `insecure: true`"]
    );
    let text = with("otlp: {endpoint: 'http://h:1', timeout: 5}", "");
    assert_eq!(
        warnings(&text),
        ["exporters.otlp.timeout: 5 without a unit is 5 nanoseconds"]
    );
    let text = with(
        "otlp: {endpoint: 'http://h:1', authority: '${env:NOT_SET}'}",
        "",
    );
    assert_eq!(
        warnings(&text),
        ["exporters.otlp.authority: environment variable NOT_SET is not set and counts as empty",]
    );
}

#[test]
fn several_sources_merge_in_order() {
    let inputs = Inputs {
        configs: vec![
            "yaml:receivers::otlp::protocols::grpc::endpoint: localhost:1".into(),
            "yaml:{exporters: {nop: }, service: {pipelines: {logs: {receivers: [a, b]}}}}".into(),
            "yaml:service::pipelines::logs: {receivers: [otlp], exporters: [nop]}".into(),
        ],
        sets: vec![
            "receivers.otlp.protocols.grpc.max_recv_msg_size_mib=5".into(),
            "receivers::otlp::protocols::grpc::endpoint=\"localhost:2\"".into(),
            "service.extensions=[]".into(),
        ],
    };
    let loaded = load(&inputs, &super::Fake).expect("valid");
    let listener = &loaded.config.listeners[0];
    assert_eq!(listener.message_bytes_max.0, 5 << 20);
    assert!(matches!(listener.protocol, ListenerProtocol::Grpc));
    assert_eq!(
        format!("{:?}", listener.address),
        r#"Tcp { host: "localhost", port: 2 }"#
    );
}

#[test]
fn sources_that_are_not_there() {
    let fault = |configs: &[&str], sets: &[&str]| {
        let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let inputs = Inputs {
            configs: own(configs),
            sets: own(sets),
        };
        load(&inputs, &super::Fake)
            .expect_err("a fault")
            .to_string()
    };
    assert_eq!(
        fault(&["/none.yaml"], &[]),
        "cannot read /none.yaml: entity not found"
    );
    assert_eq!(
        fault(&["https://x/y"], &[]),
        "scheme \"https\" is refused: configuration is not fetched over the network; download it \
         and name the file"
    );
    assert_eq!(fault(&[], &["x"]), "--set:1:1: --set takes key=value");
    assert_eq!(
        fault(&["yaml:5"], &[]),
        "yaml::1:1: expected a map, found a whole number"
    );
}

/// Empty, as in the Collector, and never silently: it is said beside what comes of it.
#[test]
fn a_config_of_a_variable_that_is_not_set() {
    let given = |configs: &[&str]| {
        let inputs = Inputs {
            configs: configs.iter().map(|config| (*config).to_owned()).collect(),
            sets: Vec::new(),
        };
        load(&inputs, &super::Fake)
    };
    const NOT_SET: &str =
        "--config env:NOT_SET: the environment variable is not set and counts as empty";
    let alone = given(&["env:NOT_SET"]).expect_err("nothing is configured");
    let lines: Vec<_> = alone.0.iter().map(ToString::to_string).collect();
    assert_eq!(lines[0], NOT_SET);
    assert!(
        lines[1].contains("must have at least one pipeline"),
        "{alone}"
    );
    let whole = format!("yaml:{}", with("nop: ", ""));
    let beside = given(&[&whole, "env:NOT_SET"]).expect("valid");
    let warnings = beside.config.warnings.iter().map(ToString::to_string);
    assert_eq!(warnings.collect::<Vec<_>>(), [NOT_SET]);
}

#[test]
fn bytes_that_are_no_text_are_said_to_be_that() {
    struct Binary;

    impl Environment for Binary {
        fn variable(&self, _: &str) -> io::Result<Option<String>> {
            Err(io::ErrorKind::InvalidData.into())
        }

        fn read(&self, _: &Path, _: u64) -> io::Result<String> {
            Err(io::ErrorKind::InvalidData.into())
        }
    }

    for (config, expected) in [
        ("/bin.yaml", "cannot read /bin.yaml: it is not UTF-8"),
        (
            "env:X",
            "cannot read environment variable X: it is not UTF-8",
        ),
    ] {
        let inputs = Inputs {
            configs: vec![config.into()],
            sets: Vec::new(),
        };
        let faults = load(&inputs, &Binary).expect_err("not text");
        assert_eq!(faults.to_string(), expected);
    }
}

#[test]
fn a_secret_of_digits_keeps_its_zeros() {
    let text = with(
        "otlp: {endpoint: 'http://h:1', headers: {k: '${env:DIGITS}'}}",
        "",
    );
    let crate::config::ExporterConfig::OtlpGrpc(exporter) = &config(&text).lanes[0].kind else {
        panic!("a gRPC exporter")
    };
    assert_eq!(exporter.headers[0].1.reveal(), "007");
}
