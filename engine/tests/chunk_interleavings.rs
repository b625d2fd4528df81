//! A chunk under the interleavings of its two threads that the memory model allows.
//!
//! The chunk's own source is compiled here once more, with the model checker's primitives. Its
//! memory watches every byte: a read beside a write that is not ordered with it fails the model.

use chunk::Filling;
use loom::thread;
use sync::Memory;

#[path = "../src/embed/chunk.rs"]
mod chunk;

mod sync {
    pub(super) use loom::sync::Arc;
    pub(super) use loom::sync::atomic::{AtomicU64, Ordering};

    use loom::cell::UnsafeCell;
    use std::ops::Range;

    #[derive(Debug)]
    pub(super) struct Memory(Vec<UnsafeCell<u8>>);

    // SAFETY: the model checker watches every access, which is what this is for.
    unsafe impl Sync for Memory {}

    impl Memory {
        pub(super) fn new(len: usize) -> Self {
            Self((0..len).map(|_| UnsafeCell::new(0)).collect())
        }

        pub(super) fn len(&self) -> usize {
            self.0.len()
        }

        /// A hint, which orders nothing.
        pub(super) fn expect_writes(&self, _: Range<usize>) {}

        pub(super) unsafe fn write(&self, at: usize, bytes: &[u8]) {
            for (cell, byte) in self.0[at..at + bytes.len()].iter().zip(bytes) {
                // SAFETY: the model fails where another thread touches the cell meanwhile.
                cell.with_mut(|cell| unsafe { *cell = *byte });
            }
        }

        /// A copy, which lives as long as the test.
        pub(super) unsafe fn read(&self, range: Range<usize>) -> &[u8] {
            let cells = self.0[range].iter();
            // SAFETY: the model fails where another thread writes the cell meanwhile.
            let bytes = cells.map(|cell| cell.with(|cell| unsafe { *cell }));
            Box::leak(bytes.collect::<Box<[u8]>>())
        }
    }
}

/// What is read is whole, and in order.
#[test]
fn a_prefix_is_complete() {
    loom::model(|| {
        let mut filling = Filling::new(Memory::new(4));
        let mut reading = filling.reading();
        let appending = thread::spawn(move || {
            assert!(filling.append(&[1], &[1]));
            // Both bytes are replaced after they were written, and before they are seen.
            assert!(filling.append_with(&[0, 0], [2], (1, [2])));
            assert!(!filling.append(&[3], &[3]));
        });
        let mut seen = Vec::new();
        for _ in 0..2 {
            seen.extend(reading.take().iter().flat_map(|taken| {
                assert_eq!(taken.as_ref().len(), 2 * taken.items as usize);
                taken.as_ref().to_vec()
            }));
        }
        appending.join().expect("it does not panic");
        seen.extend(
            reading
                .take()
                .iter()
                .flat_map(|taken| taken.as_ref().to_vec()),
        );
        assert_eq!(seen, [1, 1, 2, 2]);
    });
}

/// A chunk is written again only after the last reader let go, and that is ordered.
#[test]
fn a_chunk_is_used_again_after_its_readers() {
    loom::model(|| {
        let mut filling = Filling::new(Memory::new(2));
        let mut reading = filling.reading();
        assert!(filling.append(&[1], &[1]));
        let taking = thread::spawn(move || {
            let taken = reading.take().expect("it was appended before");
            drop(reading);
            assert_eq!(taken.as_ref(), [1, 1]);
        });
        if filling.is_free() {
            assert!(filling.reuse());
            assert!(filling.append(&[2], &[2]));
            let taken = filling.reading().take().expect("one item");
            assert_eq!(taken.as_ref(), [2, 2]);
        }
        taking.join().expect("it does not panic");
        assert!(filling.reuse());
    });
}
