//! The chunked transfer coding, read as it comes: bytes in, pieces out.
//!
//! ```text
//!   size [; extensions] CRLF data CRLF ... 0 CRLF [trailers] CRLF
//! ```
//! Source: <https://www.rfc-editor.org/rfc/rfc9112#section-7.1>

use bytes::{Buf, Bytes, BytesMut};

/// What extensions and trailers may add up to, in bytes: they are skipped.
const SKIPPED_MAX: usize = 16 << 10;

/// Not the chunked coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotChunked;

/// What the bytes at hand give.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Data(Bytes),
    /// Nothing before more bytes are read.
    More,
    /// The body is complete; what follows is another message.
    End,
}

/// What ends a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineEnd {
    /// CR LF and nothing less. For requests: what a peer in front of us may have read otherwise is
    /// not for guessing, or one request could be smuggled in another.
    CrLf,
    /// A line feed alone as well, as RFC 9112, 2.2 allows. For responses: nobody stands behind us.
    LfToo,
}

/// Where the reader stands.
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
    line_end: LineEnd,
    state: State,
    skipped: usize,
}

impl Chunked {
    pub(super) const fn new(line_end: LineEnd) -> Self {
        Self {
            line_end,
            state: State::Size {
                bytes: 0,
                any: false,
            },
            skipped: 0,
        }
    }

    /// What is still to come of the chunk whose size was read last.
    pub(super) const fn left(&self) -> u64 {
        match self.state {
            State::Data { left } => left,
            _ => 0,
        }
    }

    /// The next piece; what it does not take stays in `input`.
    pub(super) fn next(&mut self, input: &mut BytesMut) -> Result<Piece, NotChunked> {
        loop {
            if self.state == State::Done {
                return Ok(Piece::End);
            }
            if input.is_empty() {
                return Ok(Piece::More);
            }
            if let State::Data { left } = self.state {
                let len = left.min(input.len() as u64);
                let piece = input.split_to(len as usize).freeze();
                self.state = match left - len {
                    0 => State::DataCr,
                    left => State::Data { left },
                };
                return Ok(Piece::Data(piece));
            }
            self.state = self.step(input.get_u8())?;
        }
    }

    /// One byte outside the data. Where a line feed alone ends a line, it is as if the carriage
    /// return had come before it.
    fn step(&mut self, byte: u8) -> Result<State, NotChunked> {
        let is_bare = byte == b'\n' && self.line_end == LineEnd::LfToo;
        let state = match self.state {
            State::Size { bytes, any: true } | State::Extension { bytes } if is_bare => {
                State::SizeEnd { bytes }
            }
            State::DataCr if is_bare => State::DataLf,
            State::Trailer { any } if is_bare => State::TrailerLf { any },
            state => state,
        };
        match (state, byte) {
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

    /// All data of a body, and what is left behind it. `None`: more is needed.
    fn decode(line_end: LineEnd, pieces: &[&[u8]]) -> Result<Option<Decoded>, NotChunked> {
        let mut chunked = Chunked::new(line_end);
        let (mut input, mut data) = (BytesMut::new(), Vec::new());
        for piece in pieces {
            input.extend_from_slice(piece);
            loop {
                match chunked.next(&mut input)? {
                    Piece::Data(piece) => data.extend_from_slice(&piece),
                    Piece::More => break,
                    Piece::End => return Ok(Some((data, input.to_vec()))),
                }
            }
        }
        Ok(None)
    }

    #[test]
    fn chunks_are_joined_and_what_follows_is_left() {
        let body = b"3\r\nabc\r\n0A;name=value\r\n0123456789\r\n0\r\nx: y\r\n\r\nGET";
        for line_end in [LineEnd::CrLf, LineEnd::LfToo] {
            let expected = (b"abc0123456789".to_vec(), b"GET".to_vec());
            assert_eq!(decode(line_end, &[body]), Ok(Some(expected)));
            assert_eq!(
                decode(line_end, &[b"0\r\n\r\n"]),
                Ok(Some(Default::default()))
            );
            assert_eq!(decode(line_end, &[b"3\r\nab"]), Ok(None));
            let spaced = (b"pedia".to_vec(), Vec::new());
            assert_eq!(
                decode(line_end, &[b"5 \r\npedia\r\n0\r\n\r\n"]),
                Ok(Some(spaced))
            );
        }
    }

    #[test]
    fn a_line_feed_alone_is_for_those_who_may_be_lenient() {
        let whole = Ok(Some((b"abc".to_vec(), b"x".to_vec())));
        for body in [
            &b"3\nabc\n0\n\nx"[..],
            b"3\r\nabc\n0\r\n\r\nx",
            b"3;e\nabc\r\n0\r\n\r\nx",
            b"3\r\nabc\r\n0\r\nx: y\n\r\nx",
            b"3\r\nabc\r\n0\r\nx: y\r\n\nx",
        ] {
            assert_eq!(decode(LineEnd::LfToo, &[body]), whole, "{body:?}");
            assert_eq!(decode(LineEnd::CrLf, &[body]), Err(NotChunked), "{body:?}");
        }
    }

    #[test]
    fn whatever_is_not_the_coding_is_refused() {
        let long = format!("1;{}", "x".repeat(SKIPPED_MAX + 1));
        let trailers = format!("0\r\n{}", "x".repeat(SKIPPED_MAX + 1));
        for body in [
            &b"\r\n"[..],
            b"\n",
            b"g\r\n",
            b"-1\r\n",
            b"0x1\r\n",
            b"3\r\nabcd",
            b"3\r\rabc",
            b"11111111111111111\r\n",
            long.as_bytes(),
            trailers.as_bytes(),
        ] {
            for line_end in [LineEnd::CrLf, LineEnd::LfToo] {
                assert_eq!(decode(line_end, &[body]), Err(NotChunked), "{body:?}");
            }
        }
    }

    #[test]
    fn a_chunk_says_what_is_to_come() {
        let mut chunked = Chunked::new(LineEnd::CrLf);
        assert_eq!(
            chunked.next(&mut BytesMut::from(&b"ff\r\n"[..])),
            Ok(Piece::More)
        );
        assert_eq!(chunked.left(), 255);
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same_body(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 0..8),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
            bare: bool,
        ) {
            let (line_end, end) = match bare {
                true => (LineEnd::LfToo, "\n"),
                false => (LineEnd::CrLf, "\r\n"),
            };
            let mut wire = Vec::new();
            for chunk in &chunks {
                wire.extend(format!("{:x}{end}", chunk.len()).into_bytes());
                wire.extend(chunk);
                wire.extend(end.as_bytes());
            }
            wire.extend(format!("0{end}{end}").into_bytes());
            let mut borders: Vec<usize> = cuts.iter().map(|cut| cut.index(wire.len())).collect();
            borders.extend([0, wire.len()]);
            borders.sort_unstable();
            let pieces: Vec<&[u8]> = borders.windows(2).map(|b| &wire[b[0]..b[1]]).collect();
            prop_assert_eq!(decode(line_end, &pieces), Ok(Some((chunks.concat(), Vec::new()))));
        }

        #[test]
        fn garbage_never_panics(wire in prop::collection::vec(any::<u8>(), 0..300), bare: bool) {
            let line_end = if bare { LineEnd::LfToo } else { LineEnd::CrLf };
            let _ = decode(line_end, &[&wire]);
        }
    }
}
