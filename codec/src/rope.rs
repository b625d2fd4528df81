//! An ordered list of slices that reads as one run of bytes.

use bytes::{Bytes, BytesMut};
use std::ops::Range;

/// A message as the slices of the buffers it arrived in.
///
/// Invariant: `len` is the sum of the slices' lengths, and no slice is empty.
/// Cost: cloning raises one reference count per slice; no byte is copied.
#[derive(Debug, Clone, Default)]
pub struct Rope {
    slices: Vec<Bytes>,
    len: usize,
}

impl Rope {
    pub const fn new() -> Self {
        Self {
            slices: Vec::new(),
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

    /// Adds a slice at the end; an empty one is left out.
    pub fn push(&mut self, slice: Bytes) {
        if !slice.is_empty() {
            self.len += slice.len();
            self.slices.push(slice);
        }
    }

    /// Adds all slices of `other` at the end. For export requests this is the merge of the two.
    pub fn append(&mut self, other: Self) {
        self.len += other.len;
        self.slices.extend(other.slices);
    }

    /// The bytes of a range, as slices of the same buffers.
    ///
    /// # Panics
    /// If the range reaches past the end.
    pub fn slice(&self, range: Range<usize>) -> Self {
        assert!(
            range.start <= range.end && range.end <= self.len,
            "{range:?} of {}",
            self.len
        );
        let mut part = Self::new();
        let mut offset = 0;
        for slice in &self.slices {
            let start = range.start.saturating_sub(offset).min(slice.len());
            let end = range.end.saturating_sub(offset).min(slice.len());
            if start < end {
                part.push(slice.slice(start..end));
            }
            offset += slice.len();
            if offset >= range.end {
                break;
            }
        }
        part
    }

    /// All bytes in one run. COPY: of everything, unless it is one slice already.
    pub fn to_bytes(&self) -> Bytes {
        match self.slices.as_slice() {
            [] => Bytes::new(),
            [only] => only.clone(),
            slices => {
                let mut whole = BytesMut::with_capacity(self.len);
                for slice in slices {
                    whole.extend_from_slice(slice);
                }
                whole.freeze()
            }
        }
    }
}

impl From<Bytes> for Rope {
    fn from(slice: Bytes) -> Self {
        let mut rope = Self::new();
        rope.push(slice);
        rope
    }
}
