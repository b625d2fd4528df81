//! The chunked transfer coding, read as it comes.
//!
//! ```text
//!   size [; extensions] CRLF data CRLF ... 0 CRLF [trailers] CRLF
//! ```
//! Source: <https://www.rfc-editor.org/rfc/rfc9112#section-7.1>

use crate::net::client::response::{Collector, TooLarge};
use bytes::{Buf, BytesMut};

/// What extensions and trailers may add up to: they are skipped.
const SKIPPED_MAX: usize = 16 << 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChunkError {
    TooLarge,
    Malformed,
}

impl From<TooLarge> for ChunkError {
    fn from(_: TooLarge) -> Self {
        Self::TooLarge
    }
}

/// Where the decoder stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In the digits of a size; whether there was one.
    Size {
        bytes: usize,
        any: bool,
    },
    /// Behind the size, up to the end of the line.
    Extension {
        bytes: usize,
    },
    Data {
        left: usize,
    },
    /// The line end behind the data; a carriage return was seen.
    DataEnd {
        cr: bool,
    },
    /// In the trailers; whether the line has anything but its end.
    Trailer {
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

    /// Takes what `input` has. Whether the body is complete; what follows it stays in `input`.
    ///
    /// Errors: not the coding, or more than `body` takes; a declared size counts at once.
    pub(super) fn decode(
        &mut self,
        input: &mut BytesMut,
        body: &mut Collector,
    ) -> Result<bool, ChunkError> {
        while self.state != State::Done {
            if let State::Data { left } = self.state {
                if input.is_empty() {
                    return Ok(false);
                }
                let piece = input.split_to(left.min(input.len())).freeze();
                self.state = match left - piece.len() {
                    0 => State::DataEnd { cr: false },
                    left => State::Data { left },
                };
                body.push(piece)?;
                continue;
            }
            if input.is_empty() {
                return Ok(false);
            }
            self.state = self.step(input.get_u8(), body)?;
        }
        Ok(true)
    }

    /// One byte outside the data.
    fn step(&mut self, byte: u8, body: &Collector) -> Result<State, ChunkError> {
        match (self.state, byte) {
            (State::Size { bytes, .. }, digit) if digit.is_ascii_hexdigit() => {
                let digit = (digit as char)
                    .to_digit(16)
                    .map_or(0, |digit| digit as usize);
                let bytes = bytes.checked_mul(16).ok_or(ChunkError::TooLarge)? + digit;
                if bytes > body.room() {
                    return Err(ChunkError::TooLarge);
                }
                Ok(State::Size { bytes, any: true })
            }
            (State::Size { bytes, any: true }, b';' | b' ' | b'\t' | b'\r') => {
                Ok(State::Extension { bytes })
            }
            (State::Size { bytes, any: true } | State::Extension { bytes }, b'\n') => {
                Ok(match bytes {
                    0 => State::Trailer { any: false },
                    left => State::Data { left },
                })
            }
            (State::Extension { .. } | State::Trailer { any: true }, byte) if byte != b'\n' => {
                self.skip()?;
                Ok(self.state)
            }
            (State::DataEnd { cr: false }, b'\r') => Ok(State::DataEnd { cr: true }),
            (State::DataEnd { .. }, b'\n') => Ok(State::Size {
                bytes: 0,
                any: false,
            }),
            (State::Trailer { any: false }, b'\n') => Ok(State::Done),
            (State::Trailer { any: false }, b'\r') => {
                self.skip()?;
                Ok(self.state)
            }
            (State::Trailer { .. }, byte) => {
                self.skip()?;
                Ok(State::Trailer { any: byte != b'\n' })
            }
            _ => Err(ChunkError::Malformed),
        }
    }

    fn skip(&mut self) -> Result<(), ChunkError> {
        if self.skipped == SKIPPED_MAX {
            return Err(ChunkError::Malformed);
        }
        self.skipped += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode(pieces: &[&[u8]], bytes_max: usize) -> Result<(bool, String, usize), ChunkError> {
        let mut chunked = Chunked::new();
        let mut body = Collector::new(bytes_max);
        let mut input = BytesMut::new();
        let mut done = false;
        for piece in pieces {
            input.extend_from_slice(piece);
            done = chunked.decode(&mut input, &mut body)?;
        }
        let text = String::from_utf8(body.take().to_vec()).unwrap();
        Ok((done, text, input.len()))
    }

    #[test]
    fn chunks_extensions_and_trailers() {
        let wire = b"4\r\nwiki\r\n05;a=b;c\r\npedia\r\nE \r\n in\r\n\r\nchunks.\r\n0\r\nx: y\r\nz: \r\n\r\nHTTP";
        let (done, text, left) = decode(&[wire], 100).unwrap();
        assert!(done);
        assert_eq!(text, "wikipedia in\r\n\r\nchunks.");
        assert_eq!(left, 4, "what follows is not touched");
    }

    #[test]
    fn errors() {
        let malformed = Err(ChunkError::Malformed);
        assert_eq!(decode(&[b"\r\n"], 100), malformed);
        assert_eq!(decode(&[b"g\r\n"], 100), malformed);
        assert_eq!(decode(&[b"-1\r\n"], 100), malformed);
        assert_eq!(decode(&[b"1\r\nabc"], 100), malformed);
        assert_eq!(decode(&[b"65\r\n"], 100), Err(ChunkError::TooLarge));
        assert_eq!(
            decode(&[b"fffffffffffffffffffff"], usize::MAX),
            Err(ChunkError::TooLarge)
        );
        assert_eq!(
            decode(&[b"3\r\nabc\r\n3\r\n"], 5),
            Err(ChunkError::TooLarge)
        );
        assert_eq!(decode(&[b"0\r\n", &[b'x'; SKIPPED_MAX + 9]], 5), malformed);
        assert_eq!(decode(&[b"1;", &[b'x'; SKIPPED_MAX + 9]], 5), malformed);
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same_body(
            chunks in prop::collection::vec("[a-z]{1,40}", 0..6),
            cuts in prop::collection::vec(1_usize..30, 0..40),
        ) {
            let mut wire = Vec::new();
            for chunk in &chunks {
                wire.extend_from_slice(format!("{:x}\r\n{chunk}\r\n", chunk.len()).as_bytes());
            }
            wire.extend_from_slice(b"0\r\n\r\n");
            let mut rest = &wire[..];
            let mut pieces = Vec::new();
            for cut in cuts {
                let (piece, tail) = rest.split_at(cut.min(rest.len()));
                pieces.push(piece);
                rest = tail;
            }
            pieces.push(rest);
            prop_assert_eq!(decode(&pieces, 1000), Ok((true, chunks.concat(), 0)));
        }

        #[test]
        fn garbage_never_panics(wire in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut body = Collector::new(50);
            let _ = Chunked::new().decode(&mut BytesMut::from(&wire[..]), &mut body);
        }
    }
}
