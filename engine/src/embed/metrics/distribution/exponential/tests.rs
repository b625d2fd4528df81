use super::*;
use proptest::prelude::*;

/// Exact, also where it is subnormal.
fn power_of_two(power: i32) -> f64 {
    f64::from_bits(match power {
        -1022.. => ((power + 1023) as u64) << 52,
        _ => 1 << (power + 1074),
    })
}

/// Values of all magnitudes, those beside powers of two and subnormal ones among them.
fn value() -> impl Strategy<Value = f64> {
    let power = (-1074..1024_i32, -1..=1_i64).prop_map(|(power, beside)| {
        let bits = power_of_two(power).to_bits() as i64 + beside;
        f64::from_bits(bits.max(1) as u64)
    });
    let any = any::<f64>().prop_filter("finite", |value| value.is_finite());
    let near = 0.5..2000.0_f64;
    prop_oneof![power, any, near, Just(0.0)].prop_filter("finite", |value| value.is_finite())
}

/// Whether the bucket holds the value, but for the error of the logarithm.
fn holds(index: i32, scale: i32, value: f64) -> bool {
    let log = value.log2();
    let width = 2_f64.powi(-scale);
    let slack = log.abs().max(1.0) * 1e-14;
    log > f64::from(index) * width - slack && log <= f64::from(index + 1) * width + slack
}

fn total(buckets: &ExponentialBuckets<'_>) -> u64 {
    let counts = buckets
        .positive
        .counts
        .iter()
        .chain(buckets.negative.counts);
    buckets.zero_count + counts.sum::<u64>()
}

#[test]
fn powers_of_two_end_their_bucket() {
    for scale in [-11, -10, -1, 0, 1, 3, 20] {
        for power in [-1074, -1073, -1022, -1, 0, 1, 2, 10, 1023] {
            let found = index(power_of_two(power), scale);
            let expected = if scale > 0 {
                (power << scale) - 1
            } else {
                (power - 1) >> -scale
            };
            assert_eq!(found, expected, "2^{power} at {scale}");
        }
    }
}

/// The specification's own: values 1 to 4 with four buckets.
#[test]
fn buckets_double_their_width_when_they_are_too_many() {
    let mut buckets = Exponential::new(4, 20);
    for value in [1.0, 2.0, 3.0, 4.0] {
        buckets.record(value);
    }
    let mut counts = Vec::new();
    let found = buckets.buckets(&mut counts);
    // At scale 0: (0.5, 1], (1, 2], (2, 4]; at scale 1 it would take -1 to 3.
    assert_eq!((found.scale, found.positive.offset), (0, -1));
    assert_eq!(found.positive.counts, [1, 1, 2]);
}

proptest! {
    #[test]
    fn a_bucket_holds_its_values(value in value(), scale in -11..=20_i32) {
        prop_assume!(value != 0.0);
        let value = value.abs();
        prop_assert!(holds(index(value, scale), scale, value));
    }

    #[test]
    fn every_value_is_in_its_bucket_whatever_came_before(
        values in prop::collection::vec(value(), 1..60),
        size_max in 2..40_u16,
        scale_max in -4..=20_i8,
    ) {
        let mut recorded = Exponential::new(size_max, scale_max);
        for value in &values {
            recorded.record(*value);
        }
        let mut counts = Vec::new();
        let buckets = recorded.buckets(&mut counts);
        prop_assert!(buckets.scale <= scale_max.into());
        prop_assert!(buckets.positive.counts.len() <= size_max.into());
        prop_assert!(buckets.negative.counts.len() <= size_max.into());
        prop_assert_eq!(total(&buckets), values.len() as u64);
        let zeros = values.iter().filter(|value| **value == 0.0).count() as u64;
        prop_assert_eq!(buckets.zero_count, zeros);
        for (range, is_positive) in [(buckets.positive, true), (buckets.negative, false)] {
            for (at, count) in range.counts.iter().enumerate() {
                let bucket = range.offset + at as i32;
                let own = values.iter().filter(|value| {
                    **value != 0.0 && (**value > 0.0) == is_positive
                        && index(value.abs(), buckets.scale) == bucket
                });
                prop_assert_eq!(own.count() as u64, *count, "bucket {}", bucket);
            }
        }
        // It is no wider than it has to be.
        if buckets.scale < scale_max.into() {
            let ends = |is_positive: bool| {
                let signed = values.iter().filter(|value| {
                    **value != 0.0 && (**value > 0.0) == is_positive
                });
                signed.fold(None, |ends, value| {
                    Some(Ends::covering(ends, index(value.abs(), buckets.scale + 1)))
                })
            };
            let too_many = |ends: Option<Ends>| {
                ends.is_some_and(|ends| ends.steps_to_fit(size_max.into()) > 0)
            };
            prop_assert!(too_many(ends(true)) || too_many(ends(false)));
        }
    }

    #[test]
    fn merged_is_as_if_recorded_by_one(
        values in prop::collection::vec((value(), any::<bool>()), 0..60),
        size_max in 2..40_u16,
        scale_max in 0..=20_i8,
    ) {
        let mut whole = Exponential::new(size_max, scale_max);
        let mut halves = [whole.clone(), whole.clone()];
        for (value, second) in &values {
            whole.record(*value);
            halves[usize::from(*second)].record(*value);
        }
        let [mut merged, second] = halves;
        merged.merge(&second);
        let [mut found, mut expected] = [Vec::new(), Vec::new()];
        prop_assert_eq!(merged.buckets(&mut found), whole.buckets(&mut expected));
        // Emptied it is as new.
        merged.clear();
        merged.merge(&whole);
        prop_assert_eq!(merged.buckets(&mut found), whole.buckets(&mut expected));
    }
}
