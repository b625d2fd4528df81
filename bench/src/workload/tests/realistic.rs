//! What the realistic mix holds, as another implementation reads it.

use super::*;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use std::collections::{HashMap, HashSet};

fn request<M: Message + Default>(signal: Signal, items: usize) -> M {
    let spec = Spec {
        mix: Mix::Realistic,
        templates: 1,
        ..Spec::standard(signal, items)
    };
    M::decode(Workload::new(&spec).protobuf(7, NOW)).expect("a request")
}

#[test]
fn spans_have_parents_in_their_trace_and_more_services_than_one() {
    let request: ExportTraceServiceRequest = request(Signal::Traces, 400);
    assert_eq!(request.resource_spans.len(), 4);
    let scopes = request.resource_spans.iter().flat_map(|of| &of.scope_spans);
    let spans: Vec<_> = scopes.flat_map(|scope| &scope.spans).collect();
    let traces: HashMap<_, _> = spans
        .iter()
        .map(|span| (&span.span_id, &span.trace_id))
        .collect();
    assert_eq!(traces.len(), 400, "span ids are distinct");
    let children: Vec<_> = spans
        .iter()
        .filter(|span| !span.parent_span_id.is_empty())
        .collect();
    assert!(children.len() > 100);
    for child in &children {
        assert_eq!(traces[&child.parent_span_id], &child.trace_id);
    }
    let kinds: HashSet<_> = spans.iter().map(|span| span.kind).collect();
    assert_eq!(kinds.len(), 5);
    let names = |name| {
        let events = spans.iter().flat_map(|span| &span.events);
        events.filter(|event| event.name == name).count()
    };
    assert!(names("exception") > 0 && names("cache.miss") > 0);
    assert!(spans.iter().any(|span| !span.links.is_empty()));
    let failed = |code| {
        let status = |span: &&&_| span_status(span) == code;
        spans.iter().filter(status).count()
    };
    assert!(failed(2) > 0 && failed(0) > failed(2));
}

fn span_status(span: &opentelemetry_proto::tonic::trace::v1::Span) -> i32 {
    span.status.as_ref().map_or(0, |status| status.code)
}

#[test]
fn all_five_kinds_of_metric_and_exemplars_occur() {
    let request: ExportMetricsServiceRequest = request(Signal::Metrics, 200);
    let scopes = { &request.resource_metrics }
        .iter()
        .flat_map(|of| &of.scope_metrics);
    let mut kinds = HashSet::new();
    let mut exemplars = 0;
    for metric in scopes.flat_map(|scope| &scope.metrics) {
        kinds.insert(match metric.data.as_ref().expect("a metric has data") {
            Data::Gauge(_) => "gauge",
            Data::Sum(_) => "sum",
            Data::Summary(_) => "summary",
            Data::Histogram(data) => {
                for point in &data.data_points {
                    assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
                    assert_eq!(point.count, point.bucket_counts.iter().sum::<u64>());
                    exemplars += point.exemplars.len();
                }
                "histogram"
            }
            Data::ExponentialHistogram(data) => {
                for point in &data.data_points {
                    let positive = point.positive.as_ref().expect("measurements");
                    let counted: u64 = positive.bucket_counts.iter().sum();
                    assert_eq!(point.count, point.zero_count + counted);
                }
                "exponential"
            }
        });
    }
    assert_eq!(kinds.len(), 5);
    assert!(exemplars > 0);
}

#[test]
fn bodies_of_every_kind_severities_and_trace_context_occur() {
    let request: ExportLogsServiceRequest = request(Signal::Logs, 240);
    let scopes = request.resource_logs.iter().flat_map(|of| &of.scope_logs);
    let records: Vec<_> = scopes.flat_map(|scope| &scope.log_records).collect();
    let body = |record: &&_| body_kind(record);
    let kinds: HashSet<_> = records.iter().map(body).collect();
    assert_eq!(kinds.len(), 8, "seven kinds of value, and none");
    let severities: HashSet<_> = records.iter().map(|log| log.severity_number).collect();
    assert!(severities.len() >= 5);
    let within = records.iter().filter(|log| log.trace_id.len() == 16);
    assert_eq!(within.count(), 192);
}

fn body_kind(record: &opentelemetry_proto::tonic::logs::v1::LogRecord) -> &'static str {
    let value = record.body.as_ref().and_then(|body| body.value.as_ref());
    match value {
        None => "none",
        Some(Value::StringValue(_)) => "string",
        Some(Value::BoolValue(_)) => "bool",
        Some(Value::IntValue(_)) => "int",
        Some(Value::DoubleValue(_)) => "double",
        Some(Value::ArrayValue(_)) => "array",
        Some(Value::KvlistValue(_)) => "map",
        Some(Value::BytesValue(_)) => "bytes",
        Some(_) => "of a later version",
    }
}

#[test]
fn sizes_and_cardinality_are_what_was_asked_for() {
    let spec = Spec {
        mix: Mix::Realistic,
        services: 1,
        cardinality: 1,
        ..Spec::standard(Signal::Traces, 100)
    };
    let wide = Spec {
        extra_attributes: 3,
        value_bytes: 500,
        ..spec
    };
    let (narrow, wide) = (Workload::new(&spec), Workload::new(&wide));
    assert!(wide.mean_bytes() > narrow.mean_bytes() + 100 * 3 * 500);
    let body = narrow.protobuf(0, NOW);
    let request = ExportTraceServiceRequest::decode(body).expect("a request");
    assert_eq!(request.resource_spans.len(), 1);
    let scopes = request.resource_spans.iter().flat_map(|of| &of.scope_spans);
    let spans = scopes.flat_map(|scope| &scope.spans);
    let routes: HashSet<_> = spans
        .flat_map(|span| &span.attributes)
        .filter(|attribute| attribute.key == "http.route")
        .map(|attribute| format!("{:?}", attribute.value))
        .collect();
    assert_eq!(routes.len(), 1);
}
