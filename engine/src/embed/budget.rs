//! The memory that all recorders of an engine share.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Asked once for each chunk that is made, told once when it goes.
#[derive(Debug)]
pub(super) struct Budget {
    used: AtomicUsize,
    recorders: AtomicUsize,
    limit: usize,
}

/// Bytes of a budget, which return when this goes.
#[derive(Debug)]
pub(super) struct Lease {
    budget: Arc<Budget>,
    bytes: usize,
}

/// What recorders hold at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecorderMemory {
    pub recorders: usize,
    /// Their chunks, those on their way to a backend included, and their buffers.
    pub bytes: usize,
    pub bytes_max: usize,
}

impl Budget {
    pub const fn new(limit: usize) -> Self {
        Self {
            used: AtomicUsize::new(0),
            recorders: AtomicUsize::new(0),
            limit,
        }
    }

    /// `None`: the others have it all.
    pub fn lease(self: &Arc<Self>, bytes: usize) -> Option<Lease> {
        // Relaxed: a sum is kept, no memory is published by it.
        let take = |used: usize| used.checked_add(bytes).filter(|used| *used <= self.limit);
        let taken = self
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        taken.is_ok().then(|| Lease {
            budget: Arc::clone(self),
            bytes,
        })
    }

    pub fn handle_begun(&self) {
        self.recorders.fetch_add(1, Ordering::Relaxed);
    }

    pub fn handle_gone(&self) {
        self.recorders.fetch_sub(1, Ordering::Relaxed);
    }

    pub fn usage(&self) -> RecorderMemory {
        RecorderMemory {
            recorders: self.recorders.load(Ordering::Relaxed),
            bytes: self.used.load(Ordering::Relaxed),
            bytes_max: self.limit,
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
