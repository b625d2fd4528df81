//! Running sums of one thread, which it alone writes and the collector reads.

use super::exemplar::{Kept, Reservoir};
use super::number::NumberKind;
use crate::embed::budget::Lease;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use tailrace_codec::otlp::encode::Exemplar;

/// Series of one page: its sums fill eight cache lines, and no other thread's lie in them.
pub(super) const PAGE_SERIES: usize = 64;

/// Where the sum of a series stands in each thread: counted from the first series of the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot(pub u32);

#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Page {
    sums: [AtomicU64; PAGE_SERIES],
    /// By their place in the page.
    exemplars: Mutex<Reservoir>,
    _lease: Lease,
}

impl Slot {
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    #[inline]
    pub const fn page(self) -> usize {
        self.index() / PAGE_SERIES
    }

    #[inline]
    pub const fn place(self) -> usize {
        self.index() % PAGE_SERIES
    }
}

impl Page {
    pub fn new(lease: Lease) -> Self {
        Self {
            sums: [const { AtomicU64::new(0) }; PAGE_SERIES],
            exemplars: Mutex::new(Reservoir::default()),
            _lease: lease,
        }
    }

    /// By the thread that the page belongs to. Cost: a load and a store.
    #[inline]
    pub fn add(&self, place: usize, kind: NumberKind, bits: u64) {
        let sum = &self.sums[place];
        // Relaxed, and no addition in one: nobody else writes it, and no memory is published by it.
        sum.store(
            kind.add(sum.load(Ordering::Relaxed), bits),
            Ordering::Relaxed,
        );
    }

    /// Keeps a measurement, unless they are just being taken.
    #[cold]
    pub fn keep(&self, place: usize, exemplar: Exemplar) {
        if let Ok(mut exemplars) = self.exemplars.try_lock() {
            exemplars.offer(place as u16, exemplar);
        }
    }

    /// What the thread has added so far.
    pub fn sums(&self) -> impl Iterator<Item = u64> {
        self.sums.iter().map(|sum| sum.load(Ordering::Relaxed))
    }

    pub fn take_exemplars(&self, mut take: impl FnMut(Kept)) {
        let mut exemplars = self
            .exemplars
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        exemplars.drain().for_each(&mut take);
    }
}
