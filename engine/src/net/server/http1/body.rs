//! A request's body as it comes: of known length, or chunked. Bytes in, pieces out.

use crate::net::chunked::{Chunked, NotChunked, Piece};
use bytes::BytesMut;

/// The most that is read at once.
const READ_MAX: usize = 256 << 10;

/// What is read where the length is not known yet.
const READ_MIN: usize = 8 << 10;

/// Where a body stands.
#[derive(Debug)]
pub(super) enum BodyReader {
    Exactly { left: u64 },
    Chunked(Chunked),
}

impl BodyReader {
    /// The next piece; what it does not take stays in `input`.
    pub(super) fn next(&mut self, input: &mut BytesMut) -> Result<Piece, NotChunked> {
        match self {
            Self::Exactly { left: 0 } => Ok(Piece::End),
            Self::Exactly { .. } if input.is_empty() => Ok(Piece::More),
            Self::Exactly { left } => {
                let len = (*left).min(input.len() as u64);
                *left -= len;
                Ok(Piece::Data(input.split_to(len as usize).freeze()))
            }
            Self::Chunked(chunked) => chunked.next(input),
        }
    }

    /// How much the next read should have room for. Exact where the length is known, so that a
    /// large body's slices fill the buffers they pin.
    pub(super) fn wanted(&self) -> usize {
        match self {
            Self::Exactly { left } => (*left).min(READ_MAX as u64) as usize,
            Self::Chunked(chunked) => {
                chunked.left().clamp(READ_MIN as u64, READ_MAX as u64) as usize
            }
        }
    }

    /// The bytes still to come, where they are known.
    pub(super) const fn left(&self) -> Option<u64> {
        match self {
            Self::Exactly { left } => Some(*left),
            Self::Chunked(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn a_body_of_known_length_ends_there() {
        let mut reader = BodyReader::Exactly { left: 4 };
        let mut input = BytesMut::from(&b"abcdeGET"[..]);
        assert_eq!(reader.wanted(), 4);
        assert_eq!(
            reader.next(&mut input),
            Ok(Piece::Data(Bytes::from_static(b"abcd")))
        );
        assert_eq!(reader.next(&mut input), Ok(Piece::End));
        assert_eq!(input, "eGET");
    }
}
