//! The primitives of a chunk. The model checker compiles the chunk with its own in their place.

pub(super) use std::sync::Arc;
pub(super) use std::sync::atomic::{AtomicU64, Ordering};

use super::budget::{Budget, Lease};
use std::cell::UnsafeCell;
use std::ops::Range;

/// Bytes of a line of the cache.
#[cfg(all(target_arch = "x86_64", not(miri)))]
const LINE: usize = 64;

/// Bytes that one thread writes while others read those written before.
#[derive(Debug)]
pub(super) struct Memory {
    bytes: Box<[UnsafeCell<u8>]>,
    /// Given back with the last reference: also what is on its way counts.
    _lease: Option<Lease>,
}

// SAFETY: `write` and `read` are unsafe and demand of their callers that no byte is written while
// another thread may touch it; bytes themselves belong to no thread.
unsafe impl Sync for Memory {}

impl Memory {
    /// Memory that no budget counts.
    pub(super) fn new(len: usize) -> Self {
        let bytes = (0..len).map(|_| UnsafeCell::new(0)).collect();
        Self {
            bytes,
            _lease: None,
        }
    }

    /// Memory out of a budget, with so much beside it for its holder.
    pub(super) fn leased(len: usize, beside: usize, budget: &Arc<Budget>) -> Option<Self> {
        let lease = budget.lease(len.saturating_add(beside))?;
        Some(Self {
            _lease: Some(lease),
            ..Self::new(len)
        })
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Asks for the lines of the cache that begin in `range`, as far as there is memory, to write to
    /// them soon: who read them last was another processor, and to have them back takes longer than to
    /// write. With this, and the chunk filled longest ago looked at first, a span of eight attributes
    /// took 138 to 161 ns instead of 162 to 186, in turns.
    #[inline]
    pub(super) fn expect_writes(&self, range: Range<usize>) {
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        for at in (range.start..range.end.min(self.len())).step_by(LINE) {
            use core::arch::x86_64::{_MM_HINT_ET0, _mm_prefetch};
            let line = self.bytes.as_ptr().wrapping_add(at);
            // SAFETY: a hint, which no address makes fail.
            unsafe { _mm_prefetch::<_MM_HINT_ET0>(line.cast()) };
        }
        #[cfg(not(all(target_arch = "x86_64", not(miri))))]
        drop(range);
    }

    /// Writes `bytes` at `at`. Panics where they do not fit.
    ///
    /// # Safety
    ///
    /// Nobody else reads or writes these bytes during the call.
    #[inline]
    pub(super) unsafe fn write(&self, at: usize, bytes: &[u8]) {
        let target = &self.bytes[at..at + bytes.len()];
        let target = UnsafeCell::raw_get(target.as_ptr());
        // SAFETY: `target` is valid for `bytes.len()` bytes, which were just bounds-checked, and
        // `UnsafeCell<u8>` has the layout of `u8`; the caller has them for itself.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), target, bytes.len()) };
    }

    /// The bytes of `range`. Panics where it lies outside.
    ///
    /// # Safety
    ///
    /// They are never written again while the result lives, and their writes happened before.
    pub(super) unsafe fn read(&self, range: Range<usize>) -> &[u8] {
        let source = &self.bytes[range];
        let start = UnsafeCell::raw_get(source.as_ptr());
        // SAFETY: bounds-checked above, the layout is that of `u8`, initialised by `new`; the
        // caller says that nobody writes them.
        unsafe { std::slice::from_raw_parts(start, source.len()) }
    }
}
