use super::Entropy;
use super::common::{attributes, resource, scope};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram,
    HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary,
    SummaryDataPoint, exemplar, number_data_point,
};

const POINTS: usize = 5;

pub fn metrics(entropy: &mut Entropy<'_>) -> ExportMetricsServiceRequest {
    ExportMetricsServiceRequest {
        resource_metrics: entropy.many(3, |entropy| ResourceMetrics {
            resource: entropy.maybe(resource),
            scope_metrics: entropy.many(3, |entropy| ScopeMetrics {
                scope: entropy.maybe(scope),
                metrics: entropy.many(4, metric),
                schema_url: entropy.text(),
            }),
            schema_url: entropy.text(),
        }),
    }
}

fn metric(entropy: &mut Entropy<'_>) -> Metric {
    Metric {
        name: entropy.text(),
        description: entropy.text(),
        unit: entropy.text(),
        metadata: attributes(entropy),
        data: data(entropy),
    }
}

fn data(entropy: &mut Entropy<'_>) -> Option<Data> {
    Some(match entropy.below(6) {
        0 => Data::Gauge(Gauge {
            data_points: entropy.many(POINTS, number_point),
        }),
        1 => Data::Sum(Sum {
            data_points: entropy.many(POINTS, number_point),
            aggregation_temporality: entropy.below(4) as i32,
            is_monotonic: entropy.below(2) == 1,
        }),
        2 => Data::Histogram(Histogram {
            data_points: entropy.many(POINTS, histogram_point),
            aggregation_temporality: entropy.below(4) as i32,
        }),
        3 => Data::ExponentialHistogram(ExponentialHistogram {
            data_points: entropy.many(POINTS, exponential_point),
            aggregation_temporality: entropy.below(4) as i32,
        }),
        4 => Data::Summary(Summary {
            data_points: entropy.many(POINTS, summary_point),
        }),
        _ => return None,
    })
}

fn number_point(entropy: &mut Entropy<'_>) -> NumberDataPoint {
    NumberDataPoint {
        attributes: attributes(entropy),
        start_time_unix_nano: entropy.number(),
        time_unix_nano: entropy.number(),
        exemplars: entropy.many(2, exemplar),
        flags: entropy.number() as u32,
        value: entropy.maybe(|entropy| match entropy.below(2) {
            0 => number_data_point::Value::AsDouble(entropy.double()),
            _ => number_data_point::Value::AsInt(entropy.number() as i64),
        }),
    }
}

fn histogram_point(entropy: &mut Entropy<'_>) -> HistogramDataPoint {
    HistogramDataPoint {
        attributes: attributes(entropy),
        start_time_unix_nano: entropy.number(),
        time_unix_nano: entropy.number(),
        count: entropy.number(),
        sum: entropy.maybe(Entropy::double),
        bucket_counts: entropy.many(4, Entropy::number),
        explicit_bounds: entropy.many(4, Entropy::double),
        exemplars: entropy.many(2, exemplar),
        flags: entropy.number() as u32,
        min: entropy.maybe(Entropy::double),
        max: entropy.maybe(Entropy::double),
    }
}

fn exponential_point(entropy: &mut Entropy<'_>) -> ExponentialHistogramDataPoint {
    ExponentialHistogramDataPoint {
        attributes: attributes(entropy),
        start_time_unix_nano: entropy.number(),
        time_unix_nano: entropy.number(),
        count: entropy.number(),
        sum: entropy.maybe(Entropy::double),
        scale: entropy.int32(),
        zero_count: entropy.number(),
        positive: entropy.maybe(buckets),
        negative: entropy.maybe(buckets),
        flags: entropy.number() as u32,
        exemplars: entropy.many(2, exemplar),
        min: entropy.maybe(Entropy::double),
        max: entropy.maybe(Entropy::double),
        zero_threshold: entropy.double(),
    }
}

fn buckets(entropy: &mut Entropy<'_>) -> Buckets {
    Buckets {
        offset: entropy.int32(),
        bucket_counts: entropy.many(4, Entropy::number),
    }
}

fn summary_point(entropy: &mut Entropy<'_>) -> SummaryDataPoint {
    SummaryDataPoint {
        attributes: attributes(entropy),
        start_time_unix_nano: entropy.number(),
        time_unix_nano: entropy.number(),
        count: entropy.number(),
        sum: entropy.double(),
        quantile_values: entropy.many(3, |entropy| ValueAtQuantile {
            quantile: entropy.double(),
            value: entropy.double(),
        }),
        flags: entropy.number() as u32,
    }
}

fn exemplar(entropy: &mut Entropy<'_>) -> Exemplar {
    Exemplar {
        filtered_attributes: attributes(entropy),
        time_unix_nano: entropy.number(),
        span_id: entropy.blob(),
        trace_id: entropy.blob(),
        value: entropy.maybe(|entropy| match entropy.below(2) {
            0 => exemplar::Value::AsDouble(entropy.double()),
            _ => exemplar::Value::AsInt(entropy.number() as i64),
        }),
    }
}
