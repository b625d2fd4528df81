//! Sockets, listeners and connecting.

use super::*;
use socket2::SockRef;
use std::net::SocketAddr;

fn loopback() -> Address {
    Address::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)))
}

/// A listener on a free port or a fresh path, and the address to connect to.
fn listen(address: &Address) -> (Acceptor, Address) {
    let mut bound = bind(address, 1).unwrap();
    (
        Acceptor::new(bound.sockets.remove(0)).unwrap(),
        bound.address,
    )
}

/// Connects to what listens in the same test.
async fn join(address: &Address) -> Socket {
    timeout(Duration::from_secs(30), connect(address))
        .await
        .unwrap()
        .unwrap()
}

async fn connected(address: &Address) -> (Socket, Socket) {
    let (listener, address) = listen(address);
    let client = join(&address).await;
    (client, listener.accept().await)
}

async fn read_some(socket: &mut Socket, bytes: &mut [u8]) -> io::Result<usize> {
    let mut buffer = ReadBuf::new(bytes);
    poll_fn(|cx| Pin::new(&mut *socket).poll_read(cx, &mut buffer)).await?;
    Ok(buffer.filled().len())
}

/// Reads into memory that was never initialised, as h2 does.
async fn read_uninitialized(socket: &mut Socket, capacity: usize) -> io::Result<Vec<u8>> {
    let mut memory = vec![std::mem::MaybeUninit::uninit(); capacity];
    let mut buffer = ReadBuf::uninit(&mut memory);
    poll_fn(|cx| Pin::new(&mut *socket).poll_read(cx, &mut buffer)).await?;
    Ok(buffer.filled().to_vec())
}

async fn write_all(socket: &mut Socket, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        // Many slices, some empty, more than the kernel takes at once.
        let slices: Vec<_> = bytes
            .chunks(7_001)
            .flat_map(|c| [IoSlice::new(&[]), IoSlice::new(c)])
            .collect();
        let written = poll_fn(|cx| Pin::new(&mut *socket).poll_write_vectored(cx, &slices)).await?;
        bytes = &bytes[written..];
    }
    Ok(())
}

async fn shut_down(socket: &mut Socket) {
    poll_fn(|cx| Pin::new(&mut *socket).poll_shutdown(cx))
        .await
        .unwrap();
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n * 31 + n / 251) as u8).collect()
}

async fn echo(mut socket: Socket) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        match read_some(&mut socket, &mut buffer).await {
            Ok(0) | Err(_) => return shut_down(&mut socket).await,
            Ok(count) => write_all(&mut socket, &buffer[..count]).await.unwrap(),
        }
    }
}

/// Sends far more than the kernel buffers while nobody reads at first, so that writes wait too.
async fn large_data_comes_back(address: Address) {
    let (client, server) = connected(&address).await;
    spawn(echo(server));
    let sent = Rc::new(pattern(12 << 20));
    let expected = Rc::clone(&sent);
    let client = Rc::new(RefCell::new(client));
    let writer = Rc::clone(&client);
    spawn(async move {
        let mut done = 0;
        while done < sent.len() {
            let slices: Vec<_> = sent[done..].chunks(9_999).map(IoSlice::new).collect();
            done +=
                poll_fn(|cx| Pin::new(&mut *writer.borrow_mut()).poll_write_vectored(cx, &slices))
                    .await
                    .unwrap();
        }
    });
    // A slow reader's start: both directions fill up.
    sleep(Duration::from_millis(20)).await;
    let mut received = Vec::new();
    let mut turn = 0;
    while received.len() < expected.len() {
        turn += 1;
        let mut memory = vec![std::mem::MaybeUninit::uninit(); 100_000];
        let mut initialized = vec![0; 50_000];
        let mut buffer = if turn % 2 == 0 {
            ReadBuf::uninit(&mut memory)
        } else {
            ReadBuf::new(&mut initialized)
        };
        poll_fn(|cx| Pin::new(&mut *client.borrow_mut()).poll_read(cx, &mut buffer))
            .await
            .unwrap();
        assert!(
            !buffer.filled().is_empty(),
            "ended early at {}",
            received.len()
        );
        received.extend_from_slice(buffer.filled());
    }
    assert!(received == *expected);
}

#[test]
fn large_data_comes_back_over_tcp() {
    on_each(|| large_data_comes_back(loopback()));
}

#[test]
fn large_data_comes_back_over_a_unix_socket() {
    on_each(async || {
        let path = temporary("echo");
        large_data_comes_back(Address::Unix(path.clone())).await;
        std::fs::remove_file(path).unwrap();
    });
}

#[test]
fn byte_by_byte_and_end_of_stream() {
    on_each(async || {
        let (mut client, mut server) = connected(&loopback()).await;
        for n in 0..100_u8 {
            write_all(&mut client, &[n, n + 1]).await.unwrap();
            let mut read = Vec::new();
            while read.len() < 2 {
                read.extend(read_uninitialized(&mut server, 1).await.unwrap());
            }
            assert_eq!(read, [n, n + 1]);
        }
        shut_down(&mut client).await;
        assert!(
            read_uninitialized(&mut server, 10)
                .await
                .unwrap()
                .is_empty()
        );
        // The other direction is still open.
        write_all(&mut server, b"bye").await.unwrap();
        drop(server);
        let mut buffer = [0; 10];
        assert_eq!(read_some(&mut client, &mut buffer).await.unwrap(), 3);
        assert_eq!(read_some(&mut client, &mut buffer).await.unwrap(), 0);
    });
}

#[test]
fn a_task_that_is_always_ready_does_not_keep_sockets_and_timers_waiting() {
    on_each(async || {
        let (mut client, server) = connected(&loopback()).await;
        spawn(echo(server));
        let busy = spawn(async {
            loop {
                yield_now().await;
            }
        });
        for _ in 0..10 {
            sleep(Duration::from_millis(1)).await;
            write_all(&mut client, b"ping").await.unwrap();
            assert_eq!(read_uninitialized(&mut client, 9).await.unwrap(), b"ping");
        }
        busy.cancel();
    });
}

#[test]
fn many_connections_at_once() {
    on_each(async || {
        const COUNT: usize = 200;
        let (listener, address) = listen(&loopback());
        spawn(async move {
            loop {
                spawn(echo(listener.accept().await));
            }
        });
        let done = Rc::new(Cell::new(0));
        for n in 0..COUNT {
            let (address, done) = (address.clone(), Rc::clone(&done));
            spawn(async move {
                let mut socket = join(&address).await;
                let message = pattern(1000 + n);
                for _ in 0..10 {
                    write_all(&mut socket, &message).await.unwrap();
                    let mut received = Vec::new();
                    let mut buffer = [0; 777];
                    while received.len() < message.len() {
                        let count = read_some(&mut socket, &mut buffer).await.unwrap();
                        received.extend_from_slice(&buffer[..count]);
                    }
                    assert!(received == message);
                }
                done.set(done.get() + 1);
            });
        }
        while done.get() < COUNT {
            sleep(Duration::from_millis(1)).await;
        }
    });
}

#[test]
fn a_socket_passes_between_executors_with_its_unread_bytes() {
    for (from, to) in [(0, 1), (1, 0)] {
        let kinds = kinds();
        let kind = |n: usize| kinds[n % kinds.len()];
        let (handed, mut client) = run(kind(from), None, || async {
            let (client, mut server) = connected(&loopback()).await;
            let client = client.into_std().unwrap();
            // A read that is pending when the socket leaves must not disturb its new owner.
            let read = timeout(Duration::from_millis(2), read_uninitialized(&mut server, 8)).await;
            assert_eq!(read.unwrap_err(), Elapsed);
            (server.into_std().unwrap(), client)
        })
        .unwrap();
        client.set_nonblocking(false).unwrap();
        io::Write::write_all(&mut client, b"waiting").unwrap();
        run(kind(to), None, || async move {
            let mut server = Socket::from_std(handed).unwrap();
            assert_eq!(
                read_uninitialized(&mut server, 100).await.unwrap(),
                b"waiting"
            );
            write_all(&mut server, b"answer").await.unwrap();
        })
        .unwrap();
        let mut answer = [0; 6];
        io::Read::read_exact(&mut client, &mut answer).unwrap();
        assert_eq!(&answer, b"answer");
    }
}

#[test]
fn a_refused_connection_and_one_nobody_answers() {
    on_each(async || {
        let (listener, address) = listen(&loopback());
        drop(listener);
        let error = connect(&address).await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ECONNREFUSED));
        let missing = Address::Unix(temporary("missing"));
        let error = connect(&missing).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        // A backlog that is full and never accepted from: the kernel drops further attempts.
        let full = bind(&loopback(), 1).unwrap();
        full.sockets[0].listen(0).unwrap();
        let mut held = Vec::new();
        while let Ok(socket) = timeout(Duration::from_millis(50), connect(&full.address)).await {
            held.push(socket.unwrap());
            assert!(held.len() < 100);
        }
    });
}

#[test]
fn a_full_unix_backlog_is_waited_for() {
    on_each(async || {
        let path = temporary("backlog");
        let full = bind(&Address::Unix(path.clone()), 1).unwrap();
        full.sockets[0].listen(0).unwrap();
        let mut held = vec![connect(&full.address).await.unwrap()];
        while let Ok(socket) = timeout(Duration::from_millis(30), connect(&full.address)).await {
            held.push(socket.unwrap());
        }
        let acceptor = Acceptor::new(full.sockets.into_iter().next().unwrap()).unwrap();
        spawn(async move {
            let mut accepted = Vec::new();
            loop {
                accepted.push(acceptor.accept().await);
            }
        });
        join(&full.address).await;
        std::fs::remove_file(path).unwrap();
    });
}

#[test]
fn options_reach_the_socket() {
    on_each(async || {
        let (client, server) = connected(&loopback()).await;
        let options = TcpOptions {
            nodelay: true,
            user_timeout: Some(Duration::from_millis(12_000)),
            keepalive: Some(TcpKeepalive {
                idle: Duration::from_secs(30),
                interval: Duration::from_secs(7),
                retries: 4,
            }),
        };
        client.set_options(&options).unwrap();
        let socket = SockRef::from(&client);
        assert!(socket.tcp_nodelay().unwrap() && socket.keepalive().unwrap());
        assert_eq!(socket.tcp_user_timeout().unwrap(), options.user_timeout);
        assert_eq!(
            socket.tcp_keepalive_time().unwrap(),
            Duration::from_secs(30)
        );
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), 4);
        assert_eq!(server.peer_address(), client.local_address());
        assert!(server.round_trip().is_some(), "the handshake was measured");
        let path = temporary("options");
        let (client, _server) = connected(&Address::Unix(path.clone())).await;
        client.set_options(&options).unwrap();
        assert_eq!((client.peer_address(), client.round_trip()), (None, None));
        std::fs::remove_file(path).unwrap();
    });
}

#[test]
fn shards_share_a_port_but_a_second_process_is_refused() {
    let first = bind(&loopback(), 2).unwrap();
    assert_eq!(first.sockets.len(), 2);
    let again = bind(&first.address, 1).unwrap_err();
    assert_eq!(again.kind(), io::ErrorKind::AddrInUse);
    let address = first.address.clone();
    drop(first);
    assert_eq!(bind(&address, 1).unwrap().address, address);
}

#[test]
fn a_stale_socket_file_is_replaced_but_nothing_else_is() {
    let path = temporary("stale");
    let address = Address::Unix(path.clone());
    drop(bind(&address, 1).unwrap());
    let living = bind(&address, 1).unwrap();
    assert_eq!(
        bind(&address, 1).unwrap_err().kind(),
        io::ErrorKind::AddrInUse
    );
    drop(living);
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "precious").unwrap();
    assert_eq!(
        bind(&address, 1).unwrap_err().kind(),
        io::ErrorKind::AddrInUse
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    std::fs::remove_file(path).unwrap();
}

#[test]
fn a_dropped_accept_loses_no_connection() {
    on_each(async || {
        let (listener, address) = listen(&loopback());
        for _ in 0..20 {
            let accepted = timeout(Duration::from_millis(1), listener.accept()).await;
            assert_eq!(accepted.unwrap_err(), Elapsed);
            let mut client = join(&address).await;
            let mut server = listener.accept().await;
            write_all(&mut client, b"x").await.unwrap();
            assert_eq!(read_uninitialized(&mut server, 9).await.unwrap(), b"x");
        }
    });
}
