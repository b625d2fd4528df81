use crate::generate::{cut as slices, cuts, scrambled};
use crate::wire::{self, Flat};
use proptest::prelude::*;
use tailrace_codec::otlp::{Piece, SplitLimit, cut, scan_deep, split};
use tailrace_codec::{Rope, Signal};

fn limit() -> impl Strategy<Value = SplitLimit> {
    let items = prop::option::of(prop_oneof![1..4u64, 1..40u64]);
    let bytes = prop::option::of(prop_oneof![0..100u64, 50..3000u64]);
    (items, bytes).prop_map(|(items, bytes)| SplitLimit { items, bytes })
}

/// A piece is a request with the items it says, within the limit unless it is one unit.
fn check(signal: Signal, piece: &Piece, limit: SplitLimit) -> Result<(), TestCaseError> {
    let bytes = piece.body.to_bytes();
    prop_assert_eq!(wire::items(signal, &bytes).unwrap(), piece.items);
    prop_assert!(scan_deep(signal, &piece.body).is_ok());
    let is_over = limit.items.is_some_and(|max| piece.items > max)
        || limit.bytes.is_some_and(|max| piece.body.len() as u64 > max);
    if is_over {
        prop_assert_eq!(wire::units(signal, &bytes), 1);
    }
    Ok(())
}

fn flatten_all<'a>(signal: Signal, pieces: impl IntoIterator<Item = &'a Piece>) -> Vec<Flat> {
    pieces
        .into_iter()
        .flat_map(|piece| wire::flatten(signal, &piece.body.to_bytes()))
        .collect()
}

proptest! {
    #[test]
    fn pieces_say_in_order_what_the_whole_said(
        (signal, bytes) in scrambled(),
        cuts in cuts(),
        limit in limit(),
    ) {
        let rope = slices(&bytes, &cuts);
        let pieces = split(signal, &rope, limit).unwrap();
        for piece in &pieces {
            check(signal, piece, limit)?;
        }
        prop_assert_eq!(flatten_all(signal, &pieces), wire::flatten(signal, &bytes));
    }

    #[test]
    fn a_cut_is_the_first_piece_and_all_the_others(
        (signal, bytes) in scrambled(),
        cuts in cuts(),
        limit in limit(),
    ) {
        let rope = slices(&bytes, &cuts);
        let items = wire::items(signal, &bytes).unwrap();
        let pieces = split(signal, &rope, limit).unwrap();
        match cut(signal, &rope, items, limit).unwrap() {
            None => prop_assert_eq!(pieces.len(), 1),
            Some((head, tail)) => {
                prop_assert_eq!(&head.body, &pieces[0].body);
                prop_assert_eq!(head.items, pieces[0].items);
                check(signal, &tail, SplitLimit::default())?;
                prop_assert_eq!(
                    flatten_all(signal, [&head, &tail]),
                    wire::flatten(signal, &bytes)
                );
            }
        }
    }

    /// As many pieces as the items need and no more, where every unit is one item.
    #[test]
    fn pieces_are_full((signal, bytes) in scrambled(), max in 1..9u64) {
        prop_assume!(matches!(signal, Signal::Traces | Signal::Logs));
        let rope = Rope::from(bytes);
        let pieces = split(signal, &rope, SplitLimit { items: Some(max), bytes: None }).unwrap();
        let items: u64 = pieces.iter().map(|piece| piece.items).sum();
        prop_assert_eq!(pieces.len() as u64, items.div_ceil(max).max(1));
    }

    /// A limit of exactly the request's size leaves it whole; the larger of two pieces' sizes
    /// leaves them two.
    #[test]
    fn the_byte_limit_is_exact((signal, bytes) in scrambled()) {
        let rope = Rope::from(bytes);
        let of = |bytes: usize| SplitLimit { items: None, bytes: Some(bytes as u64) };
        prop_assert_eq!(split(signal, &rope, of(rope.len())).unwrap().len(), 1);
        let pieces = split(signal, &rope, of(rope.len().saturating_sub(1))).unwrap();
        prop_assert_eq!(pieces.len() > 1, wire::units(signal, &rope.to_bytes()) > 1);
        let first = pieces[0].body.len();
        if pieces.len() > 1 && wire::units(signal, &pieces[0].body.to_bytes()) > 1 {
            prop_assert_eq!(split(signal, &rope, of(first)).unwrap()[0].body.len(), first);
            let less = split(signal, &rope, of(first - 1)).unwrap();
            prop_assert!(less[0].body.len() < first);
        }
    }
}
