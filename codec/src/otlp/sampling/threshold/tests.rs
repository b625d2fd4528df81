use super::*;
use proptest::prelude::*;

fn text(threshold: Threshold) -> String {
    let mut out = Vec::new();
    threshold.write(&mut out);
    String::from_utf8(out).unwrap()
}

fn of(probability: f64, digits: u8) -> String {
    let precision = Precision::new(digits).unwrap();
    text(Threshold::from_probability(probability, precision))
}

/// The table of the specification, "Converting floating-point probability to threshold value".
#[test]
fn thresholds_are_those_of_the_specification() {
    let table = [
        (1.0, "0 0 0"),
        (0.5, "8 8 8"),
        (1.0 / 3.0, "aab aaab aaaab"),
        (0.25, "c c c"),
        (0.2, "ccd cccd ccccd"),
        (0.125, "e e e"),
        (0.1, "e66 e666 e6666"),
        (0.0625, "f f f"),
        (0.01, "fd71 fd70a fd70a4"),
        (0.001, "ffbe7 ffbe77 ffbe76d"),
        (0.0001, "fff972 fff9724 fff97247"),
        (0.00001, "ffff584 ffff583a ffff583a5"),
        (0.000001, "ffffef4 ffffef39 ffffef391"),
    ];
    for (probability, expected) in table {
        let found = [3, 4, 5].map(|digits| of(probability, digits));
        assert_eq!(found.join(" "), expected, "1 in {}", 1.0 / probability);
    }
    let threshold = Threshold::from_probability(0.01, Precision::default());
    assert!((threshold.adjusted_count() - 99.99771123402633).abs() < 1e-12);
    assert_eq!(threshold.probability(), 0.010000228881835938);
}

/// Near 1 the Collector keeps the digits after leading zeros too.
#[test]
fn leading_zeros_are_no_precision() {
    let probability = 1.0 - 0x7_89ab_cdef_u64 as f64 / (1u64 << 40) as f64;
    let rounded = [9, 8, 7, 6, 5, 4, 3, 2, 1].map(|digits| of(probability, digits));
    assert_eq!(
        rounded.join(" "),
        "0789abcdef 0789abcdf 0789abce 0789abd 0789ac 0789b 078a 079 08"
    );
    assert_eq!(of(1.0 - 2f64.powi(-53), 1), "00000000000008");
}

#[test]
fn the_ends_of_the_scale() {
    for (kept, expected) in [(1, "ffffffffffffff"), (8, "fffffffffffff8")] {
        assert_eq!(
            of(f64::from(kept) * Threshold::MIN_PROBABILITY, 3),
            expected
        );
    }
    let below = Threshold::MIN_PROBABILITY / 2.0;
    for probability in [below, 0.0, -1.0, f64::NAN] {
        let threshold = Threshold::from_probability(probability, Precision::FULL);
        assert_eq!(threshold, Threshold::NEVER);
    }
    assert_eq!(text(Threshold::NEVER), "");
    assert_eq!(Threshold::NEVER.probability(), 0.0);
    assert!(!Threshold::NEVER.keeps(Randomness::from_hash(u64::MAX)));
    assert!(Threshold::ALWAYS.keeps(Randomness::from_hash(0)));
    assert_eq!((Precision::new(0), Precision::new(15)), (None, None));
}

#[test]
fn what_is_no_threshold_or_randomness() {
    for wrong in ["", "g", "-1", "+1", "0x1", "123456789abcdef", " 8"] {
        assert_eq!(Threshold::parse(wrong.as_bytes()), None, "{wrong:?}");
    }
    for wrong in [
        "",
        "0",
        "6e6d1a75832a2",
        "6e6d1a75832a2f0",
        "6e6d1a75832a2x",
    ] {
        assert_eq!(Randomness::parse(wrong.as_bytes()), None, "{wrong:?}");
    }
    assert_eq!(Randomness::from_trace_id(&[0; 16]), None);
    assert_eq!(Randomness::from_trace_id(&[1; 15]), None);
    let id = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736_u128.to_be_bytes();
    assert_eq!(
        Randomness::from_trace_id(&id),
        Randomness::parse(b"CE929d0e0e4736")
    );
    // An id whose last seven bytes are zero is one nevertheless.
    let id = (1u128 << 56).to_be_bytes();
    assert_eq!(Randomness::from_trace_id(&id), Some(Randomness(0)));
}

/// Probabilities of all magnitudes.
fn probability() -> impl Strategy<Value = f64> {
    let near_zero =
        (0..56i32, 0.5..=1.0).prop_map(|(exponent, f): (i32, f64)| f64::powi(2.0, -exponent) * f);
    prop_oneof![near_zero.clone(), near_zero.prop_map(|p| 1.0 - p)]
        .prop_filter("in range", |p| *p >= Threshold::MIN_PROBABILITY && *p < 1.0)
}

fn precision() -> impl Strategy<Value = Precision> {
    (1..=14u8).prop_map(|digits| Precision::new(digits).unwrap())
}

proptest! {
    #[test]
    fn text_and_threshold_are_one(bits in 0..FULL, zeros in 0..=56u32) {
        let threshold = Threshold((bits >> (56 - zeros)) << (56 - zeros) & (FULL - 1));
        let written = text(threshold);
        prop_assert_eq!(Threshold::parse(written.as_bytes()), Some(threshold));
        prop_assert!(written == "0" || !written.ends_with('0'));
        // Formatting by the standard library, shortened.
        let mut expected = format!("{:014x}", threshold.0);
        while expected.len() > 1 && expected.ends_with('0') {
            expected.pop();
        }
        prop_assert_eq!(written, expected);
        let mut written = Vec::new();
        Randomness(bits).write(&mut written);
        prop_assert_eq!(written.len(), 14);
        prop_assert_eq!(Randomness::parse(&written), Some(Randomness(bits)));
    }

    #[test]
    fn the_error_is_small_on_both_sides(p in probability(), precision in precision()) {
        let threshold = Threshold::from_probability(p, precision);
        prop_assert!(threshold != Threshold::ALWAYS && threshold != Threshold::NEVER);
        // Half a unit of the last digit, relative to the first one that counts; and half of the
        // 2^56 themselves.
        let bound = 0.5 * 16f64.powi(1 - i32::from(precision.0));
        let small = p.min(1.0 - p);
        let error = (threshold.probability() - p).abs();
        prop_assert!(error <= bound * small + Threshold::MIN_PROBABILITY, "{error} of {p}");
    }

    #[test]
    fn what_a_lower_probability_keeps_a_higher_keeps(
        (p, q) in (probability(), probability()),
        bits in 0..FULL,
        precision in precision(),
    ) {
        let [low, high] = [p.min(q), p.max(q)].map(|p| Threshold::from_probability(p, precision));
        let randomness = Randomness(bits);
        prop_assert!(high.keeps(randomness) || !low.keeps(randomness));
    }
}
