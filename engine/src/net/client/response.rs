//! A response body on its way in, within a limit.

use bytes::{Bytes, BytesMut};

/// The body was over its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLarge;

/// Puts the pieces of a response body together.
///
/// One piece, the usual case, stays the slice it is. Several are copied into one buffer: a peer
/// that sends four million DATA frames of one byte must not make us keep four million slices.
/// Invariant: `len() <= bytes_max`.
#[derive(Debug)]
pub(super) struct Collector {
    pieces: Pieces,
    bytes_max: usize,
}

#[derive(Debug)]
enum Pieces {
    None,
    One(Bytes),
    Many(BytesMut),
}

impl Collector {
    pub(super) const fn new(bytes_max: usize) -> Self {
        Self {
            pieces: Pieces::None,
            bytes_max,
        }
    }

    pub(super) fn len(&self) -> usize {
        match &self.pieces {
            Pieces::None => 0,
            Pieces::One(bytes) => bytes.len(),
            Pieces::Many(bytes) => bytes.len(),
        }
    }

    /// How many bytes more are taken.
    pub(super) fn room(&self) -> usize {
        self.bytes_max - self.len()
    }

    pub(super) fn push(&mut self, piece: Bytes) -> Result<(), TooLarge> {
        if piece.len() > self.room() {
            return Err(TooLarge);
        }
        if piece.is_empty() {
            return Ok(());
        }
        self.pieces = match std::mem::replace(&mut self.pieces, Pieces::None) {
            Pieces::None => Pieces::One(piece),
            Pieces::One(first) => {
                let mut all = BytesMut::with_capacity(first.len() + piece.len());
                all.extend_from_slice(&first);
                all.extend_from_slice(&piece);
                Pieces::Many(all)
            }
            Pieces::Many(mut all) => {
                all.extend_from_slice(&piece);
                Pieces::Many(all)
            }
        };
        Ok(())
    }

    /// The whole body; nothing is left.
    pub(super) fn take(&mut self) -> Bytes {
        match std::mem::replace(&mut self.pieces, Pieces::None) {
            Pieces::None => Bytes::new(),
            Pieces::One(bytes) => bytes,
            Pieces::Many(bytes) => bytes.freeze(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_become_one_body() {
        let mut collector = Collector::new(6);
        for piece in ["ab", "", "c", "def"] {
            collector
                .push(Bytes::from_static(piece.as_bytes()))
                .unwrap();
        }
        assert_eq!(collector.push(Bytes::from_static(b"g")), Err(TooLarge));
        assert_eq!(collector.take(), "abcdef");
    }

    #[test]
    fn a_single_piece_is_not_copied() {
        let piece = Bytes::from(vec![7; 100]);
        let mut collector = Collector::new(100);
        collector.push(piece.clone()).unwrap();
        assert_eq!(collector.take().as_ptr(), piece.as_ptr());
    }
}
