//! Data points of numbers, and the measurements that stand for them.

use super::time;
use crate::otlp::fields::DATA_POINTS;
use crate::writer::{Open, Writer};

const START_TIME: u32 = 2;
const TIME: u32 = 3;
const AS_DOUBLE: u32 = 4;
const AS_INT: u32 = 6;
const EXEMPLARS: u32 = 5;

const EXEMPLAR_TIME: u32 = 2;
const EXEMPLAR_DOUBLE: u32 = 3;
const EXEMPLAR_SPAN_ID: u32 = 4;
const EXEMPLAR_TRACE_ID: u32 = 5;
const EXEMPLAR_INT: u32 = 6;

/// Bytes of an exemplar and what stands around it.
const EXEMPLAR_LEN: usize = 48;

/// The value of a data point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    Int(i64),
    Double(f64),
}

/// A data point but for its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point<'a> {
    /// Encoded ahead by [`Metric::attribute`](super::Metric::attribute).
    pub attributes: &'a [u8],
    /// Since when it counts, in nanoseconds since 1970; 0 for a gauge.
    pub start: u64,
    pub at: u64,
}

/// One measurement out of those that a point adds up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Exemplar {
    pub value: Number,
    pub at: u64,
    /// Zeros where it was measured outside of any span.
    pub trace_id: [u8; 16],
    pub span_id: [u8; 8],
}

impl Number {
    /// As the field of a oneof: written where it is 0, too.
    fn write(self, out: &mut Writer, int: u32, double: u32) {
        match self {
            Self::Int(value) => out.fixed64(int, value as u64),
            Self::Double(value) => out.fixed64(double, value.to_bits()),
        }
    }
}

impl Point<'_> {
    /// A point of a gauge or a sum, as an entry of its metric.
    pub fn write_number<'e>(
        &self,
        out: &mut Writer,
        number: Number,
        exemplars: impl IntoIterator<Item = &'e Exemplar>,
    ) {
        let open = self.begin_number(out, number, 32 + self.attributes.len());
        for exemplar in exemplars {
            exemplar.write(out, EXEMPLARS);
        }
        out.close(open);
    }

    /// Attributes may be written behind it.
    pub(super) fn begin_number(&self, out: &mut Writer, number: Number, expected: usize) -> Open {
        let open = self.begin(out, expected);
        number.write(out, AS_INT, AS_DOUBLE);
        open
    }

    pub(super) fn begin(&self, out: &mut Writer, expected: usize) -> Open {
        let open = out.open(DATA_POINTS, expected);
        time(out, START_TIME, self.start);
        time(out, TIME, self.at);
        out.raw(self.attributes);
        open
    }
}

impl Exemplar {
    pub(super) fn write(&self, out: &mut Writer, number: u32) {
        let open = out.open(number, EXEMPLAR_LEN);
        time(out, EXEMPLAR_TIME, self.at);
        self.value.write(out, EXEMPLAR_INT, EXEMPLAR_DOUBLE);
        if self.span_id != [0; 8] {
            out.bytes(EXEMPLAR_SPAN_ID, &self.span_id);
        }
        if self.trace_id != [0; 16] {
            out.bytes(EXEMPLAR_TRACE_ID, &self.trace_id);
        }
        out.close(open);
    }
}
