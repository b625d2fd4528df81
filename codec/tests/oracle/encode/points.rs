//! Metrics and their points.

use super::{any_value, attributes, request, texts, write_attributes};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Kind;
use opentelemetry_proto::tonic::metrics::v1 as metrics;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use proptest::prelude::*;
use tailrace_codec::Signal;
use tailrace_codec::otlp::encode::{
    Exemplar, ExplicitBuckets, ExponentialBuckets, ExponentialRange, Key, Metric, MetricKind,
    Number, Point, Summary, Temporality, Value,
};
use tailrace_codec::otlp::fields::point_attributes;
use tailrace_codec::writer::Writer;

fn number() -> impl Strategy<Value = Number> {
    prop_oneof![
        any::<i64>().prop_map(Number::Int),
        any::<f64>().prop_map(Number::Double),
    ]
}

fn exemplars() -> impl Strategy<Value = Vec<Exemplar>> {
    let exemplar = (
        number(),
        any::<u64>(),
        any::<[u8; 16]>(),
        any::<[u8; 8]>(),
        any::<bool>(),
    );
    let exemplar = exemplar.prop_map(|(value, at, trace_id, span_id, in_span)| Exemplar {
        value,
        at,
        trace_id: if in_span { trace_id } else { [0; 16] },
        span_id: if in_span { span_id } else { [0; 8] },
    });
    prop::collection::vec(exemplar, 0..3)
}

fn expected_exemplars(exemplars: &[Exemplar]) -> Vec<metrics::Exemplar> {
    let id = |bytes: &[u8]| {
        let is_there = bytes.iter().any(|byte| *byte != 0);
        if is_there { bytes.to_vec() } else { vec![] }
    };
    let expected = exemplars.iter().map(|exemplar| metrics::Exemplar {
        filtered_attributes: vec![],
        time_unix_nano: exemplar.at,
        value: Some(match exemplar.value {
            Number::Int(int) => metrics::exemplar::Value::AsInt(int),
            Number::Double(double) => metrics::exemplar::Value::AsDouble(double),
        }),
        span_id: id(&exemplar.span_id),
        trace_id: id(&exemplar.trace_id),
    });
    expected.collect()
}

fn summary() -> impl Strategy<Value = Summary> {
    let some = || prop::option::of(any::<f64>());
    (any::<u64>(), some(), some(), some()).prop_map(|(count, sum, min, max)| Summary {
        count,
        sum,
        min,
        max,
    })
}

fn temporality(delta: bool) -> Temporality {
    if delta {
        Temporality::Delta
    } else {
        Temporality::Cumulative
    }
}

const fn expected_number(number: Number) -> metrics::number_data_point::Value {
    match number {
        Number::Int(int) => metrics::number_data_point::Value::AsInt(int),
        Number::Double(double) => metrics::number_data_point::Value::AsDouble(double),
    }
}

/// A metric with `points`, as prost reads it.
fn read(kind: MetricKind, points: impl FnOnce(&mut Writer)) -> metrics::Metric {
    let metric = Metric::new("name", "", "s", kind);
    let mut out = Writer::default();
    let open = metric.begin(&mut out, 0);
    points(&mut out);
    metric.end(&mut out, open);
    let mut read: ExportMetricsServiceRequest = request(Signal::Metrics, out.as_slice());
    let metric = read
        .resource_metrics
        .remove(0)
        .scope_metrics
        .remove(0)
        .metrics
        .remove(0);
    assert_eq!((&metric.name[..], &metric.unit[..]), ("name", "s"));
    metric
}

proptest! {
    #[test]
    fn explicit_histograms(
        delta in any::<bool>(),
        times in any::<[u64; 2]>(),
        summary in summary(),
        bounds in prop::collection::vec(any::<f64>(), 0..40),
        counts in prop::collection::vec(any::<u64>(), 0..40),
        exemplars in exemplars(),
        own in attributes(),
    ) {
        let mut encoded = Writer::default();
        write_attributes(&mut encoded, point_attributes(9), &own);
        let [start, at] = times;
        let point = Point { attributes: encoded.as_slice(), start, at };
        let buckets = ExplicitBuckets { bounds: &bounds, counts: &counts };
        let metric = read(MetricKind::Histogram { temporality: temporality(delta) }, |out| {
            point.write_explicit(out, &summary, &buckets, &exemplars);
            point.write_explicit(out, &Summary::default(), &ExplicitBuckets {
                bounds: &[], counts: &[],
            }, []);
        });
        let expected = metrics::HistogramDataPoint {
            attributes: super::expected(&own),
            start_time_unix_nano: start,
            time_unix_nano: at,
            count: summary.count,
            sum: summary.sum,
            bucket_counts: counts,
            explicit_bounds: bounds,
            exemplars: expected_exemplars(&exemplars),
            flags: 0,
            min: summary.min,
            max: summary.max,
        };
        let empty = metrics::HistogramDataPoint {
            attributes: super::expected(&own),
            start_time_unix_nano: start,
            time_unix_nano: at,
            ..Default::default()
        };
        let data = metrics::metric::Data::Histogram(metrics::Histogram {
            data_points: vec![expected, empty],
            aggregation_temporality: temporality(delta) as i32,
        });
        prop_assert_eq!(metric.data, Some(data));
    }

    #[test]
    fn exponential_histograms(
        delta in any::<bool>(),
        times in any::<[u64; 2]>(),
        summary in summary(),
        (scale, zero_count, offsets) in (any::<i32>(), any::<u64>(), any::<[i32; 2]>()),
        counts in prop::array::uniform2(prop::collection::vec(any::<u64>(), 0..40)),
        exemplars in exemplars(),
        own in attributes(),
    ) {
        let mut encoded = Writer::default();
        write_attributes(&mut encoded, point_attributes(10), &own);
        let [start, at] = times;
        let point = Point { attributes: encoded.as_slice(), start, at };
        let range = |at: usize| ExponentialRange { offset: offsets[at], counts: &counts[at] };
        let buckets = ExponentialBuckets {
            scale, zero_count, positive: range(0), negative: range(1),
        };
        let kind = MetricKind::ExponentialHistogram { temporality: temporality(delta) };
        let metric = read(kind, |out| {
            point.write_exponential(out, &summary, &buckets, &exemplars);
        });
        let range = |at: usize| (!counts[at].is_empty()).then(|| Buckets {
            offset: offsets[at], bucket_counts: counts[at].clone(),
        });
        let expected = metrics::ExponentialHistogramDataPoint {
            attributes: super::expected(&own),
            start_time_unix_nano: start,
            time_unix_nano: at,
            count: summary.count,
            sum: summary.sum,
            scale,
            zero_count,
            positive: range(0),
            negative: range(1),
            flags: 0,
            exemplars: expected_exemplars(&exemplars),
            min: summary.min,
            max: summary.max,
            zero_threshold: 0.0,
        };
        let data = metrics::metric::Data::ExponentialHistogram(metrics::ExponentialHistogram {
            data_points: vec![expected],
            aggregation_temporality: temporality(delta) as i32,
        });
        prop_assert_eq!(metric.data, Some(data));
    }

    #[test]
    fn numbers_with_exemplars(
        times in any::<[u64; 2]>(),
        number in number(),
        exemplars in exemplars(),
        own in attributes(),
    ) {
        let mut encoded = Writer::default();
        write_attributes(&mut encoded, point_attributes(5), &own);
        let [start, at] = times;
        let point = Point { attributes: encoded.as_slice(), start, at };
        let metric = read(MetricKind::Gauge, |out| point.write_number(out, number, &exemplars));
        let expected = metrics::NumberDataPoint {
            attributes: super::expected(&own),
            start_time_unix_nano: start,
            time_unix_nano: at,
            exemplars: expected_exemplars(&exemplars),
            flags: 0,
            value: Some(expected_number(number)),
        };
        let data = metrics::metric::Data::Gauge(metrics::Gauge { data_points: vec![expected] });
        prop_assert_eq!(metric.data, Some(data));
    }

    #[test]
    fn metrics_of_one_number(
        [name, description, unit] in texts(),
        sum in prop::option::of(any::<(bool, bool)>()),
        times in any::<[u64; 2]>(),
        number in number(),
        own in attributes(),
    ) {
        let kind = sum.map_or(MetricKind::Gauge, |(delta, is_monotonic)| MetricKind::Sum {
            temporality: temporality(delta), is_monotonic,
        });
        let texts: Vec<_> = own.iter().map(|(key, _)| (Key::new(key), Value::from(7_i64))).collect();
        let mut out = Writer::default();
        Metric::new(&name, &description, &unit, kind)
            .write(&mut out, times[0], times[1], number, &texts);

        let seven = |key: &str| KeyValue {
            value: Some(any_value(Kind::IntValue(7))),
            key: key.to_owned(),
            key_strindex: 0,
        };
        let point = metrics::NumberDataPoint {
            attributes: own.iter().map(|(key, _)| seven(key)).collect(),
            start_time_unix_nano: times[0],
            time_unix_nano: times[1],
            value: Some(expected_number(number)),
            ..Default::default()
        };
        let data_points = vec![point];
        let data = match sum {
            None => metrics::metric::Data::Gauge(metrics::Gauge { data_points }),
            Some((delta, is_monotonic)) => metrics::metric::Data::Sum(metrics::Sum {
                data_points, aggregation_temporality: temporality(delta) as i32, is_monotonic,
            }),
        };
        let read: ExportMetricsServiceRequest = request(Signal::Metrics, out.as_slice());
        let metric = &read.resource_metrics[0].scope_metrics[0].metrics[0];
        prop_assert_eq!(&metric.name, &name);
        prop_assert_eq!(&metric.description, &description);
        prop_assert_eq!(&metric.unit, &unit);
        prop_assert_eq!(&metric.data, &Some(data));
    }
}
