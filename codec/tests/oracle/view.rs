use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Metric, NumberDataPoint,
    ResourceMetrics, ScopeMetrics, Summary, SummaryDataPoint,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
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
