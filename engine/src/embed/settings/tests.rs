//! What the environment says, and what becomes of it.

use super::*;
use serde_json::json;

fn from(variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    Settings::from_variables(|name| {
        let found = variables.iter().find(|(set, _)| *set == name);
        found.map(|(_, value)| (*value).to_owned())
    })
}

#[test]
fn the_environment_says_where_and_who() {
    let settings = from(&[
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20b, x=$1"),
        (
            "OTEL_RESOURCE_ATTRIBUTES",
            "service.name=cart,deployment.environment.name=prod",
        ),
        ("OTEL_BSP_SCHEDULE_DELAY", "200"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", " "),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "Delta"),
    ])
    .expect("valid");
    assert_eq!(settings.endpoint, "http://localhost:4317");
    assert_eq!(settings.headers[0], ("api-key".into(), "a b".into()));
    assert_eq!(
        settings.traces.schedule_delay,
        Some(Duration::from_millis(200))
    );
    assert_eq!(settings.timeout, Duration::from_secs(10));
    assert_eq!(settings.temporality, TemporalityPreference::Delta);
    let resource = settings.resource();
    assert_eq!(resource[0], ("service.name".into(), "cart".into()));
    assert_eq!(resource.len(), 2);
    let config = settings.config().expect("valid");
    assert_eq!(config.lanes.len(), 3);
    assert!(config.lanes.iter().all(|lane| lane.queue.wait_for_result));
}

#[test]
fn what_is_said_of_one_signal_is_that_signal_s() {
    let settings = from(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://all:4318"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://own:1/mine"),
        ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "700"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "none"),
        ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "x=1"),
        ("OTEL_BSP_SCHEDULE_DELAY", "200"),
        ("OTEL_BLRP_SCHEDULE_DELAY", "300"),
        ("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "7"),
    ]);
    let document = settings.expect("valid").document();
    let exporters = &document["exporters"];
    let traces = &exporters["otlp_http/traces"];
    assert_eq!(traces["traces_endpoint"], "http://own:1/mine");
    assert_eq!(traces["sending_queue"]["batch"]["flush_timeout"], "200ms");
    assert_eq!(traces["compression"], "gzip");
    let metrics = &exporters["otlp_http/metrics"];
    assert_eq!(metrics["endpoint"], "http://all:4318");
    assert_eq!(
        (&metrics["compression"], &metrics["headers"]["x"]),
        (&json!("none"), &json!("1"))
    );
    assert_eq!(metrics["sending_queue"]["batch"]["flush_timeout"], "5000ms");
    let logs = &exporters["otlp_grpc/logs"];
    assert_eq!(
        (&logs["endpoint"], &logs["timeout"]),
        (&json!("http://all:4318"), &json!("700ms"))
    );
    assert_eq!(logs["sending_queue"]["batch"]["flush_timeout"], "300ms");
    assert_eq!(logs["sending_queue"]["batch"]["max_size"], 7);
}

#[test]
fn another_protocol_has_another_port_unless_one_is_said() {
    let settings = from(&[("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "grpc")]).expect("valid");
    assert_eq!(settings.endpoint, "http://localhost:4318");
    let own = settings.logs.endpoint.as_deref();
    assert_eq!(own, Some("http://localhost:4317"));
    settings.config().expect("valid");
}

#[test]
fn the_defaults_are_valid() {
    let config = Settings::default().config().expect("valid");
    assert_eq!((config.listeners.len(), config.lanes.len()), (1, 3));
}

#[test]
fn what_cannot_be_read_is_named() {
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        ("OTEL_RESOURCE_ATTRIBUTES", "novalue"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=%zz"),
        ("OTEL_BSP_SCHEDULE_DELAY", "-1"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "0"),
        ("OTEL_BLRP_MAX_QUEUE_SIZE", "-1"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "1s"),
        ("OTEL_LOGS_EXPORTER", "console"),
        (
            "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
            "sometimes",
        ),
    ] {
        let error = from(&[(name, value)]).expect_err(value);
        assert!(error.to_string().contains(name), "{error}");
    }
    let endpoint = Settings {
        endpoint: "gopher://localhost".to_owned(),
        ..Settings::default()
    };
    let error = endpoint.config().expect_err("another scheme");
    assert!(matches!(error, SettingsError::Invalid(_)), "{error}");
}

#[test]
fn an_endpoint_that_wants_tls_is_refused_with_the_remedy() {
    const ALL: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
    const GRPC: (&str, &str) = ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    let own = "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT";
    let insecure = "OTEL_EXPORTER_OTLP_INSECURE";
    for (variables, signal, no_scheme) in [
        (&[(ALL, "https://h:4318")][..], Signal::Traces, false),
        (&[GRPC, (ALL, "https://h:4317")], Signal::Traces, false),
        // What is insecure is said of endpoints without a scheme alone.
        (
            &[GRPC, (ALL, "https://h:1"), (insecure, "true")],
            Signal::Traces,
            false,
        ),
        (&[(own, "https://h:4318/v1/logs")], Signal::Logs, false),
        (&[GRPC, (ALL, "h:4317")], Signal::Traces, true),
        (
            &[
                GRPC,
                (ALL, "h:4317"),
                (insecure, "TRUE"),
                ("OTEL_EXPORTER_OTLP_METRICS_INSECURE", "no"),
            ],
            Signal::Metrics,
            true,
        ),
    ] {
        let error = from(variables).expect("read").config();
        let error = error.expect_err("there is no TLS");
        let SettingsError::NoTls {
            signal: of,
            no_scheme: is_bare,
        } = error
        else {
            panic!("another error: {error}");
        };
        assert_eq!((of, is_bare), (signal, no_scheme), "{variables:?}");
        let text = error.to_string();
        assert!(text.contains("does not have; send in the clear"), "{text}");
        assert_eq!(text.contains(insecure), no_scheme, "{text}");
    }
    // In the clear, all of these.
    for variables in [
        &[GRPC, (ALL, "h:4317"), (insecure, "true")][..],
        &[GRPC, (ALL, "http://h:4317")],
        &[GRPC, (ALL, "unix:///run/otlp")],
    ] {
        let config = from(variables).expect("read").config();
        assert_eq!(config.expect("in the clear").lanes.len(), 3);
    }
}

#[test]
fn what_is_disabled_has_no_exporter() {
    let disabled = |value| from(&[("OTEL_SDK_DISABLED", value)]).expect("read");
    assert!(disabled("True").disabled && !disabled("1").disabled && !disabled("false").disabled);
    assert!(!disabled("TRUE").takes(Signal::Logs));

    let settings = from(&[
        ("OTEL_METRICS_EXPORTER", "none"),
        ("OTEL_TRACES_EXPORTER", "otlp"),
        // Nothing goes there.
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "https://h:1"),
    ]);
    let settings = settings.expect("read");
    assert!(settings.takes(Signal::Traces) && !settings.takes(Signal::Metrics));
    assert_eq!(settings.config().expect("valid").lanes.len(), 2);
}

#[test]
fn processors_bound_what_waits_and_for_how_long_it_is_tried() {
    let settings = from(&[
        ("OTEL_BSP_MAX_QUEUE_SIZE", "100"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "700"),
        ("OTEL_BLRP_EXPORT_TIMEOUT", "0"),
        ("OTEL_METRIC_EXPORT_TIMEOUT", "60000"),
    ]);
    let settings = settings.expect("read");
    let document = settings.document();
    let of = |signal: &str| &document["exporters"][format!("otlp_http/{signal}")];
    let queue = &of("traces")["sending_queue"];
    assert_eq!(
        (&queue["queue_size"], &queue["batch"]["max_size"]),
        (&json!(100), &json!(100))
    );
    let retry = &of("traces")["retry_on_failure"];
    assert_eq!(
        *retry,
        json!({"max_elapsed_time": "700ms", "initial_interval": "700ms", "max_interval": "700ms"})
    );
    assert_eq!(
        of("logs")["retry_on_failure"],
        json!({"max_elapsed_time": "0ms"})
    );
    assert_eq!(of("metrics")["retry_on_failure"]["max_interval"], "30000ms");
    settings.config().expect("valid");
}

#[test]
fn spans_are_sampled_and_limited_as_the_environment_says() {
    use crate::embed::{RootSampler, Sampler, SpanLimits};
    let sampler = |name: &str, argument: &str| {
        from(&[
            ("OTEL_TRACES_SAMPLER", name),
            ("OTEL_TRACES_SAMPLER_ARG", argument),
        ])
        .map(|settings| settings.sampler)
    };
    let is = |root, parent_based| Sampler { root, parent_based };
    for (name, expected) in [
        ("always_on", is(RootSampler::AlwaysOn, false)),
        ("always_off", is(RootSampler::AlwaysOff, false)),
        ("parentbased_always_off", is(RootSampler::AlwaysOff, true)),
        ("traceidratio", is(RootSampler::TraceIdRatio(0.25), false)),
        (
            " parentbased_traceidratio ",
            is(RootSampler::TraceIdRatio(0.25), true),
        ),
        ("", Sampler::default()),
    ] {
        assert_eq!(sampler(name, "0.25").expect("valid"), expected, "{name}");
    }
    let whole = is(RootSampler::TraceIdRatio(1.0), false);
    for argument in ["", "half", "1.5", "NaN", "-1"] {
        let found = sampler("traceidratio", argument).expect("valid");
        assert_eq!(found, whole, "{argument}");
    }
    assert!(sampler("jaeger_remote", "").is_err());

    let settings = from(&[
        ("OTEL_ATTRIBUTE_COUNT_LIMIT", "10"),
        ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "99"),
        ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "50"),
        ("OTEL_SPAN_EVENT_COUNT_LIMIT", "0"),
        ("OTEL_SPAN_LINK_COUNT_LIMIT", "3"),
        ("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "4"),
    ]);
    let expected = SpanLimits {
        attributes: 10,
        attribute_value_len: Some(50),
        events: 0,
        links: 3,
        event_attributes: 4,
        link_attributes: 10,
    };
    let settings = settings.expect("valid");
    assert_eq!(settings.span_limits, expected);
    let logs = settings.log_limits;
    assert_eq!((logs.attributes, logs.attribute_value_len), (10, Some(99)));
    let logs = from(&[
        ("OTEL_ATTRIBUTE_COUNT_LIMIT", "10"),
        ("OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", "0"),
        ("OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT", "7"),
    ]);
    let logs = logs.expect("valid").log_limits;
    assert_eq!((logs.attributes, logs.attribute_value_len), (0, Some(7)));
    assert_eq!(from(&[]).expect("valid").log_limits.attributes, 128);
    assert!(from(&[("OTEL_SPAN_LINK_COUNT_LIMIT", "-1")]).is_err());
}

#[test]
fn instruments_are_put_together_as_the_environment_says() {
    use crate::embed::metrics::{Buckets, ExemplarFilter};
    let read = |variables: &[(&str, &str)]| from(variables).map(|settings| settings.instruments);
    let defaults = read(&[]).expect("valid");
    assert_eq!(defaults, InstrumentSettings::default());
    assert_eq!(defaults.export_interval, Duration::from_secs(60));
    let told = read(&[
        ("OTEL_METRIC_EXPORT_INTERVAL", "1500"),
        ("OTEL_METRICS_EXEMPLAR_FILTER", "always_off"),
        (
            "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
            "Base2_Exponential_Bucket_Histogram",
        ),
    ]);
    let expected = InstrumentSettings {
        export_interval: Duration::from_millis(1500),
        exemplars: ExemplarFilter::AlwaysOff,
        buckets: Buckets::exponential(),
        ..defaults
    };
    assert_eq!(told.expect("valid"), expected);
    for (name, value) in [
        ("OTEL_METRIC_EXPORT_INTERVAL", "0"),
        ("OTEL_METRICS_EXEMPLAR_FILTER", "some"),
        (
            "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
            "summary",
        ),
    ] {
        let fault = read(&[(name, value)]).expect_err(value).to_string();
        assert!(
            fault.contains(name) && fault.contains("allowed is"),
            "{fault}"
        );
    }
}

#[test]
fn propagators_are_those_that_are_named() {
    use crate::embed::propagation::Propagators;
    let read = |value: &str| {
        let settings = from(&[("OTEL_PROPAGATORS", value)]).expect("valid");
        let Propagators {
            trace_context,
            b3,
            b3_multi,
        } = settings.propagators;
        [trace_context, b3, b3_multi]
    };
    assert_eq!(read(""), [true, false, false]);
    assert_eq!(read("tracecontext,baggage"), [true, false, false]);
    assert_eq!(read(" b3 , b3multi"), [false, true, true]);
    assert_eq!(read("b3,none"), [false; 3]);
    assert_eq!(read("jaeger,b3"), [false, true, false]);
    assert_eq!(read("xray"), [false; 3]);
}
