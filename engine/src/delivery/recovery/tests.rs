//! Recovery against a simulated destination that refuses known items and knows its limit.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Items by their number, ten bytes each unless said otherwise.
#[derive(Debug, Clone, PartialEq)]
struct Part {
    items: Vec<u32>,
    item_bytes: u64,
}

impl Divisible for Part {
    fn items(&self) -> u64 {
        self.items.len() as u64
    }

    fn bytes(&self) -> u64 {
        self.items.len() as u64 * self.item_bytes
    }
}

fn cut(mut part: Part, at: Cut) -> Result<(Part, Part), Part> {
    let items = match at {
        Cut::Items(items) => items,
        Cut::Bytes(bytes) => bytes / part.item_bytes,
    };
    let items = (items as usize).max(1);
    if items >= part.items.len() {
        return Err(part);
    }
    let second = Part {
        items: part.items.split_off(items),
        item_bytes: part.item_bytes,
    };
    Ok((part, second))
}

struct Destination {
    bad: BTreeSet<u32>,
    bytes_max: u64,
    names_limit: bool,
    tries: usize,
    delivered: Vec<u32>,
    rejected: Vec<u32>,
}

impl Destination {
    fn new(bad: impl IntoIterator<Item = u32>, bytes_max: u64) -> Self {
        Self {
            bad: bad.into_iter().collect(),
            bytes_max,
            names_limit: false,
            tries: 0,
            delivered: Vec::new(),
            rejected: Vec::new(),
        }
    }

    /// Sends a batch and whatever its recovery asks for, to the end.
    fn take(&mut self, batch: Vec<Part>, limits: &mut Limits) {
        let mut recovery = Recovery::new();
        self.try_piece(batch, &mut recovery, limits);
        while let Some(piece) = recovery.poll_try() {
            self.try_piece(piece, &mut recovery, limits);
        }
        assert!(recovery.is_done());
    }

    fn try_piece(&mut self, piece: Vec<Part>, recovery: &mut Recovery<Part>, limits: &mut Limits) {
        self.tries += 1;
        assert!(!piece.is_empty(), "nothing is sent for nothing");
        let items: Vec<u32> = piece.iter().flat_map(|part| part.items.clone()).collect();
        let rejected = if total(&piece, Part::bytes) > self.bytes_max {
            let named = self.names_limit.then_some(self.bytes_max);
            recovery.handle_too_large(piece, named, limits, cut)
        } else if items.iter().any(|item| self.bad.contains(item)) {
            recovery.handle_refused(piece, limits, cut)
        } else {
            self.delivered.extend(items);
            recovery.handle_delivered(limits);
            None
        };
        for part in rejected.into_iter().flat_map(|rejected| rejected.parts) {
            self.rejected.extend(part.items);
        }
    }
}

/// `parts` parts of `each` items, numbered through.
fn batch(parts: u32, each: u32) -> Vec<Part> {
    (0..parts)
        .map(|part| Part {
            items: (part * each..(part + 1) * each).collect(),
            item_bytes: 10,
        })
        .collect()
}

#[test]
fn one_bad_item_costs_only_itself() {
    for bad in [0, 1, 4_095, 5_000, 8_191] {
        let mut destination = Destination::new([bad], u64::MAX);
        destination.take(batch(800, 10), &mut Limits::default());
        let expected = if bad < 8_000 { vec![bad] } else { vec![] };
        assert_eq!(destination.rejected, expected);
        assert_eq!(destination.delivered.len(), 8_000 - expected.len());
        assert!(
            destination.tries <= 30,
            "{} tries for one of 8,000",
            destination.tries
        );
    }
}

#[test]
fn a_bad_payload_is_sent_alone_before_it_is_cut() {
    let mut limits = Limits::default();
    let mut recovery = Recovery::new();
    assert!(
        recovery
            .handle_refused(batch(2, 4), &mut limits, cut)
            .is_none()
    );
    assert_eq!(recovery.poll_try(), Some(batch(2, 4)[..1].to_vec()));
    assert_eq!(recovery.poll_try(), Some(batch(2, 4)[1..].to_vec()));
    assert_eq!(recovery.poll_try(), None);
    assert!(!recovery.is_done());
    recovery.handle_delivered(&mut limits);
    recovery.handle_gone();
    assert!(recovery.is_done());
}

#[test]
fn a_single_bad_item_is_rejected_at_once() {
    let mut destination = Destination::new([0], u64::MAX);
    destination.take(batch(1, 1), &mut Limits::default());
    assert_eq!((destination.tries, destination.rejected), (1, vec![0]));
}

#[test]
fn a_destination_that_wants_nothing_is_asked_little_and_then_not_again() {
    let mut limits = Limits::default();
    let mut destination = Destination::new(0..10_000, u64::MAX);
    destination.take(batch(100, 100), &mut limits);
    assert_eq!(
        destination.tries, 15,
        "the batch and three levels of halves"
    );
    assert_eq!(destination.rejected.len(), 10_000);
    destination.take(batch(100, 100), &mut limits);
    assert_eq!(
        destination.tries, 16,
        "no more cuts while nothing is delivered"
    );

    // As soon as something is delivered, single items are looked for again.
    destination.bad = BTreeSet::from([7]);
    destination.rejected.clear();
    destination.take(
        vec![Part {
            items: vec![1],
            item_bytes: 10,
        }],
        &mut limits,
    );
    destination.take(batch(100, 100), &mut limits);
    assert_eq!(destination.rejected, [7]);
}

#[test]
fn what_is_too_large_is_halved_until_it_fits_and_the_limit_is_remembered() {
    for (names_limit, tries) in [(false, 1 + 2 + 4), (true, 1 + 4)] {
        let mut limits = Limits::default();
        let mut destination = Destination::new([], 100_000);
        destination.names_limit = names_limit;
        destination.take(batch(40, 1_000), &mut limits);
        assert_eq!(destination.delivered.len(), 40_000);
        assert!(destination.rejected.is_empty());
        assert_eq!(limits.bytes_max(), Some(100_000));
        assert_eq!(
            destination.tries, tries,
            "nothing above a named limit is tried again"
        );
    }
}

#[test]
fn one_item_over_the_limit_is_rejected_and_its_neighbours_are_not() {
    let mut parts = batch(3, 5);
    parts[1] = Part {
        items: vec![99],
        item_bytes: 5_000_000,
    };
    let mut destination = Destination::new([], 4 << 20);
    destination.take(parts, &mut Limits::default());
    assert_eq!(destination.rejected, [99]);
    assert_eq!(destination.delivered.len(), 10);
}

#[test]
fn small_limits_are_found_too() {
    let mut destination = Destination::new([], 50);
    destination.take(batch(1, 64), &mut Limits::default());
    assert_eq!(destination.delivered.len(), 64);
}

#[test]
fn a_destination_that_finds_everything_too_large_is_asked_little() {
    let mut limits = Limits::default();
    let mut destination = Destination::new([], 0);
    destination.take(batch(100, 1_000), &mut limits);
    assert_eq!(destination.rejected.len(), 100_000);
    assert!(destination.tries <= 2 * 32 + 1, "{}", destination.tries);
    assert!(limits.bytes_max() >= Some(GUESSED_LIMIT_MIN), "{limits:?}");
}

#[test]
fn a_lie_about_the_limit_is_bounded() {
    let mut limits = Limits::default();
    let mut destination = Destination::new([], 0);
    destination.names_limit = true;
    destination.take(batch(100, 1_000), &mut limits);
    assert!(
        destination.tries <= 2 * SIZE_CUTS_MAX as usize,
        "{}",
        destination.tries
    );
    assert_eq!(limits.bytes_max(), Some(NAMED_LIMIT_MIN));
}

#[test]
fn a_named_limit_that_was_respected_teaches_nothing() {
    let mut limits = Limits::default();
    limits.handle_too_large(1 << 20, Some(4 << 20));
    assert_eq!(
        limits.bytes_max(),
        Some(1 << 19),
        "guessed, as if none had been named"
    );
}

proptest! {
    #[test]
    fn every_item_is_delivered_or_rejected_exactly_once(
        sizes in prop::collection::vec(0..50u32, 1..40),
        bad in prop::collection::btree_set(0..1_000u32, 0..40),
        bytes_max in 0..5_000u64,
        names_limit: bool,
    ) {
        let mut next = 0;
        let parts: Vec<Part> = sizes
            .iter()
            .map(|&size| {
                let items = (next..next + size).collect();
                next += size;
                Part { items, item_bytes: 10 }
            })
            .collect();
        let mut destination = Destination::new(bad.clone(), bytes_max);
        destination.names_limit = names_limit;
        destination.take(parts, &mut Limits::default());

        let mut all: Vec<u32> = destination.delivered.clone();
        all.extend(&destination.rejected);
        all.sort_unstable();
        prop_assert_eq!(all, (0..next).collect::<Vec<_>>());
        prop_assert!(destination.delivered.iter().all(|item| !bad.contains(item)));
        let tries_max = 1 + 2 * (CUTS_MAX + SIZE_CUTS_MAX) as usize;
        prop_assert!(destination.tries <= tries_max);
    }

    #[test]
    fn a_few_bad_items_cost_only_themselves(
        bad in prop::collection::btree_set(0..4_000u32, 1..4),
    ) {
        let mut destination = Destination::new(bad.clone(), u64::MAX);
        destination.take(batch(40, 100), &mut Limits::default());
        destination.rejected.sort_unstable();
        prop_assert_eq!(destination.rejected, bad.into_iter().collect::<Vec<_>>());
    }
}
