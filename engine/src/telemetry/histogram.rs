//! Histograms with the Collector's bucket borders.

/// Upper borders for numbers of items: those of `otelcol_exporter_queue_batch_send_size`.
///
/// Source: `exporter/exporterhelper/metadata.yaml` of the Collector.
pub const ITEM_BOUNDS: [u64; 22] = [
    10, 25, 50, 75, 100, 250, 500, 750, 1_000, 2_000, 3_000, 4_000, 5_000, 6_000, 7_000, 8_000,
    9_000, 10_000, 20_000, 30_000, 50_000, 100_000,
];

/// Upper borders for bytes of a batch: those of `otelcol_exporter_queue_batch_send_size_bytes`.
pub const REQUEST_BYTE_BOUNDS: [u64; 39] = [
    10, 25, 50, 75, 100, 250, 500, 750, 1_000, 2_000, 3_000, 4_000, 5_000, 6_000, 7_000, 8_000,
    9_000, 10_000, 20_000, 30_000, 50_000, 100_000, 200_000, 300_000, 400_000, 500_000, 600_000,
    700_000, 800_000, 900_000, 1_000_000, 2_000_000, 3_000_000, 4_000_000, 5_000_000, 6_000_000,
    7_000_000, 8_000_000, 9_000_000,
];

/// Upper borders for bytes of a batch: those of `otelcol_processor_batch_batch_send_size_bytes`.
///
/// Source: `processor/batchprocessor/metadata.yaml` of the Collector.
pub const BATCH_BYTE_BOUNDS: [u64; 18] = [
    128, 256, 512, 1_024, 2_048, 4_096, 8_192, 16_384, 32_768, 65_536, 131_072, 262_144, 524_288,
    1_048_576, 2_097_152, 4_194_304, 8_388_608, 16_777_216,
];

/// Counts of values by bucket; `N` is the number of upper borders.
///
/// Cost: a value is a binary search over `N` and three additions; once per batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Histogram<const N: usize> {
    bounds: &'static [u64; N],
    buckets: [u64; N],
    over: u64,
    sum: u64,
}

impl<const N: usize> Histogram<N> {
    /// `bounds` ascend; a value equal to a border belongs below it.
    pub const fn new(bounds: &'static [u64; N]) -> Self {
        Self {
            bounds,
            buckets: [0; N],
            over: 0,
            sum: 0,
        }
    }

    pub fn record(&mut self, value: u64) {
        let bucket = self.bounds.partition_point(|&bound| bound < value);
        match self.buckets.get_mut(bucket) {
            Some(count) => *count += 1,
            None => self.over += 1,
        }
        self.sum += value;
    }

    pub fn add(&mut self, other: &Self) {
        for (sum, count) in self.buckets.iter_mut().zip(&other.buckets) {
            *sum += count;
        }
        self.over += other.over;
        self.sum += other.sum;
    }

    pub fn count(&self) -> u64 {
        self.buckets.iter().sum::<u64>() + self.over
    }

    pub const fn sum(&self) -> u64 {
        self.sum
    }

    /// Each upper border with the number of values up to it.
    pub fn cumulative(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let mut below = 0;
        self.bounds
            .iter()
            .zip(&self.buckets)
            .map(move |(&bound, count)| {
                below += count;
                (bound, below)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_on_the_border_belongs_below() {
        let mut histogram = Histogram::new(&[10, 20]);
        for value in [0, 10, 11, 20, 21, 1_000] {
            histogram.record(value);
        }
        assert_eq!(
            histogram.cumulative().collect::<Vec<_>>(),
            [(10, 2), (20, 4)]
        );
        assert_eq!((histogram.count(), histogram.sum()), (6, 1_062));
    }

    #[test]
    fn borders_ascend() {
        assert!(ITEM_BOUNDS.is_sorted() && REQUEST_BYTE_BOUNDS.is_sorted());
        assert!(BATCH_BYTE_BOUNDS.is_sorted());
    }

    #[test]
    fn sums_over_shards() {
        let mut one = Histogram::new(&ITEM_BOUNDS);
        one.record(512);
        let mut two = one;
        two.record(1 << 40);
        one.add(&two);
        assert_eq!((one.count(), one.sum()), (3, 1_024 + (1 << 40)));
    }
}
