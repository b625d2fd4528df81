//! Collects a message from the pieces of its body. No I/O: pieces and grants of credit in, the
//! message or the reason to stop out.
//!
//! ```text
//!   gRPC:   | flag | length (4, big endian) | message ... |      plain:  | message ... |
//!             1 B    may be cut across pieces
//! ```

use crate::exchange::{Body, Credit, Framing, Reply};
use bytes::{Buf, Bytes};
use tailrace_codec::Rope;
use tailrace_codec::grpc::PREFIX_BYTES;

/// Pieces below this are copied into one buffer of the message's own.
///
/// A piece pins the whole buffer it was read into. `Bytes` does not tell that buffer's size, but
/// h2 and hyper read small bodies into blocks of up to 64 KiB, so a piece below a quarter of that
/// could hold four times its size, and a thousand pieces of one byte would cost more in slices
/// than in bytes. Copying 16 KiB costs about a microsecond, less than one system call. A message
/// that comes in one piece is not copied here: its receiver knows how long it stays.
const COPY_BELOW: usize = 16 << 10;

/// The size of a buffer that collects small pieces, at most.
const COLLECT_MAX: usize = 64 << 10;

/// A body on its way in.
///
/// Invariant: `message.len() + tail.len() <= granted`, for either framing.
#[derive(Debug)]
pub(super) struct Intake {
    framing: Framing,
    prefix: [u8; PREFIX_BYTES],
    prefix_len: usize,
    /// The message's length, once known.
    declared: Option<u64>,
    /// What credit was given for.
    granted: u64,
    message: Rope,
    /// Small pieces, copied here until it is full or a large piece follows.
    tail: Vec<u8>,
}

/// Why a body is read no further.
#[derive(Debug)]
pub(super) enum Stop {
    /// No credit. The reply is the engine's, and the request ended with it.
    Refused(Box<Reply>),
    /// The sender broke the framing.
    Malformed(Malformed),
}

/// How a gRPC body was wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Malformed {
    /// The first byte is neither 0 nor 1.
    Flag(u8),
    /// A unary call has exactly one message, and this body has none.
    Empty,
    /// Bytes after the message: a second one.
    Surplus,
    /// The body ended inside the prefix or the message.
    Truncated { missing: u64 },
}

impl Intake {
    /// `content_length` is what the headers declare. It counts for plain framing only: for gRPC
    /// the prefix tells the message's length, and the protocol does not ask for the header.
    pub(super) fn new(framing: Framing, content_length: Option<u64>) -> Self {
        Self {
            framing,
            prefix: [0; PREFIX_BYTES],
            prefix_len: 0,
            declared: match framing {
                Framing::Plain => content_length,
                Framing::Grpc => None,
            },
            granted: 0,
            message: Rope::new(),
            tail: Vec::new(),
        }
    }

    /// Asks for credit for the declared length, before the first piece is read.
    pub(super) fn begin(&mut self, reserve: impl FnMut(u64) -> Credit) -> Result<(), Stop> {
        self.grow_to(self.declared.unwrap_or(0), reserve)
    }

    /// Takes the next piece of the body, asking for credit before it is kept.
    pub(super) fn push(
        &mut self,
        mut piece: Bytes,
        mut reserve: impl FnMut(u64) -> Credit,
    ) -> Result<(), Stop> {
        if self.framing == Framing::Grpc && self.prefix_len < PREFIX_BYTES {
            self.take_prefix(&mut piece);
            if self.prefix_len < PREFIX_BYTES {
                return Ok(());
            }
            let [flag, length @ ..] = self.prefix;
            if flag > 1 {
                return Err(Stop::Malformed(Malformed::Flag(flag)));
            }
            let declared = u64::from(u32::from_be_bytes(length));
            self.declared = Some(declared);
            self.grow_to(declared, &mut reserve)?;
        }
        let total = self.received() + piece.len() as u64;
        if self.framing == Framing::Grpc && Some(total) > self.declared {
            return Err(Stop::Malformed(Malformed::Surplus));
        }
        self.grow_to(total, reserve)?;
        self.keep(piece);
        Ok(())
    }

    /// The body has ended: the whole message, or what is wrong with it.
    pub(super) fn finish(mut self) -> Result<Body, Malformed> {
        if self.framing == Framing::Grpc {
            let Some(declared) = self.declared else {
                return Err(match self.prefix_len {
                    0 => Malformed::Empty,
                    have => Malformed::Truncated {
                        missing: (PREFIX_BYTES - have) as u64,
                    },
                });
            };
            if self.received() < declared {
                return Err(Malformed::Truncated {
                    missing: declared - self.received(),
                });
            }
        }
        self.seal_tail();
        Ok(Body {
            message: self.message,
            compressed: self.framing == Framing::Grpc && self.prefix[0] == 1,
        })
    }

    /// Bytes of the message received so far.
    fn received(&self) -> u64 {
        (self.message.len() + self.tail.len()) as u64
    }

    fn take_prefix(&mut self, piece: &mut Bytes) {
        let take = piece.len().min(PREFIX_BYTES - self.prefix_len);
        self.prefix[self.prefix_len..self.prefix_len + take].copy_from_slice(&piece[..take]);
        self.prefix_len += take;
        piece.advance(take);
    }

    /// Makes `granted` at least `total`.
    fn grow_to(&mut self, total: u64, mut reserve: impl FnMut(u64) -> Credit) -> Result<(), Stop> {
        if total > self.granted {
            match reserve(total - self.granted) {
                Credit::Granted => self.granted = total,
                Credit::Refused(reply) => return Err(Stop::Refused(Box::new(reply))),
            }
        }
        Ok(())
    }

    fn keep(&mut self, piece: Bytes) {
        let is_whole = self.declared == Some(piece.len() as u64);
        if piece.len() >= COPY_BELOW || is_whole {
            self.seal_tail();
            self.message.push(piece);
            return;
        }
        if self.tail.len() + piece.len() > COLLECT_MAX {
            self.seal_tail();
        }
        if self.tail.is_empty() {
            // Exact where the length is known, so that nothing is held beyond the message.
            let expected = self.declared.map_or(piece.len() as u64, |declared| {
                declared.saturating_sub(self.message.len() as u64)
            });
            let room = expected.min(COPY_BELOW as u64) as usize;
            self.tail.reserve_exact(room.max(piece.len()));
        }
        // COPY: < 16 KiB, see `COPY_BELOW`.
        self.tail.extend_from_slice(&piece);
    }

    fn seal_tail(&mut self) {
        if !self.tail.is_empty() {
            let mut tail = std::mem::take(&mut self.tail);
            tail.shrink_to_fit();
            self.message.push(Bytes::from(tail));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::cell::Cell;
    use tailrace_codec::grpc::Code;

    fn framed(flag: u8, message: &[u8]) -> Vec<u8> {
        let mut bytes = vec![flag];
        bytes.extend((message.len() as u32).to_be_bytes());
        bytes.extend(message);
        bytes
    }

    fn joined(rope: &Rope) -> Vec<u8> {
        rope.slices().concat()
    }

    fn refusal() -> Credit {
        Credit::Refused(Reply::Grpc(crate::exchange::GrpcReply {
            code: Code::ResourceExhausted,
            message: String::new(),
            details: Bytes::new(),
            body: Bytes::new(),
        }))
    }

    fn read(framing: Framing, pieces: &[&[u8]]) -> Result<Body, Malformed> {
        let mut intake = Intake::new(framing, None);
        for piece in pieces {
            match intake.push(Bytes::copy_from_slice(piece), |_| Credit::Granted) {
                Ok(()) => {}
                Err(Stop::Malformed(malformed)) => return Err(malformed),
                Err(Stop::Refused(_)) => unreachable!("everything is granted"),
            }
        }
        intake.finish()
    }

    proptest! {
        #[test]
        fn any_cut_of_a_framed_message_gives_it_back(
            message in proptest::collection::vec(any::<u8>(), 0..200_000),
            compressed in any::<bool>(),
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..12),
        ) {
            let bytes = framed(compressed.into(), &message);
            let mut borders: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
            borders.extend([0, bytes.len()]);
            borders.sort_unstable();
            let asked = Cell::new(0);
            let mut intake = Intake::new(Framing::Grpc, None);
            let shared = Bytes::from(bytes);
            for pair in borders.windows(2) {
                intake.push(shared.slice(pair[0]..pair[1]), |bytes| {
                    asked.set(asked.get() + bytes);
                    Credit::Granted
                }).unwrap();
            }
            let body = intake.finish().unwrap();
            prop_assert_eq!(joined(&body.message), &message[..]);
            prop_assert_eq!(body.compressed, compressed);
            prop_assert_eq!(asked.get(), message.len() as u64);
            for slice in body.message.slices() {
                prop_assert!(slice.len() >= COPY_BELOW || body.message.slices().len() < 40);
            }
        }
    }

    #[test]
    fn the_declared_length_is_asked_for_before_a_byte_of_the_message() {
        let mut intake = Intake::new(Framing::Grpc, None);
        let stop = intake.push(Bytes::from_static(&[0, 0, 16, 0, 0]), |bytes| {
            assert_eq!(bytes, 1 << 20);
            refusal()
        });
        assert!(matches!(stop, Err(Stop::Refused(_))));

        let mut intake = Intake::new(Framing::Plain, Some(77));
        let stop = intake.begin(|bytes| {
            assert_eq!(bytes, 77);
            refusal()
        });
        assert!(matches!(stop, Err(Stop::Refused(_))));
    }

    #[test]
    fn without_a_declared_length_credit_grows_with_the_body() {
        let mut asked = Vec::new();
        let mut intake = Intake::new(Framing::Plain, None);
        intake
            .begin(|_| unreachable!("nothing is declared"))
            .unwrap();
        for piece in [&b"abc"[..], b"", b"defgh"] {
            let piece = Bytes::from_static(piece);
            intake
                .push(piece, |bytes| {
                    asked.push(bytes);
                    Credit::Granted
                })
                .unwrap();
        }
        assert_eq!(asked, [3, 5]);
        assert_eq!(joined(&intake.finish().unwrap().message), b"abcdefgh");
    }

    #[test]
    fn a_wrong_body_is_named() {
        assert_eq!(read(Framing::Grpc, &[]).unwrap_err(), Malformed::Empty);
        assert_eq!(
            read(Framing::Grpc, &[&[0, 0, 0]]).unwrap_err(),
            Malformed::Truncated { missing: 2 }
        );
        assert_eq!(
            read(Framing::Grpc, &[&framed(0, b"abc")[..7]]).unwrap_err(),
            Malformed::Truncated { missing: 1 }
        );
        assert_eq!(
            read(Framing::Grpc, &[&framed(0, b"abc"), b"d"]).unwrap_err(),
            Malformed::Surplus
        );
        assert_eq!(
            read(Framing::Grpc, &[&[2, 0, 0, 0, 0]]).unwrap_err(),
            Malformed::Flag(2)
        );
        assert!(read(Framing::Grpc, &[&[0; 5]]).unwrap().message.is_empty());
        assert!(read(Framing::Plain, &[]).unwrap().message.is_empty());
    }

    #[test]
    fn small_pieces_stand_in_one_exact_buffer_and_large_ones_are_not_copied() {
        let small = read(Framing::Grpc, &[&framed(0, &[7; 3000])]).unwrap();
        assert_eq!(small.message.slices().len(), 1);

        let large = Bytes::from(vec![1; COPY_BELOW]);
        let mut intake = Intake::new(Framing::Plain, None);
        for piece in [
            Bytes::from_static(b"a"),
            Bytes::from_static(b"b"),
            large.clone(),
        ] {
            intake.push(piece, |_| Credit::Granted).unwrap();
        }
        let body = intake.finish().unwrap();
        assert_eq!(body.message.slices().len(), 2);
        assert_eq!(body.message.slices()[1].as_ptr(), large.as_ptr());
    }

    #[test]
    fn a_message_of_single_bytes_does_not_become_a_slice_each() {
        let mut intake = Intake::new(Framing::Plain, None);
        for _ in 0..100_000 {
            intake
                .push(Bytes::from_static(b"x"), |_| Credit::Granted)
                .unwrap();
        }
        let body = intake.finish().unwrap();
        assert_eq!(body.message.len(), 100_000);
        assert_eq!(body.message.slices().len(), 2);
    }
}
