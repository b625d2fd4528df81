//! Listening sockets: bound once by the control thread, accepted from by the shards.

use super::socket::Socket;
use super::{RuntimeKind, context, epoll, sleep, uring};
use crate::exchange::Address;
use socket2::{Domain, SockAddr, Type};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Connections the kernel keeps for us until a shard accepts them; it caps this at
/// `net.core.somaxconn`, 4096 by default.
const BACKLOG: i32 = 4096;

/// One listening socket a shard, on one address.
#[derive(Debug)]
pub struct Bound {
    /// With the port the system chose, where 0 was asked for.
    pub address: Address,
    /// TCP: one for each shard, the kernel spreads connections over them. Unix: one, whose acceptor
    /// hands connections on.
    pub sockets: Vec<socket2::Socket>,
}

/// Binds and listens, for `shards` shards. A Unix socket's file is replaced if nobody answers there.
///
/// Errors: the system's. `AddrInUse` also where another process shares its port: a second instance
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
    trial.bind(&address.into())?;
    let resolved = trial.local_addr()?.as_socket().unwrap_or(address);
    drop(trial);
    let mut sockets = Vec::with_capacity(shards);
    for _ in 0..shards {
        let socket = tcp_socket(resolved)?;
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
    let domain = Domain::for_address(address);
    let socket = socket2::Socket::new(domain, Type::STREAM.cloexec(), None)?;
    // A restart may bind while connections of the last run are in TIME_WAIT.
    socket.set_reuse_address(true)?;
    Ok(socket)
}

fn bind_unix(path: &Path) -> io::Result<Bound> {
    remove_stale(path)?;
    let socket = socket2::Socket::new(Domain::UNIX, Type::STREAM.cloexec(), None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    socket.listen(BACKLOG)?;
    Ok(Bound {
        address: Address::Unix(path.to_owned()),
        sockets: vec![socket],
    })
}

/// Removes a socket file that a killed process left. Anything else at the path stays.
fn remove_stale(path: &Path) -> io::Result<()> {
    match path.symlink_metadata() {
        Ok(file) if file.file_type().is_socket() => {}
        // Nothing, or something that is not ours to remove: `bind` says so.
        _ => return Ok(()),
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path)
        }
        // Somebody listens, or may, with a full backlog: `bind` says that the address is in use.
        _ => Ok(()),
    }
}

/// A shard's end of a listening socket.
///
/// When the process has no descriptor left, a spare one is given up to close the connections that
/// wait, so that their senders learn of it at once instead of hanging in the backlog, and accepting
/// pauses: see [`Acceptor::refused`].
pub struct Acceptor {
    inner: Inner,
    /// The same socket once more, for accepting without the executor.
    same: socket2::Socket,
    spare: RefCell<Option<File>>,
    refused: Cell<u64>,
}

enum Inner {
    Uring(uring::Acceptor),
    Epoll(epoll::Acceptor),
}

/// How long accepting rests when descriptors or memory ran out: long enough to cost nothing, short
/// enough that a sender does not notice once there is room again.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(50);
/// Connections refused in one go: bounds the work between two pauses.
const REFUSED_AT_ONCE_MAX: usize = 256;

impl Acceptor {
    /// Gives a listening socket to this thread's executor. Panics outside [`run`](super::run).
    ///
    /// Costs two more descriptors than the socket itself.
    pub fn new(socket: socket2::Socket) -> io::Result<Self> {
        let kind = context::current().kind;
        socket.set_nonblocking(kind == RuntimeKind::Epoll)?;
        let same = socket.try_clone()?;
        let inner = match kind {
            RuntimeKind::Uring => Inner::Uring(uring::Acceptor::from_std(socket)),
            RuntimeKind::Epoll => Inner::Epoll(epoll::Acceptor::from_std(socket)?),
        };
        Ok(Self {
            inner,
            same,
            spare: RefCell::new(spare()),
            refused: Cell::new(0),
        })
    }

    /// Where it listens; `None` for a Unix socket.
    pub fn local_address(&self) -> Option<SocketAddr> {
        self.same.local_addr().ok()?.as_socket()
    }

    /// Connections closed unheard because the process had no descriptor for them.
    pub fn refused(&self) -> u64 {
        self.refused.get()
    }

    /// The next connection. Errors that concern one connection, and exhaustion, are dealt with here.
    ///
    /// Dropping the future loses no connection.
    pub async fn accept(&self) -> Socket {
        loop {
            let accepted = match &self.inner {
                Inner::Uring(inner) => inner.accept().await.and_then(Socket::from_uring),
                Inner::Epoll(inner) => inner.accept().await.and_then(Socket::from_epoll),
            };
            match accepted {
                Ok(socket) => return socket,
                Err(error) if concerns_one_connection(&error) => {}
                Err(error) => {
                    tracing::debug!(%error, "accept failed");
                    self.refuse_waiting();
                    sleep(EXHAUSTED_PAUSE).await;
                }
            }
        }
    }

    fn refuse_waiting(&self) {
        // The descriptor freed here is the one each refused connection passes through.
        drop(self.spare.borrow_mut().take());
        // glommio's accept operation would fail on a non-blocking socket instead of waiting.
        let blocking = matches!(self.inner, Inner::Uring(_));
        if !blocking || self.same.set_nonblocking(true).is_ok() {
            let waiting = (0..REFUSED_AT_ONCE_MAX).take_while(|_| self.same.accept().is_ok());
            self.refused
                .set(self.refused.get() + waiting.count() as u64);
            // It was settable a moment ago; a listener that stays so accepts by pauses.
            let _ = self.same.set_nonblocking(!blocking);
        }
        *self.spare.borrow_mut() = spare();
    }
}

fn spare() -> Option<File> {
    File::open("/dev/null").ok()
}

/// Source: <https://man7.org/linux/man-pages/man2/accept.2.html>, "Error handling". `EINVAL` and
/// `ENOTCONN` come from setting options on a connection that is gone again.
fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::ECONNABORTED
                | libc::ECONNRESET
                | libc::EINTR
                | libc::EAGAIN
                | libc::EPERM
                | libc::EPROTO
                | libc::EINVAL
                | libc::ENOTCONN
                | libc::ENETDOWN
                | libc::ENETUNREACH
                | libc::EHOSTDOWN
                | libc::EHOSTUNREACH
                | libc::ENONET
        )
    )
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor")
            .field("same", &self.same)
            .finish_non_exhaustive()
    }
}
