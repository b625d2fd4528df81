//! What a thread records with: complete items go into its chunks, or are dropped and counted.

use super::budget::Budget;
use super::chunk::{Filling, Reading, Taken};
use super::life::Life;
use super::sync::Memory;
use crate::runtime::{Consumer, Producer, ring};
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tailrace_codec::otlp::encode::EndTime;
use tailrace_codec::otlp::fields::SCOPE_ENTRY_ITEMS;
use tailrace_codec::varint;
use tailrace_codec::writer::Writer;

/// What one recorder may hold. Memory: the product, taken chunk by chunk as it is needed, and out
/// of what all recorders of the engine share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecorderLimits {
    /// A larger item is dropped.
    pub chunk_bytes: usize,
    /// Chunks that are filled, wait, or are on their way.
    pub chunks_max: usize,
}

impl Default for RecorderLimits {
    /// 1 MiB: at 300 bytes a span it takes 3,500 between two looks of the shard.
    fn default() -> Self {
        Self {
            chunk_bytes: 64 << 10,
            chunks_max: 16,
        }
    }
}

/// How full a recorder is, in thousandths of its chunks: what an application can go by to sample
/// less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pressure(pub u16);

/// Appends finished items for a shard. For one thread at a time; it may move between threads.
#[derive(Debug)]
pub struct Recorder {
    ring: Producer<Reading>,
    chunks: RefCell<Chunks>,
    /// Buffers of spans that have ended, for those to come.
    buffers: RefCell<Buffers>,
    dropped: Arc<AtomicU64>,
    dropped_here: Cell<u64>,
    limits: RecorderLimits,
    shared: Shared,
    /// Nobody wants its items: they go nowhere, and are not counted.
    is_off: bool,
}

/// What the recorders of an engine have in common.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    pub life: Arc<Life>,
    pub budget: Arc<Budget>,
}

#[derive(Debug, Default)]
struct Buffers {
    kept: Vec<Writer>,
    /// The sum of their capacities.
    bytes: usize,
}

#[derive(Debug)]
struct Chunks {
    /// All that were made, behind one without memory that is never used again: a recorder that is
    /// not used needs none. Invariant: no more than the limit.
    made: Vec<Filling>,
    /// The one that is being filled.
    current: usize,
}

/// What buffers kept for spans to come hold together: 32 of those that a thread has open at once,
/// one inside the other, with twice the usual attributes.
const BUFFERS_BYTES_MAX: usize = 32 << 10;

/// Room in a new buffer: a span of eight attributes has 362 bytes.
const BUFFER_BYTES: usize = 512;

/// A larger buffer is not kept.
const BUFFER_BYTES_MAX: usize = 8 << 10;

/// The tag and length of an item of less than 16 KiB.
pub(super) const HEAD_ROOM: usize = 3;

/// The longest tag and length before an item.
const HEAD_MAX: usize = 1 + varint::LEN_MAX;

impl Recorder {
    /// A recorder, and the end that a shard reads.
    pub(super) fn new(limits: RecorderLimits, shared: Shared) -> (Self, Source) {
        let limits = RecorderLimits {
            chunks_max: limits.chunks_max.max(1),
            ..limits
        };
        // A chunk is in the ring at most once: it is used again when its reader let go of it.
        let (producer, consumer) = ring(limits.chunks_max);
        let first = Filling::new(Memory::new(0));
        shared.budget.handle_begun();
        let source = Source {
            ring: consumer,
            reading: first.reading(),
            dropped: Arc::default(),
        };
        let recorder = Self {
            ring: producer,
            chunks: RefCell::new(Chunks {
                made: vec![first],
                current: 0,
            }),
            buffers: RefCell::default(),
            dropped: Arc::clone(&source.dropped),
            dropped_here: Cell::new(0),
            limits,
            shared,
            is_off: false,
        };
        (recorder, source)
    }

    /// A recorder whose items go nowhere.
    pub(super) fn off(shared: Shared) -> Self {
        let limits = RecorderLimits {
            chunk_bytes: 0,
            chunks_max: 1,
        };
        let (mut recorder, _) = Self::new(limits, shared);
        recorder.is_off = true;
        recorder
    }

    /// Whether items go anywhere: `false` where telemetry or this signal is disabled, and then an
    /// item need not be put together.
    pub const fn is_on(&self) -> bool {
        !self.is_off
    }

    /// Hands over one finished item by its content. `false`: there was no room, and it was counted
    /// as dropped, and so it is when the engine has ended, or this process was forked from the
    /// engine's. Where the signal is disabled nothing is kept and nothing counted.
    ///
    /// Cost: one copy; for each chunk begun one store in a ring, and while the engine catches up
    /// an allocation.
    pub fn record(&self, content: &[u8]) -> bool {
        if !self.shared.life.goes_on() {
            return self.refuse();
        }
        let (head, head_len) = item_head(content.len());
        let head = &head[..head_len];
        let mut chunks = self.chunks.borrow_mut();
        let Chunks { made, current } = &mut *chunks;
        if made[*current].append(head, content) {
            return true;
        }
        if self.is_off {
            return self.refuse();
        }
        let fits = head.len() + content.len() <= self.limits.chunk_bytes;
        let begun = fits && self.begin_chunk(&mut chunks);
        let recorded = begun && {
            let Chunks { made, current } = &mut *chunks;
            made[*current].append(head, content)
        };
        recorded || self.refuse()
    }

    /// As [`record`](Self::record), of a span that stands in the buffer behind [`HEAD_ROOM`] bytes for
    /// its head, and whose end is not filled in yet: one copy, into which both are put.
    #[inline]
    pub(super) fn record_span(&self, out: &mut Writer, end_time: EndTime, end: u64) -> bool {
        let tag = (SCOPE_ENTRY_ITEMS << 3 | 2) as u8;
        let end_at = end_time.offset();
        let bytes = end.to_le_bytes();
        if self.shared.life.goes_on() {
            let mut chunks = self.chunks.borrow_mut();
            let Chunks { made, current } = &mut *chunks;
            let (chunk, item) = (&mut made[*current], out.as_slice());
            let recorded = match item.len() - HEAD_ROOM {
                len @ 0..0x80 => {
                    chunk.append_with(&item[1..], [tag, len as u8], (end_at - 1, bytes))
                }
                len @ 0x80..0x4000 => {
                    let head = [tag, len as u8 | 0x80, (len >> 7) as u8];
                    chunk.append_with(item, head, (end_at, bytes))
                }
                _ => false,
            };
            if recorded {
                return true;
            }
        }
        // It is seldom: the chunk is full, or the span is large.
        end_time.fill(out, end);
        self.record(&out.as_slice()[HEAD_ROOM..])
    }

    /// What becomes of an item that is not kept. `true`: nobody wants it.
    #[cold]
    fn refuse(&self) -> bool {
        if !self.is_off {
            self.count_dropped();
        }
        self.is_off
    }

    /// Items that this recorder had no room for.
    pub fn dropped(&self) -> u64 {
        self.dropped_here.get()
    }

    /// Cost: a look at each chunk, which the shard may be writing the reference count of.
    pub fn pressure(&self) -> Pressure {
        let mut chunks = self.chunks.borrow_mut();
        let Chunks { made, current } = &mut *chunks;
        let is_used = |(at, chunk): (usize, &mut Filling)| at == *current || !chunk.is_free();
        let used = made.iter_mut().enumerate().skip(1).map(is_used);
        let used = used.filter(|used| *used).count();
        Pressure(u16::try_from(used * 1000 / self.limits.chunks_max).unwrap_or(1000))
    }

    /// An empty buffer for an item that is put together.
    pub fn buffer(&self) -> Writer {
        let mut buffers = self.buffers.borrow_mut();
        match buffers.kept.pop() {
            Some(buffer) => {
                buffers.bytes -= buffer.capacity();
                buffer
            }
            None => Writer::new(Vec::with_capacity(BUFFER_BYTES)),
        }
    }

    /// Takes a buffer back.
    pub fn give_back(&self, mut buffer: Writer) {
        let mut buffers = self.buffers.borrow_mut();
        let bytes = buffers.bytes + buffer.capacity();
        if bytes <= BUFFERS_BYTES_MAX && buffer.capacity() <= BUFFER_BYTES_MAX {
            buffer.clear();
            buffers.kept.push(buffer);
            buffers.bytes = bytes;
        }
    }

    /// Goes on with a chunk that nobody holds any more, or a new one.
    fn begin_chunk(&self, chunks: &mut Chunks) -> bool {
        // From the one filled longest ago: it is free first, and each look costs a line of the cache
        // that the shard wrote.
        let (current, made) = (chunks.current, chunks.made.len());
        let mut others = (current + 1..made).chain(1..current);
        let free = others.find(|at| chunks.made[*at].reuse());
        let next = match free {
            Some(at) => at,
            None => {
                let Some(memory) = self.new_memory(chunks.made.len() - 1) else {
                    return false;
                };
                chunks.made.push(Filling::new(memory));
                chunks.made.len() - 1
            }
        };
        chunks.current = next;
        // There is room: the ring has a slot for every chunk.
        self.ring.send(chunks.made[next].reading()).is_ok()
    }

    /// Memory for one more chunk beside those made, if this recorder and all of them may hold it.
    fn new_memory(&self, made: usize) -> Option<Memory> {
        if made >= self.limits.chunks_max {
            return None;
        }
        // The first goes with the recorder, or later.
        let beside = if made == 0 { BUFFERS_BYTES_MAX } else { 0 };
        Memory::leased(self.limits.chunk_bytes, beside, &self.shared.budget)
    }

    fn count_dropped(&self) {
        let dropped = self.dropped_here.get() + 1;
        self.dropped_here.set(dropped);
        // A store, not an addition: nobody else writes it.
        self.dropped.store(dropped, Ordering::Relaxed);
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.shared.budget.handle_gone();
    }
}

/// The tag and length before an item, and how many bytes they are.
pub(super) fn item_head(content_len: usize) -> ([u8; HEAD_MAX], usize) {
    let mut head = [0; HEAD_MAX];
    head[0] = (SCOPE_ENTRY_ITEMS << 3 | 2) as u8;
    let (length, len) = varint::encode(content_len as u64);
    head[1..1 + varint::LEN_MAX].copy_from_slice(&length);
    (head, 1 + len)
}

/// The end of a recorder that a shard reads.
#[derive(Debug)]
pub(super) struct Source {
    ring: Consumer<Reading>,
    reading: Reading,
    /// Items that the recorder had no room for, since it was made.
    dropped: Arc<AtomicU64>,
}

impl Source {
    /// What was recorded since the last call, slice by slice, until `None`.
    pub(super) fn take(&mut self) -> Option<Taken> {
        loop {
            // The order matters: what comes into a chunk before the next one is begun is seen,
            // because the look into the chunk comes after the look into the ring.
            let next = self.ring.pop();
            let taken = self.reading.take();
            match (taken, next) {
                (taken, None) => return taken,
                (None, Some(next)) => self.reading = next,
                (Some(taken), Some(next)) => {
                    self.reading = next;
                    return Some(taken);
                }
            }
        }
    }

    /// Whether the recorder is gone. What it recorded last may still be there to be taken.
    pub(super) fn is_closed(&self) -> bool {
        self.ring.is_closed()
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
pub(super) mod tests;
