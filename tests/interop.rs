//! Items in a form that any language can print: what an SDK says it sent and what a backend
//! received become the same JSON, or the test fails.
//!
//! Each item is an object with `kind` (`span`, `point` or `log`), its `resource` attributes, its
//! `scope` (name and version) and its own fields. Numbers that JSON's reader might round are
//! text: 64-bit integers in decimal, doubles as the 16 hex digits of their IEEE 754 bits. A value
//! is `{"string"|"bool"|"int"|"double"|"bytes"|"array"|"map": …}`, or null where none is set.

mod sdk;

pub use sdk::{Sdk, curl};

use crate::item::{Export, Item, Record};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogramDataPoint, HistogramDataPoint, Metric, NumberDataPoint, exemplar,
    metric::Data, number_data_point,
};
use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::{Map, Value, json};

/// All items of `exports` in the common form, sorted.
pub fn described<'a>(exports: impl IntoIterator<Item = &'a Export>) -> Vec<Value> {
    let items = exports.into_iter().flat_map(Export::items);
    sorted(items.map(|item| describe(&item)).collect())
}

/// Any order will do, as long as both sides use it.
pub fn sorted(mut items: Vec<Value>) -> Vec<Value> {
    items.sort_by_cached_key(Value::to_string);
    items
}

/// Compares item by item, so that a failure shows one item and not all of them.
pub fn assert_same(sent: &[Value], received: &[Value]) {
    for item in sent {
        if !received.contains(item) {
            let same = |key: &str| {
                received
                    .iter()
                    .find(|other| !item[key].is_null() && other[key] == item[key])
            };
            let like = ["span_id", "metric", "body"].into_iter().find_map(same);
            panic!("sent, and not received:\n{item:#}\nthe most alike:\n{like:#?}");
        }
    }
    assert_eq!(sent.len(), received.len(), "more items came than were sent");
}

fn describe(item: &Item) -> Value {
    let mut fields = match &item.record {
        Record::Span(span) => describe_span(span),
        Record::Point(metric) => describe_point(metric),
        Record::Log(log) => describe_log(log),
        Record::Profile(_) => json!({ "kind": "profile" }),
    };
    let resource = item
        .resource
        .as_ref()
        .map(|resource| attributes(&resource.attributes));
    let scope = item.scope.clone().unwrap_or_default();
    fields["resource"] = resource.unwrap_or_default();
    fields["scope"] = json!({ "name": scope.name, "version": scope.version });
    fields
}

fn describe_span(span: &Span) -> Value {
    let status = span.status.clone().unwrap_or_default();
    let events = span.events.iter().map(|event| {
        json!({
            "name": event.name,
            "time": event.time_unix_nano.to_string(),
            "attributes": attributes(&event.attributes),
        })
    });
    let links = span.links.iter().map(|link| {
        json!({
            "trace_id": hex(&link.trace_id),
            "span_id": hex(&link.span_id),
            "attributes": attributes(&link.attributes),
        })
    });
    json!({
        "kind": "span",
        "trace_id": hex(&span.trace_id),
        "span_id": hex(&span.span_id),
        "parent_span_id": hex(&span.parent_span_id),
        "name": span.name,
        "span_kind": span.kind,
        "start": span.start_time_unix_nano.to_string(),
        "end": span.end_time_unix_nano.to_string(),
        "attributes": attributes(&span.attributes),
        "events": events.collect::<Vec<_>>(),
        "links": links.collect::<Vec<_>>(),
        "status": { "code": status.code, "message": status.message },
    })
}

fn describe_log(log: &LogRecord) -> Value {
    json!({
        "kind": "log",
        "time": log.time_unix_nano.to_string(),
        "observed": log.observed_time_unix_nano.to_string(),
        "severity": log.severity_number,
        "severity_text": log.severity_text,
        "body": any(log.body.as_ref()),
        "attributes": attributes(&log.attributes),
        "trace_id": hex(&log.trace_id),
        "span_id": hex(&log.span_id),
        "event_name": log.event_name,
    })
}

/// `metric` holds one point.
fn describe_point(metric: &Metric) -> Value {
    let mut fields = match metric
        .data
        .as_ref()
        .expect("a metric with a point has data")
    {
        Data::Sum(sum) => {
            let mut fields = number(&sum.data_points[0], "sum");
            fields["temporality"] = json!(sum.aggregation_temporality);
            fields["monotonic"] = json!(sum.is_monotonic);
            fields
        }
        Data::Gauge(gauge) => number(&gauge.data_points[0], "gauge"),
        Data::Histogram(histogram) => {
            let mut fields = histogram_point(&histogram.data_points[0]);
            fields["temporality"] = json!(histogram.aggregation_temporality);
            fields
        }
        Data::ExponentialHistogram(histogram) => {
            let mut fields = exponential_point(&histogram.data_points[0]);
            fields["temporality"] = json!(histogram.aggregation_temporality);
            fields
        }
        Data::Summary(_) => json!({ "type": "summary" }),
    };
    fields["kind"] = json!("point");
    fields["metric"] = json!(metric.name);
    fields["unit"] = json!(metric.unit);
    fields["description"] = json!(metric.description);
    fields
}

fn number(point: &NumberDataPoint, kind: &str) -> Value {
    let value = match point.value {
        None => Value::Null,
        Some(number_data_point::Value::AsInt(int)) => json!({ "int": int.to_string() }),
        Some(number_data_point::Value::AsDouble(number)) => double(number),
    };
    json!({
        "type": kind,
        "value": value,
        "attributes": attributes(&point.attributes),
        "start": point.start_time_unix_nano.to_string(),
        "time": point.time_unix_nano.to_string(),
        "exemplars": exemplars(&point.exemplars),
    })
}

fn histogram_point(point: &HistogramDataPoint) -> Value {
    json!({
        "type": "histogram",
        "count": point.count.to_string(),
        "sum": point.sum.map(double),
        "min": point.min.map(double),
        "max": point.max.map(double),
        "buckets": texts(&point.bucket_counts),
        "bounds": point.explicit_bounds.iter().copied().map(double).collect::<Vec<_>>(),
        "attributes": attributes(&point.attributes),
        "start": point.start_time_unix_nano.to_string(),
        "time": point.time_unix_nano.to_string(),
        "exemplars": exemplars(&point.exemplars),
    })
}

fn exponential_point(point: &ExponentialHistogramDataPoint) -> Value {
    let side = |buckets: &Option<Buckets>| {
        let buckets = buckets.clone().unwrap_or_default();
        json!({ "offset": buckets.offset, "buckets": texts(&buckets.bucket_counts) })
    };
    json!({
        "type": "exponential_histogram",
        "count": point.count.to_string(),
        "sum": point.sum.map(double),
        "min": point.min.map(double),
        "max": point.max.map(double),
        "scale": point.scale,
        "zero_count": point.zero_count.to_string(),
        "positive": side(&point.positive),
        "negative": side(&point.negative),
        "attributes": attributes(&point.attributes),
        "start": point.start_time_unix_nano.to_string(),
        "time": point.time_unix_nano.to_string(),
        "exemplars": exemplars(&point.exemplars),
    })
}

fn exemplars(exemplars: &[Exemplar]) -> Value {
    let describe = |each: &Exemplar| {
        let value = match each.value {
            None => Value::Null,
            Some(exemplar::Value::AsInt(int)) => json!({ "int": int.to_string() }),
            Some(exemplar::Value::AsDouble(number)) => double(number),
        };
        json!({
            "value": value,
            "time": each.time_unix_nano.to_string(),
            "trace_id": hex(&each.trace_id),
            "span_id": hex(&each.span_id),
            "attributes": attributes(&each.filtered_attributes),
        })
    };
    exemplars.iter().map(describe).collect()
}

fn attributes(attributes: &[KeyValue]) -> Value {
    let mut map = Map::new();
    for attribute in attributes {
        map.insert(attribute.key.clone(), any(attribute.value.as_ref()));
    }
    Value::Object(map)
}

fn any(value: Option<&AnyValue>) -> Value {
    match value.and_then(|value| value.value.as_ref()) {
        None => Value::Null,
        Some(Any::StringValue(text)) => json!({ "string": text }),
        Some(Any::BoolValue(truth)) => json!({ "bool": truth }),
        Some(Any::IntValue(int)) => json!({ "int": int.to_string() }),
        Some(Any::DoubleValue(number)) => double(*number),
        Some(Any::BytesValue(bytes)) => json!({ "bytes": hex(bytes) }),
        Some(Any::ArrayValue(array)) => {
            let values = array.values.iter().map(|value| any(Some(value)));
            json!({ "array": values.collect::<Vec<_>>() })
        }
        Some(Any::KvlistValue(list)) => json!({ "map": attributes(&list.values) }),
        Some(other) => json!({ "unexpected": format!("{other:?}") }),
    }
}

fn double(number: f64) -> Value {
    json!({ "double": format!("{:016x}", number.to_bits()) })
}

fn texts(numbers: &[u64]) -> Vec<String> {
    numbers.iter().map(u64::to_string).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
