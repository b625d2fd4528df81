//! Reading along a rope, across the edges of its slices.

use super::Rope;
use bytes::Bytes;
use std::borrow::Cow;

/// A position in a rope and an end before which it stays.
///
/// Copying one is how a place is remembered: it is six words, and holds no reference count.
///
/// Invariants: `window` is a part of `slices[0]`, beginning at `offset` and cut at `end`;
/// it is empty only where `offset == end`. So a test against the window is also the test against
/// the end of the message, and most reads make no other.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cursor<'a> {
    /// The slice that is being read, then those after it.
    slices: &'a [Bytes],
    window: &'a [u8],
    /// Of the window's first byte, counted from the beginning of the rope.
    offset: usize,
    end: usize,
}

/// Fewer bytes were left than asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Short {
    pub wanted: usize,
    pub remaining: usize,
}

impl<'a> Cursor<'a> {
    /// `end` is the sum of the slices' lengths, none of which is 0.
    pub(super) fn new(slices: &'a [Bytes], end: usize) -> Self {
        Self {
            slices,
            window: slices.first().map_or(&[], |slice| slice),
            offset: 0,
            end,
        }
    }

    /// A cursor with nothing left, at the end of this one.
    #[must_use]
    pub const fn at_end(&self) -> Self {
        Self {
            slices: &[],
            window: &[],
            offset: self.end,
            end: self.end,
        }
    }

    /// The position in the rope, in bytes.
    #[inline]
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// The position in the rope where this cursor stops.
    #[inline]
    pub const fn end(&self) -> usize {
        self.end
    }

    #[inline]
    pub const fn remaining(&self) -> usize {
        self.end - self.offset
    }

    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.window.is_empty()
    }

    /// The bytes that can be read without crossing a slice's edge: at least one if any remain.
    #[inline]
    pub const fn window(&self) -> &'a [u8] {
        self.window
    }

    /// Moves past `n` bytes. On error nothing moves.
    #[inline]
    pub fn skip(&mut self, n: usize) -> Result<(), Short> {
        if n < self.window.len() {
            self.window = &self.window[n..];
            self.offset += n;
            Ok(())
        } else if n <= self.remaining() {
            self.skip_slices(n);
            Ok(())
        } else {
            Err(Short {
                wanted: n,
                remaining: self.remaining(),
            })
        }
    }

    /// Moves past `n` bytes of the window, which has as many.
    #[inline]
    pub(crate) fn skip_in_window(&mut self, n: usize) {
        // Also right for more, as long as there are as many.
        if n < self.window.len() {
            self.window = &self.window[n..];
            self.offset += n;
        } else {
            self.skip_slices(n);
        }
    }

    /// A cursor over the first `n` bytes of the window.
    #[inline]
    pub(crate) fn in_window(&self, n: usize) -> Self {
        Self {
            slices: self.slices,
            window: &self.window[..n],
            offset: self.offset,
            end: self.offset + n,
        }
    }

    /// This cursor from `n` bytes on, of which it has as many.
    #[inline]
    pub(crate) fn after(mut self, n: usize) -> Self {
        self.skip_in_window(n);
        self
    }

    /// `window.len() <= n <= remaining`.
    #[cold]
    fn skip_slices(&mut self, mut n: usize) {
        self.offset += n;
        n -= self.window.len();
        if self.offset == self.end {
            self.window = &[];
            return;
        }
        // Bytes remain, so there is a slice after the current one, and one that `n` falls into.
        self.slices = &self.slices[1..];
        while n >= self.slices[0].len() {
            n -= self.slices[0].len();
            self.slices = &self.slices[1..];
        }
        self.window = &self.slices[0][n..];
        self.window = &self.window[..self.window.len().min(self.end - self.offset)];
    }

    /// A cursor over the next `n` bytes; this one moves past them. On error nothing moves.
    #[inline]
    pub fn split_to(&mut self, n: usize) -> Result<Self, Short> {
        let mut part = *self;
        self.skip(n)?;
        part.end = part.offset + n;
        part.window = &part.window[..part.window.len().min(n)];
        Ok(part)
    }

    /// What lies between `earlier`, a copy of this cursor from before it moved, and here.
    #[inline]
    pub fn since(&self, earlier: Self) -> Self {
        let n = self.offset - earlier.offset;
        Self {
            end: self.offset,
            window: &earlier.window[..earlier.window.len().min(n)],
            ..earlier
        }
    }

    /// Copies the next bytes to `out`, as many as there are and fit; returns how many.
    /// The cursor stays.
    pub fn peek(&self, out: &mut [u8]) -> usize {
        let mut ahead = *self;
        let mut len = 0;
        while len < out.len() && !ahead.is_empty() {
            let n = ahead.window.len().min(out.len() - len);
            out[len..len + n].copy_from_slice(&ahead.window[..n]);
            ahead.skip_in_window(n);
            len += n;
        }
        len
    }

    /// The next `N` bytes. On error nothing moves.
    #[inline]
    pub fn read_array<const N: usize>(&mut self) -> Result<[u8; N], Short> {
        if let Some(array) = self.window.first_chunk() {
            self.skip_in_window(N);
            return Ok(*array);
        }
        let mut array = [0; N];
        self.peek(&mut array);
        self.skip(N)?;
        Ok(array)
    }

    /// The remaining bytes: as they lie where that is in one slice, else copied.
    pub fn bytes(&self) -> Cow<'a, [u8]> {
        if self.window.len() == self.remaining() {
            Cow::Borrowed(self.window)
        } else {
            let mut copy = Vec::new();
            self.copy_to(&mut copy);
            Cow::Owned(copy)
        }
    }

    /// The remaining bytes in one slice of their own buffer; copied where they lie in several.
    pub fn to_bytes(&self) -> Bytes {
        match self.bytes() {
            Cow::Borrowed([]) => Bytes::new(),
            Cow::Borrowed(window) => self.slices[0].slice_ref(window),
            Cow::Owned(copy) => Bytes::from(copy),
        }
    }

    /// The remaining bytes as a rope over the same buffers.
    pub fn to_rope(&self) -> Rope {
        let mut rope = Rope::new();
        self.append_to(&mut rope);
        rope
    }

    /// Adds the remaining bytes to `rope` as slices of the same buffers.
    pub fn append_to(&self, rope: &mut Rope) {
        let mut rest = *self;
        while !rest.is_empty() {
            rope.push(rest.slices[0].slice_ref(rest.window));
            rest.skip_in_window(rest.window.len());
        }
    }

    /// Appends a copy of the remaining bytes to `out`.
    pub fn copy_to(&self, out: &mut Vec<u8>) {
        out.reserve(self.remaining());
        self.for_each_window(|window| out.extend_from_slice(window));
    }

    /// Whether both have the same bytes left.
    pub fn same_bytes(mut self, mut other: Self) -> bool {
        if self.remaining() != other.remaining() {
            return false;
        }
        while !self.is_empty() {
            let n = self.window.len().min(other.window.len());
            if self.window[..n] != other.window[..n] {
                return false;
            }
            self.skip_in_window(n);
            other.skip_in_window(n);
        }
        true
    }

    /// Whether the remaining bytes are these.
    #[inline]
    pub fn is(mut self, mut bytes: &[u8]) -> bool {
        if self.remaining() != bytes.len() {
            return false;
        }
        while !self.is_empty() {
            let (head, tail) = bytes.split_at(self.window.len());
            if self.window != head {
                return false;
            }
            self.skip_in_window(head.len());
            bytes = tail;
        }
        true
    }

    /// Calls `f` with the remaining bytes, slice by slice.
    pub fn for_each_window(mut self, mut f: impl FnMut(&'a [u8])) {
        while !self.is_empty() {
            f(self.window);
            self.skip_in_window(self.window.len());
        }
    }
}
