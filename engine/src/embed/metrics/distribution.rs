//! What a histogram holds: how many values there were in each bucket, and exemplars of them.

mod exponential;

use super::exemplar::{Reservoir, exemplar};
use super::number::NumberKind;
use crate::embed::budget::Lease;
use crate::embed::propagation::SpanContext;
use exponential::{Exponential, SIZE_MIN};
use std::sync::{Arc, Mutex, PoisonError};
use tailrace_codec::otlp::encode::{ExplicitBuckets, Point, Summary};
use tailrace_codec::writer::Writer;

/// How a histogram counts.
#[derive(Debug, Clone, PartialEq)]
pub enum Buckets {
    /// Between bounds, which rise: a value belongs to the first bucket whose bound it does not
    /// exceed. Cost of a measurement: a binary search.
    Explicit(Arc<[f64]>),
    /// Between powers of a base, which is chosen by the values. Cost of a measurement: a logarithm.
    Exponential {
        /// Buckets for positive values, and for negative ones; at least 2.
        size_max: u16,
        /// The narrowest they may be, from -10 to 20: `2 ^ scale` buckets between two powers of two.
        scale_max: i8,
    },
}

/// The specification's, which fit milliseconds. For seconds its conventions want others:
/// <https://opentelemetry.io/docs/specs/semconv/http/http-metrics/>
const DEFAULT_BOUNDS: [f64; 15] = [
    0.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1000.0, 2500.0, 5000.0, 7500.0,
    10000.0,
];

/// Exemplars of an exponential histogram: one for each bucket, modulo this.
const EXPONENTIAL_EXEMPLARS: i32 = 20;

const SCALES: std::ops::RangeInclusive<i8> = -10..=20;

impl Default for Buckets {
    fn default() -> Self {
        Self::explicit(&DEFAULT_BOUNDS)
    }
}

impl Buckets {
    pub fn explicit(bounds: &[f64]) -> Self {
        Self::Explicit(bounds.into())
    }

    /// The specification's defaults.
    pub const fn exponential() -> Self {
        Self::Exponential {
            size_max: 160,
            scale_max: 20,
        }
    }

    /// What is wrong with it, if anything.
    pub(super) fn fault(&self) -> Option<&'static str> {
        match self {
            Self::Explicit(bounds) => {
                let rises = bounds.is_sorted_by(|one, next| one < next);
                let is_finite = bounds.iter().all(|bound| bound.is_finite());
                (!rises || !is_finite).then_some("bounds are finite numbers that rise")
            }
            Self::Exponential {
                size_max,
                scale_max,
            } => {
                let fits = *size_max >= SIZE_MIN && SCALES.contains(scale_max);
                (!fits).then_some("size_max is 2 or more, scale_max from -10 to 20")
            }
        }
    }

    /// What a distribution takes, of positive values.
    pub(super) fn bytes(&self) -> usize {
        let counts = match self {
            Self::Explicit(bounds) => bounds.len() + 1,
            Self::Exponential { size_max, .. } => usize::from(*size_max),
        };
        size_of::<Distribution>() + counts * size_of::<u64>()
    }
}

#[derive(Debug)]
pub(super) struct Distribution {
    counted: Counted,
    sum: f64,
    /// Infinite, the other way round, while there is no value.
    min: f64,
    max: f64,
    exemplars: Reservoir,
}

#[derive(Debug)]
enum Counted {
    Explicit {
        bounds: Arc<[f64]>,
        counts: Box<[u64]>,
    },
    Exponential(Exponential),
}

impl Distribution {
    pub fn new(buckets: &Buckets) -> Self {
        Self {
            counted: match buckets {
                Buckets::Explicit(bounds) => Counted::Explicit {
                    bounds: Arc::clone(bounds),
                    counts: vec![0; bounds.len() + 1].into(),
                },
                Buckets::Exponential {
                    size_max,
                    scale_max,
                } => Counted::Exponential(Exponential::new(*size_max, *scale_max)),
            },
            sum: 0.0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            exemplars: Reservoir::default(),
        }
    }

    /// Counts a value, which is finite.
    #[inline]
    pub fn record(&mut self, value: f64) {
        match &mut self.counted {
            Counted::Explicit { bounds, counts } => {
                counts[bounds.partition_point(|bound| *bound < value)] += 1;
            }
            Counted::Exponential(buckets) => buckets.record(value),
        }
        self.sum += value;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    /// Keeps the value that was counted last as an exemplar, if it is its turn.
    fn keep(&mut self, value: f64, at: u64, context: Option<&SpanContext>) {
        let place = match &self.counted {
            Counted::Explicit { bounds, .. } => bounds.partition_point(|bound| *bound < value),
            Counted::Exponential(buckets) => {
                buckets.index(value).rem_euclid(EXPONENTIAL_EXEMPLARS) as usize
            }
        };
        let exemplar = exemplar(NumberKind::Double, value.to_bits(), at, context);
        let place = u16::try_from(place).unwrap_or(u16::MAX);
        self.exemplars.offer(place, exemplar);
    }

    /// Counts what another one of the same buckets counted, and takes its exemplars.
    pub fn merge(&mut self, other: &mut Self) {
        match (&mut self.counted, &other.counted) {
            (Counted::Explicit { counts, .. }, Counted::Explicit { counts: more, .. }) => {
                for (count, more) in counts.iter_mut().zip(more) {
                    *count += more;
                }
            }
            (Counted::Exponential(buckets), Counted::Exponential(more)) => buckets.merge(more),
            _ => unreachable!("a histogram has buckets of one kind"),
        }
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        for kept in other.exemplars.drain() {
            self.exemplars.merge(kept);
        }
    }

    pub fn clear(&mut self) {
        match &mut self.counted {
            Counted::Explicit { counts, .. } => counts.fill(0),
            Counted::Exponential(buckets) => buckets.clear(),
        }
        self.sum = 0.0;
        self.min = f64::INFINITY;
        self.max = f64::NEG_INFINITY;
        self.exemplars.clear();
    }

    /// They are those of an interval, also where the counts are not.
    pub fn clear_exemplars(&mut self) {
        self.exemplars.clear();
    }

    pub const fn is_empty(&self) -> bool {
        // A value is at most as large as itself.
        self.max < self.min
    }

    pub fn write(&self, out: &mut Writer, point: &Point<'_>) {
        let exemplars = self.exemplars.exemplars();
        match &self.counted {
            Counted::Explicit { bounds, counts } => {
                let summary = self.summary(counts.iter().sum());
                let buckets = ExplicitBuckets { bounds, counts };
                point.write_explicit(out, &summary, &buckets, exemplars);
            }
            Counted::Exponential(exponential) => {
                let mut counts = Vec::new();
                let buckets = exponential.buckets(&mut counts);
                let signed = buckets
                    .positive
                    .counts
                    .iter()
                    .chain(buckets.negative.counts);
                let summary = self.summary(buckets.zero_count + signed.sum::<u64>());
                point.write_exponential(out, &summary, &buckets, exemplars);
            }
        }
    }

    fn summary(&self, count: u64) -> Summary {
        let has_values = !self.is_empty();
        Summary {
            count,
            // A sum has to grow for as long as values are added to it.
            sum: (self.min >= 0.0).then_some(self.sum),
            min: has_values.then_some(self.min),
            max: has_values.then_some(self.max),
        }
    }
}

/// The distribution of one series in one thread, which another thread takes away from time to time.
///
/// There are two, so that the thread never waits: while one is being taken it goes on in the other.
/// Two of them do not share a cache line.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Local {
    halves: [Mutex<Distribution>; 2],
    _lease: Lease,
}

impl Local {
    pub fn new(buckets: &Buckets, lease: Lease) -> Self {
        Self {
            halves: [(); 2].map(|()| Mutex::new(Distribution::new(buckets))),
            _lease: lease,
        }
    }

    /// What it takes, without buckets for negative values.
    pub fn bytes(buckets: &Buckets) -> usize {
        size_of::<Self>() + 2 * buckets.bytes()
    }

    /// Counts a value, which is finite, and keeps it as an exemplar where it was measured at a time
    /// worth it. `false`: both halves are held, which one thread that takes cannot do.
    ///
    /// Cost: a lock that nobody else holds.
    #[inline]
    pub fn record(&self, value: f64, kept: Option<(u64, Option<&SpanContext>)>) -> bool {
        for half in &self.halves {
            if let Ok(mut half) = half.try_lock() {
                half.record(value);
                if let Some((at, context)) = kept {
                    half.keep(value, at, context);
                }
                return true;
            }
        }
        false
    }

    /// Moves what was counted to `total`, by way of `spare`, which is empty. Waits for a measurement
    /// that is being counted.
    pub fn take(&self, total: &mut Distribution, spare: &mut Distribution) {
        for half in &self.halves {
            let mut half = half.lock().unwrap_or_else(PoisonError::into_inner);
            if half.is_empty() {
                continue;
            }
            std::mem::swap(&mut *half, spare);
            drop(half);
            total.merge(spare);
            spare.clear();
        }
    }
}

#[cfg(test)]
mod tests;
