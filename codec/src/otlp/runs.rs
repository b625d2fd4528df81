//! Parts of a request put together again: by reference where they are large, copied where small.

use crate::Rope;
use crate::rope::Cursor;
use bytes::Bytes;
use smallvec::SmallVec;
use std::ops::Range;

/// Bytes up to this many are copied: cheaper than one more slice with its reference count and its
/// place in the vectored write. It also bounds what many tiny parts cost: at most one slice for
/// each 257 bytes.
pub const COPY_MAX: usize = 256;

/// Ranges of a request, in order; neighbours are one.
///
/// Fields scattered between others could make as many ranges as there are fields; so but for the
/// first few they are copied, once.
#[derive(Debug, Clone, Default)]
pub struct Runs {
    ranges: SmallVec<[Range<usize>; 2]>,
    /// What comes after `ranges`.
    more: Bytes,
    len: usize,
}

/// [`Runs`] in the making.
#[derive(Debug, Default)]
pub struct Gathering {
    runs: Runs,
    more: Vec<u8>,
}

impl Gathering {
    const RANGES_MAX: usize = 4;

    /// Adds a part that lies after all others.
    pub fn push(&mut self, part: Cursor<'_>) {
        self.runs.len += part.remaining();
        let ranges = &mut self.runs.ranges;
        if !self.more.is_empty() {
            part.copy_to(&mut self.more);
        } else if let Some(last) = ranges.last_mut()
            && last.end == part.offset()
        {
            last.end = part.end();
        } else if ranges.len() < Self::RANGES_MAX {
            ranges.push(part.offset()..part.end());
        } else {
            part.copy_to(&mut self.more);
        }
    }

    pub fn finish(self) -> Runs {
        Runs {
            more: Bytes::from(self.more),
            ..self.runs
        }
    }
}

impl Runs {
    /// In bytes.
    pub const fn len(&self) -> usize {
        self.len
    }
}

/// A request with an index of where its slices begin, so that any range of it is found quickly.
#[derive(Debug)]
pub struct Source<'a> {
    rope: &'a Rope,
    starts: SmallVec<[usize; 4]>,
}

impl<'a> Source<'a> {
    pub fn new(rope: &'a Rope) -> Self {
        let mut next = 0;
        let starts = rope.slices().iter().map(|slice| {
            let start = next;
            next += slice.len();
            start
        });
        Self {
            rope,
            starts: starts.collect(),
        }
    }

    fn for_each(&self, range: &Range<usize>, mut f: impl FnMut(&Bytes, Range<usize>)) {
        // The slice that holds the first byte is the last that begins at or before it.
        let first = self.starts.partition_point(|&start| start <= range.start);
        let mut i = first.saturating_sub(1);
        let mut at = range.start;
        while at < range.end {
            let (slice, start) = (&self.rope.slices()[i], self.starts[i]);
            let end = range.end.min(start + slice.len());
            f(slice, at - start..end - start);
            at = end;
            i += 1;
        }
    }

    fn append(&self, range: &Range<usize>, rope: &mut Rope) {
        self.for_each(range, |slice, part| rope.push(slice.slice(part)));
    }

    fn copy(&self, range: &Range<usize>, out: &mut Vec<u8>) {
        self.for_each(range, |slice, part| out.extend_from_slice(&slice[part]));
    }
}

/// A message being put together from ranges of a request and new bytes.
///
/// Invariant: the message is `buffer` with each of `inserts` at its place, then `pending`; `len`
/// is the sum of the three.
#[derive(Debug, Default)]
pub struct Assembly {
    buffer: Vec<u8>,
    inserts: Vec<Insert>,
    /// The range added last; the next may continue it.
    pending: Range<usize>,
    len: usize,
}

/// Bytes of another buffer, before byte `at` of [`Assembly::buffer`].
#[derive(Debug)]
struct Insert {
    at: usize,
    bytes: Inserted,
}

#[derive(Debug)]
enum Inserted {
    Source(Range<usize>),
    Shared(Bytes),
}

/// What an assembly was at some moment.
#[derive(Debug, Clone)]
pub struct Mark {
    buffer_len: usize,
    inserts_len: usize,
    pending: Range<usize>,
    len: usize,
}

impl Assembly {
    /// In bytes.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Adds a range of the request.
    pub fn keep(&mut self, source: &Source<'_>, range: Range<usize>) {
        self.len += range.len();
        if range.start == self.pending.end {
            self.pending.end = range.end;
        } else if !range.is_empty() {
            self.flush(source);
            self.pending = range;
        }
    }

    pub fn keep_runs(&mut self, source: &Source<'_>, runs: &Runs) {
        for range in &runs.ranges {
            self.keep(source, range.clone());
        }
        if runs.more.len() > COPY_MAX {
            self.flush(source);
            self.len += runs.more.len();
            self.insert(Inserted::Shared(runs.more.clone()));
        } else {
            self.write(source, &runs.more);
        }
    }

    /// Adds new bytes; returns where they stand, for [`Self::overwrite`].
    pub fn write(&mut self, source: &Source<'_>, bytes: &[u8]) -> usize {
        if !bytes.is_empty() {
            self.flush(source);
            self.buffer.extend_from_slice(bytes);
            self.len += bytes.len();
        }
        self.buffer.len() - bytes.len()
    }

    /// Adds a copy of a range of the request, which a later [`Self::roll_back`] can take back.
    pub fn copy(&mut self, source: &Source<'_>, range: Range<usize>) {
        self.flush(source);
        self.len += range.len();
        source.copy(&range, &mut self.buffer);
    }

    /// Replaces new bytes by as many others.
    pub fn overwrite(&mut self, at: usize, bytes: &[u8]) {
        self.buffer[at..at + bytes.len()].copy_from_slice(bytes);
    }

    pub fn mark(&self) -> Mark {
        Mark {
            buffer_len: self.buffer.len(),
            inserts_len: self.inserts.len(),
            pending: self.pending.clone(),
            len: self.len,
        }
    }

    /// Takes back all that was added since `mark`.
    pub fn roll_back(&mut self, mark: Mark) {
        self.buffer.truncate(mark.buffer_len);
        self.inserts.truncate(mark.inserts_len);
        self.pending = mark.pending;
        self.len = mark.len;
    }

    pub fn finish(mut self, source: &Source<'_>) -> Rope {
        self.flush(source);
        let buffer = Bytes::from(self.buffer);
        let mut rope = Rope::new();
        let mut done = 0;
        for insert in self.inserts {
            rope.push(buffer.slice(done..insert.at));
            done = insert.at;
            match insert.bytes {
                Inserted::Source(range) => source.append(&range, &mut rope),
                Inserted::Shared(bytes) => rope.push(bytes),
            }
        }
        rope.push(buffer.slice(done..));
        rope
    }

    fn flush(&mut self, source: &Source<'_>) {
        let range = std::mem::take(&mut self.pending);
        if range.len() > COPY_MAX {
            self.insert(Inserted::Source(range));
        } else {
            // COPY: at most COPY_MAX bytes.
            source.copy(&range, &mut self.buffer);
        }
    }

    fn insert(&mut self, bytes: Inserted) {
        let at = self.buffer.len();
        self.inserts.push(Insert { at, bytes });
    }
}
