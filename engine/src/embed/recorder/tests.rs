//! A recorder and its source, without an engine.

use super::*;

const SMALL: RecorderLimits = RecorderLimits {
    chunk_bytes: 32,
    chunks_max: 3,
};

/// Of an engine whose recorders have so much memory.
pub(in crate::embed) fn shared(bytes: usize) -> Shared {
    Shared {
        life: Arc::new(Life::begin().expect("forks are watched")),
        budget: Arc::new(Budget::new(bytes)),
    }
}

fn items(taken: &Taken) -> Vec<Vec<u8>> {
    let mut rest = taken.as_ref();
    let mut items = Vec::new();
    while let [tag, len, tail @ ..] = rest {
        assert_eq!(*tag, 0x12);
        let (item, tail) = tail.split_at(*len as usize);
        items.push(item.to_vec());
        rest = tail;
    }
    assert_eq!(items.len(), taken.items as usize);
    items
}

#[test]
fn a_full_recorder_drops_counts_and_goes_on_when_there_is_room() {
    let (recorder, mut source) = Recorder::new(SMALL, shared(1 << 20));
    // Ten bytes with their head: three in each chunk.
    for n in 0..9 {
        assert!(recorder.record(&[n; 8]));
    }
    assert_eq!(recorder.pressure(), Pressure(1000));
    assert!(!recorder.record(&[9; 8]));
    assert!(!recorder.record(&[0; 31]), "larger than a chunk");
    assert_eq!((recorder.dropped(), source.dropped()), (2, 2));

    let held: Vec<_> = std::iter::from_fn(|| source.take()).collect();
    let all: Vec<_> = held.iter().flat_map(items).collect();
    assert_eq!(all, (0..9).map(|n| vec![n; 8]).collect::<Vec<_>>());
    assert!(!recorder.record(&[9; 8]), "the slices are still held");
    drop(held);
    assert_eq!(recorder.pressure(), Pressure(333));
    assert!(recorder.record(&[10; 8]));
    let taken = source.take().expect("one item");
    assert_eq!(items(&taken), [vec![10; 8]]);
}

#[test]
fn the_last_item_of_a_recorder_that_is_gone_is_taken() {
    let (recorder, mut source) = Recorder::new(SMALL, shared(1 << 20));
    for n in 0..5 {
        assert!(recorder.record(&[n; 8]));
    }
    assert!(!source.is_closed());
    drop(recorder);
    assert!(source.is_closed());
    let taken: Vec<_> = std::iter::from_fn(|| source.take()).collect();
    assert_eq!(taken.iter().map(|taken| taken.items).sum::<u32>(), 5);
}

/// Memory is taken when it is needed, up to what all may have, and returns with the last slice.
#[test]
fn recorders_share_a_budget() {
    // Two first chunks, and a second one.
    let shared = shared(2 * (32 + BUFFERS_BYTES_MAX) + 32);
    let used = || shared.budget.usage().bytes;
    let [(first, mut source), (second, _other), (third, mut last)] =
        [(); 3].map(|()| Recorder::new(SMALL, shared.clone()));
    assert_eq!((used(), shared.budget.usage().recorders), (0, 3));
    assert!(first.record(&[1; 8]) && second.record(&[2; 8]));
    assert!((0..3).all(|_| first.record(&[1; 8])), "a second chunk");
    assert_eq!(used(), shared.budget.usage().bytes_max);
    assert!(!third.record(&[3; 8]));
    assert!(!(0..3).all(|_| second.record(&[2; 8])), "no second chunk");
    assert_eq!((third.dropped(), last.dropped()), (1, 1));

    let held = source.take().expect("items");
    drop((first, source));
    assert_eq!(used(), 2 * (32 + BUFFERS_BYTES_MAX), "one chunk is held");
    assert!(!third.record(&[3; 8]));
    drop((held, second));
    assert!(third.record(&[3; 8]));
    assert!(last.take().is_some());
    assert_eq!(shared.budget.usage().recorders, 1);
}

#[test]
fn after_the_end_items_are_dropped_and_counted() {
    let shared = shared(1 << 20);
    let (recorder, source) = Recorder::new(SMALL, shared.clone());
    assert!(recorder.record(&[1; 8]));
    shared.life.end();
    assert!(!recorder.record(&[1; 8]));
    assert_eq!(source.dropped(), 1);
}

/// Everything that was recorded arrives, in order and once; the rest is counted.
#[test]
fn nothing_is_lost_between_two_threads() {
    let count: u32 = if cfg!(miri) { 100 } else { 50_000 };
    let limits = RecorderLimits {
        chunk_bytes: 256,
        chunks_max: 4,
    };
    let (recorder, mut source) = Recorder::new(limits, shared(1 << 20));
    let recording = std::thread::spawn(move || {
        let recorded: Vec<u32> = (0..count)
            .filter(|n| recorder.record(&n.to_le_bytes()))
            .collect();
        (recorded, recorder.dropped())
    });
    let mut arrived = Vec::new();
    loop {
        let is_last = source.is_closed();
        while let Some(taken) = source.take() {
            let items = items(&taken).into_iter();
            arrived
                .extend(items.map(|item| u32::from_le_bytes(item.try_into().expect("four bytes"))));
        }
        if is_last {
            break;
        }
        std::thread::yield_now();
    }
    let (recorded, dropped) = recording.join().expect("it does not panic");
    assert_eq!(arrived, recorded);
    assert_eq!(recorded.len() as u64 + dropped, u64::from(count));
}
