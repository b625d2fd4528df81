//! What a thread records with: complete items go into its chunks, or are dropped and counted.

use super::chunk::{Filling, Reading, Taken};
use crate::runtime::{Consumer, Producer, ring};
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tailrace_codec::otlp::fields::SCOPE_ENTRY_ITEMS;
use tailrace_codec::varint;
use tailrace_codec::writer::Writer;

/// What one recorder may hold. Memory: the product, taken chunk by chunk as it is needed.
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
    buffers: RefCell<Vec<Vec<u8>>>,
    dropped: Arc<AtomicU64>,
    dropped_here: Cell<u64>,
    limits: RecorderLimits,
    /// Nobody wants its items: they go nowhere, and are not counted.
    is_off: bool,
}

#[derive(Debug)]
struct Chunks {
    /// All that were made. Invariant: no more than the limit, and at least one.
    made: Vec<Filling>,
    /// The one that is being filled.
    current: usize,
}

/// Buffers kept for spans to come: as many as a thread has open at once, one inside the other.
const BUFFERS_MAX: usize = 32;

/// Room in a new buffer: a span of eight attributes has 362 bytes.
const BUFFER_BYTES: usize = 512;

/// A larger buffer is not kept.
const BUFFER_BYTES_MAX: usize = 8 << 10;

/// The longest tag and length before an item.
const HEAD_MAX: usize = 1 + varint::LEN_MAX;

impl Recorder {
    /// A recorder, and the end that a shard reads.
    pub(super) fn new(limits: RecorderLimits) -> (Self, Source) {
        let limits = RecorderLimits {
            chunks_max: limits.chunks_max.max(1),
            ..limits
        };
        // A chunk is in the ring at most once: it is used again when its reader let go of it.
        let (producer, consumer) = ring(limits.chunks_max);
        let first = Filling::new(limits.chunk_bytes);
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
            is_off: false,
        };
        (recorder, source)
    }

    /// A recorder whose items go nowhere.
    pub(super) fn off() -> Self {
        let (mut recorder, _) = Self::new(RecorderLimits {
            chunk_bytes: 0,
            chunks_max: 1,
        });
        recorder.is_off = true;
        recorder
    }

    /// Whether items go anywhere: `false` where telemetry or this signal is disabled, and then an
    /// item need not be put together.
    pub const fn is_on(&self) -> bool {
        !self.is_off
    }

    /// Hands over one finished item by its content. `false`: there was no room, and it was counted
    /// as dropped. Where the signal is disabled nothing is kept and nothing counted.
    ///
    /// Cost: one copy; for each chunk begun one store in a ring, and while the engine catches up
    /// an allocation.
    pub fn record(&self, content: &[u8]) -> bool {
        let mut head = [0; HEAD_MAX];
        head[0] = (SCOPE_ENTRY_ITEMS << 3 | 2) as u8;
        let (length, len) = varint::encode(content.len() as u64);
        head[1..1 + varint::LEN_MAX].copy_from_slice(&length);
        let head = &head[..1 + len];
        let mut chunks = self.chunks.borrow_mut();
        let Chunks { made, current } = &mut *chunks;
        if made[*current].append(head, content) {
            return true;
        }
        if self.is_off {
            return true;
        }
        let fits = head.len() + content.len() <= self.limits.chunk_bytes;
        let begun = fits && self.begin_chunk(&mut chunks);
        let recorded = begun && {
            let Chunks { made, current } = &mut *chunks;
            made[*current].append(head, content)
        };
        if !recorded {
            self.count_dropped();
        }
        recorded
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
        let used = made.iter_mut().enumerate().map(is_used);
        let used = used.filter(|used| *used && !self.is_off).count();
        Pressure(u16::try_from(used * 1000 / self.limits.chunks_max).unwrap_or(1000))
    }

    /// An empty buffer for an item that is put together.
    pub fn buffer(&self) -> Writer {
        let buffer = self.buffers.borrow_mut().pop();
        Writer::new(buffer.unwrap_or_else(|| Vec::with_capacity(BUFFER_BYTES)))
    }

    /// Takes a buffer back.
    pub fn give_back(&self, buffer: Writer) {
        let mut buffer = buffer.into_buffer();
        let mut buffers = self.buffers.borrow_mut();
        if buffers.len() < BUFFERS_MAX && buffer.capacity() <= BUFFER_BYTES_MAX {
            buffer.clear();
            buffers.push(buffer);
        }
    }

    /// Goes on with a chunk that nobody holds any more, or a new one.
    fn begin_chunk(&self, chunks: &mut Chunks) -> bool {
        let current = chunks.current;
        let mut others = chunks.made.iter_mut().enumerate();
        let free = others.find_map(|(at, chunk)| (at != current && chunk.reuse()).then_some(at));
        let next = match free {
            Some(at) => at,
            None if chunks.made.len() < self.limits.chunks_max => {
                chunks.made.push(Filling::new(self.limits.chunk_bytes));
                chunks.made.len() - 1
            }
            None => return false,
        };
        chunks.current = next;
        // There is room: the ring has a slot for every chunk.
        self.ring.send(chunks.made[next].reading()).is_ok()
    }

    fn count_dropped(&self) {
        let dropped = self.dropped_here.get() + 1;
        self.dropped_here.set(dropped);
        // A store, not an addition: nobody else writes it.
        self.dropped.store(dropped, Ordering::Relaxed);
    }
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
mod tests {
    use super::*;

    const SMALL: RecorderLimits = RecorderLimits {
        chunk_bytes: 32,
        chunks_max: 3,
    };

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
        let (recorder, mut source) = Recorder::new(SMALL);
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
        let (recorder, mut source) = Recorder::new(SMALL);
        for n in 0..5 {
            assert!(recorder.record(&[n; 8]));
        }
        assert!(!source.is_closed());
        drop(recorder);
        assert!(source.is_closed());
        let taken: Vec<_> = std::iter::from_fn(|| source.take()).collect();
        assert_eq!(taken.iter().map(|taken| taken.items).sum::<u32>(), 5);
    }

    /// Everything that was recorded arrives, in order and once; the rest is counted.
    #[test]
    fn nothing_is_lost_between_two_threads() {
        let count: u32 = if cfg!(miri) { 100 } else { 50_000 };
        let (recorder, mut source) = Recorder::new(RecorderLimits {
            chunk_bytes: 256,
            chunks_max: 4,
        });
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
                arrived.extend(
                    items.map(|item| u32::from_le_bytes(item.try_into().expect("four bytes"))),
                );
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
}
