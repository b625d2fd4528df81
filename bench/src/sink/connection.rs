//! A connection that does what a correct server never would: stops reading, dribbles its answers,
//! breaks off.

use super::behaviour::Manners;
use socket2::SockRef;
use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;
use tailrace_engine::net::Clock;
use tailrace_engine::runtime::{AsyncRead, AsyncWrite, ReadBuf, Socket, Timer, now};
use tailrace_engine::time::Instant;

/// What breaks a connection off from outside of its task.
#[derive(Debug, Default)]
pub struct Breaker {
    broken: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Breaker {
    /// The connection is reset as soon as its task runs.
    pub fn trip(&self) {
        self.broken.set(true);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// A socket with its manners. Dropped after its breaker was tripped, it sends RST, not FIN.
#[derive(Debug)]
pub struct Connection {
    socket: Socket,
    breaker: Rc<Breaker>,
    /// What may still be read.
    readable: u64,
    /// Counts the connections that stopped reading.
    froze: Rc<Cell<u64>>,
    pace: Option<Pace>,
}

/// Writes no faster than so many bytes a second.
#[derive(Debug)]
struct Pace {
    /// That may go out at once: a fiftieth of a second's.
    piece: usize,
    every: Duration,
    /// When the next piece may go.
    next: Instant,
    timer: Timer,
}

impl Connection {
    pub fn new(
        socket: Socket,
        manners: &Manners,
        breaker: Rc<Breaker>,
        froze: Rc<Cell<u64>>,
    ) -> Self {
        let pace = manners.bytes_per_second.map(|bytes| {
            let piece = (bytes / 50).max(1);
            Pace {
                piece: usize::try_from(piece).unwrap_or(usize::MAX),
                every: Duration::from_secs_f64(piece as f64 / bytes as f64),
                next: now(),
                timer: Timer::new(),
            }
        });
        Self {
            socket,
            breaker,
            readable: manners.frozen_after.unwrap_or(u64::MAX),
            froze,
            pace,
        }
    }

    fn broken(&self, cx: &Context<'_>) -> io::Result<()> {
        if self.breaker.broken.get() {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        self.breaker.waker.replace(Some(cx.waker().clone()));
        Ok(())
    }

    /// How much may be written now.
    fn allowance(&mut self, cx: &mut Context<'_>) -> Poll<usize> {
        let Some(pace) = &mut self.pace else {
            return Poll::Ready(usize::MAX);
        };
        ready!(pace.timer.poll_until(cx, pace.next));
        Poll::Ready(pace.piece)
    }

    fn wrote(&mut self) {
        if let Some(pace) = &mut self.pace {
            pace.next = now() + pace.every;
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.breaker.broken.get() {
            // A Unix socket has no RST; its peer sees the end.
            let _ = SockRef::from(&self.socket.as_fd()).set_linger(Some(Duration::ZERO));
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.broken(cx)?;
        if self.readable == 0 {
            // Frozen: nothing wakes it but the breaker.
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.socket).poll_read(cx, buffer);
        let read = (buffer.filled().len() - before) as u64;
        self.readable = self.readable.saturating_sub(read);
        if self.readable == 0 {
            self.froze.set(self.froze.get() + 1);
        }
        result
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.broken(cx)?;
        let most = ready!(self.allowance(cx)).min(bytes.len());
        let written = ready!(Pin::new(&mut self.socket).poll_write(cx, &bytes[..most]));
        self.wrote();
        Poll::Ready(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.pace.is_some() {
            let first = slices.iter().find(|slice| !slice.is_empty());
            return self.poll_write(cx, first.map_or(&[], |slice| &**slice));
        }
        self.broken(cx)?;
        Pin::new(&mut self.socket).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
