//! Metrics, as the SDK's reader has collected them.
//!
//! Once in an export interval, so the SDK's own conversion does: opentelemetry-proto's types.

use super::recorders::{Origin, ScopeOf};
use super::{FLUSH_TIMEOUT, flush};
use crate::embed::recorder::RecorderLimits;
use crate::embed::service::Embedded;
use crate::embed::settings::TemporalityPreference;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use prost::Message;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tailrace_codec::Signal;

/// A metric of thousands of series is one item.
const LIMITS: RecorderLimits = RecorderLimits {
    chunk_bytes: 1 << 20,
    chunks_max: 8,
};

/// A chunk has a tag and a length before each item.
const METRIC_BYTES_MAX: usize = LIMITS.chunk_bytes - 16;

/// What a reader collects, answered when the backend has answered.
#[derive(Debug)]
pub struct MetricExporter {
    engine: Arc<Embedded>,
    temporality: Temporality,
    /// Known with the first collection; one reader asks at a time.
    origin: Mutex<Option<Origin>>,
}

impl MetricExporter {
    /// With the temporality that the engine's settings prefer.
    pub fn new(engine: &Arc<Embedded>) -> Self {
        Self {
            engine: Arc::clone(engine),
            temporality: match engine.temporality() {
                TemporalityPreference::Cumulative => Temporality::Cumulative,
                TemporalityPreference::Delta => Temporality::Delta,
                TemporalityPreference::LowMemory => Temporality::LowMemory,
            },
            origin: Mutex::new(None),
        }
    }

    fn origin(&self, resource: &Resource) -> Origin {
        let mut origin = self.origin.lock().unwrap_or_else(PoisonError::into_inner);
        match &*origin {
            Some(known) if known.resource() == resource => known.clone(),
            _ => {
                let new = Origin::new(&self.engine, Signal::Metrics, resource.clone(), LIMITS);
                origin.insert(new).clone()
            }
        }
    }
}

impl opentelemetry_sdk::metrics::exporter::PushMetricExporter for MetricExporter {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        if !self.engine.records(Signal::Metrics) {
            return Ok(());
        }
        let origin = self.origin(metrics.resource());
        let request = ExportMetricsServiceRequest::from(metrics);
        let converted = request.resource_metrics.into_iter();
        let converted = converted.flat_map(|resource| resource.scope_metrics);
        let mut dropped = 0;
        // Scopes come in the order in which they were collected.
        for (collected, converted) in metrics.scope_metrics().zip(converted) {
            let scope = ScopeOf {
                scope: collected.scope(),
                target: None,
            };
            for metric in converted.metrics {
                let all = origin.with_recorder(scope, |recorder| {
                    in_pieces(metric, METRIC_BYTES_MAX, &mut |bytes| {
                        recorder.record(bytes)
                    })
                });
                dropped += usize::from(!all);
            }
        }
        origin.answer(dropped)
    }

    fn force_flush(&self) -> OTelSdkResult {
        flush(&self.engine, FLUSH_TIMEOUT)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        flush(&self.engine, timeout)
    }

    fn temporality(&self) -> Temporality {
        self.temporality
    }
}

/// Hands a metric on, halved as often as it takes for each piece to fit. Whether all were taken.
pub(super) fn in_pieces(
    mut metric: Metric,
    bytes_max: usize,
    take: &mut impl FnMut(&[u8]) -> bool,
) -> bool {
    if metric.encoded_len() <= bytes_max {
        return take(&metric.encode_to_vec());
    }
    let Some(rest) = metric.data.as_mut().and_then(second_half) else {
        return false;
    };
    let second = Metric {
        name: metric.name.clone(),
        description: metric.description.clone(),
        unit: metric.unit.clone(),
        metadata: metric.metadata.clone(),
        data: Some(rest),
    };
    // Both, whatever becomes of the first.
    in_pieces(metric, bytes_max, take) & in_pieces(second, bytes_max, take)
}

/// Takes half of the points away. `None`: there is one.
fn second_half(data: &mut Data) -> Option<Data> {
    fn half<T>(points: &mut Vec<T>) -> Option<Vec<T>> {
        (points.len() > 1).then(|| points.split_off(points.len() / 2))
    }
    Some(match data {
        Data::Gauge(gauge) => {
            let data_points = half(&mut gauge.data_points)?;
            Data::Gauge(opentelemetry_proto::tonic::metrics::v1::Gauge { data_points })
        }
        Data::Sum(sum) => {
            let data_points = half(&mut sum.data_points)?;
            Data::Sum(opentelemetry_proto::tonic::metrics::v1::Sum {
                data_points,
                ..*sum
            })
        }
        Data::Histogram(histogram) => {
            let data_points = half(&mut histogram.data_points)?;
            Data::Histogram(opentelemetry_proto::tonic::metrics::v1::Histogram {
                data_points,
                ..*histogram
            })
        }
        Data::ExponentialHistogram(histogram) => {
            let data_points = half(&mut histogram.data_points)?;
            Data::ExponentialHistogram(
                opentelemetry_proto::tonic::metrics::v1::ExponentialHistogram {
                    data_points,
                    ..*histogram
                },
            )
        }
        Data::Summary(summary) => {
            let data_points = half(&mut summary.data_points)?;
            Data::Summary(opentelemetry_proto::tonic::metrics::v1::Summary { data_points })
        }
    })
}
