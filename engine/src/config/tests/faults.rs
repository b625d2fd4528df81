//! Each fault with its exact text.

use super::{faults, load_text, with};

#[track_caller]
fn fault(text: &str, expected: &str) {
    assert_eq!(faults(text), [expected], "\n{text}");
}

#[test]
fn unknown_keys_and_components_name_the_nearest() {
    fault(
        &with("nop: {}", "exporterz: {}"),
        "4:1: exporterz: unknown key; did you mean \"exporters\"?",
    );
    fault(
        &with("otlp: {endpont: 'http://h:1', endpoint: 'http://h:1'}", ""),
        "3:10: exporters.otlp.endpont: unknown key; did you mean \"endpoint\"?",
    );
    fault(
        &with("nop: {}", "processors: {bach: {}}"),
        "4:14: processors.bach: unknown processor; did you mean \"batch\"?",
    );
    fault(
        &with("nop: {}", "processors: {quux: {}}"),
        "4:14: processors.quux: unknown processor; valid here: batch, memory_limiter",
    );
    fault(
        &with("nop: {}", "extensions: {zpages: {}}"),
        "4:14: extensions.zpages: this build does not have that extension; it has health_check",
    );
    fault(
        &with("nop: {}", "connectors: {spanmetrics: {}}"),
        "4:14: connectors.spanmetrics: this build does not have that connector; it has forward",
    );
    fault(
        &with("nop: {}", "processors: {batch/: {}}"),
        "4:14: processors.batch/: an id is a type, or type/name",
    );
    fault(
        &with("nop: {x: 1}", ""),
        "3:9: exporters.nop.x: unknown key",
    );
}

#[test]
fn wrong_types() {
    let queue = |queue: &str| {
        with(
            &format!("otlp: {{endpoint: 'http://h:1', sending_queue: {{{queue}}}}}"),
            "",
        )
    };
    fault(
        &queue("queue_size: many"),
        "3:50: exporters.otlp.sending_queue.queue_size: expected a whole number, found text \"many\"",
    );
    fault(
        &queue("queue_size: '5'"),
        "3:50: exporters.otlp.sending_queue.queue_size: expected a whole number, found text \"5\"",
    );
    fault(
        &queue("enabled: yes"),
        "3:50: exporters.otlp.sending_queue.enabled: expected true or false, found text \"yes\"",
    );
    fault(
        &queue("num_consumers: -1"),
        "3:50: exporters.otlp.sending_queue.num_consumers: expected a number from 0 to \
         4294967295, found a whole number \"-1\"",
    );
    fault(
        &queue("sizer: bites"),
        "3:50: exporters.otlp.sending_queue.sizer: expected one of requests, items, bytes, found \
         text \"bites\"",
    );
    fault(
        &queue("batch: {flush_timeout: 5 s}"),
        "3:58: exporters.otlp.sending_queue.batch.flush_timeout: expected a duration such as 5s \
         or 1m30s, not negative, found text \"5 s\"",
    );
    fault(
        &queue("batch: [1]"),
        "3:50: exporters.otlp.sending_queue.batch: expected a map, found a list",
    );
    fault(
        &with(
            "otlp: {endpoint: 'http://h:1', retry_on_failure: {multiplier: x}}",
            "",
        ),
        "3:53: exporters.otlp.retry_on_failure.multiplier: expected a number, found text \"x\"",
    );
    fault("5", "1:1: expected a map, found a whole number");
    fault(
        &with("nop: {}", "processors: []"),
        "4:1: processors: expected a map, found a list",
    );
}

#[test]
fn what_an_expansion_brought_is_not_shown() {
    fault(
        &with(
            "otlp: {endpoint: 'http://h:1', timeout: '${env:CANARY}'}",
            "",
        ),
        "3:34: exporters.otlp.timeout: expected a duration such as 5s or 1m30s, not negative, \
         found text from an expansion",
    );
    fault(
        &with(
            "otlp: {endpoint: 'http://h:1', compression: '${env:CANARY}'}",
            "",
        ),
        "3:34: exporters.otlp.compression: expected one of none, gzip, zstd, snappy, zlib, \
         deflate, lz4, x-snappy-framed, found text from an expansion",
    );
}

/// Where a name was meant too: one that nothing has may be a secret in the wrong place.
#[test]
fn what_an_expansion_brought_is_not_shown_as_a_name() {
    let named = with("nop: {}", "").replace("[nop]", "['${env:CANARY}']");
    fault(
        &named,
        "5:63: service.pipelines.traces.exporters.0: references exporter from an expansion which \
         is not configured",
    );
    let extension = with("nop: {}", "").replace(
        "service: {",
        "service: {extensions: '${env:CANARY},${env:HOST}', ",
    );
    for fault in faults(&extension) {
        assert!(
            fault.ends_with("references extension from an expansion which is not configured"),
            "{fault}"
        );
    }
    fault(
        &with(
            "otlp: {endpoint: 'http://h:1', headers: [{name: '${env:CANARY} x', value: v}]}",
            "",
        ),
        "3:45: exporters.otlp.headers.0.name: is not the name of a header",
    );
}

#[test]
fn tls_and_authentication_are_refused_never_ignored() {
    const TLS: &str =
        "TLS is not supported in this build; `tls: {insecure: true}` sends in the clear";
    const WOULD: &str = "the Collector would use TLS here, which is not supported in this build; \
        `tls: {insecure: true}` or an http:// endpoint sends in the clear";
    let tls = |exporter: &str, column: u32, id: &str, text: &str| {
        fault(
            &with(exporter, ""),
            &format!("3:{column}: exporters.{id}.tls: {text}"),
        );
    };
    tls("otlp: {endpoint: 'h:1'}", 3, "otlp", WOULD);
    tls("otlp: {endpoint: 'h:1', tls: }", 27, "otlp", WOULD);
    tls("otlp: {endpoint: 'h:1', tls: {}}", 27, "otlp", WOULD);
    tls("otlp: {endpoint: 'dns:///h:1'}", 3, "otlp", WOULD);
    tls(
        "otlp: {endpoint: 'http://h:1', tls: {insecure: false, ca_file: /ca}}",
        34,
        "otlp",
        TLS,
    );
    tls(
        "otlp: {endpoint: 'h:1', tls: {insecure: true, ca_file: /ca}}",
        27,
        "otlp",
        TLS,
    );
    tls(
        "otlp: {endpoint: 'h:1', tls: {insecure_skip_verify: true}}",
        27,
        "otlp",
        TLS,
    );
    tls(
        "otlphttp: {endpoint: 'http://h:1', tls: {cert_file: /c}}",
        38,
        "otlphttp",
        TLS,
    );
    fault(
        &with("otlp: {endpoint: 'https://h:1', tls: {insecure: true}}", ""),
        "3:10: exporters.otlp.endpoint: https is not supported in this build: there is no TLS yet; \
         use http:// to send in the clear",
    );
    fault(
        &with("otlphttp: {endpoint: 'https://h'}", ""),
        "3:14: exporters.otlphttp.endpoint: https is not supported in this build: there is no TLS \
         yet; use http:// to send in the clear",
    );
    fault(
        &with(
            "otlp: {endpoint: 'http://h:1', auth: {authenticator: x}}",
            "",
        ),
        "3:34: exporters.otlp.auth: authentication is not supported in this build; a token can \
         stand in `headers`",
    );
    fault(
        &with("otlp: {endpoint: 'http://u:c4n4ry@h:1'}", ""),
        "3:10: exporters.otlp.endpoint: user and password in an address are not supported; use an \
         authorization header",
    );
    let receiver = |key: &str| {
        format!(
            "receivers: {{otlp: {{protocols: {{grpc: {{{key}: {{x: 1}}}}}}}}}}\n\
             exporters: {{nop: }}\n\
             service: {{pipelines: {{logs: {{receivers: [otlp], exporters: [nop]}}}}}}"
        )
    };
    fault(
        &receiver("tls"),
        "1:39: receivers.otlp.protocols.grpc.tls: TLS is not supported in this build",
    );
    fault(
        &receiver("auth"),
        "1:39: receivers.otlp.protocols.grpc.auth: authentication is not supported in this build",
    );
}

#[test]
fn the_collector_s_rules_hold() {
    let exporter = |more: &str| with(&format!("otlp: {{endpoint: 'http://h:1', {more}}}"), "");
    let queue = "exporters.otlp.sending_queue";
    for (more, rule) in [
        (
            "sending_queue: {num_consumers: 0}",
            "num_consumers: `num_consumers` must be positive",
        ),
        (
            "sending_queue: {queue_size: 0}",
            "queue_size: `queue_size` must be positive",
        ),
        (
            "sending_queue: {block_on_overflow: true, overflow: drop_oldest}",
            "overflow: `block_on_overflow: true` asks for `block`; remove one of the two",
        ),
        (
            "sending_queue: {batch: {flush_timeout: 0}}",
            "batch.flush_timeout: `flush_timeout` must be positive",
        ),
        (
            "sending_queue: {batch: {min_size: 9, max_size: 5}}",
            "batch.max_size: `max_size` must be greater or equal to `min_size`",
        ),
        (
            "sending_queue: {sizer: items, queue_size: 5, batch: {min_size: 9}}",
            "batch.min_size: `min_size` must be less than or equal to `queue_size`",
        ),
        (
            "sending_queue: {batch: {sizer: requests}}",
            "batch.sizer: `batch` supports only `items` or `bytes` sizer, found \"requests\"",
        ),
        (
            "sending_queue: {batch: {partition: {metadata_keys: [a, A]}}}",
            "batch.partition.metadata_keys.1: duplicate entry in metadata_keys (case-insensitive)",
        ),
        (
            "sending_queue: {storage: file_storage}",
            "storage: durable queues are not in this build; without `storage` the queue is in \
             memory",
        ),
    ] {
        let found = faults(&exporter(more));
        assert_eq!(found.len(), 1, "{found:?}");
        let expected = format!(": {queue}.{rule}");
        assert!(found[0].ends_with(&expected), "{} for {expected}", found[0]);
    }
    let retry = |more: &str| exporter(&format!("retry_on_failure: {{{more}}}"));
    let path = "exporters.otlp.retry_on_failure";
    fault(
        &retry("randomization_factor: 2"),
        &format!("3:53: {path}.randomization_factor: 'randomization_factor' must be within [0, 1]"),
    );
    fault(
        &retry("max_elapsed_time: 20s"),
        &format!(
            "3:53: {path}.max_elapsed_time: 'max_elapsed_time' must not be less than 'max_interval'"
        ),
    );
    assert_eq!(
        faults(&retry("enabled: false, max_elapsed_time: 1s")),
        [""; 0]
    );
    let limiter = |more: &str| {
        with(
            "nop: {}",
            &format!("processors: {{memory_limiter: {{{more}}}}}"),
        )
    };
    let path = "processors.memory_limiter";
    fault(
        &limiter("limit_mib: 5"),
        &format!("4:14: {path}.check_interval: 'check_interval' must be greater than zero"),
    );
    fault(
        &limiter("check_interval: 1s"),
        &format!("4:14: {path}: 'limit_mib' or 'limit_percentage' must be greater than zero"),
    );
    fault(
        &limiter("check_interval: 1s, limit_mib: 5, spike_limit_mib: 5"),
        &format!(
            "4:65: {path}.spike_limit_mib: 'spike_limit_mib' must be smaller than 'limit_mib'"
        ),
    );
    fault(
        &with(
            "nop: {}",
            "processors: {batch: {send_batch_size: 5, send_batch_max_size: 3}}",
        ),
        "4:42: processors.batch.send_batch_max_size: send_batch_max_size must be greater or equal \
         to send_batch_size",
    );
}

#[test]
fn pipelines() {
    let service = |pipelines: &str| {
        format!(
            "receivers: {{otlp: {{protocols: {{grpc: }}}}}}\nexporters: {{nop: }}\n\
             connectors: {{forward: }}\nservice: {{pipelines: {{{pipelines}}}}}"
        )
    };
    fault(
        "{}",
        "1:1: service.pipelines: service must have at least one pipeline",
    );
    fault(
        &service("traces: {receivers: [otlp]}"),
        "4:23: service.pipelines.traces.exporters: must have at least one exporter",
    );
    fault(
        &service("traces: {exporters: [nop]}"),
        "4:23: service.pipelines.traces.receivers: must have at least one receiver",
    );
    fault(
        &service("trace: {receivers: [otlp], exporters: [nop]}"),
        "4:23: service.pipelines.trace: unknown signal; did you mean \"traces\"?",
    );
    fault(
        &service("traces: {receivers: [otpl], exporters: [nop]}"),
        "4:44: service.pipelines.traces.receivers.0: references receiver \"otpl\" which is not \
         configured; did you mean \"otlp\"?",
    );
    fault(
        &service("traces: {receivers: [otlp], processors: [batch], exporters: [nop]}"),
        "4:64: service.pipelines.traces.processors.0: references processor \"batch\" which is not \
         configured",
    );
    fault(
        &service("traces: {receivers: [otlp], processors: [batch, batch], exporters: [nop]}")
            .replace("connectors", "processors: {batch: }\nconnectors"),
        "5:71: service.pipelines.traces.processors.1: references processor \"batch\" multiple times",
    );
    fault(
        &service("traces: {receivers: [otlp], exporters: [forward]}"),
        "4:23: service.pipelines.traces: connector \"forward\" is not used as receiver of a \
         pipeline of this signal",
    );
    fault(
        &service("traces: {receivers: [otlp, forward], exporters: [forward, nop]}"),
        "4:23: service.pipelines.traces: connector \"otlp\" leads back to this pipeline",
    );
    fault(
        &with("nop: {}", "").replace("service: {", "service: {extensions: [health_check], "),
        "5:24: service.extensions.0: references extension \"health_check\" which is not configured",
    );
}

#[test]
fn receivers() {
    let receivers = |text: &str, first: &str| {
        format!(
            "receivers: {{{text}}}\nexporters: {{nop: }}\n\
             service: {{pipelines: {{logs: {{receivers: [{first}], exporters: [nop]}}}}}}"
        )
    };
    fault(
        &receivers("otlp: ", "otlp"),
        "1:13: receivers.otlp.protocols: must specify at least one protocol when using the OTLP \
         receiver",
    );
    fault(
        &receivers("otlp: {protocols: {grpc: {endpoint: localhost}}}", "otlp"),
        "1:39: receivers.otlp.protocols.grpc.endpoint: missing port in address",
    );
    fault(
        &receivers(
            "otlp: {protocols: {grpc: }}, otlp/2: {protocols: {grpc: }}",
            "otlp, otlp/2",
        ),
        "1:63: receivers.otlp/2.protocols.grpc.endpoint: another receiver listens on the same \
         address",
    );
    fault(
        &receivers("otlp: {protocols: {grpc: , thrift: }}", "otlp"),
        "1:40: receivers.otlp.protocols.thrift: unknown key; valid here: grpc, http",
    );
    fault(
        &receivers(
            "otlp: {protocols: {http: {include_tls_metadata: true}}}",
            "otlp",
        ),
        "1:39: receivers.otlp.protocols.http.include_tls_metadata: invalid include_tls_metadata \
         value, must be false when not using TLS",
    );
    fault(
        &receivers(
            "otlp: {protocols: {http: {response_headers: {Content-Length: '5'}}}}",
            "otlp",
        ),
        "1:58: receivers.otlp.protocols.http.response_headers.Content-Length: is set by the \
         protocol and cannot be configured",
    );
    fault(
        &receivers(
            "otlp: {protocols: {http: {traces_url_path: 'a b'}}}",
            "otlp",
        ),
        "1:39: receivers.otlp.protocols.http.traces_url_path: invalid HTTP URL path set for signal",
    );
    fault(
        &receivers(
            "otlp: {protocols: {http: {traces_url_path: /v1/logs}}}",
            "otlp",
        ),
        "1:32: receivers.otlp.protocols.http: two signals have the same URL path",
    );
    fault(
        &receivers(
            "otlp: {protocols: {grpc: {max_recv_msg_size_mib: 4096}}}",
            "otlp",
        ),
        "1:39: receivers.otlp.protocols.grpc.max_recv_msg_size_mib: a gRPC message has at most \
         4095 MiB",
    );
}

#[test]
fn headers() {
    let headers = |headers: &str| {
        with(
            &format!("otlp: {{endpoint: 'http://h:1', headers: {{{headers}}}}}"),
            "",
        )
    };
    fault(
        &headers("'a b': c4n4ry"),
        "3:44: exporters.otlp.headers.a b: is not the name of a header",
    );
    fault(
        &headers("a: \"c4n4ry\\n\""),
        "3:44: exporters.otlp.headers.a: the value has characters that a header cannot carry",
    );
    fault(
        &headers("Content-Length: '5'"),
        "3:44: exporters.otlp.headers.Content-Length: is set by the protocol and cannot be \
         configured",
    );
    fault(
        &with("otlp: {endpoint: 'http://h:1', headers: 'c4n4ry'}", ""),
        "3:34: exporters.otlp.headers: expected a map, found text",
    );
}

#[test]
fn all_faults_are_reported_at_once_in_the_order_of_the_file() {
    let text = "\
receivers:
  otlp:
    protocols: {grpc: {endpoint: nowhere}}
exporters:
  otlp:
    endpont: h:1
    timeout: soon
service:
  pipelines:
    traces: {receivers: [otlp, x], exporters: [otlp]}
";
    assert_eq!(
        faults(text),
        [
            "3:24: receivers.otlp.protocols.grpc.endpoint: missing port in address",
            "5:3: exporters.otlp.endpoint: requires a non-empty \"endpoint\"",
            "6:5: exporters.otlp.endpont: unknown key; did you mean \"endpoint\"?",
            "7:5: exporters.otlp.timeout: expected a duration such as 5s or 1m30s, not negative, found \
         text \"soon\"",
            "10:32: service.pipelines.traces.receivers.1: references receiver \"x\" which is not \
         configured",
        ]
    );
}

#[test]
fn syntax() {
    let found = load_text("receivers: [").expect_err("a fault");
    assert!(found.starts_with("c.yaml:2:1: not valid YAML: "), "{found}");
}
