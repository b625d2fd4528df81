//! A request's body as it comes: of known length, or chunked. Bytes in, pieces out.
//!
//! ```text
//!   size [; extensions] CRLF data CRLF ... 0 CRLF [trailers] CRLF
//! ```
//! Source: <https://www.rfc-editor.org/rfc/rfc9112#section-7.1>

use bytes::{Buf, Bytes, BytesMut};

/// What extensions and trailers may add up to, in bytes: they are skipped.
const SKIPPED_MAX: usize = 16 << 10;

/// The most that is read at once.
const READ_MAX: usize = 256 << 10;

/// What is read where the length is not known yet.
const READ_MIN: usize = 8 << 10;

/// Not the chunked coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotChunked;

/// What the bytes at hand give.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Data(Bytes),
    /// Nothing before more bytes are read.
    More,
    /// The body is complete; what follows is the next request.
    End,
}

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
                let piece = take(input, *left);
                *left -= piece.len() as u64;
                Ok(Piece::Data(piece))
            }
            Self::Chunked(chunked) => chunked.next(input),
        }
    }

    /// How much the next read should have room for. Exact where the length is known, so that a
    /// large body's slices fill the buffers they pin.
    pub(super) fn wanted(&self) -> usize {
        let left = match self {
            Self::Exactly { left }
            | Self::Chunked(Chunked {
                state: State::Data { left },
                ..
            }) => *left,
            Self::Chunked(_) => 0,
        };
        match self {
            Self::Exactly { .. } => left.min(READ_MAX as u64) as usize,
            Self::Chunked(_) => left.clamp(READ_MIN as u64, READ_MAX as u64) as usize,
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

/// At most `max` bytes from the start of `input`.
fn take(input: &mut BytesMut, max: u64) -> Bytes {
    let len = max.min(input.len() as u64) as usize;
    input.split_to(len).freeze()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In the digits of a size; whether there was one.
    Size {
        bytes: u64,
        any: bool,
    },
    /// Behind the size, before the end of its line.
    Extension {
        bytes: u64,
    },
    /// The line of the size ended with a carriage return; its line feed is due.
    SizeEnd {
        bytes: u64,
    },
    Data {
        left: u64,
    },
    /// Behind the data: a carriage return, then a line feed.
    DataCr,
    DataLf,
    /// At the start of a line of trailers, or within one.
    Trailer {
        any: bool,
    },
    /// A carriage return was seen; `any` says whether its line had anything before.
    TrailerLf {
        any: bool,
    },
    Done,
}

/// Invariant: `skipped <= SKIPPED_MAX`.
#[derive(Debug)]
pub(super) struct Chunked {
    state: State,
    skipped: usize,
}

impl Chunked {
    pub(super) const fn new() -> Self {
        Self {
            state: State::Size {
                bytes: 0,
                any: false,
            },
            skipped: 0,
        }
    }

    fn next(&mut self, input: &mut BytesMut) -> Result<Piece, NotChunked> {
        loop {
            if self.state == State::Done {
                return Ok(Piece::End);
            }
            if input.is_empty() {
                return Ok(Piece::More);
            }
            if let State::Data { left } = self.state {
                let piece = take(input, left);
                self.state = match left - piece.len() as u64 {
                    0 => State::DataCr,
                    left => State::Data { left },
                };
                return Ok(Piece::Data(piece));
            }
            self.state = self.step(input.get_u8())?;
        }
    }

    /// One byte outside the data. Lines end with CR LF and nothing less: what a peer in front of
    /// us may have read otherwise is not for guessing.
    fn step(&mut self, byte: u8) -> Result<State, NotChunked> {
        match (self.state, byte) {
            (State::Size { bytes, .. }, digit) if digit.is_ascii_hexdigit() => {
                let digit = (digit as char).to_digit(16).map_or(0, u64::from);
                let bytes = bytes.checked_mul(16).ok_or(NotChunked)? + digit;
                Ok(State::Size { bytes, any: true })
            }
            (State::Size { bytes, any: true } | State::Extension { bytes }, b'\r') => {
                Ok(State::SizeEnd { bytes })
            }
            (State::Size { bytes, any: true }, b';' | b' ' | b'\t') => {
                Ok(State::Extension { bytes })
            }
            (State::Extension { bytes }, byte) if byte != b'\n' => {
                self.skip()?;
                Ok(State::Extension { bytes })
            }
            (State::SizeEnd { bytes: 0 }, b'\n') => Ok(State::Trailer { any: false }),
            (State::SizeEnd { bytes: left }, b'\n') => Ok(State::Data { left }),
            (State::DataCr, b'\r') => Ok(State::DataLf),
            (State::DataLf, b'\n') => Ok(State::Size {
                bytes: 0,
                any: false,
            }),
            (State::Trailer { any }, b'\r') => Ok(State::TrailerLf { any }),
            (State::Trailer { .. }, byte) if byte != b'\n' => {
                self.skip()?;
                Ok(State::Trailer { any: true })
            }
            (State::TrailerLf { any: true }, b'\n') => Ok(State::Trailer { any: false }),
            (State::TrailerLf { any: false }, b'\n') => Ok(State::Done),
            _ => Err(NotChunked),
        }
    }

    fn skip(&mut self) -> Result<(), NotChunked> {
        self.skipped += 1;
        if self.skipped > SKIPPED_MAX {
            return Err(NotChunked);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Decoded = (Vec<u8>, Vec<u8>);

    /// All data of a chunked body, and what is left behind it. `None`: more is needed.
    fn decode(pieces: &[&[u8]]) -> Result<Option<Decoded>, NotChunked> {
        let mut reader = BodyReader::Chunked(Chunked::new());
        let (mut input, mut data) = (BytesMut::new(), Vec::new());
        for piece in pieces {
            input.extend_from_slice(piece);
            loop {
                match reader.next(&mut input)? {
                    Piece::Data(piece) => data.extend_from_slice(&piece),
                    Piece::More => break,
                    Piece::End => return Ok(Some((data, input.to_vec()))),
                }
            }
        }
        Ok(None)
    }

    #[test]
    fn chunks_are_joined_and_the_next_request_is_left() {
        let body = b"3\r\nabc\r\n0A;name=value\r\n0123456789\r\n0\r\nx: y\r\n\r\nGET";
        let expected = (b"abc0123456789".to_vec(), b"GET".to_vec());
        assert_eq!(decode(&[body]), Ok(Some(expected)));
        assert_eq!(decode(&[b"0\r\n\r\n"]), Ok(Some(Default::default())));
        assert_eq!(decode(&[b"3\r\nab"]), Ok(None));
    }

    #[test]
    fn whatever_is_not_the_coding_is_refused() {
        let long = format!("1;{}", "x".repeat(SKIPPED_MAX + 1));
        for body in [
            &b"\r\n"[..],
            b"g\r\n",
            b"-1\r\n",
            b"0x1\r\n",
            b"3\nabc",
            b"3\r\nabcd",
            b"3\r\nabc\n",
            b"3\r\rabc",
            b"1;x\ny",
            b"0\r\nx: y\n",
            b"11111111111111111\r\n",
            long.as_bytes(),
        ] {
            assert_eq!(decode(&[body]), Err(NotChunked), "{body:?}");
        }
    }

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

    proptest! {
        #[test]
        fn any_cut_gives_the_same_body(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 0..8),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        ) {
            let mut wire = Vec::new();
            for chunk in &chunks {
                wire.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
                wire.extend(chunk);
                wire.extend(b"\r\n");
            }
            wire.extend(b"0\r\n\r\n");
            let mut borders: Vec<usize> = cuts.iter().map(|cut| cut.index(wire.len())).collect();
            borders.extend([0, wire.len()]);
            borders.sort_unstable();
            let pieces: Vec<&[u8]> = borders.windows(2).map(|b| &wire[b[0]..b[1]]).collect();
            prop_assert_eq!(decode(&pieces), Ok(Some((chunks.concat(), Vec::new()))));
        }

        #[test]
        fn garbage_never_panics(wire in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode(&[&wire]);
        }
    }
}
