//! Every test runs on both executors, where the machine allows io_uring.

use super::*;
use crate::exchange::Address;
use crate::net::Clock;
use std::future::poll_fn;
use std::io::IoSlice;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn on_both<F: Future>(mut make: impl FnMut() -> F) {
    for kind in RuntimeKind::ALL {
        if kind == RuntimeKind::Uring
            && let Err(blocked) = probe()
        {
            eprintln!("only on epoll: {blocked}");
            continue;
        }
        run(kind, None, &mut make).expect("an executor");
    }
}

async fn echo(address: Address) {
    let bound = bind(&address, 1).expect("a listening socket");
    let acceptor = Acceptor::new(bound.sockets.into_iter().next().expect("one")).expect("ours");
    spawn(async move {
        let mut socket = acceptor.accept().await;
        let mut buffer = vec![0; 64 << 10];
        while let Ok(read @ 1..) = socket.read(&mut buffer).await {
            socket
                .write_all(&buffer[..read])
                .await
                .expect("the other end reads");
        }
        socket.shutdown().await.expect("it was open");
    });
    let (mut reader, mut writer) =
        tokio::io::split(connect(&bound.address).await.expect("somebody listens"));
    let sent: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let expected = sent.clone();
    spawn(async move {
        let mut rest = &sent[..];
        while !rest.is_empty() {
            let (head, tail) = rest.split_at(rest.len() / 3);
            let slices = [IoSlice::new(head), IoSlice::new(tail)];
            let written = writer
                .write_vectored(&slices)
                .await
                .expect("the other end reads");
            rest = &rest[written..];
        }
        writer.shutdown().await.expect("it was open");
    });
    let mut received = Vec::new();
    reader.read_to_end(&mut received).await.expect("the echo");
    assert!(received == expected, "{} bytes came back", received.len());
}

#[test]
fn tcp_carries_large_vectored_writes_both_ways() {
    on_both(|| echo(Address::Tcp(([127, 0, 0, 1], 0).into())));
}

#[test]
fn unix_sockets_do_too_and_replace_what_was_left() {
    let directory = std::env::temp_dir().join(format!("tailrace-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a directory");
    let path = directory.join("echo.sock");
    on_both(|| echo(Address::Unix(path.clone())));
    std::fs::remove_dir_all(&directory).expect("ours");
}

#[test]
fn a_second_listener_is_refused() {
    let first = bind(&Address::Tcp(([127, 0, 0, 1], 0).into()), 2).expect("free");
    let again = bind(&first.address, 1).expect_err("taken");
    assert_eq!(again.kind(), io::ErrorKind::AddrInUse);
}

#[test]
fn nobody_there_is_an_error() {
    let bound = bind(&Address::Tcp(([127, 0, 0, 1], 0).into()), 1).expect("free");
    let address = bound.address.clone();
    drop(bound);
    on_both(|| {
        let address = address.clone();
        async move { assert!(connect(&address).await.is_err()) }
    });
}

#[test]
fn a_timer_can_be_moved_and_never_fires_early() {
    on_both(|| async {
        let mut timer = Timer::new();
        let far = now() + Duration::from_secs(3600);
        poll_fn(|cx| {
            assert!(timer.poll_until(cx, far).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
        let near = now() + Duration::from_millis(3);
        poll_fn(|cx| timer.poll_until(cx, near)).await;
        assert!(now() >= near);
    });
}

#[test]
fn a_ring_wakes_its_reader_from_another_thread_and_says_when_it_ends() {
    on_both(|| async {
        let (producer, consumer) = ring(4);
        let writer = std::thread::spawn(move || {
            for value in 0..1000 {
                let mut value = value;
                while let Err(Full(back)) = producer.send(value) {
                    value = back;
                    std::thread::yield_now();
                }
            }
        });
        let mut expected = 0;
        while let Some(value) = poll_fn(|cx| consumer.poll_recv(cx)).await {
            assert_eq!(value, expected);
            expected += 1;
        }
        assert_eq!(expected, 1000);
        writer.join().expect("the writer ended");
    });
}
