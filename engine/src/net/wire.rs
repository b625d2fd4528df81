//! The socket under an HTTP/2 connection, of either side.
//!
//! h2 reads and writes a frame at a time (<https://github.com/hyperium/h2/issues/902>) and counts
//! neither. Between it and the socket this stands, for one purpose each:
//!
//! ```text
//!   h2 <- incoming <- socket    fewer reads; frames counted; so much for each poll and no more
//!   h2 -> outgoing -> socket    small frames gathered, sent once for each poll of the connection
//! ```
//!
//! The connection's owner holds one [`Wire`] and h2 a clone of it. A poll of the connection goes
//! from [`Wire::begin`] to [`Wire::poll_send`]; outside of it, during the handshake, a flush sends.

mod incoming;
mod outgoing;

use self::incoming::Incoming;
use self::outgoing::Outgoing;
use super::flood::{Flood, Peer};
use crate::time::Instant;
use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A socket shared between h2 and the connection that owns both.
#[derive(Debug)]
pub(super) struct Wire<IO>(Rc<RefCell<Inner<IO>>>);

#[derive(Debug)]
struct Inner<IO> {
    io: IO,
    incoming: Incoming,
    outgoing: Outgoing,
    /// `outgoing.total` as the flood meter knows it.
    metered: u64,
    /// Between `begin` and `poll_send`.
    polling: bool,
    opening: [u8; OPENING_LEN],
    opening_len: usize,
}

/// The first bytes of a peer, enough to tell what it speaks.
const OPENING_LEN: usize = 8;

impl<IO> Wire<IO> {
    /// A wire to `peer`, of which nothing was read yet.
    pub(super) fn new(io: IO, peer: Peer, now: Instant) -> Self {
        Self(Rc::new(RefCell::new(Inner {
            io,
            incoming: Incoming::new(peer, now),
            outgoing: Outgoing::default(),
            metered: 0,
            polling: false,
            opening: [0; OPENING_LEN],
            opening_len: 0,
        })))
    }

    /// A poll of the connection begins.
    pub(super) fn begin(&self, now: Instant) {
        let inner = &mut *self.0.borrow_mut();
        inner.polling = true;
        let total = inner.outgoing.total;
        let sent = total - std::mem::replace(&mut inner.metered, total);
        inner
            .incoming
            .begin(now, usize::try_from(sent).unwrap_or(usize::MAX));
    }

    /// Whether bytes came since the last call.
    pub(super) fn take_heard(&self) -> bool {
        std::mem::take(&mut self.0.borrow_mut().incoming.heard)
    }

    /// How many PINGs asked for an answer since the last call.
    pub(super) fn take_pings(&self) -> u64 {
        std::mem::take(&mut self.0.borrow_mut().incoming.pings)
    }

    /// The number of the frame or header block that has begun and is not complete, bodies apart.
    pub(super) fn incomplete(&self) -> Option<u64> {
        self.0.borrow().incoming.incomplete()
    }

    /// Why reading ended with an error, if it was the peer's frames.
    pub(super) fn flood(&self) -> Option<Flood> {
        self.0.borrow().incoming.flood()
    }

    /// What the peer speaks instead of HTTP/2, guessed from its first bytes.
    pub(super) fn foreign_protocol(&self) -> Option<&'static str> {
        let inner = self.0.borrow();
        match &inner.opening[..inner.opening_len] {
            [b'H', b'T', b'T', b'P', b'/', b'1', ..] => {
                Some("the peer answered in HTTP/1.1 where HTTP/2 was expected")
            }
            // A TLS record: alert or handshake, version 3.x.
            [0x15 | 0x16, 3, ..] => Some("the peer speaks TLS where plaintext was expected"),
            _ => None,
        }
    }

    /// Whether the socket has not taken all that was to be sent.
    pub(super) fn is_sending(&self) -> bool {
        !self.0.borrow().outgoing.is_empty()
    }

    /// Gives back the memory that gathering took; for a connection with nothing to do.
    pub(super) fn shrink(&self) {
        self.0.borrow_mut().outgoing.shrink();
    }
}

impl<IO: AsyncWrite + Unpin> Wire<IO> {
    /// A poll of the connection ends: sends what was gathered. `Ready(true)`: the socket failed,
    /// and h2 is to be polled to find out.
    pub(super) fn poll_send(&self, cx: &mut Context<'_>) -> Poll<bool> {
        let inner = &mut *self.0.borrow_mut();
        inner.polling = false;
        inner.incoming.end();
        if inner.outgoing.is_empty() {
            return Poll::Ready(false);
        }
        inner
            .outgoing
            .poll_send(&mut inner.io, cx)
            .map(|sent| sent.is_err())
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Wire<IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let inner = &mut *self.0.borrow_mut();
        let before = buf.filled().len();
        let read = if inner.polling {
            inner.incoming.poll_read(&mut inner.io, cx, buf)
        } else {
            // The handshake: every read is a poll of its own.
            inner.incoming.renew();
            let read = inner.incoming.poll_read(&mut inner.io, cx, buf);
            inner.incoming.end();
            read
        };
        ready!(read)?;
        let read = &buf.filled()[before..];
        let missing = read.len().min(OPENING_LEN - inner.opening_len);
        inner.opening[inner.opening_len..][..missing].copy_from_slice(&read[..missing]);
        inner.opening_len += missing;
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Wire<IO> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let inner = &mut *self.0.borrow_mut();
        inner.outgoing.poll_write(&mut inner.io, cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Within a poll of the connection it says that all is well: [`Wire::poll_send`] sends.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let inner = &mut *self.0.borrow_mut();
        if inner.polling {
            Poll::Ready(inner.outgoing.check())
        } else {
            inner.outgoing.poll_send(&mut inner.io, cx)
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let inner = &mut *self.0.borrow_mut();
        ready!(inner.outgoing.poll_send(&mut inner.io, cx))?;
        Pin::new(&mut inner.io).poll_shutdown(cx)
    }
}

impl<IO> Clone for Wire<IO> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

#[cfg(test)]
mod tests;
