//! Writes of a connection: small ones wait for each other, large ones go at once.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::AsyncWrite;

/// Writes up to this length are gathered: a frame of the smallest maximum size and its head.
pub(super) const GATHER_LEN_MAX: usize = (16 << 10) + 9;

/// What is gathered before it is sent in the middle of a poll.
const GATHERED_BYTES_MAX: usize = 256 << 10;

/// Slices given to the kernel at once.
const IOVECS_MAX: usize = 64;

/// What a connection has to send that its socket has not.
///
/// Invariant: `sent <= gathered.len()`.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    gathered: Vec<u8>,
    /// How much of `gathered` the socket took.
    sent: usize,
    /// The socket takes no more. What it still gives is read first.
    broken: Option<io::ErrorKind>,
    /// All that the socket ever took.
    pub(super) total: u64,
}

impl Outgoing {
    pub(super) fn is_empty(&self) -> bool {
        self.gathered.is_empty()
    }

    /// Gives back the memory that gathering took, if nothing is gathered.
    pub(super) fn shrink(&mut self) {
        if self.gathered.is_empty() && self.gathered.capacity() > GATHER_LEN_MAX {
            self.gathered = Vec::new();
        }
    }

    /// Takes small writes as they are, large ones as far as the socket takes them, in order.
    pub(super) fn poll_write<IO: AsyncWrite + Unpin>(
        &mut self,
        io: &mut IO,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let len = bufs.iter().map(|buf| buf.len()).sum();
        if len > GATHER_LEN_MAX {
            return self.poll_send_with(io, cx, bufs);
        }
        if self.gathered.len() + len > GATHERED_BYTES_MAX {
            ready!(self.poll_send(io, cx))?;
        }
        self.check()?;
        for buf in bufs {
            // COPY: one small frame, in place of a system call.
            self.gathered.extend_from_slice(buf);
        }
        Poll::Ready(Ok(len))
    }

    /// Sends what was gathered.
    pub(super) fn poll_send<IO: AsyncWrite + Unpin>(
        &mut self,
        io: &mut IO,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while self.sent < self.gathered.len() {
            self.check()?;
            let rest = &self.gathered[self.sent..];
            let written = ready!(Pin::new(&mut *io).poll_write(cx, rest));
            self.sent += self.noted(written)?;
        }
        self.gathered.clear();
        self.sent = 0;
        Poll::Ready(Ok(()))
    }

    /// Sends what was gathered and as much of `bufs` as the socket takes with it.
    fn poll_send_with<IO: AsyncWrite + Unpin>(
        &mut self,
        io: &mut IO,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            self.check()?;
            let waiting = self.gathered.len() - self.sent;
            let mut iovecs = [IoSlice::new(&[]); IOVECS_MAX];
            iovecs[0] = IoSlice::new(&self.gathered[self.sent..]);
            let taken = bufs.len().min(IOVECS_MAX - 1);
            iovecs[1..=taken].copy_from_slice(&bufs[..taken]);
            let iovecs = &iovecs[usize::from(waiting == 0)..=taken];
            let written = ready!(Pin::new(&mut *io).poll_write_vectored(cx, iovecs));
            let written = self.noted(written)?;
            if written < waiting {
                self.sent += written;
                continue;
            }
            self.gathered.clear();
            self.sent = 0;
            if written > waiting {
                return Poll::Ready(Ok(written - waiting));
            }
        }
    }

    pub(super) fn check(&self) -> io::Result<()> {
        self.broken.map_or(Ok(()), |kind| Err(kind.into()))
    }

    /// Remembers a failed write.
    fn noted(&mut self, written: io::Result<usize>) -> io::Result<usize> {
        let written = match written {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            written => written,
        };
        match &written {
            Ok(count) => self.total += *count as u64,
            Err(error) => self.broken = Some(error.kind()),
        }
        written
    }
}
