use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Metric, NumberDataPoint,
    ResourceMetrics, ScopeMetrics, Summary, SummaryDataPoint,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};
use prost::Message;
use tailrace_codec::otlp::{ItemView, partition};
use tailrace_codec::{Malformed, Rope, Signal, field::Fields, rope::Cursor};

fn text(key: &str, value: &str) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue {
            value: Some(Value::StringValue(value.to_owned())),
        }),
        key_strindex: 0,
    }
}

fn metric(name: &str, data: Data) -> Metric {
    Metric {
        name: name.to_owned(),
        data: Some(data),
        ..Metric::default()
    }
}

/// The string in an AnyValue.
fn string(value: Result<Option<Cursor<'_>>, Malformed>) -> Option<String> {
    let value = AnyValue::decode(&value.unwrap()?.bytes()[..]).unwrap();
    match value.value {
        Some(Value::StringValue(text)) => Some(text),
        other => panic!("{other:?}"),
    }
}

/// Attributes are found wherever a kind of point has them, in one slice or in many.
#[test]
fn a_point_knows_its_metric_scope_and_resource() {
    let attributes = vec![text("point", "p"), text("other", "o")];
    let metrics = vec![
        metric(
            "g",
            Data::Gauge(Gauge {
                data_points: vec![NumberDataPoint {
                    attributes: attributes.clone(),
                    ..Default::default()
                }],
            }),
        ),
        metric(
            "e",
            Data::ExponentialHistogram(ExponentialHistogram {
                data_points: vec![ExponentialHistogramDataPoint {
                    attributes: attributes.clone(),
                    ..Default::default()
                }],
                ..Default::default()
            }),
        ),
        metric(
            "s",
            Data::Summary(Summary {
                data_points: vec![SummaryDataPoint {
                    attributes,
                    ..Default::default()
                }],
            }),
        ),
    ];
    let scope = InstrumentationScope {
        attributes: vec![text("scope", "s")],
        ..Default::default()
    };
    let resource = Resource {
        attributes: vec![text("", "empty"), text("tenant", "t")],
        ..Default::default()
    };
    let request = ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(resource),
            scope_metrics: vec![ScopeMetrics {
                scope: Some(scope),
                metrics,
                ..Default::default()
            }],
            ..Default::default()
        }],
    };
    let bytes = request.encode_to_vec();
    for slice in [1, 7, bytes.len()] {
        let rope: Rope = bytes
            .chunks(slice)
            .map(bytes::Bytes::copy_from_slice)
            .collect();
        let mut names = Vec::new();
        partition(Signal::Metrics, &rope, |item: &ItemView<'_>| {
            assert_eq!(string(item.item_attribute("point")).as_deref(), Some("p"));
            assert_eq!(string(item.scope_attribute("scope")).as_deref(), Some("s"));
            assert_eq!(
                string(item.resource_attribute("tenant")).as_deref(),
                Some("t")
            );
            assert_eq!(
                string(item.resource_attribute("")).as_deref(),
                Some("empty")
            );
            assert_eq!(string(item.resource_attribute("point")), None);
            assert_eq!((item.items(), item.signal()), (1, Signal::Metrics));
            let metric = Fields::new(item.metric().unwrap()).next().unwrap().unwrap();
            names.push(metric.content().unwrap().to_bytes());
        })
        .unwrap();
        assert_eq!(names, ["g", "e", "s"]);
    }
}

/// What a span or record says of itself is what prost reads, also where a field stands twice.
#[test]
fn severity_status_and_trace_id_are_those_that_prost_reads() {
    let record = |severity: i32, trace_id: Vec<u8>| LogRecord {
        severity_number: severity,
        trace_id,
        ..LogRecord::default()
    };
    let records = vec![
        record(17, vec![7; 16]),
        record(0, vec![0; 16]),
        record(24, vec![7; 8]),
    ];
    let logs = ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            scope_logs: vec![ScopeLogs {
                log_records: records,
                ..ScopeLogs::default()
            }],
            ..ResourceLogs::default()
        }],
    };
    let mut seen = Vec::new();
    partition(Signal::Logs, &Rope::from(logs.encode_to_vec()), |item| {
        seen.push((item.severity_number().unwrap(), item.trace_id().unwrap()));
        assert_eq!(item.span_status().unwrap(), 0);
    })
    .unwrap();
    assert_eq!(seen, [(17, Some([7; 16])), (0, None), (24, None)]);
    let span = |code: i32| Span {
        trace_id: vec![9; 16],
        status: Some(Status {
            code,
            message: "m".into(),
        }),
        ..Span::default()
    };
    // A status in two parts, of which the second has no code.
    let mut twice = span(2).encode_to_vec();
    twice.extend([0x7a, 3, 0x12, 1, b'n']);
    let mut spans = Vec::new();
    for span in [span(0).encode_to_vec(), span(1).encode_to_vec(), twice] {
        spans.extend([0x12, u8::try_from(span.len()).unwrap()]);
        spans.extend(span);
    }
    let mut scope = vec![0x12, u8::try_from(spans.len()).unwrap()];
    scope.extend(spans);
    let mut request = vec![0x0a, u8::try_from(scope.len()).unwrap()];
    request.extend(scope);
    let decoded = ExportTraceServiceRequest::decode(&request[..]).unwrap();
    let expected = decoded.resource_spans[0].scope_spans[0].spans.iter();
    let expected: Vec<u64> = expected
        .map(|span| u64::try_from(span.status.as_ref().unwrap().code).unwrap())
        .collect();
    let mut codes = Vec::new();
    partition(Signal::Traces, &Rope::from(request), |item| {
        codes.push(item.span_status().unwrap());
        assert_eq!(item.trace_id().unwrap(), Some([9; 16]));
        assert_eq!(item.severity_number().unwrap(), 0);
    })
    .unwrap();
    assert_eq!(codes, expected);
    assert_eq!(codes, [0, 1, 2]);
}
