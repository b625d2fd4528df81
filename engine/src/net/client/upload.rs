//! A request body on its way out: slices that HTTP/2 cuts into frames without copying them.

use bytes::{Buf, Bytes};
use std::cell::Cell;
use std::collections::VecDeque;
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

/// Slices read as one buffer, so that they share frames and system calls.
///
/// Invariant: `remaining` is the sum of the slices' lengths, and no slice is empty.
#[derive(Debug)]
pub(super) struct Slices {
    slices: VecDeque<Bytes>,
    remaining: usize,
    written: Written,
}

impl Slices {
    pub(super) fn new(body: Rope, written: Written) -> Self {
        Self {
            remaining: body.len(),
            slices: body.slices().iter().cloned().collect(),
            written,
        }
    }

    /// Takes the first `len` bytes, at most all of them.
    pub(super) fn split_to(&mut self, len: usize) -> Self {
        let mut taken = Self {
            slices: VecDeque::new(),
            remaining: 0,
            written: self.written.clone(),
        };
        if len >= self.remaining {
            std::mem::swap(&mut self.slices, &mut taken.slices);
            std::mem::swap(&mut self.remaining, &mut taken.remaining);
            return taken;
        }
        while taken.remaining < len {
            let wanted = len - taken.remaining;
            let Some(first) = self.slices.front_mut() else {
                break;
            };
            let piece = if first.len() > wanted {
                first.split_to(wanted)
            } else {
                std::mem::take(first)
            };
            if first.is_empty() {
                self.slices.pop_front();
            }
            self.remaining -= piece.len();
            taken.remaining += piece.len();
            taken.slices.push_back(piece);
        }
        taken
    }
}

impl Buf for Slices {
    fn remaining(&self) -> usize {
        self.remaining
    }

    fn chunk(&self) -> &[u8] {
        self.slices.front().map_or(&[], |slice| slice)
    }

    fn chunks_vectored<'a>(&'a self, dst: &mut [IoSlice<'a>]) -> usize {
        let mut filled = 0;
        for (slot, slice) in dst.iter_mut().zip(&self.slices) {
            *slot = IoSlice::new(slice);
            filled += 1;
        }
        filled
    }

    fn advance(&mut self, mut count: usize) {
        assert!(count <= self.remaining, "advanced past the end of a body");
        self.remaining -= count;
        self.written.add(count);
        while let Some(first) = self.slices.front_mut() {
            if count < first.len() {
                first.advance(count);
                return;
            }
            count -= first.len();
            self.slices.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
