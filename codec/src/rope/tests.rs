use super::*;
use proptest::prelude::*;

/// Some bytes and where to cut them.
fn bytes_and_cuts() -> impl Strategy<Value = (Vec<u8>, Vec<usize>)> {
    prop::collection::vec(any::<u8>(), 0..200).prop_flat_map(|bytes| {
        let cuts = prop::collection::vec(0..=bytes.len(), 0..8);
        (Just(bytes), cuts)
    })
}

fn cut(bytes: &[u8], cuts: &[usize]) -> Rope {
    let bytes = Bytes::copy_from_slice(bytes);
    let mut cuts = cuts.to_vec();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    cuts.windows(2)
        .map(|at| bytes.slice(at[0]..at[1]))
        .collect()
}

proptest! {
    #[test]
    fn a_slice_is_the_same_bytes_and_no_copy(
        (bytes, cuts) in bytes_and_cuts(),
        a in any::<prop::sample::Index>(),
        b in any::<prop::sample::Index>(),
    ) {
        let rope = cut(&bytes, &cuts);
        prop_assert_eq!(rope.len(), bytes.len());
        prop_assert!(rope.slices().iter().all(|slice| !slice.is_empty()));
        let (a, b) = (a.index(bytes.len() + 1), b.index(bytes.len() + 1));
        let range = a.min(b)..a.max(b);
        let part = rope.slice(range.clone());
        prop_assert_eq!(&part.to_bytes()[..], &bytes[range.clone()]);
        prop_assert_eq!(part.len(), range.len());
        // Each slice of the part lies inside a slice of the whole.
        for slice in part.slices() {
            let inside = slice.as_ptr_range();
            let is_part = rope.slices().iter().any(|whole| {
                let whole = whole.as_ptr_range();
                whole.start <= inside.start && inside.end <= whole.end
            });
            prop_assert!(is_part);
        }
    }

    #[test]
    fn reading_in_any_steps_meets_the_same_bytes(
        (bytes, cuts) in bytes_and_cuts(),
        steps in prop::collection::vec(0..40usize, 0..20),
    ) {
        let rope = cut(&bytes, &cuts);
        let mut cursor = rope.cursor();
        let mut at = 0;
        for step in steps {
            let before = cursor;
            match cursor.split_to(step) {
                Ok(part) => {
                    prop_assert!(part.is(&bytes[at..at + step]));
                    prop_assert_eq!(&part.bytes()[..], &bytes[at..at + step]);
                    prop_assert_eq!(part.to_bytes(), cursor.since(before).to_bytes());
                    prop_assert!(part.same_bytes(cut(&bytes[at..at + step], &[1, 2, 3].map(|n| n.min(step))).cursor()));
                    at += step;
                }
                Err(short) => {
                    prop_assert_eq!(short, Short { wanted: step, remaining: bytes.len() - at });
                }
            }
            prop_assert_eq!(cursor.offset(), at);
            prop_assert_eq!(cursor.remaining(), bytes.len() - at);
            prop_assert_eq!(cursor.is_empty(), at == bytes.len());
            if let Ok(array) = { cursor }.read_array::<8>() {
                prop_assert_eq!(&array[..], &bytes[at..at + 8]);
            }
        }
    }

    #[test]
    fn equality_sees_bytes_and_not_cuts((bytes, cuts) in bytes_and_cuts(), flip in any::<prop::sample::Index>()) {
        let rope = cut(&bytes, &cuts);
        prop_assert_eq!(&rope, &Rope::from(bytes.clone()));
        if !bytes.is_empty() {
            let mut other = bytes.clone();
            other[flip.index(bytes.len())] ^= 1;
            prop_assert_ne!(rope, Rope::from(other));
        }
    }
}

#[test]
fn appending_keeps_order_and_length() {
    let mut rope = Rope::new();
    rope.append(Rope::from(Bytes::from_static(b"ab")));
    rope.append(Rope::new());
    rope.append(cut(b"cdef", &[1, 2]));
    assert_eq!(rope.to_bytes(), "abcdef");
    assert_eq!((rope.len(), rope.slices().len()), (6, 4));
    let mut head = [0; 4];
    assert_eq!(rope.copy_to_slice(&mut head), 4);
    assert_eq!(&head, b"abcd");
    assert_eq!(rope.copy_to_slice(&mut [0; 9]), 6);
}

#[test]
fn one_slice_becomes_bytes_without_a_copy() {
    let bytes = Bytes::from_static(b"telemetry");
    let rope = Rope::from(bytes.clone());
    assert_eq!(rope.slice(4..9).to_bytes().as_ptr(), bytes[4..].as_ptr());
}

#[test]
#[should_panic(expected = "of a rope of 2 bytes")]
fn a_range_past_the_end_panics_as_that_of_bytes_does() {
    Rope::from(Bytes::from_static(b"ab")).slice(1..3);
}

#[test]
fn two_slices_lie_in_the_rope_itself() {
    assert!(size_of::<Rope>() <= 11 * size_of::<usize>());
}
