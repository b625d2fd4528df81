//! The socket under an HTTP/2 client connection.
//!
//! h2 flushes each DATA frame by a write of its own (<https://github.com/hyperium/h2/issues/902>),
//! so small frames are gathered here and sent once for each poll of the connection: copying 16 KiB
//! is far cheaper than a system call. Large frames go straight from their slices, together with
//! what was gathered before them.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Writes up to this length are gathered: a frame of the smallest maximum size and its head.
const GATHER_LEN_MAX: usize = (16 << 10) + 9;

/// What is gathered before it is sent in the middle of a poll.
const GATHERED_BYTES_MAX: usize = 256 << 10;

/// What is read in one poll of the connection.
const READ_BYTES_MAX: usize = 256 << 10;

/// Slices given to the kernel at once.
const IOVECS_MAX: usize = 64;

/// The first bytes of a peer, enough to tell what it speaks.
const OPENING_LEN: usize = 8;

/// A socket shared between h2 and the connection that owns both.
#[derive(Debug)]
pub(super) struct Wire<IO>(Rc<RefCell<Inner<IO>>>);

/// Invariant: `sent <= gathered.len()`.
#[derive(Debug)]
struct Inner<IO> {
    io: IO,
    gathered: Vec<u8>,
    /// How much of `gathered` the socket took.
    sent: usize,
    /// The socket takes no more. What it still gives is read first.
    broken: Option<io::ErrorKind>,
    /// There was nothing to read in this poll of the connection: h2 looks again after each write.
    drained: bool,
    /// What may be read in this poll, so that a peer that sends without end does not own the
    /// shard.
    readable: usize,
    heard: bool,
    opening: [u8; OPENING_LEN],
    opening_len: usize,
}

impl<IO> Wire<IO> {
    pub(super) fn new(io: IO) -> Self {
        Self(Rc::new(RefCell::new(Inner {
            io,
            gathered: Vec::new(),
            sent: 0,
            broken: None,
            drained: false,
            readable: READ_BYTES_MAX,
            heard: false,
            opening: [0; OPENING_LEN],
            opening_len: 0,
        })))
    }

    /// A poll of the connection begins.
    pub(super) fn begin(&self) {
        let mut inner = self.0.borrow_mut();
        inner.drained = false;
        inner.readable = READ_BYTES_MAX;
    }

    /// Whether bytes came since the last call.
    pub(super) fn take_heard(&self) -> bool {
        std::mem::take(&mut self.0.borrow_mut().heard)
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

    /// Gives back the memory that gathering took; for a connection with nothing to do.
    pub(super) fn shrink(&self) {
        let mut inner = self.0.borrow_mut();
        if inner.gathered.is_empty() && inner.gathered.capacity() > GATHER_LEN_MAX {
            inner.gathered = Vec::new();
        }
    }
}

impl<IO: AsyncWrite + Unpin> Wire<IO> {
    /// Sends what was gathered. `Ready(true)`: the socket failed, and h2 is to be polled to find
    /// out.
    pub(super) fn poll_send(&self, cx: &mut Context<'_>) -> Poll<bool> {
        let mut inner = self.0.borrow_mut();
        if inner.gathered.is_empty() {
            return Poll::Ready(false);
        }
        inner.poll_send(cx).map(|sent| sent.is_err())
    }
}

impl<IO: AsyncWrite + Unpin> Inner<IO> {
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.gathered.len() {
            self.check()?;
            let rest = &self.gathered[self.sent..];
            let written = ready!(Pin::new(&mut self.io).poll_write(cx, rest));
            self.sent += self.noted(written)?;
        }
        self.gathered.clear();
        self.sent = 0;
        Poll::Ready(Ok(()))
    }

    /// Sends what was gathered and as much of `bufs` as the socket takes with it.
    fn poll_send_with(
        &mut self,
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
            let written = ready!(Pin::new(&mut self.io).poll_write_vectored(cx, iovecs));
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

    fn check(&self) -> io::Result<()> {
        self.broken.map_or(Ok(()), |kind| Err(kind.into()))
    }

    /// Remembers a failed write.
    fn noted(&mut self, written: io::Result<usize>) -> io::Result<usize> {
        let written = match written {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            written => written,
        };
        written.inspect_err(|error| self.broken = Some(error.kind()))
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Wire<IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let inner = &mut *self.0.borrow_mut();
        if inner.drained {
            return Poll::Pending;
        }
        if inner.readable == 0 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buf.filled().len();
        let result = Pin::new(&mut inner.io).poll_read(cx, buf);
        let read = buf.filled().get(before..).unwrap_or_default();
        inner.heard |= !read.is_empty();
        inner.readable = inner.readable.saturating_sub(read.len());
        inner.drained = result.is_pending();
        let missing = read.len().min(OPENING_LEN - inner.opening_len);
        inner.opening[inner.opening_len..][..missing].copy_from_slice(&read[..missing]);
        inner.opening_len += missing;
        result
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
        let mut inner = self.0.borrow_mut();
        let len = bufs.iter().map(|buf| buf.len()).sum();
        if len > GATHER_LEN_MAX {
            return inner.poll_send_with(cx, bufs);
        }
        if inner.gathered.len() + len > GATHERED_BYTES_MAX {
            ready!(inner.poll_send(cx))?;
        }
        inner.check()?;
        for buf in bufs {
            // COPY: one small frame, in place of a system call.
            inner.gathered.extend_from_slice(buf);
        }
        Poll::Ready(Ok(len))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Says that all is well: what was gathered is sent by [`Wire::poll_send`].
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.0.borrow().check())
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.0.borrow_mut();
        ready!(inner.poll_send(cx))?;
        Pin::new(&mut inner.io).poll_shutdown(cx)
    }
}

impl<IO> Clone for Wire<IO> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::task::Waker;

    /// Takes as many bytes as told for each write, and nothing when told nothing more.
    #[derive(Debug, Default)]
    struct Slow {
        takes: Vec<usize>,
        taken: Vec<u8>,
        writes: usize,
        fails: bool,
    }

    impl AsyncWrite for Slow {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &[u8],
        ) -> Poll<io::Result<usize>> {
            if self.fails {
                return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
            }
            let Some(take) = self.takes.pop() else {
                return Poll::Pending;
            };
            let taken = take.min(buf.len());
            self.writes += 1;
            self.taken.extend_from_slice(&buf[..taken]);
            Poll::Ready(Ok(taken))
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bufs: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let all: Vec<u8> = bufs.iter().flat_map(|buf| buf.to_vec()).collect();
            self.as_mut().poll_write(cx, &all)
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncRead for Slow {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    fn write(wire: &mut Wire<Slow>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut cx = Context::from_waker(Waker::noop());
        Pin::new(wire).poll_write(&mut cx, bytes)
    }

    fn send(wire: &Wire<Slow>) -> Poll<bool> {
        wire.poll_send(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn small_writes_share_a_system_call_and_join_a_large_one() {
        let mut wire = Wire::new(Slow {
            takes: vec![usize::MAX; 2],
            ..Slow::default()
        });
        for _ in 0..5 {
            assert!(matches!(write(&mut wire, b"small"), Poll::Ready(Ok(5))));
        }
        assert_eq!(wire.0.borrow().io.writes, 0);
        assert_eq!(send(&wire), Poll::Ready(false));
        assert_eq!(wire.0.borrow().io.writes, 1);

        assert!(matches!(write(&mut wire, b"small"), Poll::Ready(Ok(5))));
        let large = vec![1; GATHER_LEN_MAX + 1];
        assert!(matches!(write(&mut wire, &large), Poll::Ready(Ok(n)) if n == large.len()));
        assert_eq!(wire.0.borrow().io.writes, 2);
        assert_eq!(wire.0.borrow().io.taken.len(), 30 + large.len());
    }

    #[test]
    fn a_failed_send_is_reported_and_stays() {
        let mut wire = Wire::new(Slow::default());
        assert!(write(&mut wire, b"small").is_ready());
        assert_eq!(send(&wire), Poll::Pending);
        wire.0.borrow_mut().io.fails = true;
        assert_eq!(send(&wire), Poll::Ready(true));
        wire.0.borrow_mut().io.fails = false;
        let mut cx = Context::from_waker(Waker::noop());
        assert!(matches!(
            Pin::new(&mut wire).poll_flush(&mut cx),
            Poll::Ready(Err(_))
        ));
        assert!(matches!(write(&mut wire, b"small"), Poll::Ready(Err(_))));
    }

    fn opening(bytes: &[u8]) -> Option<&'static str> {
        let wire = Wire::new(io::Cursor::new(bytes.to_vec()));
        for _ in bytes {
            let mut byte = [0];
            let mut cx = Context::from_waker(Waker::noop());
            let mut buf = ReadBuf::new(&mut byte);
            assert!(
                Pin::new(&mut wire.clone())
                    .poll_read(&mut cx, &mut buf)
                    .is_ready()
            );
        }
        wire.foreign_protocol()
    }

    #[test]
    fn tells_what_a_peer_speaks_from_its_first_bytes() {
        assert!(opening(b"HTTP/1.1 400 Bad Request").is_some());
        assert!(opening(b"HTTP/1.0 4").is_some());
        assert!(opening(&[0x15, 3, 1, 0, 2]).is_some());
        assert!(opening(&[0, 0, 6, 4, 0, 0, 0, 0, 0]).is_none());
        assert!(opening(b"HT").is_none());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        /// However little the socket takes at once, the bytes arrive complete and in order.
        #[test]
        fn nothing_is_lost_or_reordered(
            writes in prop::collection::vec(1..40_000_usize, 1..20),
            takes in prop::collection::vec(1..50_000_usize, 0..40),
        ) {
            let mut wire = Wire::new(Slow { takes, ..Slow::default() });
            let mut expected = Vec::new();
            for (i, len) in writes.into_iter().enumerate() {
                let bytes: Vec<u8> = (0..len).map(|j| (i * 31 + j) as u8).collect();
                let mut rest = &bytes[..];
                while !rest.is_empty() {
                    match write(&mut wire, rest) {
                        Poll::Ready(taken) => {
                            let taken = taken.unwrap();
                            prop_assert!(taken > 0);
                            rest = &rest[taken..];
                        }
                        Poll::Pending => wire.0.borrow_mut().io.takes.push(7_777),
                    }
                }
                expected.extend_from_slice(&bytes);
            }
            while send(&wire).is_pending() {
                wire.0.borrow_mut().io.takes.push(7_777);
            }
            prop_assert!(wire.0.borrow().io.taken == expected);
        }
    }
}
