//! The allocator of the forwarder, counting what each thread asks of it.

use mimalloc::MiMalloc;
use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;

/// mimalloc, as in the binary.
pub struct Counting;

thread_local! {
    static SO_FAR: Cell<Allocations> = const { Cell::new(Allocations { calls: 0, bytes: 0 }) };
}

/// What a thread allocated. Growing in place counts as an allocation of the new size.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Allocations {
    pub calls: u64,
    pub bytes: u64,
}

impl Allocations {
    /// Those of `run` on this thread, and what it returned.
    pub fn of<O>(run: impl FnOnce() -> O) -> (Self, O) {
        let before = SO_FAR.get();
        let output = run();
        let after = SO_FAR.get();
        let allocations = Self {
            calls: after.calls - before.calls,
            bytes: after.bytes - before.bytes,
        };
        (allocations, output)
    }
}

fn count(bytes: usize) {
    // A thread that ends allocates after its locals are gone.
    let _ = SO_FAR.try_with(|so_far| {
        let Allocations { calls, bytes: sum } = so_far.get();
        so_far.set(Allocations {
            calls: calls + 1,
            bytes: sum + bytes as u64,
        });
    });
}

// SAFETY: every call goes to mimalloc unchanged, which upholds the contract; counting touches no
// memory that was allocated.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promises are mimalloc's.
        unsafe { MiMalloc.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: as above.
        unsafe { MiMalloc.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { MiMalloc.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(new_size);
        // SAFETY: as above.
        unsafe { MiMalloc.realloc(ptr, layout, new_size) }
    }
}
