//! Metrics of numbers: gauges and sums, one data point at a time.

use super::attribute::{AttributeKey, Value, attribute};
use super::{text, time};
use crate::otlp::fields::{DATA_POINTS, point_attributes};
use crate::writer::Writer;

const NAME: u32 = 1;
const DESCRIPTION: u32 = 2;
const UNIT: u32 = 3;
const GAUGE: u32 = 5;
const SUM: u32 = 7;

const TEMPORALITY: u32 = 2;
const IS_MONOTONIC: u32 = 3;

const START_TIME: u32 = 2;
const TIME: u32 = 3;
const AS_DOUBLE: u32 = 4;
const AS_INT: u32 = 6;

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
}

/// The value of a data point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    Int(i64),
    Double(f64),
}

/// A metric but for its points, encoded once for all of them.
#[derive(Debug, Clone)]
pub struct Metric {
    /// Name, description and unit.
    head: Box<[u8]>,
    /// The field of the metric that holds the points.
    data: u32,
    /// What stands behind the points of a sum.
    tail: Box<[u8]>,
}

impl Metric {
    pub fn new(name: &str, description: &str, unit: &str, kind: MetricKind) -> Self {
        let mut head = Writer::default();
        text(&mut head, NAME, name.as_bytes());
        text(&mut head, DESCRIPTION, description.as_bytes());
        text(&mut head, UNIT, unit.as_bytes());
        let mut tail = Writer::default();
        let data = match kind {
            MetricKind::Gauge => GAUGE,
            MetricKind::Sum {
                temporality,
                is_monotonic,
            } => {
                tail.varint(TEMPORALITY, temporality as u64);
                if is_monotonic {
                    tail.varint(IS_MONOTONIC, 1);
                }
                SUM
            }
        };
        Self {
            head: head.into_buffer().into(),
            data,
            tail: tail.into_buffer().into(),
        }
    }

    /// The content of a metric with one point. `start` and `at`: nanoseconds since 1970, `start` 0
    /// for a gauge.
    pub fn write<K: AttributeKey>(
        &self,
        out: &mut Writer,
        start: u64,
        at: u64,
        number: Number,
        attributes: &[(K, Value<'_>)],
    ) {
        out.raw(&self.head);
        let expected = 32 * (1 + attributes.len());
        let data = out.open(self.data, expected);
        let point = out.open(DATA_POINTS, expected);
        time(out, START_TIME, start);
        time(out, TIME, at);
        match number {
            Number::Int(int) => out.fixed64(AS_INT, int as u64),
            Number::Double(double) => out.fixed64(AS_DOUBLE, double.to_bits()),
        }
        for (key, value) in attributes {
            attribute(out, point_attributes(self.data), key, *value);
        }
        out.close(point);
        out.raw(&self.tail);
        out.close(data);
    }
}
