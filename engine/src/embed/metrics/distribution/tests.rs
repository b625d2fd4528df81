use super::*;
use crate::embed::budget::Budget;
use proptest::prelude::*;

fn local(buckets: &Buckets) -> Local {
    let budget = Arc::new(Budget::new(usize::MAX));
    let lease = budget.lease(Local::bytes(buckets)).expect("there is room");
    Local::new(buckets, lease)
}

fn counts(distribution: &Distribution) -> (&[u64], f64, f64, f64) {
    let Counted::Explicit { counts, .. } = &distribution.counted else {
        panic!("they are explicit");
    };
    let Distribution { sum, min, max, .. } = distribution;
    (counts, *sum, *min, *max)
}

#[test]
fn a_value_belongs_to_the_first_bound_that_it_does_not_exceed() {
    let mut distribution = Distribution::new(&Buckets::explicit(&[0.0, 5.0, 10.0]));
    for value in [-1.0, 0.0, 0.1, 5.0, 10.0, 10.1, 1e9] {
        distribution.record(value);
    }
    let (counts, _, min, max) = counts(&distribution);
    assert_eq!((counts, min, max), (&[2, 2, 1, 2][..], -1.0, 1e9));
}

#[test]
fn buckets_that_cannot_be_are_told() {
    for good in [
        Buckets::default(),
        Buckets::exponential(),
        Buckets::explicit(&[]),
    ] {
        assert_eq!(good.fault(), None);
    }
    for bounds in [
        &[1.0, 1.0][..],
        &[2.0, 1.0],
        &[f64::NAN],
        &[0.0, f64::INFINITY],
    ] {
        assert!(Buckets::explicit(bounds).fault().is_some(), "{bounds:?}");
    }
    for (size_max, scale_max) in [(1, 0), (160, 21), (160, -11)] {
        let buckets = Buckets::Exponential {
            size_max,
            scale_max,
        };
        assert!(buckets.fault().is_some(), "{buckets:?}");
    }
}

/// While one half is being taken, the other one counts.
#[test]
fn a_thread_goes_on_while_its_values_are_taken() {
    let buckets = Buckets::default();
    let local = local(&buckets);
    assert!(local.record(1.0, None));
    let held = local.halves[0].lock().expect("nobody panicked");
    assert!(local.record(2.0, None));
    let both = local.halves[1].lock().expect("nobody panicked");
    assert!(!local.record(4.0, None), "there is no third one");
    drop((held, both));
    let mut total = Distribution::new(&buckets);
    let mut spare = Distribution::new(&buckets);
    local.take(&mut total, &mut spare);
    assert_eq!((total.sum, spare.is_empty()), (3.0, true));
    local.take(&mut total, &mut spare);
    assert_eq!(total.sum, 3.0, "what was taken is gone");
}

#[test]
fn the_sum_of_negative_values_is_not_told() {
    let mut distribution = Distribution::new(&Buckets::exponential());
    let tells_sum = |distribution: &Distribution| distribution.summary(0).sum.is_some();
    distribution.record(1.0);
    assert!(tells_sum(&distribution));
    distribution.record(-1.0);
    assert!(!tells_sum(&distribution));
}

proptest! {
    #[test]
    fn merged_is_as_if_counted_by_one(
        values in prop::collection::vec((-100..20_000_i32, any::<bool>()), 0..50),
    ) {
        let buckets = Buckets::default();
        let mut whole = Distribution::new(&buckets);
        let mut halves = [Distribution::new(&buckets), Distribution::new(&buckets)];
        for (value, second) in values {
            whole.record(value.into());
            halves[usize::from(second)].record(value.into());
        }
        let [first, second] = &mut halves;
        first.merge(second);
        prop_assert_eq!(counts(first), counts(&whole));
    }
}
