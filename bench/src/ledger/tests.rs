use super::*;
use proptest::prelude::*;
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

/// A file of its own in the system's temporary directory, gone with the value.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("tailrace-ledger-{}-{next}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

const RUN: u64 = 0xfeed;

/// The bytes of a ledger with these numbers, checks and damage.
fn ledger(side: Side, run: u64, entries: &[(u64, u64, bool)], totals: Totals) -> Vec<u8> {
    let scratch = Scratch::new();
    let mut writer = Writer::create(&scratch.0, side).expect("a file");
    writer.run(run).expect("it is written");
    for (id, check, damaged) in entries {
        writer.record(*id, *check, *damaged).expect("it is written");
    }
    writer.finish(totals).expect("it is written");
    std::fs::read(&scratch.0).expect("it is there")
}

fn whole(side: Side, ids: impl IntoIterator<Item = u64>) -> Vec<u8> {
    let entries: Vec<_> = ids.into_iter().map(|id| (id, id * 7, false)).collect();
    let totals = Totals {
        faults: 1,
        ..Totals::default()
    };
    ledger(side, RUN, &entries, totals)
}

fn compare(sent: &[u8], received: &[u8]) -> Result<Finding, CheckError> {
    check(sent, received, 1, false)
}

fn entries_of(bytes: &[u8]) -> Result<(Vec<Record>, Totals), ReadError> {
    let mut records = Vec::new();
    let totals = Reader::new(bytes)?.read(|record| records.push(record))?;
    Ok((records, totals))
}

#[test]
fn each_fate_is_told_apart() {
    let sent = whole(Side::Sent, 0..10);
    let mut entries: Vec<_> = (2..10).map(|id| (id, id * 7, false)).collect();
    entries.extend([(5, 35, false), (99, 1, false), (3, 21, true)]);
    entries[2].1 = 1000;
    let received = ledger(Side::Received, RUN, &entries, Totals::default());
    let finding = compare(&sent, &received).expect("they compare");
    assert_eq!((finding.acknowledged, finding.delivered), (10, 8));
    assert_eq!(
        (finding.lost, finding.lost_examples.as_slice()),
        (2, &[0, 1][..])
    );
    // Number 5 and number 3 came twice; 3 was damaged, 4 has another check.
    assert_eq!(
        (finding.duplicate, finding.ghost, finding.corrupt),
        (2, 1, 2)
    );
    assert!(!finding.holds());
    assert_eq!(finding.doubts, []);
}

#[test]
fn what_a_run_does_not_prove_is_said() {
    let sent = ledger(Side::Sent, RUN, &[(1, 1, false)], Totals::default());
    let received = ledger(Side::Received, RUN, &[(1, 1, false)], Totals::default());
    let finding = check(&sent[..], &received[..], 1000, false).expect("they compare");
    assert!(finding.holds());
    let few = Doubt::TooFewItems {
        acknowledged: 1,
        min: 1000,
    };
    assert_eq!(finding.doubts, [few, Doubt::NoFault]);
}

#[test]
fn other_runs_are_foreign_and_alone_an_error() {
    let sent = whole(Side::Sent, 0..3);
    let other = ledger(Side::Received, 1, &[(0, 0, false)], Totals::default());
    assert!(matches!(
        compare(&sent, &other),
        Err(CheckError::Mismatched {
            sent: RUN,
            received: 1
        })
    ));
    let scratch = Scratch::new();
    let mut writer = Writer::create(&scratch.0, Side::Received).expect("a file");
    for (run, id) in [(1, 0), (RUN, 0), (1, 1), (RUN, 1), (RUN, 2)] {
        writer.run(run).expect("it is written");
        writer.record(id, id * 7, false).expect("it is written");
    }
    writer.finish(Totals::default()).expect("it is written");
    let mixed = std::fs::read(&scratch.0).expect("it is there");
    let finding = compare(&sent, &mixed).expect("they compare");
    assert_eq!((finding.delivered, finding.foreign), (3, 2));
}

#[test]
fn an_empty_backend_has_lost_everything() {
    let sent = whole(Side::Sent, 0..5);
    let scratch = Scratch::new();
    let writer = Writer::create(&scratch.0, Side::Received).expect("a file");
    writer.finish(Totals::default()).expect("it is written");
    let nothing = std::fs::read(&scratch.0).expect("it is there");
    assert_eq!(compare(&sent, &nothing).expect("they compare").lost, 5);
}

#[test]
fn swapped_files_are_named() {
    let (sent, received) = (whole(Side::Sent, 0..3), whole(Side::Received, 0..3));
    assert!(matches!(
        compare(&received, &sent),
        Err(CheckError::Swapped {
            expected: Side::Sent
        })
    ));
}

#[test]
fn a_writer_that_was_dropped_leaves_what_it_had_and_no_end() {
    let scratch = Scratch::new();
    let mut writer = Writer::create(&scratch.0, Side::Sent).expect("a file");
    writer.run(RUN).expect("it is written");
    for id in 0..5 {
        writer.record(id, id * 7, false).expect("it is written");
    }
    drop(writer);
    let sent = std::fs::read(&scratch.0).expect("it is there");
    let received = whole(Side::Received, 0..4);
    assert!(matches!(
        compare(&sent, &received),
        Err(CheckError::Sent(ReadError::CutOff { .. }))
    ));
    let finding = check(&sent[..], &received[..], 1, true).expect("whole blocks count");
    assert_eq!((finding.lost, finding.delivered), (1, 4));
    assert_eq!(finding.doubts, [Doubt::Unfinished(Side::Sent)]);
}

/// The claim of the module's first lines, for a hundredth of it.
#[test]
fn an_item_costs_four_bytes_in_a_long_sequence() {
    let sent = whole(Side::Sent, 0..1_000_000);
    assert!(sent.len() < 4_010_000, "{} bytes", sent.len());
    // Requests of 100 whose order is lost: each a sequence of its own.
    let scattered = (0..10_000_u64)
        .rev()
        .flat_map(|request| request * 100..request * 100 + 100);
    let received = whole(Side::Received, scattered);
    assert!(received.len() < 4_060_000, "{} bytes", received.len());
    let finding = compare(&sent, &received).expect("they compare");
    assert_eq!((finding.delivered, finding.duplicate), (1_000_000, 0));
}

fn numbers() -> impl Strategy<Value = Vec<(u64, u64, bool)>> {
    let id = prop_oneof![
        0..200_u64,
        any::<u64>(),
        (0..3000_u64).prop_map(|id| u64::MAX - id)
    ];
    let run = (id, 1..300_u64, any::<u64>(), prop::bool::weighted(0.1));
    let runs = prop::collection::vec(run, 0..12);
    runs.prop_map(|runs| {
        let spread = runs.into_iter().flat_map(|(first, count, check, damaged)| {
            (0..count).map(move |n| (first.wrapping_add(n), check ^ n, damaged))
        });
        spread.collect()
    })
}

proptest! {
    #[test]
    fn what_is_read_is_what_was_written(entries in numbers(), faults: u64) {
        let totals = Totals { faults, ..Totals::default() };
        let bytes = ledger(Side::Received, 3, &entries, totals);
        let (records, read) = entries_of(&bytes).expect("it is whole");
        let mut expected = vec![Record::Run(3)];
        expected.extend(entries.iter().map(|(id, check, damaged)| {
            Record::Entry(Entry { id: *id, check: fold(*check), damaged: *damaged })
        }));
        prop_assert_eq!(records, expected);
        prop_assert_eq!(read, Totals { items: entries.len() as u64, faults, foreign: 0 });
    }

    #[test]
    fn a_file_cut_anywhere_is_an_error(entries in numbers(), at: prop::sample::Index) {
        let bytes = ledger(Side::Sent, 3, &entries, Totals::default());
        prop_assert!(entries_of(&bytes[..at.index(bytes.len())]).is_err());
    }

    #[test]
    fn a_flipped_bit_anywhere_is_an_error(
        entries in numbers(),
        at: prop::sample::Index,
        bit in 0..8_u8,
    ) {
        let mut bytes = ledger(Side::Sent, 3, &entries, Totals::default());
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(entries_of(&bytes).is_err());
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>, entries in numbers()) {
        let _ = entries_of(&bytes);
        let mut blocks = ledger(Side::Sent, 3, &entries, Totals::default());
        blocks.extend(bytes);
        let _ = entries_of(&blocks);
    }

    #[test]
    fn any_payload_of_items_is_read_without_a_panic(payload: Vec<u8>) {
        let mut seen = 0_usize;
        let _ = format::read_items(&payload, &mut |_| seen += 1);
        prop_assert!(seen * 4 <= payload.len());
    }

    #[test]
    fn the_counts_are_those_of_sets(sent in numbers(), received in numbers()) {
        let bytes = (
            ledger(Side::Sent, RUN, &sent, Totals::default()),
            ledger(Side::Received, RUN, &received, Totals::default()),
        );
        let finding = compare(&bytes.0, &bytes.1).expect("they compare");
        let checks: HashMap<u64, u32> =
            sent.iter().map(|(id, check, _)| (*id, fold(*check))).collect();
        let arrived: HashSet<u64> = received.iter().map(|(id, ..)| *id).collect();
        let corrupt: HashSet<u64> = received
            .iter()
            .filter(|(id, check, damaged)| {
                *damaged || checks.get(id).is_some_and(|sent| *sent != fold(*check))
            })
            .map(|(id, ..)| *id)
            .collect();
        let lost = checks.keys().filter(|id| !arrived.contains(id)).count();
        let ghost = arrived.iter().filter(|id| !checks.contains_key(id)).count();
        prop_assert_eq!(finding.acknowledged, checks.len() as u64);
        prop_assert_eq!(finding.lost, lost as u64);
        prop_assert_eq!(finding.ghost, ghost as u64);
        prop_assert_eq!(finding.duplicate, (received.len() - arrived.len()) as u64);
        prop_assert_eq!(finding.corrupt, corrupt.len() as u64);
    }
}
