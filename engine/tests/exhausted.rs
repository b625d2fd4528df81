//! A process that has no descriptor left. In a binary of its own: the limit is the process's.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::time::Duration;
use tailrace_engine::exchange::Address;
use tailrace_engine::runtime::{
    self, Acceptor, AsyncRead, ReadBuf, RuntimeKind, Socket, connect, timeout,
};

const WAITING: usize = 20;

/// Senders that wait are refused at once and counted, and with descriptors back all is as before.
#[test]
fn without_descriptors_senders_are_refused_and_later_served() {
    for kind in RuntimeKind::ALL {
        if kind == RuntimeKind::Uring
            && let Err(blocked) = runtime::probe()
        {
            eprintln!("only on epoll: {blocked}");
            continue;
        }
        runtime::run(kind, None, scenario).unwrap();
    }
}

async fn scenario() {
    let any_port = Address::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)));
    let bound = runtime::bind(&any_port, 1).unwrap();
    let acceptor = Acceptor::new(bound.sockets.into_iter().next().unwrap()).unwrap();
    let mut senders = Vec::new();
    for _ in 0..WAITING {
        senders.push(connect(&bound.address).await.unwrap());
    }
    let before = set_descriptors_max(next_descriptor());
    // Several pauses long: a second round of refusals finds nobody and does no harm.
    let accepted = timeout(Duration::from_millis(200), acceptor.accept()).await;
    assert!(accepted.is_err(), "{accepted:?}");
    assert_eq!(acceptor.refused(), WAITING as u64);
    for sender in &mut senders {
        assert!(is_closed(sender).await);
    }
    set_descriptors_max(before);
    let _sender = connect(&bound.address).await.unwrap();
    let served = timeout(Duration::from_secs(30), acceptor.accept()).await;
    assert!(served.is_ok());
    assert_eq!(acceptor.refused(), WAITING as u64);
}

async fn is_closed(socket: &mut Socket) -> bool {
    let mut byte = [0];
    let mut buffer = ReadBuf::new(&mut byte);
    let read = poll_fn(|cx| Pin::new(&mut *socket).poll_read(cx, &mut buffer)).await;
    read.is_err() || buffer.filled().is_empty()
}

/// The number that the next descriptor will have: the system takes the lowest that is free.
fn next_descriptor() -> u64 {
    let next = std::fs::File::open("/dev/null").unwrap();
    u64::try_from(next.as_raw_fd()).unwrap()
}

/// Returns the limit before.
fn set_descriptors_max(max: u64) -> u64 {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is a valid rlimit, and written here.
    let got = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    let before = std::mem::replace(&mut limit.rlim_cur, max);
    // SAFETY: `limit` is a valid rlimit, and only read.
    let set = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
    assert_eq!((got, set), (0, 0));
    before
}
