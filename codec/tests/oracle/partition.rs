use crate::generate::{cut as slices, cuts, scrambled};
use crate::wire::{self, Flat};
use proptest::prelude::*;
use tailrace_codec::Signal;
use tailrace_codec::otlp::{ItemView, Sorted, partition, sort};

/// A key that anyone can compute from an item's bytes.
fn key(item: &[u8]) -> u8 {
    item.iter().fold(0, |sum: u8, byte| sum.wrapping_add(*byte)) % 3
}

/// The metric that a point is part of is never cut where it has several kinds of data: its points
/// share a key.
fn key_of(signal: Signal, view: &ItemView<'_>) -> u8 {
    match signal {
        Signal::Metrics => view.metric().map_or(0, |metric| key(&metric.bytes())),
        _ => key(&view.item().bytes()),
    }
}

proptest! {
    /// Sorting is partition, but for a request that is alike: it is not touched.
    #[test]
    fn sorting_takes_apart_what_is_mixed((signal, bytes) in scrambled(), cuts in cuts()) {
        let rope = slices(&bytes, &cuts);
        let pieces = partition(signal, &rope, |view| key_of(signal, view)).unwrap();
        match sort(signal, &rope, |view| key_of(signal, view)).unwrap() {
            Sorted::Alike(None) => prop_assert!(pieces.is_empty()),
            Sorted::Alike(Some(key)) => {
                prop_assert_eq!(pieces.len(), 1);
                prop_assert_eq!(pieces[0].0, key);
            }
            Sorted::Apart(sorted) => {
                prop_assert!(sorted.len() > 1);
                let all = |pieces: &[(u8, tailrace_codec::otlp::Piece)]| {
                    let piece = |(key, piece): &(u8, tailrace_codec::otlp::Piece)| {
                        (*key, piece.items, piece.body.to_bytes())
                    };
                    pieces.iter().map(piece).collect::<Vec<_>>()
                };
                prop_assert_eq!(all(&sorted), all(&pieces));
            }
        }
    }

    #[test]
    fn each_key_gets_its_items_in_order((signal, bytes) in scrambled(), cuts in cuts()) {
        prop_assume!(signal != Signal::Metrics);
        let rope = slices(&bytes, &cuts);
        let pieces = partition(signal, &rope, |view| key_of(signal, view)).unwrap();
        let all: Vec<Flat> = wire::flatten(signal, &bytes)
            .into_iter()
            .filter(|flat| flat.item.is_some())
            .collect();
        let key_of = |flat: &Flat| flat.item.as_ref().map_or(0, |item| key(&item.2));
        let mut seen = Vec::new();
        for flat in &all {
            if !seen.contains(&key_of(flat)) {
                seen.push(key_of(flat));
            }
        }
        let keys: Vec<u8> = pieces.iter().map(|(key, _)| *key).collect();
        prop_assert_eq!(keys, seen);
        for (key, piece) in &pieces {
            let expected: Vec<Flat> = all.iter().filter(|flat| key_of(flat) == *key).cloned().collect();
            let body = piece.body.to_bytes();
            prop_assert_eq!(wire::flatten(signal, &body), expected);
            prop_assert_eq!(wire::items(signal, &body).unwrap(), piece.items);
        }
    }
}
