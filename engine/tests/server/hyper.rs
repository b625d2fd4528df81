//! HTTP/1.1, with hyper's client: another implementation's idea of the protocol.

use crate::rig::{Script, run};
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body::{Body, Frame, SizeHint};
use hyper::client::conn::http1;
use hyper::rt::{Read, ReadBufCursor, Write};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tailrace_engine::net::server::Settings;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

/// A pipe with hyper's traits.
struct Pipe(DuplexStream);

impl Read for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut bytes = [0; 4096];
        let room = buf.remaining().min(bytes.len());
        let mut read = ReadBuf::new(&mut bytes[..room]);
        ready!(Pin::new(&mut self.0).poll_read(cx, &mut read))?;
        buf.put_slice(read.filled());
        Poll::Ready(Ok(()))
    }
}

impl Write for Pipe {
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

/// A body in pieces; of known length, or chunked.
struct Pieces {
    pieces: VecDeque<Bytes>,
    is_chunked: bool,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.pieces.pop_front().map(|piece| Ok(Frame::data(piece))))
    }

    fn size_hint(&self) -> SizeHint {
        match self.is_chunked {
            true => SizeHint::default(),
            false => SizeHint::with_exact(self.pieces.iter().map(|p| p.len() as u64).sum()),
        }
    }
}

struct Client(http1::SendRequest<Pieces>);

impl Client {
    async fn new(io: DuplexStream) -> Self {
        let (sender, connection) = http1::handshake(Pipe(io)).await.unwrap();
        tokio::task::spawn_local(async move {
            // Its end is the test's business, seen through the requests.
            let _ = connection.await;
        });
        Self(sender)
    }

    async fn post(
        &mut self,
        path: &str,
        pieces: &[&[u8]],
        is_chunked: bool,
    ) -> (StatusCode, HeaderMap, Vec<u8>) {
        let body = Pieces {
            pieces: pieces.iter().map(|p| Bytes::copy_from_slice(p)).collect(),
            is_chunked,
        };
        self.0.ready().await.unwrap();
        let request = Request::post(path).header("host", "localhost").body(body);
        let (head, mut body) = self
            .0
            .send_request(request.unwrap())
            .await
            .unwrap()
            .into_parts();
        let mut bytes = Vec::new();
        while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await
        {
            bytes.extend_from_slice(&frame.unwrap().into_data().unwrap());
        }
        (head.status, head.headers, bytes)
    }
}

#[test]
fn requests_of_every_kind_on_one_connection() {
    run(async {
        let script = Script::default();
        let (io, server) = script.pipe(Settings::default());
        let mut client = Client::new(io).await;
        let large = vec![7; 700_000];
        for is_chunked in [false, true] {
            let bodies: [&[&[u8]]; 4] = [
                &[],
                &[b"x"],
                &[b"hello", b", ", b"world"],
                &[&large, b"tail"],
            ];
            for pieces in bodies {
                let len: usize = pieces.iter().map(|p| p.len()).sum();
                let (status, headers, body) = client.post("/now", pieces, is_chunked).await;
                assert_eq!(status, StatusCode::OK);
                assert!(headers.contains_key("date"));
                assert_eq!(body, (len as u64).to_be_bytes());
                let messages = script.messages();
                assert!(messages.last().unwrap().0 == pieces.concat());
            }
            let (status, headers, body) = client.post("/refuse", &[b"short"], false).await;
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(headers["retry-after"], "7");
            assert_eq!(body, b"full");
        }
        assert_eq!(script.counts().opened.get(), 1);
        drop(client);
        server.await.unwrap();
        script.assert_settled();
    });
}

#[test]
fn a_refused_sender_of_much_reads_the_answer() {
    run(async {
        let script = Script::default();
        for is_chunked in [false, true] {
            let (io, server) = script.pipe(Settings::default());
            let mut client = Client::new(io).await;
            let large = vec![7; 4 << 20];
            let (status, headers, _) = client.post("/refuse", &[&large], is_chunked).await;
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(headers["connection"], "close");
            server.await.unwrap();
        }
        script.assert_settled();
    });
}
