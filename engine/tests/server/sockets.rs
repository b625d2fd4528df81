//! Real sockets, on both executors.

use crate::frames::RawPeer;
use crate::grpc::{call, exchange, framed};
use crate::rig::Script;
use bytes::Bytes;
use std::future::Future;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::Duration;
use tailrace_engine::exchange::{Address, Arrival, Windows};
use tailrace_engine::net::server::{Settings, serve};
use tailrace_engine::runtime::{self, Acceptor, RuntimeKind, Socket, Timer};
use tailrace_engine::units::ListenerId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Runs `test` against a listener, on each executor that this machine has.
fn on_both<F: Future<Output = ()>>(test: impl Fn(Address, Script) -> F) {
    for kind in RuntimeKind::ALL {
        if kind == RuntimeKind::Uring
            && let Err(blocked) = runtime::probe()
        {
            eprintln!("only on epoll: {blocked}");
            continue;
        }
        let address = Address::Tcp((Ipv4Addr::LOCALHOST, 0).into());
        let bound = runtime::bind(&address, 1).unwrap();
        let socket = bound.sockets.into_iter().next().unwrap();
        let served = runtime::run(kind, None, || async {
            let script = Script::default();
            script.set_windows(Windows {
                frame: 1 << 20,
                stream: 1 << 20,
                connection: 4 << 20,
            });
            let acceptor = Acceptor::new(socket).unwrap();
            let inbound = script.clone();
            runtime::spawn(async move {
                loop {
                    let socket = acceptor.accept().await;
                    let settings = Rc::new(Settings::default());
                    let (inbound, clock) = (inbound.clone(), Timer::new());
                    runtime::spawn(serve(
                        socket,
                        Arrival::at(ListenerId(0)),
                        settings,
                        inbound,
                        clock,
                    ));
                }
            });
            test(bound.address, script).await;
        });
        served.unwrap();
    }
}

/// Waits until `condition` holds.
async fn until(script: &Script, condition: impl Fn(&Script) -> bool) {
    let end = runtime::now() + Duration::from_secs(60);
    while !condition(script) {
        assert!(runtime::now() < end, "the test hangs");
        Timer::until(runtime::now() + Duration::from_millis(1)).await;
    }
}

async fn h2_client(address: &Address) -> h2::client::SendRequest<Bytes> {
    let socket = runtime::connect(address).await.unwrap();
    let (client, connection) = h2::client::Builder::new()
        .initial_window_size(1 << 20)
        .handshake::<Socket, Bytes>(socket)
        .await
        .unwrap();
    runtime::spawn(async move {
        let _ = connection.await;
    });
    client
}

#[test]
fn grpc_calls_small_and_large_at_once() {
    on_both(|address, script| async move {
        let client = h2_client(&address).await;
        let done = Rc::new(std::cell::Cell::new(0));
        for worker in 0..20_usize {
            let (mut client, done) = (client.clone(), Rc::clone(&done));
            runtime::spawn(async move {
                for round in 0..20 {
                    let len = if worker == 0 { 300_000 } else { worker * round };
                    let message = framed(&vec![1; len]);
                    let answer = exchange(&mut client, call("/now"), &[&message]).await;
                    assert_eq!(answer.unwrap().body, framed(&(len as u64).to_be_bytes()));
                    done.set(done.get() + 1);
                }
            });
        }
        until(&script, |_| done.get() == 400).await;
        drop(client);
        until(&script, |script| script.counts().closed.get() == 1).await;
        script.assert_settled();
    });
}

#[test]
fn replies_that_come_later() {
    on_both(|address, script| async move {
        let client = h2_client(&address).await;
        let done = Rc::new(std::cell::Cell::new(0));
        for _ in 0..50 {
            let (mut client, done) = (client.clone(), Rc::clone(&done));
            runtime::spawn(async move {
                let answer = exchange(&mut client, call("/later"), &[&framed(b"x")]).await;
                assert_eq!(answer.unwrap().status, "0");
                done.set(done.get() + 1);
            });
        }
        until(&script, |script| script.waiting() == 50).await;
        script.answer_all();
        until(&script, |_| done.get() == 50).await;
        script.drain_all();
        until(&script, |script| script.counts().closed.get() == 1).await;
        script.assert_settled();
    });
}

/// On a real socket a close with unread bytes is a reset, which may overtake the answer.
#[test]
fn a_refusal_arrives_although_the_body_is_never_read_to_its_end() {
    on_both(|address, script| async move {
        let mut socket = runtime::connect(&address).await.unwrap();
        let head = b"POST /refuse HTTP/1.1\r\nhost: x\r\ncontent-length: 400000\r\n\r\n";
        socket.write_all(head).await.unwrap();
        socket.write_all(&[0; 200_000]).await.unwrap();
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).await.unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 503 "));
        drop(socket);
        until(&script, |script| script.counts().closed.get() == 1).await;
        script.assert_settled();
    });
}

#[test]
fn a_connection_that_is_reset_is_forgotten() {
    on_both(|address, script| async move {
        for _ in 0..3 {
            let socket = runtime::connect(&address).await.unwrap();
            let mut peer = RawPeer::greeted(socket).await;
            peer.read().await.unwrap();
        }
        until(&script, |script| script.counts().closed.get() == 3).await;
        script.assert_settled();
    });
}
