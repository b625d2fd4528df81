//! What a client connection wants to know about its socket and HTTP/2 does not tell.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The first bytes of a peer, enough to tell what it speaks.
const OPENING_LEN: usize = 8;

/// Signs of life of the peer, shared between the socket's wrapper and the connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Signs(Rc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    heard: Cell<bool>,
    received: Cell<u64>,
    opening: Cell<[u8; OPENING_LEN]>,
}

impl Signs {
    /// Whether bytes came since the last call.
    pub(super) fn take_heard(&self) -> bool {
        self.0.heard.replace(false)
    }

    /// What the peer speaks instead of HTTP/2, guessed from its first bytes.
    pub(super) fn foreign_protocol(&self) -> Option<&'static str> {
        let opening = self.0.opening.get();
        match &opening {
            [b'H', b'T', b'T', b'P', b'/', b'1', ..] => {
                Some("the peer answered in HTTP/1.1 where HTTP/2 was expected")
            }
            // A TLS record: alert or handshake, version 3.x.
            [0x15 | 0x16, 3, ..] => Some("the peer speaks TLS where plaintext was expected"),
            _ => None,
        }
    }

    fn handle_read(&self, bytes: &[u8]) {
        let received = self.0.received.get();
        if let Some(from) = usize::try_from(received).ok().filter(|&n| n < OPENING_LEN) {
            let mut opening = self.0.opening.get();
            for (to, byte) in opening[from..].iter_mut().zip(bytes) {
                *to = *byte;
            }
            self.0.opening.set(opening);
        }
        self.0.received.set(received + bytes.len() as u64);
        self.0.heard.set(true);
    }
}

/// A socket that notes what it reads.
#[derive(Debug)]
pub(super) struct Watched<IO> {
    io: IO,
    signs: Signs,
}

impl<IO> Watched<IO> {
    pub(super) fn new(io: IO) -> (Self, Signs) {
        let signs = Signs::default();
        let watched = Self {
            io,
            signs: signs.clone(),
        };
        (watched, signs)
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Watched<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = Pin::new(&mut self.io).poll_read(cx, buf);
        if let Some(read) = buf.filled().get(before..).filter(|read| !read.is_empty()) {
            self.signs.handle_read(read);
        }
        result
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Watched<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opening(pieces: &[&[u8]]) -> Option<&'static str> {
        let signs = Signs::default();
        for piece in pieces {
            signs.handle_read(piece);
        }
        signs.foreign_protocol()
    }

    #[test]
    fn tells_what_a_peer_speaks_from_its_first_bytes() {
        assert!(opening(&[b"HTTP/1.1 400 Bad Request"]).is_some());
        assert!(opening(&[b"HT", b"TP/", b"1.0 4"]).is_some());
        assert!(opening(&[&[0x15, 3, 1, 0, 2]]).is_some());
        assert!(opening(&[&[0, 0, 6, 4, 0, 0, 0, 0, 0]]).is_none());
        assert!(opening(&[]).is_none());
    }
}
