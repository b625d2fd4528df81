//! Buckets between powers of a base, which widen as far as the values need it.
//!
//! ```text
//!   base = 2 ^ (2 ^ -scale)        bucket i holds base ^ i < value <= base ^ (i + 1)
//!
//!   a scale less: two neighbours become one, i becomes i >> 1
//! ```
//!
//! Source: <https://opentelemetry.io/docs/specs/otel/metrics/data-model/#exponentialhistogram>

use tailrace_codec::otlp::encode::{ExponentialBuckets, ExponentialRange};

/// Finite numbers of one sign always fit in so many buckets, at the scale of -11.
pub(super) const SIZE_MIN: u16 = 2;

#[derive(Debug, Clone)]
pub(super) struct Exponential {
    scale: i32,
    scale_max: i32,
    zero_count: u64,
    positive: Range,
    negative: Range,
}

/// Buckets in a row, each at its index modulo their number: the row grows to both sides without a
/// move.
#[derive(Debug, Clone, Default)]
struct Range {
    counts: Box<[u64]>,
    /// The first and the last bucket that hold something.
    ends: Option<Ends>,
}

#[derive(Debug, Clone, Copy)]
struct Ends {
    low: i32,
    high: i32,
}

impl Exponential {
    /// Each sign will have at most `size_max` buckets, as narrow as `scale_max` says.
    ///
    /// Memory: the positive buckets at once, the negative ones with the first such value.
    pub fn new(size_max: u16, scale_max: i8) -> Self {
        Self {
            scale: scale_max.into(),
            scale_max: scale_max.into(),
            zero_count: 0,
            positive: Range::new(size_max.max(SIZE_MIN).into()),
            negative: Range::default(),
        }
    }

    /// Counts a value, which is finite.
    pub fn record(&mut self, value: f64) {
        if value == 0.0 {
            self.zero_count += 1;
            return;
        }
        let size = self.size();
        if value < 0.0 {
            self.negative.allocate(size);
        }
        let index = index(value.abs(), self.scale);
        let ends = Ends::covering(self.of_sign(value).ends, index);
        let steps = ends.steps_to_fit(size);
        self.coarsen(steps);
        self.of_sign(value).add(index >> steps, 1);
    }

    /// Counts what another one counted, whose size may be another.
    pub fn merge(&mut self, other: &Self) {
        self.zero_count += other.zero_count;
        let size = self.size();
        if other.negative.ends.is_some() {
            self.negative.allocate(size);
        }
        // At the wider scale of both, and wider where their buckets together are too many.
        let scale = self.scale.min(other.scale);
        let together = |own: &Range, others: &Range| {
            let own = own.ends.map(|ends| ends.coarser(self.scale - scale));
            let others = others.ends.map(|ends| ends.coarser(other.scale - scale));
            own.into_iter().chain(others).reduce(Ends::and)
        };
        let positive = together(&self.positive, &other.positive);
        let negative = together(&self.negative, &other.negative);
        let steps = positive.into_iter().chain(negative);
        let steps = steps.map(|ends| ends.steps_to_fit(size)).max();
        let scale = scale - steps.unwrap_or(0) as i32;
        self.coarsen((self.scale - scale) as u32);
        let shift = (other.scale - scale) as u32;
        for (own, others) in [
            (&mut self.positive, &other.positive),
            (&mut self.negative, &other.negative),
        ] {
            for (index, count) in others.counted() {
                own.add(index >> shift, count);
            }
        }
    }

    pub fn clear(&mut self) {
        self.scale = self.scale_max;
        self.zero_count = 0;
        self.positive.clear();
        self.negative.clear();
    }

    /// As a point has it. The counts stand in `counts`, which is emptied before.
    pub fn buckets<'a>(&self, counts: &'a mut Vec<u64>) -> ExponentialBuckets<'a> {
        counts.clear();
        counts.extend(self.positive.counted().map(|(_, count)| count));
        let positive = counts.len();
        counts.extend(self.negative.counted().map(|(_, count)| count));
        let (positive, negative) = counts.split_at(positive);
        let range = |range: &Range, counts| ExponentialRange {
            offset: range.ends.map_or(0, |ends| ends.low),
            counts,
        };
        ExponentialBuckets {
            scale: self.scale,
            zero_count: self.zero_count,
            positive: range(&self.positive, positive),
            negative: range(&self.negative, negative),
        }
    }

    /// The bucket of a value at the scale of now, for what is kept by bucket.
    pub fn index(&self, value: f64) -> i32 {
        match value {
            0.0 => 0,
            value => index(value.abs(), self.scale),
        }
    }

    fn size(&self) -> usize {
        self.positive.counts.len()
    }

    const fn of_sign(&mut self, value: f64) -> &mut Range {
        if value < 0.0 {
            &mut self.negative
        } else {
            &mut self.positive
        }
    }

    fn coarsen(&mut self, steps: u32) {
        if steps > 0 {
            self.scale -= steps as i32;
            self.positive.coarsen(steps);
            self.negative.coarsen(steps);
        }
    }
}

impl Range {
    fn new(size: usize) -> Self {
        Self {
            counts: vec![0; size].into(),
            ends: None,
        }
    }

    fn allocate(&mut self, size: usize) {
        if self.counts.is_empty() {
            *self = Self::new(size);
        }
    }

    /// A bucket that does not lie further from the others than there is room.
    fn add(&mut self, index: i32, count: u64) {
        let place = self.place(index);
        self.counts[place] += count;
        self.ends = Some(Ends::covering(self.ends, index));
    }

    fn place(&self, index: i32) -> usize {
        index.rem_euclid(self.counts.len() as i32) as usize
    }

    /// From the first bucket that holds something to the last.
    fn counted(&self) -> impl Iterator<Item = (i32, u64)> {
        let indexes = self.ends.into_iter().flat_map(|ends| ends.low..=ends.high);
        indexes.map(|index| (index, self.counts[self.place(index)]))
    }

    fn coarsen(&mut self, steps: u32) {
        let Some(ends) = self.ends else {
            return;
        };
        let coarser = ends.coarser(steps as i32);
        // In a row from its first bucket on, a bucket never moves to the right.
        let first = self.place(ends.low);
        self.counts.rotate_left(first);
        for index in ends.low..=ends.high {
            let count = std::mem::take(&mut self.counts[(index - ends.low) as usize]);
            self.counts[((index >> steps) - coarser.low) as usize] += count;
        }
        let first = self.place(coarser.low);
        self.counts.rotate_right(first);
        self.ends = Some(coarser);
    }

    fn clear(&mut self) {
        self.counts.fill(0);
        self.ends = None;
    }
}

impl Ends {
    fn covering(ends: Option<Self>, index: i32) -> Self {
        let alone = Self {
            low: index,
            high: index,
        };
        ends.map_or(alone, |ends| ends.and(alone))
    }

    fn and(self, other: Self) -> Self {
        Self {
            low: self.low.min(other.low),
            high: self.high.max(other.high),
        }
    }

    const fn coarser(self, steps: i32) -> Self {
        Self {
            low: self.low >> steps,
            high: self.high >> steps,
        }
    }

    /// How many scales less it takes for so many buckets to be enough.
    fn steps_to_fit(self, size: usize) -> u32 {
        let fits = |steps: &u32| {
            let ends = self.coarser(*steps as i32);
            ((ends.high - ends.low) as usize) < size
        };
        // Shifted as far as they go they are -1 and 0, which fit into two.
        (0..i32::BITS).find(fits).unwrap_or(i32::BITS - 1)
    }
}

/// The bucket of a value above 0.
///
/// Exact at powers of two; between them as exact as the logarithm of a mantissa is, so that a value
/// within a few parts in 2^52 of a bound may be counted beside it, as the data model allows.
fn index(value: f64, scale: i32) -> i32 {
    const MANTISSA_BITS: u32 = f64::MANTISSA_DIGITS - 1;
    const BIAS: i32 = f64::MAX_EXP - 1;
    /// Makes the smallest number a normal one.
    const NORMAL: f64 = (1_u64 << MANTISSA_BITS) as f64;
    let (normal, shift) = if value < f64::MIN_POSITIVE {
        (value * NORMAL, MANTISSA_BITS as i32)
    } else {
        (value, 0)
    };
    let bits = normal.to_bits();
    let mantissa = bits & ((1 << MANTISSA_BITS) - 1);
    let exponent = (bits >> MANTISSA_BITS) as i32 - BIAS - shift;
    if scale <= 0 {
        return (exponent - i32::from(mantissa == 0)) >> -scale;
    }
    let octave = 1_i32 << scale;
    let within = if mantissa == 0 {
        0
    } else {
        let fraction = f64::from_bits(1.0_f64.to_bits() | mantissa);
        let steps = (fraction.log2() * f64::from(octave)).ceil();
        // What is rounded is still between the two powers.
        (steps as i32).clamp(1, octave)
    };
    exponent * octave + within - 1
}

#[cfg(test)]
mod tests;
