//! Real sockets on both executors, and other people's servers.

use crate::exchange::{Address, ClientCommand, CloseReason, Failure};
use crate::net::Mailbox;
use crate::net::client::rig::{CONNECTION_ID, Recorder, body, grpc_head, http_head};
use crate::net::client::{Link, Protocol, Settings, start};
use crate::runtime::{self, Acceptor, RuntimeKind, Socket, Timer};
use crate::units::AttemptId;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use std::future::poll_fn;
use std::io;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

fn on_both<F: Future<Output = ()>>(mut make: impl FnMut() -> F) {
    for kind in RuntimeKind::ALL {
        if kind == RuntimeKind::Uring
            && let Err(blocked) = runtime::probe()
        {
            eprintln!("only on epoll: {blocked}");
            continue;
        }
        runtime::run(kind, None, &mut make).expect("an executor");
    }
}

fn listen(address: &Address) -> (Address, Acceptor) {
    let bound = runtime::bind(address, 1).expect("a free address");
    let socket = bound.sockets.into_iter().next().expect("one");
    (
        bound.address,
        Acceptor::new(socket).expect("a listening socket"),
    )
}

fn any_port() -> Address {
    Address::Tcp((Ipv4Addr::LOCALHOST, 0).into())
}

/// The engine's side of one connection.
struct Engine {
    mailbox: Mailbox<ClientCommand>,
    record: Recorder,
}

impl Engine {
    fn new(address: Address, protocol: Protocol) -> Self {
        let engine = Self {
            mailbox: Mailbox::new(),
            record: Recorder::default(),
        };
        let link = Link {
            id: CONNECTION_ID,
            settings: Settings::new(protocol),
            outbound: engine.record.clone(),
        };
        start(address, link, engine.mailbox.clone());
        engine
    }

    fn send(&self, id: u32, protocol: Protocol, len: usize) -> AttemptId {
        let head = match protocol {
            Protocol::Http2 => grpc_head(),
            Protocol::Http1 => http_head(),
        };
        let deadline = runtime::now() + Duration::from_secs(60);
        self.record
            .send(&self.mailbox, AttemptId(id), &head, body(len), deadline)
    }

    async fn until(&self, what: &str, holds: impl Fn(&Recorder) -> bool) {
        let end = runtime::now() + Duration::from_secs(30);
        while !holds(&self.record) {
            assert!(runtime::now() < end, "never came: {what}");
            Timer::until(runtime::now() + Duration::from_millis(1)).await;
        }
    }
}

/// Answers `requests` gRPC calls, with the length of the body as details, and leaves.
async fn serve_grpc(socket: Socket, requests: usize) {
    let mut connection = h2::server::handshake(socket).await.expect("a preface");
    let mut served = 0;
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        served += 1;
        if served > requests {
            return;
        }
        runtime::spawn(async move {
            let mut body = request.into_body();
            while let Some(Ok(piece)) = body.data().await {
                let _ = body.flow_control().release_capacity(piece.len());
            }
            let Ok(mut send) = respond.send_response(Response::new(()), false) else {
                return;
            };
            let _ = send.send_data(Bytes::from_static(&[0; 5]), false);
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", HeaderValue::from_static("0"));
            let _ = send.send_trailers(trailers);
        });
    }
}

#[test]
fn grpc_over_tcp_and_unix_sockets() {
    let directory = std::env::temp_dir().join(format!("tailrace-client-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    for address in [any_port(), Address::Unix(directory.join("sink.sock"))] {
        on_both(|| async {
            if let Address::Unix(path) = &address {
                let _ = std::fs::remove_file(path);
            }
            let (address, acceptor) = listen(&address);
            runtime::spawn(async move { serve_grpc(acceptor.accept().await, usize::MAX).await });
            let engine = Engine::new(address, Protocol::Http2);
            for id in 0..300 {
                engine.send(id, Protocol::Http2, id as usize * 500);
            }
            engine
                .until("every answer", |record| record.answers() == 300)
                .await;
            for id in 0..300 {
                let answer = engine.record.answer(AttemptId(id)).unwrap();
                assert!(answer.starts_with("Ok"), "{answer}");
            }
            engine.mailbox.send(ClientCommand::Drain);
            engine.until("the end", Recorder::is_closed).await;
            assert_eq!(engine.record.close_reason(), Some(CloseReason::Drained));
        });
    }
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn a_server_that_dies_leaves_every_attempt_answered() {
    on_both(|| async {
        let (address, acceptor) = listen(&any_port());
        runtime::spawn(async move { serve_grpc(acceptor.accept().await, 20).await });
        let engine = Engine::new(address, Protocol::Http2);
        for id in 0..200 {
            engine.send(id, Protocol::Http2, 20_000);
        }
        engine.until("the end", Recorder::is_closed).await;
        assert_eq!(engine.record.answers(), 200);
        assert_eq!(engine.record.close_reason(), Some(CloseReason::Lost));
        let unprocessed = (0..200).map(AttemptId);
        let unprocessed =
            unprocessed.filter(|id| engine.record.failure(*id) == Some(Failure::Unprocessed));
        assert!(unprocessed.count() > 0, "most were never written");
    });
}

#[test]
fn nobody_listens() {
    on_both(|| async {
        let (address, acceptor) = listen(&any_port());
        drop(acceptor);
        let engine = Engine::new(address, Protocol::Http2);
        engine.until("the end", Recorder::is_closed).await;
        let refused = CloseReason::Unreachable {
            os_error: Some(libc::ECONNREFUSED),
        };
        assert_eq!(engine.record.close_reason(), Some(refused));
    });
}

#[test]
fn http_1_1_with_hypers_server() {
    on_both(|| async {
        let (address, acceptor) = listen(&any_port());
        runtime::spawn(async move {
            let service =
                hyper::service::service_fn(|request: Request<hyper::body::Incoming>| async {
                    assert_eq!(request.headers()["host"], "sink.test");
                    let mut body = request.into_body();
                    let mut len = 0;
                    while let Some(frame) =
                        poll_fn(|cx| http_body::Body::poll_frame(Pin::new(&mut body), cx)).await
                    {
                        len += frame?.data_ref().map_or(0, Bytes::len);
                    }
                    // Without a length hyper answers in chunks, with one it declares it.
                    let text = Bytes::from(len.to_string());
                    Ok::<_, hyper::Error>(Response::new(Text {
                        is_sized: len % 2 == 0,
                        text: Some(text),
                    }))
                });
            let io = HyperIo(acceptor.accept().await);
            let connection =
                hyper::server::conn::http1::Builder::new().serve_connection(io, service);
            connection.await.expect("an orderly end");
        });
        let engine = Engine::new(address, Protocol::Http1);
        for id in 0..100 {
            engine.send(id, Protocol::Http1, id as usize * 999);
        }
        engine
            .until("every answer", |record| record.answers() == 100)
            .await;
        for id in 0..100 {
            let expected = format!("200 \"{}\"", id * 999);
            assert_eq!(engine.record.answer(AttemptId(id)), Some(expected));
        }
        engine.mailbox.send(ClientCommand::Drain);
        engine.until("the end", Recorder::is_closed).await;
        assert_eq!(engine.record.close_reason(), Some(CloseReason::Drained));
    });
}

/// A response body of one piece.
struct Text {
    text: Option<Bytes>,
    is_sized: bool,
}

impl http_body::Body for Text {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        Poll::Ready(
            self.text
                .take()
                .map(|text| Ok(http_body::Frame::data(text))),
        )
    }

    fn size_hint(&self) -> http_body::SizeHint {
        match &self.text {
            Some(text) if self.is_sized => http_body::SizeHint::with_exact(text.len() as u64),
            _ => http_body::SizeHint::default(),
        }
    }
}

/// A socket with hyper's I/O traits.
struct HyperIo(Socket);

impl hyper::rt::Read for HyperIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut bytes = [0; 4096];
        let len = bytes.len().min(buf.remaining());
        let mut read = ReadBuf::new(&mut bytes[..len]);
        ready!(Pin::new(&mut self.0).poll_read(cx, &mut read))?;
        buf.put_slice(read.filled());
        Poll::Ready(Ok(()))
    }
}

impl hyper::rt::Write for HyperIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
