//! A connected socket on either executor, as tokio's I/O traits, which h2 and hyper ask for.

use super::{RuntimeKind, kind};
use crate::exchange::Address;
use futures_io::{AsyncRead as _, AsyncWrite as _};
use socket2::{Domain, Protocol, SockAddr, Type};
use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How long written data may stay unacknowledged by the peer's kernel before the connection is
/// taken for dead: the time a keepalive PING would take to find it out.
const USER_TIMEOUT: Duration = Duration::from_secs(20);

/// A stream socket, TCP or Unix.
#[derive(Debug)]
pub enum Socket {
    /// glommio's stream does nothing that is TCP's alone; it serves Unix sockets as well.
    Uring(glommio::net::TcpStream),
    Tcp(tokio::net::TcpStream),
    Unix(tokio::net::UnixStream),
}

impl Socket {
    /// Takes over a connected, non-blocking socket.
    pub fn from_std(socket: socket2::Socket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let is_unix = socket.local_addr()?.is_unix();
        if !is_unix {
            socket.set_tcp_nodelay(true)?;
            socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
        }
        match kind() {
            RuntimeKind::Uring => {
                // SAFETY: the descriptor is a socket that nobody else owns from here on.
                let stream = unsafe { FromRawFd::from_raw_fd(socket.into_raw_fd()) };
                Ok(Self::Uring(stream))
            }
            RuntimeKind::Epoll if is_unix => {
                Ok(Self::Unix(tokio::net::UnixStream::from_std(socket.into())?))
            }
            RuntimeKind::Epoll => Ok(Self::Tcp(tokio::net::TcpStream::from_std(socket.into())?)),
        }
    }
}

/// Connects. Bounding the time is the caller's.
pub async fn connect(address: &Address) -> io::Result<Socket> {
    match address {
        Address::Unix(path) => {
            let socket = socket2::Socket::new(Domain::UNIX, Type::STREAM, None)?;
            // A local connect is done at once; with a full backlog it is an error, not a wait.
            socket.set_nonblocking(true)?;
            socket.connect(&SockAddr::unix(path)?)?;
            Socket::from_std(socket)
        }
        Address::Tcp(address) => match kind() {
            RuntimeKind::Uring => {
                let stream = glommio::net::TcpStream::connect(*address).await?;
                stream.set_nodelay(true)?;
                Ok(Socket::Uring(stream))
            }
            RuntimeKind::Epoll => {
                let domain = Domain::for_address(*address);
                let socket = socket2::Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
                socket.set_nonblocking(true)?;
                socket.set_tcp_nodelay(true)?;
                socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
                let socket = tokio::net::TcpSocket::from_std_stream(socket.into());
                Ok(Socket::Tcp(socket.connect(*address).await?))
            }
        },
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Uring(stream) => {
                match recv(stream.as_raw_fd(), buf) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    done => return Poll::Ready(done),
                }
                // Nothing there: glommio waits for readiness only within a read of its own, which
                // may still find the first byte.
                let mut byte = [0];
                let read = ready!(Pin::new(stream).poll_read(cx, &mut byte))?;
                buf.put_slice(&byte[..read]);
                Poll::Ready(Ok(()))
            }
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Uring(stream) => {
                // glommio's stream has no vectored write; sendmsg on its descriptor is one.
                match send(stream.as_raw_fd(), slices) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    done => return Poll::Ready(done),
                }
                let first = slices.iter().find(|slice| !slice.is_empty());
                let first: &[u8] = first.map_or(&[], |slice| slice);
                Pin::new(stream).poll_write(cx, first)
            }
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Written is in the kernel's hands.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Uring(stream) => {
                // SAFETY: the descriptor is the stream's, which is borrowed.
                let result = unsafe { libc::shutdown(stream.as_raw_fd(), libc::SHUT_WR) };
                let error = io::Error::last_os_error();
                let gone = error.raw_os_error() == Some(libc::ENOTCONN);
                Poll::Ready(if result == 0 || gone {
                    Ok(())
                } else {
                    Err(error)
                })
            }
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// Receives into the unfilled part of `buf`, without waiting and without zeroing it first.
fn recv(fd: RawFd, buf: &mut ReadBuf<'_>) -> io::Result<()> {
    // SAFETY: recv writes only initialised bytes, and the slice is not read before.
    let unfilled = unsafe { buf.unfilled_mut() };
    // SAFETY: the pointer and length are those of a live, writable slice.
    let read = unsafe {
        libc::recv(
            fd,
            unfilled.as_mut_ptr().cast(),
            unfilled.len(),
            libc::MSG_DONTWAIT,
        )
    };
    let Ok(read) = usize::try_from(read) else {
        return Err(io::Error::last_os_error());
    };
    // SAFETY: recv has written the first `read` bytes of the unfilled part.
    unsafe { buf.assume_init(read) };
    buf.advance(read);
    Ok(())
}

/// Sends as much of the slices as the socket takes at once.
fn send(fd: RawFd, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    // SAFETY: an all-zero msghdr is an empty message.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    // IoSlice is guaranteed to have the layout of iovec; sendmsg does not write through it.
    message.msg_iov = slices.as_ptr().cast_mut().cast();
    message.msg_iovlen = slices.len().min(libc::UIO_MAXIOV as usize);
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: `message` points to live slices.
    let sent = unsafe { libc::sendmsg(fd, &raw const message, flags) };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}
