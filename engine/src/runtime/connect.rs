//! Outgoing connections.

use super::socket::Socket;
use super::{RuntimeKind, context, epoll, sleep, uring};
use crate::exchange::Address;
use socket2::{Domain, SockAddr, Type};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

/// Connects. Bounding the time is the caller's: see [`timeout`](super::timeout). Dropping the
/// future gives up at once.
pub async fn connect(address: &Address) -> io::Result<Socket> {
    match address {
        Address::Tcp(address) => connect_tcp(*address).await,
        Address::Unix(path) => connect_unix(path).await,
    }
}

async fn connect_tcp(address: SocketAddr) -> io::Result<Socket> {
    match context::current().kind {
        RuntimeKind::Uring => Socket::from_uring(uring::connect_tcp(address).await?),
        RuntimeKind::Epoll => Socket::from_epoll(epoll::connect_tcp(address).await?),
    }
}

/// A Unix socket connects at once or not at all; a full backlog can only be asked again.
async fn connect_unix(path: &Path) -> io::Result<Socket> {
    const BACKLOG_FULL_PAUSE: Duration = Duration::from_millis(20);
    let address = SockAddr::unix(path)?;
    loop {
        let kind = Type::STREAM.nonblocking().cloexec();
        let socket = socket2::Socket::new(Domain::UNIX, kind, None)?;
        match socket.connect(&address) {
            Ok(()) => return Socket::from_std(socket),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                sleep(BACKLOG_FULL_PAUSE).await;
            }
            Err(error) => return Err(error),
        }
    }
}
