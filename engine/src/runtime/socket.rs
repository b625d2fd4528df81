//! A connected stream socket, TCP or Unix, on either executor.

use super::{AsyncRead, AsyncWrite, ReadBuf, RuntimeKind, context, epoll, uring};
use socket2::SockRef;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// A stream of bytes to a peer. Reads and writes go straight to the descriptor; the executor is
/// asked only when the kernel would block. Vectored writes are one system call.
///
/// Dropping it closes the connection. May outlive neither its thread nor the [`run`](super::run).
#[derive(Debug)]
pub struct Socket(Inner);

#[derive(Debug)]
enum Inner {
    Uring(uring::Stream),
    Epoll(epoll::Stream),
}

/// Options of a TCP connection. On a Unix socket they have no meaning and are not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpOptions {
    /// Send small segments at once: what is worth waiting for is gathered above.
    pub nodelay: bool,
    /// Give up on sent data that is not acknowledged for this long; `None`: the system's patience,
    /// about 15 minutes.
    ///
    /// Without a `keepalive` it is the only way to learn of a peer that vanished with data on the
    /// way to it.
    pub user_timeout: Option<Duration>,
    pub keepalive: Option<TcpKeepalive>,
}

/// Probes of the kernel on an idle TCP connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpKeepalive {
    /// First probe after this long without traffic; whole seconds.
    pub idle: Duration,
    /// Between probes; whole seconds.
    pub interval: Duration,
    /// Unanswered probes that end the connection.
    pub retries: u32,
}

/// The time a keepalive PING would take to find out that a peer is dead.
const USER_TIMEOUT: Duration = Duration::from_secs(20);

impl Default for TcpOptions {
    fn default() -> Self {
        Self {
            nodelay: true,
            user_timeout: Some(USER_TIMEOUT),
            keepalive: None,
        }
    }
}

impl Socket {
    /// Gives a connected socket to this thread's executor and sets the default [`TcpOptions`].
    /// This is how a connection comes from another shard.
    ///
    /// Panics outside [`run`](super::run).
    pub fn from_std(socket: socket2::Socket) -> io::Result<Self> {
        let is_unix = socket.local_addr()?.is_unix();
        let inner = match context::current().kind {
            RuntimeKind::Uring => Inner::Uring(uring::Stream::from_std(socket)),
            RuntimeKind::Epoll => Inner::Epoll(epoll::Stream::from_std(socket, is_unix)?),
        };
        Self::new(inner, is_unix)
    }

    fn new(inner: Inner, is_unix: bool) -> io::Result<Self> {
        let socket = Self(inner);
        if !is_unix {
            socket.set_options(&TcpOptions::default())?;
        }
        Ok(socket)
    }

    /// Takes the socket away from the executor, to give it to another one.
    ///
    /// Bytes already in the kernel stay there. Costs a descriptor for a moment.
    pub fn into_std(self) -> io::Result<socket2::Socket> {
        match self.0 {
            Inner::Uring(stream) => stream.into_std(),
            Inner::Epoll(stream) => stream.into_std(),
        }
    }

    /// The peer's address; `None` for a Unix socket.
    pub fn peer_address(&self) -> Option<SocketAddr> {
        SockRef::from(&self.as_fd()).peer_addr().ok()?.as_socket()
    }

    /// The address the peer connected to; `None` for a Unix socket.
    pub fn local_address(&self) -> Option<SocketAddr> {
        SockRef::from(&self.as_fd()).local_addr().ok()?.as_socket()
    }

    /// The kernel's measure of the round trip, the handshake's to begin with; `None` for a Unix
    /// socket.
    pub fn round_trip(&self) -> Option<Duration> {
        // SAFETY: all of `tcp_info` is integers, for which zero is a value.
        let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
        let mut length = libc::socklen_t::try_from(size_of_val(&info)).ok()?;
        // SAFETY: the descriptor is open while `self` is borrowed; the kernel writes at most
        // `length` bytes to `info`, and to `length` how many there were.
        let result = unsafe {
            libc::getsockopt(
                self.as_fd().as_raw_fd(),
                libc::IPPROTO_TCP,
                libc::TCP_INFO,
                (&raw mut info).cast(),
                &raw mut length,
            )
        };
        let measured = result == 0 && info.tcpi_rtt > 0;
        measured.then(|| Duration::from_micros(info.tcpi_rtt.into()))
    }

    /// Sets the options of a TCP connection. A Unix socket has none: nothing is done.
    pub fn set_options(&self, options: &TcpOptions) -> io::Result<()> {
        if self.local_address().is_none() {
            return Ok(());
        }
        let descriptor = self.as_fd();
        let socket = SockRef::from(&descriptor);
        socket.set_tcp_nodelay(options.nodelay)?;
        socket.set_tcp_user_timeout(options.user_timeout)?;
        if let Some(keepalive) = &options.keepalive {
            socket.set_tcp_keepalive(
                &socket2::TcpKeepalive::new()
                    .with_time(keepalive.idle)
                    .with_interval(keepalive.interval)
                    .with_retries(keepalive.retries),
            )?;
        }
        Ok(())
    }

    pub(super) fn from_uring(stream: uring::Stream) -> io::Result<Self> {
        let is_unix = SockRef::from(&stream.as_fd()).local_addr()?.is_unix();
        Self::new(Inner::Uring(stream), is_unix)
    }

    pub(super) fn from_epoll(stream: epoll::Stream) -> io::Result<Self> {
        let is_unix = matches!(stream, epoll::Stream::Unix(_));
        Self::new(Inner::Epoll(stream), is_unix)
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.0 {
            Inner::Uring(stream) => stream.as_fd(),
            Inner::Epoll(stream) => stream.as_fd(),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Inner::Uring(stream) => stream.poll_read(cx, buffer),
            Inner::Epoll(stream) => stream.poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Inner::Uring(stream) => stream.poll_write(cx, bytes),
            Inner::Epoll(stream) => stream.poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Inner::Uring(stream) => stream.poll_write_vectored(cx, slices),
            Inner::Epoll(stream) => stream.poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// The kernel takes bytes at once; there is nothing to flush.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Sends the end of the stream; reading goes on.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let descriptor = self.as_fd();
        match SockRef::from(&descriptor).shutdown(std::net::Shutdown::Write) {
            // The peer was faster: what was asked for is so already.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Poll::Ready(Ok(())),
            result => Poll::Ready(result),
        }
    }
}
