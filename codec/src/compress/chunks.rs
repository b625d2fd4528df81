//! Where codecs write: buffers that grow in number, not in place.

use super::InflateError;
use crate::Rope;
use crate::rope::Cursor;
use bytes::Bytes;
use std::io::{self, Read, Write};

/// The smallest and the largest buffer (bytes). The first is sized from the input; each further
/// one is twice as large, so that a message takes few buffers, and none is larger than what was
/// written before it, as long as the input's size tells little.
const CHUNK_MIN: usize = 1 << 10;
const CHUNK_MAX: usize = 256 << 10;

/// The buffers written so far, and the one being written.
pub(super) struct Chunks {
    sealed: Rope,
    open: Vec<u8>,
    next: usize,
}

impl Chunks {
    /// `expected` (bytes) sizes the first buffer.
    pub(super) fn new(expected: usize) -> Self {
        Self {
            sealed: Rope::new(),
            open: Vec::new(),
            next: expected.clamp(CHUNK_MIN, CHUNK_MAX),
        }
    }

    /// A buffer with room, to be filled up to its capacity and not beyond.
    pub(super) fn room(&mut self) -> &mut Vec<u8> {
        if self.is_full() {
            self.open(self.next);
        }
        &mut self.open
    }

    /// A buffer of `length` bytes, zeroed. What is cut off it is given back.
    pub(super) fn whole(&mut self, length: usize) -> &mut Vec<u8> {
        self.open(length);
        self.open.resize(length, 0);
        &mut self.open
    }

    /// Everything written. The last buffer gives back what it did not use.
    /// COPY: of that buffer, where the allocator cannot shrink in place.
    pub(super) fn finish(mut self) -> Rope {
        self.open.shrink_to_fit();
        self.seal();
        self.sealed
    }

    fn is_full(&self) -> bool {
        self.open.len() == self.open.capacity()
    }

    fn open(&mut self, size: usize) {
        self.seal();
        self.open = Vec::with_capacity(size);
        self.next = (self.next * 2).min(CHUNK_MAX);
    }

    fn seal(&mut self) {
        self.sealed
            .push(Bytes::from(std::mem::take(&mut self.open)));
    }
}

/// Chunks for bytes that a peer decides about.
///
/// Invariant: at most `cap + 1` bytes are written, into buffers that `reserve` granted before they
/// were allocated.
pub(super) struct Capped<R> {
    chunks: Chunks,
    cap: usize,
    reserve: R,
}

impl<R: FnMut(usize) -> bool> Capped<R> {
    pub(super) fn new(expected: usize, cap: usize, reserve: R) -> Self {
        Self {
            chunks: Chunks::new(expected),
            cap,
            reserve,
        }
    }

    /// As [`Chunks::room`]. Errors: `TooLarge` once the cap is passed, `Refused` without credit.
    pub(super) fn room(&mut self) -> Result<&mut Vec<u8>, InflateError> {
        if self.chunks.is_full() {
            let written = self.chunks.sealed.len() + self.chunks.open.len();
            let Some(left) = self.cap.checked_sub(written) else {
                return Err(InflateError::TooLarge { cap: self.cap });
            };
            // One byte more than the cap shows that there is more, without asking the codec.
            let size = self.chunks.next.min(left.saturating_add(1));
            self.open(size)?;
        }
        Ok(&mut self.chunks.open)
    }

    /// One buffer of exactly `length` bytes, zeroed.
    pub(super) fn whole(&mut self, length: usize) -> Result<&mut [u8], InflateError> {
        if length > self.cap {
            return Err(InflateError::TooLarge { cap: self.cap });
        }
        self.reserve(length)?;
        Ok(self.chunks.whole(length))
    }

    /// Forgets the buffer that [`Self::whole`] gave.
    pub(super) fn discard(&mut self) {
        self.chunks.open = Vec::new();
    }

    /// How many bytes may come out.
    pub(super) const fn cap(&self) -> usize {
        self.cap
    }

    pub(super) fn finish(self) -> Result<Rope, InflateError> {
        let rope = self.chunks.finish();
        if rope.len() > self.cap {
            return Err(InflateError::TooLarge { cap: self.cap });
        }
        Ok(rope)
    }

    fn open(&mut self, size: usize) -> Result<(), InflateError> {
        self.reserve(size)?;
        self.chunks.open(size);
        Ok(())
    }

    fn reserve(&mut self, size: usize) -> Result<(), InflateError> {
        if (self.reserve)(size) {
            Ok(())
        } else {
            Err(InflateError::Refused)
        }
    }
}

/// A rope as decoders of frames want their input.
impl Read for Cursor<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let window = self.window();
        let length = window.len().min(out.len());
        out[..length].copy_from_slice(&window[..length]);
        self.skip_in_window(length);
        Ok(length)
    }
}

/// Chunks as encoders of frames want their output.
pub(super) struct Sink<'a>(pub &'a mut Chunks);

impl Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.0.room();
        let length = bytes.len().min(room.capacity() - room.len());
        room.extend_from_slice(&bytes[..length]);
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
