use crate::generate::{Entropy, cut, cuts, encoded, entropy};
use crate::wire;
use proptest::prelude::*;
use tailrace_codec::otlp::{Scan, merge, scan};
use tailrace_codec::{Rope, Signal};

proptest! {
    #[test]
    fn a_merged_request_has_the_items_of_both(
        signal in prop::sample::select(&[Signal::Traces, Signal::Metrics, Signal::Logs][..]),
        a in entropy(),
        b in entropy(),
        cuts in cuts(),
    ) {
        let scrambled = |bytes: &[u8]| {
            wire::scramble(signal, &encoded(signal, bytes), &mut Entropy::new(bytes))
        };
        let (a, b) = (scrambled(&a), scrambled(&b));
        let mut merged = cut(&a, &cuts);
        merge(signal, &mut merged, cut(&b, &cuts)).unwrap();
        let items = wire::items(signal, &a).unwrap() + wire::items(signal, &b).unwrap();
        prop_assert_eq!(wire::items(signal, &merged.to_bytes()).unwrap(), items);
        prop_assert_eq!(scan(signal, &merged), Ok(Scan { items }));
    }
}

#[test]
fn profiles_are_not_merged() {
    let request = || Rope::from(vec![0x0a, 0]);
    let mut first = request();
    assert_eq!(
        merge(Signal::Profiles, &mut first, request()),
        Err(request())
    );
    assert_eq!(first, request());
    let mut empty = Rope::new();
    merge(Signal::Profiles, &mut empty, request()).unwrap();
    assert_eq!(empty, request());
}
