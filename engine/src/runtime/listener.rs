//! Listening sockets: bound once by the control thread, accepted from by the shards.

use super::{RuntimeKind, Socket, Timer, kind, now};
use crate::exchange::Address;
use socket2::{Domain, SockAddr, Type};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::time::Duration;
use tokio::io::unix::AsyncFd;

/// Connections the kernel keeps for us until a shard accepts them.
const BACKLOG: i32 = 1024;

/// After a failed accept: long enough that a process out of descriptors does not spin, short
/// enough that a sender does not notice.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// One listening socket a shard, on one address.
#[derive(Debug)]
pub struct Bound {
    /// With the port the system chose, where 0 was asked for.
    pub address: Address,
    /// TCP: one for each shard, the kernel spreads connections over them. Unix: one, for shard 0.
    pub sockets: Vec<socket2::Socket>,
}

/// Binds and listens, for `shards` shards.
///
/// Errors: `AddrInUse` also where another process listens with SO_REUSEPORT: a second instance
/// would otherwise take half of the connections in silence.
pub fn bind(address: &Address, shards: usize) -> io::Result<Bound> {
    match address {
        Address::Tcp(address) => bind_tcp(*address, shards),
        Address::Unix(path) => bind_unix(path),
    }
}

fn bind_tcp(address: SocketAddr, shards: usize) -> io::Result<Bound> {
    // Without SO_REUSEPORT first: this fails where any other socket listens there.
    let trial = tcp_socket(address)?;
    trial.set_reuse_address(true)?;
    trial.bind(&address.into())?;
    let resolved = trial.local_addr()?.as_socket().unwrap_or(address);
    drop(trial);
    let mut sockets = Vec::with_capacity(shards);
    for _ in 0..shards {
        let socket = tcp_socket(resolved)?;
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(true)?;
        socket.bind(&resolved.into())?;
        socket.listen(BACKLOG)?;
        sockets.push(socket);
    }
    Ok(Bound {
        address: Address::Tcp(resolved),
        sockets,
    })
}

fn tcp_socket(address: SocketAddr) -> io::Result<socket2::Socket> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// A socket file that nobody listens on any more is what a killed process left: it is replaced.
fn bind_unix(path: &Path) -> io::Result<Bound> {
    let address = SockAddr::unix(path)?;
    let is_socket = path
        .symlink_metadata()
        .is_ok_and(|file| file.file_type().is_socket());
    if is_socket {
        let trial = socket2::Socket::new(Domain::UNIX, Type::STREAM, None)?;
        match trial.connect(&address) {
            Ok(()) => return Err(io::ErrorKind::AddrInUse.into()),
            Err(_) => std::fs::remove_file(path)?,
        }
    }
    let socket = socket2::Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address)?;
    socket.listen(BACKLOG)?;
    Ok(Bound {
        address: Address::Unix(path.to_owned()),
        sockets: vec![socket],
    })
}

/// A shard's end of a listening socket.
#[derive(Debug)]
pub enum Acceptor {
    Uring(glommio::net::TcpListener),
    Epoll(AsyncFd<socket2::Socket>),
}

impl Acceptor {
    /// Takes over a listening socket, on this thread's executor.
    pub fn new(socket: socket2::Socket) -> io::Result<Self> {
        match kind() {
            RuntimeKind::Uring => {
                // SAFETY: the descriptor is a listening socket that nobody else owns from here on.
                let listener = unsafe { FromRawFd::from_raw_fd(socket.into_raw_fd()) };
                Ok(Self::Uring(listener))
            }
            RuntimeKind::Epoll => {
                // SAFETY: the socket owns its descriptor and does not change it while it lives.
                Ok(Self::Epoll(unsafe { AsyncFd::register(socket)? }))
            }
        }
    }

    /// The next connection. Errors that pass (no descriptors, a sender that left again) are waited
    /// out here.
    pub async fn accept(&self) -> Socket {
        loop {
            let accepted = self.accept_raw().await.and_then(Socket::from_std);
            match accepted {
                Ok(socket) => return socket,
                Err(error) => {
                    tracing::debug!(%error, "accept failed");
                    Timer::until(now() + ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn accept_raw(&self) -> io::Result<socket2::Socket> {
        match self {
            Self::Uring(listener) => {
                let stream = listener.accept().await?;
                // SAFETY: `dup` gives a descriptor of our own; glommio closes its.
                let socket = unsafe { libc::dup(stream.as_raw_fd()) };
                if socket < 0 {
                    return Err(io::Error::last_os_error());
                }
                // SAFETY: the descriptor was just made and nobody else owns it.
                Ok(unsafe { socket2::Socket::from_raw_fd(socket) })
            }
            Self::Epoll(listener) => {
                let accept = |listener: &socket2::Socket| listener.accept();
                let (socket, _) = listener
                    .async_io(tokio::io::Interest::READABLE, accept)
                    .await?;
                Ok(socket)
            }
        }
    }
}
