//! Requests whose every item has a known id and attributes of every kind. The same arguments give
//! the same request.

use crate::item::{Export, ID_KEY, Signal};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::profiles::v1development::ExportProfilesServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList,
};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric::Data, number_data_point,
};
use opentelemetry_proto::tonic::profiles::v1development::{
    Profile, ProfilesDictionary, ResourceProfiles, Sample, ScopeProfiles,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use std::ops::Range;

/// 2026-01-01T00:00:00Z, the start of every generated item.
const EPOCH_NS: u64 = 1_767_225_600_000_000_000;

/// A request of `signal` with one item for each id, ten to a resource, five to a scope.
pub fn request(signal: Signal, ids: Range<u64>) -> Export {
    let ids: Vec<u64> = ids.collect();
    let groups = || ids.chunks(10).map(|group| (group[0], group.chunks(5)));
    match signal {
        Signal::Traces => Export::Traces(ExportTraceServiceRequest {
            resource_spans: groups()
                .map(|(first, scopes)| ResourceSpans {
                    resource: resource(first),
                    scope_spans: scopes.map(scope_spans).collect(),
                    schema_url: SCHEMA_URL.to_owned(),
                })
                .collect(),
        }),
        Signal::Metrics => Export::Metrics(ExportMetricsServiceRequest {
            resource_metrics: groups()
                .map(|(first, scopes)| ResourceMetrics {
                    resource: resource(first),
                    scope_metrics: scopes.map(scope_metrics).collect(),
                    schema_url: SCHEMA_URL.to_owned(),
                })
                .collect(),
        }),
        Signal::Logs => Export::Logs(ExportLogsServiceRequest {
            resource_logs: groups()
                .map(|(first, scopes)| ResourceLogs {
                    resource: resource(first),
                    scope_logs: scopes.map(scope_logs).collect(),
                    schema_url: SCHEMA_URL.to_owned(),
                })
                .collect(),
        }),
        Signal::Profiles => Export::Profiles(ExportProfilesServiceRequest {
            resource_profiles: groups()
                .map(|(first, scopes)| ResourceProfiles {
                    resource: resource(first),
                    scope_profiles: scopes.map(scope_profiles).collect(),
                    schema_url: SCHEMA_URL.to_owned(),
                })
                .collect(),
            dictionary: Some(ProfilesDictionary {
                string_table: vec![String::new()],
                ..ProfilesDictionary::default()
            }),
        }),
    }
}

/// A traces request of one span whose only attribute is a text of `bytes` bytes.
pub fn large_span(id: u64, bytes: usize) -> Export {
    let Export::Traces(mut request) = request(Signal::Traces, id..id + 1) else {
        unreachable!("a traces request was asked for")
    };
    let span = &mut request.resource_spans[0].scope_spans[0].spans[0];
    span.attributes = vec![attribute("filler", text(&"x".repeat(bytes)))];
    Export::Traces(request)
}

/// A traces request of one span with an attribute of `depth` arrays, one inside the other.
pub fn nested(id: u64, depth: usize) -> Export {
    let mut value = text("innermost");
    for _ in 0..depth {
        value = Value::ArrayValue(ArrayValue {
            values: vec![any(value)],
        });
    }
    let Export::Traces(mut request) = request(Signal::Traces, id..id + 1) else {
        unreachable!("a traces request was asked for")
    };
    let span = &mut request.resource_spans[0].scope_spans[0].spans[0];
    span.attributes = vec![attribute("nested", value)];
    Export::Traces(request)
}

const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.37.0";

fn resource(first: u64) -> Option<Resource> {
    Some(Resource {
        attributes: vec![
            attribute("service.name", text("generated")),
            attribute(
                "service.instance.id",
                text(&format!("instance-{}", first / 10 % 3)),
            ),
        ],
        ..Resource::default()
    })
}

fn scope(ids: &[u64]) -> Option<InstrumentationScope> {
    Some(InstrumentationScope {
        name: format!("scope-{}", ids[0] / 5 % 2),
        version: "1.2.3".to_owned(),
        attributes: vec![attribute("scope.kind", text("test"))],
        dropped_attributes_count: 0,
    })
}

fn scope_spans(ids: &[u64]) -> ScopeSpans {
    ScopeSpans {
        scope: scope(ids),
        spans: ids.iter().map(|&id| span(id)).collect(),
        schema_url: String::new(),
    }
}

fn scope_metrics(ids: &[u64]) -> ScopeMetrics {
    ScopeMetrics {
        scope: scope(ids),
        metrics: ids.iter().map(|&id| gauge(id)).collect(),
        schema_url: String::new(),
    }
}

fn scope_logs(ids: &[u64]) -> ScopeLogs {
    ScopeLogs {
        scope: scope(ids),
        log_records: ids.iter().map(|&id| log(id)).collect(),
        schema_url: String::new(),
    }
}

fn scope_profiles(ids: &[u64]) -> ScopeProfiles {
    ScopeProfiles {
        scope: scope(ids),
        profiles: ids.iter().map(|&id| profile(id)).collect(),
        schema_url: String::new(),
    }
}

fn span(id: u64) -> Span {
    Span {
        trace_id: u128::from(id / 4 + 1).to_be_bytes().to_vec(),
        span_id: id.to_be_bytes().to_vec(),
        trace_state: "vendor=1".to_owned(),
        parent_span_id: if id.is_multiple_of(4) {
            Vec::new()
        } else {
            (id - 1).to_be_bytes().to_vec()
        },
        flags: 0x101,
        name: format!("operation-{}", id % 7),
        kind: i32::try_from(id % 6).expect("a remainder below six"),
        start_time_unix_nano: EPOCH_NS + id,
        end_time_unix_nano: EPOCH_NS + id + 1_000,
        attributes: attributes(id),
        events: vec![Event {
            time_unix_nano: EPOCH_NS + id + 500,
            name: "retry".to_owned(),
            attributes: vec![attribute("attempt", Value::IntValue(2))],
            dropped_attributes_count: 1,
        }],
        links: vec![Link {
            trace_id: vec![7; 16],
            span_id: vec![9; 8],
            attributes: vec![attribute("cause", text("queue"))],
            ..Link::default()
        }],
        status: Some(Status {
            message: "as expected".to_owned(),
            code: 1,
        }),
        ..Span::default()
    }
}

fn gauge(id: u64) -> Metric {
    let point = NumberDataPoint {
        attributes: attributes(id),
        start_time_unix_nano: EPOCH_NS,
        time_unix_nano: EPOCH_NS + id,
        value: Some(number_data_point::Value::AsDouble(id as f64 / 3.0)),
        ..NumberDataPoint::default()
    };
    Metric {
        name: format!("gauge-{}", id % 5),
        unit: "By".to_owned(),
        data: Some(Data::Gauge(Gauge {
            data_points: vec![point],
        })),
        ..Metric::default()
    }
}

fn log(id: u64) -> LogRecord {
    LogRecord {
        time_unix_nano: EPOCH_NS + id,
        observed_time_unix_nano: EPOCH_NS + id + 1,
        severity_number: i32::try_from(id % 24 + 1).expect("a remainder below 24"),
        severity_text: "as numbered".to_owned(),
        body: Some(any(text("a line of log"))),
        attributes: attributes(id),
        trace_id: vec![5; 16],
        span_id: vec![6; 8],
        ..LogRecord::default()
    }
}

fn profile(id: u64) -> Profile {
    Profile {
        time_unix_nano: EPOCH_NS + id,
        duration_nano: 1_000,
        profile_id: u128::from(id).to_be_bytes().to_vec(),
        samples: vec![Sample {
            values: vec![1],
            ..Sample::default()
        }],
        ..Profile::default()
    }
}

/// One attribute of each kind, the first of them the id.
fn attributes(id: u64) -> Vec<KeyValue> {
    let number = i64::try_from(id).expect("generated ids fit in 63 bits");
    vec![
        attribute(ID_KEY, Value::IntValue(number)),
        attribute("text", text("grüße, 世界 \u{1f680} \"quoted\"\n")),
        attribute("yes", Value::BoolValue(true)),
        attribute("no", Value::BoolValue(false)),
        attribute("least", Value::IntValue(i64::MIN)),
        attribute("greatest", Value::IntValue(i64::MAX)),
        attribute("third", Value::DoubleValue(1.0 / 3.0)),
        attribute("bytes", Value::BytesValue(vec![0, 127, 128, 255])),
        attribute(
            "list",
            Value::ArrayValue(ArrayValue {
                values: vec![any(text("a")), any(Value::IntValue(-1))],
            }),
        ),
        attribute(
            "map",
            Value::KvlistValue(KeyValueList {
                values: vec![attribute("inner", text("value"))],
            }),
        ),
        attribute("empty", text("")),
    ]
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(any(value)),
        ..KeyValue::default()
    }
}

fn any(value: Value) -> AnyValue {
    AnyValue { value: Some(value) }
}

fn text(text: &str) -> Value {
    Value::StringValue(text.to_owned())
}
