//! An ordered list of slices that reads as one run of bytes.

mod cursor;

pub use cursor::{Cursor, Short};

use bytes::Bytes;
use smallvec::SmallVec;
use std::fmt;
use std::ops::Range;

/// A message as the slices of the buffers it arrived in.
///
/// Invariant: `len` is the sum of the slices' lengths, and no slice is empty.
/// Cost: cloning raises one reference count per slice; no byte is copied. Up to two slices lie in
/// the rope itself, so a small request costs no allocation for its list.
#[derive(Clone, Default)]
pub struct Rope {
    slices: SmallVec<[Bytes; 2]>,
    len: usize,
}

impl Rope {
    pub const fn new() -> Self {
        Self {
            slices: SmallVec::new_const(),
            len: 0,
        }
    }

    /// The length in bytes.
    pub const fn len(&self) -> usize {
        self.len
    }

    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn slices(&self) -> &[Bytes] {
        &self.slices
    }

    pub fn into_slices(self) -> impl ExactSizeIterator<Item = Bytes> {
        self.slices.into_iter()
    }

    /// Adds a slice at the end; an empty one is left out.
    pub fn push(&mut self, slice: Bytes) {
        if !slice.is_empty() {
            self.len += slice.len();
            self.slices.push(slice);
        }
    }

    /// Adds all slices of `other` at the end. For traces, metrics and logs this is the merge of
    /// two export requests; see [`crate::otlp::Signal::merges_by_concatenation`].
    pub fn append(&mut self, mut other: Self) {
        if self.slices.is_empty() {
            *self = other;
        } else {
            self.len += other.len;
            self.slices.append(&mut other.slices);
        }
    }

    /// A reader of all bytes from the first.
    pub fn cursor(&self) -> Cursor<'_> {
        Cursor::new(&self.slices, self.len)
    }

    /// The bytes of `range` as slices of the same buffers.
    ///
    /// Cost: one reference count per slice of the result, after a walk along the slices before it.
    ///
    /// # Panics
    /// If `range` is decreasing or ends past the rope, as [`Bytes::slice`] does.
    pub fn slice(&self, range: Range<usize>) -> Self {
        assert!(
            range.start <= range.end && range.end <= self.len,
            "range {range:?} of a rope of {} bytes",
            self.len
        );
        let mut cursor = self.cursor();
        let part = cursor
            .skip(range.start)
            .and_then(|()| cursor.split_to(range.end - range.start));
        part.map_or_else(|_| Self::new(), |part| part.to_rope())
    }

    /// Copies the first bytes to `out`, as many as there are and fit; returns how many.
    pub fn copy_to_slice(&self, out: &mut [u8]) -> usize {
        self.cursor().peek(out)
    }

    /// All bytes in one slice.
    ///
    /// Cost: copies every byte where there is more than one slice. For tests and cold paths.
    pub fn to_bytes(&self) -> Bytes {
        self.cursor().to_bytes()
    }
}

impl From<Bytes> for Rope {
    fn from(slice: Bytes) -> Self {
        let mut rope = Self::new();
        rope.push(slice);
        rope
    }
}

impl From<Vec<u8>> for Rope {
    fn from(bytes: Vec<u8>) -> Self {
        Self::from(Bytes::from(bytes))
    }
}

impl FromIterator<Bytes> for Rope {
    fn from_iter<I: IntoIterator<Item = Bytes>>(slices: I) -> Self {
        let mut rope = Self::new();
        rope.extend(slices);
        rope
    }
}

impl Extend<Bytes> for Rope {
    fn extend<I: IntoIterator<Item = Bytes>>(&mut self, slices: I) {
        for slice in slices {
            self.push(slice);
        }
    }
}

/// Equal bytes, however they are cut.
impl PartialEq for Rope {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.cursor().same_bytes(other.cursor())
    }
}

impl Eq for Rope {}

/// Shape only: the bytes are someone's telemetry, and there may be many.
impl fmt::Debug for Rope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rope")
            .field("len", &self.len)
            .field("slices", &self.slices.len())
            .finish()
    }
}

#[cfg(test)]
mod tests;
