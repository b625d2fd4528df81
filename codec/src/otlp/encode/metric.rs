//! Metrics: a name, and the data points below it.

use super::attribute::{AttributeKey, Value, attribute};
use super::point::{Number, Point};
use super::text;
use crate::otlp::fields::point_attributes;
use crate::writer::{Open, Writer};

const NAME: u32 = 1;
const DESCRIPTION: u32 = 2;
const UNIT: u32 = 3;
const GAUGE: u32 = 5;
const SUM: u32 = 7;
const HISTOGRAM: u32 = 9;
const EXPONENTIAL_HISTOGRAM: u32 = 10;

const TEMPORALITY: u32 = 2;
const IS_MONOTONIC: u32 = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Temporality {
    Delta = 1,
    Cumulative = 2,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    Gauge,
    Sum {
        temporality: Temporality,
        is_monotonic: bool,
    },
    Histogram {
        temporality: Temporality,
    },
    ExponentialHistogram {
        temporality: Temporality,
    },
}

/// A metric but for its points, encoded once for all of them.
#[derive(Debug, Clone)]
pub struct Metric {
    /// Name, description and unit.
    head: Box<[u8]>,
    /// The field of the metric that holds the points.
    data: u32,
    /// What stands behind the points.
    tail: Box<[u8]>,
}

/// A metric whose points are being written.
#[derive(Debug)]
#[must_use = "a metric that is not ended has no length"]
pub struct OpenMetric(Open);

impl Metric {
    pub fn new(name: &str, description: &str, unit: &str, kind: MetricKind) -> Self {
        let mut head = Writer::default();
        text(&mut head, NAME, name.as_bytes());
        text(&mut head, DESCRIPTION, description.as_bytes());
        text(&mut head, UNIT, unit.as_bytes());
        let (data, temporality, is_monotonic) = match kind {
            MetricKind::Gauge => (GAUGE, None, false),
            MetricKind::Sum {
                temporality,
                is_monotonic,
            } => (SUM, Some(temporality), is_monotonic),
            MetricKind::Histogram { temporality } => (HISTOGRAM, Some(temporality), false),
            MetricKind::ExponentialHistogram { temporality } => {
                (EXPONENTIAL_HISTOGRAM, Some(temporality), false)
            }
        };
        let mut tail = Writer::default();
        if let Some(temporality) = temporality {
            tail.varint(TEMPORALITY, temporality as u64);
        }
        if is_monotonic {
            tail.varint(IS_MONOTONIC, 1);
        }
        Self {
            head: head.into_buffer().into(),
            data,
            tail: tail.into_buffer().into(),
        }
    }

    /// Begins the content of a metric whose points come next, about `expected` bytes of them.
    pub fn begin(&self, out: &mut Writer, expected: usize) -> OpenMetric {
        out.raw(&self.head);
        OpenMetric(out.open(self.data, expected))
    }

    pub fn end(&self, out: &mut Writer, metric: OpenMetric) {
        out.raw(&self.tail);
        out.close(metric.0);
    }

    /// One attribute of a point of this metric, as [`Point::attributes`] has them.
    pub fn attribute(&self, out: &mut Writer, key: impl AttributeKey, value: Value<'_>) {
        attribute(out, point_attributes(self.data), key, value);
    }

    /// The content of a metric with one point. `start` and `at`: nanoseconds since 1970, `start` 0
    /// for a gauge. A histogram's points are not numbers.
    pub fn write<K: AttributeKey>(
        &self,
        out: &mut Writer,
        start: u64,
        at: u64,
        number: Number,
        attributes: &[(K, Value<'_>)],
    ) {
        let expected = 32 * (1 + attributes.len());
        let metric = self.begin(out, expected);
        let point = Point {
            attributes: &[],
            start,
            at,
        };
        let open = point.begin_number(out, number, expected);
        for (key, value) in attributes {
            self.attribute(out, key, *value);
        }
        out.close(open);
        self.end(out, metric);
    }
}
