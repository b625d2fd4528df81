//! Recovery against a simulated destination that refuses known items and knows its limit.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Items by their number, ten bytes each unless said otherwise.
#[derive(Debug, Clone, PartialEq)]
struct Part {
    number: u32,
    items: Vec<u32>,
    item_bytes: u64,
}

impl Divisible for Part {
    type Origin = u32;

    /// Pieces have the number of their part.
    fn origin(&self) -> u32 {
        self.number
    }

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
        ..part
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

    /// Sends a batch and whatever its recovery asks for, to the end, in the order it asks for.
    fn take(&mut self, batch: Vec<Part>, limits: &mut Limits) {
        let mut recovery = Recovery::new();
        let mut next = VecDeque::from([batch]);
        while let Some(piece) = next.pop_front() {
            self.try_piece(piece, &mut recovery, limits);
            let tries = std::iter::from_fn(|| recovery.poll_try());
            let (first, last): (Vec<_>, Vec<_>) = tries.partition(|next| next.first);
            next.extend(last.into_iter().map(|next| next.parts));
            for next_first in first.into_iter().rev() {
                next.push_front(next_first.parts);
            }
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
            recovery.handle_delivered(&piece, limits);
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
            number: part,
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
    for part in batch(2, 4) {
        let alone = Try {
            parts: vec![part],
            first: false,
        };
        assert_eq!(recovery.poll_try(), Some(alone));
    }
    assert_eq!(recovery.poll_try(), None);
    assert!(!recovery.is_done());
    recovery.handle_delivered(&batch(1, 4), &mut limits);
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
fn who_sent_nothing_bad_loses_nothing() {
    // The more culprits there are, the less halving finds: the parts go one by one then.
    for culprits in [8, 17, 50, 99] {
        let mut limits = Limits::default();
        let bad: BTreeSet<u32> = (0..culprits).map(|n| n * 100 / culprits).collect();
        let mut destination = Destination::new(bad.clone(), u64::MAX);
        destination.take(batch(100, 1), &mut limits);
        destination.rejected.sort_unstable();
        assert_eq!(destination.rejected, Vec::from_iter(bad.clone()));
        assert!(destination.tries <= 200, "{}", destination.tries);
        // One bad item in each request: its neighbours are delivered.
        let mut destination = Destination::new(bad.iter().map(|n| n * 10 + 3), u64::MAX);
        destination.take(batch(100, 10), &mut limits);
        assert_eq!(destination.rejected.len(), bad.len());
    }
}

#[test]
fn a_destination_that_wants_nothing_is_asked_as_often_as_there_are_parts() {
    let mut limits = Limits::default();
    let mut destination = Destination::new(0..10_000, u64::MAX);
    destination.take(batch(100, 100), &mut limits);
    assert_eq!(destination.rejected.len(), 10_000);
    let probes = PROBED_PARTS * 2 * (FRUITLESS_PART_CUTS_MAX - UNWANTED_CUTS_MAX) as usize;
    let until_known = 2 * FRUITLESS_REFUSALS_MAX;
    let first = destination.tries;
    assert!(first <= 15 + 300 + probes + until_known, "{first}");
    destination.take(batch(100, 100), &mut limits);
    let second = destination.tries - first;
    assert_eq!(
        second,
        1 + 300 + probes,
        "whole, alone, in halves, and a few in eighths"
    );

    // As soon as it takes most of them again, single items are looked for.
    destination.bad = BTreeSet::from([7]);
    destination.rejected.clear();
    destination.take(batch(100, 100), &mut limits);
    assert_eq!(destination.rejected, [7]);
}

#[test]
fn one_part_can_have_many_culprits() {
    // Two in each of the first pieces that are refused: something is left to be delivered.
    let bad: BTreeSet<u32> = (0..80).map(|n| n * 50).collect();
    let mut destination = Destination::new(bad.clone(), u64::MAX);
    destination.take(batch(1, 8_192), &mut Limits::default());
    destination.rejected.sort_unstable();
    assert!(
        destination.rejected.iter().eq(&bad),
        "{}",
        destination.rejected.len()
    );
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
        number: 1,
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
                Part { number: next, items, item_bytes: 10 }
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
        // Every cut puts items apart that were together.
        let cuts_max = next + SIZE_CUTS_MAX + sizes.len() as u32;
        prop_assert!(destination.tries <= 1 + 2 * cuts_max as usize);
    }

    #[test]
    fn every_part_that_is_not_bad_is_delivered_whatever_was_before(
        batches in prop::collection::vec(
            (1..60u32, 1..30u32, prop::collection::btree_set(0..1_800u32, 0..300)),
            1..5,
        ),
    ) {
        let mut limits = Limits::default();
        for (parts, each, bad) in batches {
            let mut destination = Destination::new(bad.clone(), u64::MAX);
            destination.take(batch(parts, each), &mut limits);
            for part in batch(parts, each) {
                let innocent = part.items.iter().all(|item| !bad.contains(item));
                let lost = part.items.iter().any(|item| destination.rejected.contains(item));
                prop_assert!(!(innocent && lost), "{part:?}");
            }
        }
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
