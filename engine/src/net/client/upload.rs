//! A request body on its way out: slices that HTTP/2 cuts into frames without copying them.

use bytes::Buf;
use std::cell::Cell;
use std::io::IoSlice;
use std::rc::Rc;
use tailrace_codec::Rope;

/// How many bytes of a body were given to the socket.
///
/// Small pieces are copied into the write buffer first, so the count can run ahead of the wire,
/// but never behind: zero means that no byte was written.
#[derive(Debug, Clone, Default)]
pub(super) struct Written {
    body: Rc<Cell<usize>>,
    /// All bodies of the connection together.
    connection: Rc<Cell<u64>>,
}

impl Written {
    /// A count for the next body of the same connection.
    pub(super) fn next_body(&self) -> Self {
        Self {
            body: Rc::default(),
            connection: Rc::clone(&self.connection),
        }
    }

    pub(super) fn body(&self) -> usize {
        self.body.get()
    }

    pub(super) fn connection(&self) -> u64 {
        self.connection.get()
    }

    fn add(&self, bytes: usize) {
        self.body.set(self.body.get() + bytes);
        self.connection.set(self.connection.get() + bytes as u64);
    }
}

/// A body read as one buffer, so that its slices share frames and system calls.
///
/// Invariant: `read` bytes are behind, `slices_read` whole slices of them and `offset` bytes of the
/// next; `read <= body.len()`.
#[derive(Debug)]
pub(super) struct Slices {
    body: Rope,
    read: usize,
    slices_read: usize,
    offset: usize,
    written: Written,
}

impl Slices {
    pub(super) const fn new(body: Rope, written: Written) -> Self {
        Self {
            body,
            read: 0,
            slices_read: 0,
            offset: 0,
            written,
        }
    }

    /// Takes the first `len` bytes, at most all of them.
    ///
    /// Cost: nothing is copied; a part costs one reference count for each of its slices.
    pub(super) fn split_to(&mut self, len: usize) -> Self {
        let written = self.written.clone();
        if len >= self.remaining() {
            return std::mem::replace(self, Self::new(Rope::new(), written));
        }
        let part = self.body.slice(self.read..self.read + len);
        self.skip(len);
        Self::new(part, written)
    }

    fn skip(&mut self, count: usize) {
        self.read += count;
        self.offset += count;
        while let Some(slice) = self.body.slices().get(self.slices_read)
            && slice.len() <= self.offset
        {
            self.offset -= slice.len();
            self.slices_read += 1;
        }
    }
}

impl Buf for Slices {
    fn remaining(&self) -> usize {
        self.body.len() - self.read
    }

    fn chunk(&self) -> &[u8] {
        let slice = self.body.slices().get(self.slices_read);
        slice.map_or(&[], |slice| &slice[self.offset..])
    }

    fn chunks_vectored<'a>(&'a self, dst: &mut [IoSlice<'a>]) -> usize {
        let mut offset = self.offset;
        let mut filled = 0;
        for (slot, slice) in dst.iter_mut().zip(&self.body.slices()[self.slices_read..]) {
            *slot = IoSlice::new(&slice[offset..]);
            offset = 0;
            filled += 1;
        }
        filled
    }

    fn advance(&mut self, count: usize) {
        assert!(count <= self.remaining(), "advanced past the end of a body");
        self.written.add(count);
        self.skip(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn body(parts: &[&'static str]) -> Slices {
        let mut rope = Rope::new();
        for part in parts {
            rope.push(Bytes::from_static(part.as_bytes()));
        }
        Slices::new(rope, Written::default())
    }

    fn text(mut slices: Slices) -> String {
        let bytes = slices.copy_to_bytes(slices.remaining());
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[test]
    fn splits_anywhere_without_losing_a_byte() {
        for cut in 0..=9 {
            let mut rest = body(&["abc", "d", "efghi"]);
            let head = rest.split_to(cut);
            assert_eq!(head.remaining(), cut);
            assert_eq!(text(head) + &text(rest), "abcdefghi");
        }
        assert_eq!(body(&["ab"]).split_to(100).remaining(), 2);
    }

    #[test]
    fn counts_what_was_written() {
        let mut slices = body(&["abc", "def"]);
        let written = slices.written.clone();
        let mut piece = slices.split_to(4);
        assert_eq!(written.body(), 0);
        piece.advance(4);
        slices.advance(1);
        assert_eq!(written.body(), 5);
        let next = written.next_body();
        assert_eq!((next.body(), next.connection()), (0, 5));
    }

    #[test]
    fn vectored_reads_see_every_slice() {
        let slices = body(&["abc", "d", "ef"]);
        let mut iovecs = [IoSlice::new(&[]); 8];
        assert_eq!(slices.chunks_vectored(&mut iovecs), 3);
        assert_eq!(&*iovecs[2], b"ef");
    }
}
