//! The seam on tokio's current-thread runtime.

use super::{AsyncRead, AsyncWrite, ReadBuf};
use std::future::Future;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

pub(super) type Sleep = Pin<Box<tokio::time::Sleep>>;

pub(super) fn block_on<T>(root: impl Future<Output = T>) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()?;
    Ok(tokio::task::LocalSet::new().block_on(&runtime, root))
}

pub(super) fn spawn(future: impl Future<Output = ()> + 'static) {
    tokio::task::spawn_local(future);
}

pub(super) fn sleep(duration: Duration) -> Sleep {
    Box::pin(tokio::time::sleep(duration))
}

pub(super) fn poll_sleep(sleep: &mut Sleep, cx: &mut Context<'_>) -> Poll<()> {
    sleep.as_mut().poll(cx)
}

#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    pub(super) fn from_std(socket: socket2::Socket, is_unix: bool) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        if is_unix {
            UnixStream::from_std(socket.into()).map(Self::Unix)
        } else {
            TcpStream::from_std(socket.into()).map(Self::Tcp)
        }
    }

    pub(super) fn into_std(self) -> io::Result<socket2::Socket> {
        match self {
            Self::Tcp(stream) => stream.into_std().map(Into::into),
            Self::Unix(stream) => stream.into_std().map(Into::into),
        }
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }

    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }

    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    pub(super) fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }
}

/// Connects over TCP. Dropping the future gives up.
pub(super) async fn connect_tcp(address: std::net::SocketAddr) -> io::Result<Stream> {
    TcpStream::connect(address).await.map(Stream::Tcp)
}

#[derive(Debug)]
pub(super) enum Acceptor {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Acceptor {
    /// The listener must be a non-blocking one.
    pub(super) fn from_std(listener: socket2::Socket) -> io::Result<Self> {
        if listener.local_addr()?.is_unix() {
            UnixListener::from_std(listener.into()).map(Self::Unix)
        } else {
            TcpListener::from_std(listener.into()).map(Self::Tcp)
        }
    }

    pub(super) async fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(listener) => Ok(Stream::Tcp(listener.accept().await?.0)),
            Self::Unix(listener) => Ok(Stream::Unix(listener.accept().await?.0)),
        }
    }
}
