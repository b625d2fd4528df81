//! Memory that one thread fills while another takes what is complete.
//!
//! Invariants: `committed` only grows while anybody but the recorder holds the chunk; bytes below
//! it are never written, bytes above it are touched by the one [`Filling`] alone.

use super::sync::{Arc, AtomicU64, Memory, Ordering};
use std::ops::Range;

/// Bytes and items from the beginning of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Prefix {
    bytes: u32,
    items: u32,
}

/// How far ahead of what is written lines of the cache are asked for: a span or two, so that they come
/// while those are put together.
const AHEAD: usize = 512;

#[derive(Debug)]
struct Chunk {
    /// A [`Prefix`]: items above, bytes below, so that both are published by one store.
    committed: AtomicU64,
    memory: Memory,
}

/// The end that appends. There is one for each chunk.
#[derive(Debug)]
pub(super) struct Filling {
    chunk: Arc<Chunk>,
    filled: Prefix,
}

/// The end that takes what was appended.
#[derive(Debug)]
pub(super) struct Reading {
    chunk: Arc<Chunk>,
    taken: Prefix,
}

/// Complete items of a chunk, which cannot be used again before this is dropped.
#[derive(Debug)]
pub(super) struct Taken {
    chunk: Arc<Chunk>,
    range: Range<usize>,
    pub(super) items: u32,
}

impl Filling {
    /// A new chunk, of which at most 4 GiB are used.
    pub(super) fn new(memory: Memory) -> Self {
        let chunk = Arc::new(Chunk {
            committed: AtomicU64::new(0),
            memory,
        });
        Self {
            chunk,
            filled: Prefix::default(),
        }
    }

    /// The other end. Called once for each time the chunk is used.
    pub(super) fn reading(&self) -> Reading {
        Reading {
            chunk: Arc::clone(&self.chunk),
            taken: Prefix::default(),
        }
    }

    /// Appends one item, whose bytes stand in two pieces, and publishes it. `false`: no room.
    pub(super) fn append(&mut self, head: &[u8], content: &[u8]) -> bool {
        let Some((start, bytes)) = self.room(head.len() + content.len()) else {
            return false;
        };
        // SAFETY: both lie above `committed`, where readers never look, and there is one
        // `Filling`, which is borrowed mutably.
        unsafe {
            self.chunk.memory.write(start, head);
            self.chunk.memory.write(start + head.len(), content);
        }
        self.publish(start, bytes);
        true
    }

    /// Appends one item, in which some bytes are replaced, and publishes it. `false`: no room.
    ///
    /// What is replaced is not written into `item` before: the processor would have to finish that
    /// write before it can read the item as a whole. Panics where it does not lie in the item.
    #[inline]
    pub(super) fn append_with<const N: usize, const M: usize>(
        &mut self,
        item: &[u8],
        head: [u8; N],
        (at, patch): (usize, [u8; M]),
    ) -> bool {
        let Some((start, bytes)) = self.room(item.len()) else {
            return false;
        };
        assert!(N <= item.len() && at + M <= item.len());
        // SAFETY: as in `append`; the replacements lie in the item, by the check above.
        unsafe {
            self.chunk.memory.write(start, item);
            self.chunk.memory.write(start, &head);
            self.chunk.memory.write(start + at, &patch);
        }
        self.publish(start, bytes);
        true
    }

    /// Where an item of so many bytes would stand, and what would be filled then.
    #[inline]
    fn room(&self, len: usize) -> Option<(usize, u32)> {
        let start = self.filled.bytes as usize;
        let end = start + len;
        let bytes = u32::try_from(end).ok()?;
        (end <= self.chunk.memory.len()).then_some((start, bytes))
    }

    #[inline]
    fn publish(&mut self, start: usize, bytes: u32) {
        let soon = start + AHEAD..bytes as usize + AHEAD;
        self.chunk.memory.expect_writes(soon);
        self.filled.bytes = bytes;
        self.filled.items += 1;
        // Release: who reads this length sees the bytes below it.
        let committed = u64::from(self.filled.items) << 32 | u64::from(bytes);
        self.chunk.committed.store(committed, Ordering::Release);
    }

    /// Whether nobody else holds the chunk.
    pub(super) fn is_free(&mut self) -> bool {
        Arc::get_mut(&mut self.chunk).is_some()
    }

    /// Empties the chunk to be used again, if nobody else holds it.
    pub(super) fn reuse(&mut self) -> bool {
        // This looks at the number of references with acquire order, so that whatever others did
        // with the bytes before they let go happened before the next write.
        let Some(chunk) = Arc::get_mut(&mut self.chunk) else {
            return false;
        };
        chunk.committed.store(0, Ordering::Relaxed);
        self.filled = Prefix::default();
        true
    }
}

impl Reading {
    /// What was appended since the last call.
    pub(super) fn take(&mut self) -> Option<Taken> {
        // Acquire: the bytes below the length are seen.
        let committed = self.chunk.committed.load(Ordering::Acquire);
        let now = Prefix {
            bytes: committed as u32,
            items: (committed >> 32) as u32,
        };
        let before = std::mem::replace(&mut self.taken, now);
        (now.items > before.items).then(|| Taken {
            chunk: Arc::clone(&self.chunk),
            range: before.bytes as usize..now.bytes as usize,
            items: now.items - before.items,
        })
    }
}

impl AsRef<[u8]> for Taken {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: the range lies below a length that was read with acquire order from the release
        // store after the bytes' writes. They are not written again before the chunk is reused,
        // which this reference prevents.
        unsafe { self.chunk.memory.read(self.range.clone()) }
    }
}
