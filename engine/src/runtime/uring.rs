//! The seam on glommio.
//!
//! glommio's `TcpStream` and `TcpListener` stand for Unix sockets too: they make only `recv`, `send`,
//! `accept` and poll calls, which are the same for both, and its Unix types do not give their
//! descriptor.
//!
//! They serve for readiness. Where they would cost a copy, a memset or one system
//! call per slice, the descriptor is used directly, always with `MSG_DONTWAIT`: it is a blocking
//! one, as glommio expects.

use super::{ReadBuf, context};
use futures_io::{AsyncRead as _, AsyncWrite as _};
use glommio::net::{TcpListener, TcpStream};
use glommio::timer::Timer;
use glommio::{LocalExecutorBuilder, Placement, PoolPlacement, TaskQueueHandle};
use socket2::SockRef;
use std::future::Future;
use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

pub(super) type Sleep = Timer;

/// Registered with each ring for file reads and writes, of which there are none; glommio's default
/// is 10 MiB, its minimum this.
const IO_MEMORY_BYTES: usize = 64 << 10;

/// How long tasks that are ready again and again keep glommio from looking at its sockets and
/// timers; its default is 100 ms. A turn of its reactor costs some microseconds. Not less, because
/// of what [`Watch`] is for.
const TURN_MAX: Duration = Duration::from_millis(10);

pub(super) fn block_on<T>(root: impl Future<Output = T>) -> io::Result<T> {
    block_on_with(TURN_MAX, root)
}

fn block_on_with<T>(turn_max: Duration, root: impl Future<Output = T>) -> io::Result<T> {
    let executor = LocalExecutorBuilder::new(Placement::Unbound)
        .io_memory(IO_MEMORY_BYTES)
        .preempt_timer(turn_max)
        .blocking_thread_pool_placement(PoolPlacement::Unbound(1))
        .make()
        .map_err(io::Error::from)?;
    Ok(executor.run(async move {
        for watch in WATCHES {
            spawn(watch.stand());
        }
        root.await
    }))
}

/// Ends a sleep that should not have begun.
///
/// glommio 0.9 takes a completion that wakes nobody, such as its preemption timer's or a cancelled
/// operation's, for a sign that no task is ready when it arrives after the reactor's turn and before
/// the first task. It sleeps then with ready tasks until the next event, which may never come
/// (mended in the fork at `github.com/glommio/glommio`, pull request 53, not released). A timer
/// that is always set is such an event.
struct Watch {
    /// The longest stall it lets happen while tasks run, and after a time in which none did.
    busy: Duration,
    idle: Duration,
}

/// There are several, because the task of one may be among those that are ready: then the next one
/// ends the sleep. At rest they cost 0.05 % of a core.
const WATCHES: [Watch; 4] = [
    Watch::new(5, 250),
    Watch::new(7, 350),
    Watch::new(1_000, 1_000),
    Watch::new(10_000, 10_000),
];

impl Watch {
    const fn new(busy_millis: u64, idle_millis: u64) -> Self {
        Self {
            busy: Duration::from_millis(busy_millis),
            idle: Duration::from_millis(idle_millis),
        }
    }

    async fn stand(self) {
        let polls = || context::try_current().map_or(0, |context| context.tasks.polls());
        let mut seen = polls();
        loop {
            let idle = seen == polls();
            seen = polls();
            Timer::new(if idle { self.idle } else { self.busy }).await;
        }
    }
}

pub(super) fn spawn(future: impl Future<Output = ()> + 'static) {
    // Not `spawn_local`: it polls the task at once, inside the caller.
    glommio::spawn_local_into(future, TaskQueueHandle::default())
        .expect("the default task queue lives as long as its executor")
        .detach();
}

pub(super) fn sleep(duration: Duration) -> Sleep {
    Timer::new(duration)
}

pub(super) fn poll_sleep(sleep: &mut Sleep, cx: &mut Context<'_>) -> Poll<()> {
    Pin::new(sleep).poll(cx).map(drop)
}

#[derive(Debug)]
pub(super) struct Stream {
    socket: TcpStream,
    /// The last read left the kernel's buffer empty: wait for readiness before reading again.
    drained: bool,
}

impl Stream {
    pub(super) fn from_std(socket: socket2::Socket) -> Self {
        // SAFETY: the descriptor is a connected stream socket, open, and owned by nobody else.
        Self::new(unsafe { TcpStream::from_raw_fd(socket.into_raw_fd()) })
    }

    const fn new(socket: TcpStream) -> Self {
        Self {
            socket,
            drained: false,
        }
    }

    pub(super) fn into_std(self) -> io::Result<socket2::Socket> {
        // glommio gives no descriptor back, so it keeps its own and closes it here.
        self.as_fd().try_clone_to_owned().map(Into::into)
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the stream owns the descriptor and is borrowed for as long as the result.
        unsafe { BorrowedFd::borrow_raw(self.socket.as_raw_fd()) }
    }

    /// Reads once. After a read that did not fill the buffer the next call waits for readiness.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        if buffer.initialized().len() == buffer.capacity() {
            // Nothing to clear: glommio reads here itself, and arms readiness after a short read.
            return self
                .poll_read_initialized(cx, buffer.initialize_unfilled())
                .map_ok(|count| {
                    buffer.advance(count);
                });
        }
        if self.drained {
            // One byte is enough to learn of readiness; it is almost never there already.
            let mut byte = [0];
            match self.poll_read_initialized(cx, &mut byte) {
                Poll::Ready(Ok(count)) => buffer.put_slice(&byte[..count]),
                other => return other.map_ok(drop),
            }
            self.drained = false;
            if buffer.filled().is_empty() || buffer.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            return match self.receive(buffer) {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => Poll::Ready(Err(error)),
                _ => Poll::Ready(Ok(())),
            };
        }
        match self.receive(buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.drained = true;
                self.poll_read(cx, buffer)
            }
            result => Poll::Ready(result),
        }
    }

    /// Receives into memory that need not be initialised.
    fn receive(&mut self, buffer: &mut ReadBuf<'_>) -> io::Result<()> {
        // SAFETY: the slice is only written to, by the kernel, never de-initialised.
        let unfilled = unsafe { buffer.unfilled_mut() };
        let length = unfilled.len();
        let descriptor = self.as_fd();
        let count = SockRef::from(&descriptor).recv_with_flags(unfilled, libc::MSG_DONTWAIT)?;
        self.drained = count < length;
        // SAFETY: the kernel initialised the first `count` bytes.
        unsafe { buffer.assume_init(count) };
        buffer.advance(count);
        Ok(())
    }

    fn poll_read_initialized(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_read(cx, bytes)
    }

    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    /// One `sendmsg`; where it would block, glommio's write of the first slice waits.
    pub(super) fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Some(first) = slices.iter().find(|slice| !slice.is_empty()) else {
            return Poll::Ready(Ok(0));
        };
        // More slices than the kernel takes at once are an error, not a short write.
        let slices_max = slices.len().min(IOV_MAX);
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        let sent =
            SockRef::from(&self.as_fd()).send_vectored_with_flags(&slices[..slices_max], flags);
        match sent {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.poll_write(cx, first),
            result => Poll::Ready(result),
        }
    }
}

/// `UIO_MAXIOV` of Linux.
const IOV_MAX: usize = 1024;

/// A listening socket. glommio's own type for it has no `Debug`.
pub(super) struct Acceptor(TcpListener);

impl Acceptor {
    /// The listener must be a blocking one: the accept operation waits only then.
    pub(super) fn from_std(listener: socket2::Socket) -> Self {
        // SAFETY: the descriptor is a listening stream socket, open, and owned by nobody else.
        Self(unsafe { TcpListener::from_raw_fd(listener.into_raw_fd()) })
    }

    pub(super) async fn accept(&self) -> io::Result<Stream> {
        let stream = Stream::new(self.0.accept().await.map_err(io::Error::from)?);
        // glommio's accept sets no flags; a program this process starts must not inherit it.
        SockRef::from(&stream.as_fd()).set_cloexec(true)?;
        Ok(stream)
    }
}

/// Connects over TCP. Dropping the future cancels the attempt.
pub(super) async fn connect_tcp(address: std::net::SocketAddr) -> io::Result<Stream> {
    let socket = TcpStream::connect(address).await.map_err(io::Error::from)?;
    Ok(Stream::new(socket))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With a preemption timer this short glommio alone stalls within a second.
    #[test]
    fn ready_tasks_do_not_sleep_for_good() {
        const ROUNDS: u32 = 2_000;
        let rounds = block_on_with(Duration::from_micros(30), async {
            let mut rounds = 0;
            while rounds < ROUNDS {
                Timer::new(Duration::from_micros(20)).await;
                rounds += 1;
            }
            rounds
        });
        assert_eq!(rounds.expect("io_uring"), ROUNDS);
    }
}
