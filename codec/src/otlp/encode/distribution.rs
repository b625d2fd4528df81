//! Data points of histograms.

use super::point::{Exemplar, Point};
use crate::writer::Writer;

const COUNT: u32 = 4;
const SUM: u32 = 5;

const BUCKET_COUNTS: u32 = 6;
const EXPLICIT_BOUNDS: u32 = 7;
const EXEMPLARS: u32 = 8;
const MIN: u32 = 11;
const MAX: u32 = 12;

const SCALE: u32 = 6;
const ZERO_COUNT: u32 = 7;
const POSITIVE: u32 = 8;
const NEGATIVE: u32 = 9;
const EXPONENTIAL_EXEMPLARS: u32 = 11;
const EXPONENTIAL_MIN: u32 = 12;
const EXPONENTIAL_MAX: u32 = 13;

const OFFSET: u32 = 1;
const COUNTS: u32 = 2;

/// What every histogram says of its values.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Summary {
    pub count: u64,
    /// `None` where values may be negative: it would not grow, as a sum has to.
    pub sum: Option<f64>,
    pub min: Option<f64>,
    pub max: Option<f64>,
}

/// Values counted between bounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExplicitBuckets<'a> {
    /// Upper bounds, each in its bucket.
    pub bounds: &'a [f64],
    /// One more than there are bounds; their sum is the count.
    pub counts: &'a [u64],
}

/// Values counted between powers of `2 ^ (2 ^ -scale)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExponentialBuckets<'a> {
    pub scale: i32,
    pub zero_count: u64,
    pub positive: ExponentialRange<'a>,
    pub negative: ExponentialRange<'a>,
}

/// Buckets in a row: that at `at` holds absolute values above `base ^ (offset + at)` up to
/// `base ^ (offset + at + 1)`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ExponentialRange<'a> {
    pub offset: i32,
    pub counts: &'a [u64],
}

impl Point<'_> {
    /// A point of a histogram, as an entry of its metric.
    pub fn write_explicit<'e>(
        &self,
        out: &mut Writer,
        summary: &Summary,
        buckets: &ExplicitBuckets<'_>,
        exemplars: impl IntoIterator<Item = &'e Exemplar>,
    ) {
        let expected = 64 + self.attributes.len() + 16 * buckets.counts.len();
        let open = self.begin(out, expected);
        summary.write(out, MIN, MAX);
        packed_fixed64(out, BUCKET_COUNTS, buckets.counts.iter().copied());
        let bounds = buckets.bounds.iter().map(|bound| bound.to_bits());
        packed_fixed64(out, EXPLICIT_BOUNDS, bounds);
        for exemplar in exemplars {
            exemplar.write(out, EXEMPLARS);
        }
        out.close(open);
    }

    /// A point of an exponential histogram, as an entry of its metric.
    pub fn write_exponential<'e>(
        &self,
        out: &mut Writer,
        summary: &Summary,
        buckets: &ExponentialBuckets<'_>,
        exemplars: impl IntoIterator<Item = &'e Exemplar>,
    ) {
        let counts = buckets.positive.counts.len() + buckets.negative.counts.len();
        let open = self.begin(out, 80 + self.attributes.len() + 2 * counts);
        summary.write(out, EXPONENTIAL_MIN, EXPONENTIAL_MAX);
        if buckets.scale != 0 {
            out.varint(SCALE, zigzag(buckets.scale));
        }
        if buckets.zero_count != 0 {
            out.fixed64(ZERO_COUNT, buckets.zero_count);
        }
        buckets.positive.write(out, POSITIVE);
        buckets.negative.write(out, NEGATIVE);
        for exemplar in exemplars {
            exemplar.write(out, EXPONENTIAL_EXEMPLARS);
        }
        out.close(open);
    }
}

impl Summary {
    fn write(&self, out: &mut Writer, min: u32, max: u32) {
        if self.count != 0 {
            out.fixed64(COUNT, self.count);
        }
        for (number, value) in [(SUM, self.sum), (min, self.min), (max, self.max)] {
            if let Some(value) = value {
                out.fixed64(number, value.to_bits());
            }
        }
    }
}

impl ExponentialRange<'_> {
    fn write(&self, out: &mut Writer, number: u32) {
        if self.counts.is_empty() {
            return;
        }
        let open = out.open(number, 8 + 2 * self.counts.len());
        if self.offset != 0 {
            out.varint(OFFSET, zigzag(self.offset));
        }
        let packed = out.open(COUNTS, 2 * self.counts.len());
        for count in self.counts {
            out.raw_varint(*count);
        }
        out.close(packed);
        out.close(open);
    }
}

fn packed_fixed64(out: &mut Writer, number: u32, values: impl ExactSizeIterator<Item = u64>) {
    if values.len() == 0 {
        return;
    }
    out.header(number, 8 * values.len());
    for value in values {
        out.raw(&value.to_le_bytes());
    }
}

/// A sint32, whose small negative numbers are short.
const fn zigzag(value: i32) -> u64 {
    ((value << 1) ^ (value >> 31)) as u32 as u64
}
