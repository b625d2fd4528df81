//! HTTP/1.1, by raw bytes.

use crate::rig::{Script, run, settle};
use std::time::Duration;
use tailrace_engine::net::server::Settings;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;

const SECOND: Duration = Duration::from_secs(1);

struct Peer {
    io: DuplexStream,
    server: JoinHandle<()>,
    /// Read and not yet looked at.
    read: Vec<u8>,
}

/// A response: its head in lines, its body.
#[derive(Debug)]
struct Response {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Response {
    fn closes(&self) -> bool {
        self.head.contains("connection: close\r\n")
    }
}

impl Peer {
    fn new(script: &Script) -> Self {
        Self::with(script, Settings::default())
    }

    fn with(script: &Script, settings: Settings) -> Self {
        let (io, server) = script.pipe(settings);
        Self {
            io,
            server,
            read: Vec::new(),
        }
    }

    async fn write(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.io.write_all(bytes.as_ref()).await.is_ok()
    }

    /// The next response; `None` at the end.
    async fn response(&mut self) -> Option<Response> {
        loop {
            if let Some(response) = self.parse() {
                return Some(response);
            }
            if self.io.read_buf(&mut self.read).await.unwrap_or(0) == 0 {
                assert!(self.read.is_empty(), "half a response");
                return None;
            }
        }
    }

    fn parse(&mut self) -> Option<Response> {
        let end = self.read.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
        let head = String::from_utf8(self.read[..end].to_vec()).unwrap();
        let len = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let len = len.map_or(0, |len| len.parse().unwrap());
        let body = self.read.get(end..end + len)?.to_vec();
        self.read.drain(..end + len);
        Some(Response {
            status: head[9..12].parse().unwrap(),
            head,
            body,
        })
    }

    /// Closes, and checks that the server owes nothing.
    async fn end(self, script: &Script) {
        drop(self.io);
        self.server.await.unwrap();
        script.assert_settled();
    }
}

fn post(path: &str, body: &[u8]) -> Vec<u8> {
    let len = body.len();
    let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {len}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

#[test]
fn requests_follow_each_other_on_one_connection() {
    run(async {
        let script = Script::default();
        let mut peer = Peer::new(&script);
        for len in [0, 1, 5000, 300_000] {
            let message = vec![b'm'; len];
            peer.write(post("/v1/traces", &message)).await;
            let response = peer.response().await.unwrap();
            assert_eq!(response.status, 200);
            assert_eq!(response.body, (len as u64).to_be_bytes());
            assert!(!response.closes());
        }
        assert_eq!(script.messages().len(), 4);
        peer.end(&script).await;
    });
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    run(async {
        let script = Script::default();
        let mut peer = Peer::new(&script);
        let requests: Vec<u8> = (0..20)
            .flat_map(|len| post("/later", &vec![0; len]))
            .collect();
        peer.write(requests).await;
        for len in 0..20_u64 {
            script.until(|script| script.waiting() == 1).await;
            script.answer_all();
            assert_eq!(peer.response().await.unwrap().body, len.to_be_bytes());
        }
        peer.end(&script).await;
    });
}

#[test]
fn a_chunked_body_arrives_whole_however_it_is_cut() {
    run(async {
        let script = Script::default();
        let mut peer = Peer::new(&script);
        let request = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n\
                        5\r\nhello\r\n7;x=y\r\n, world\r\n0\r\ntrailer: z\r\n\r\n";
        for byte in request {
            peer.write([*byte]).await;
            settle().await;
        }
        assert_eq!(peer.response().await.unwrap().status, 200);
        assert_eq!(script.messages(), [(b"hello, world".to_vec(), false)]);
        peer.write(post("/", b"next")).await;
        assert_eq!(peer.response().await.unwrap().status, 200);
        peer.end(&script).await;
    });
}

#[test]
fn leave_is_given_only_to_bodies_that_are_wanted() {
    run(async {
        let script = Script::default();
        let mut peer = Peer::new(&script);
        let head = |path| {
            format!(
                "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\
                 expect: 100-continue\r\n\r\n"
            )
        };
        peer.write(head("/now")).await;
        assert_eq!(peer.response().await.unwrap().status, 100);
        peer.write(b"hello").await;
        assert_eq!(peer.response().await.unwrap().status, 200);
        // Refused by its headers, and by its length: no byte of the body is asked for.
        for path in ["/refuse", "/greedy"] {
            let mut peer = Peer::new(&script);
            peer.write(head(path)).await;
            let response = peer.response().await.unwrap();
            assert_eq!(response.status, 503);
            assert!(response.head.contains("retry-after: 7\r\n"));
            assert!(response.closes());
            assert!(peer.response().await.is_none());
            drop(peer.io);
            peer.server.await.unwrap();
        }
        peer.end(&script).await;
    });
}

#[test]
fn a_refused_body_that_is_short_is_read_over() {
    run(async {
        let script = Script::default();
        let mut peer = Peer::new(&script);
        for path in ["/refuse", "/greedy"].into_iter().cycle().take(5000) {
            peer.write(post(path, &[0; 1000])).await;
            let response = peer.response().await.unwrap();
            assert_eq!((response.status, response.closes()), (503, false));
            assert_eq!(response.body, b"full");
        }
        peer.write(post("/now", b"x")).await;
        assert_eq!(peer.response().await.unwrap().status, 200);
        assert_eq!(script.held_peak(), 1);
        peer.end(&script).await;
    });
}

#[test]
fn a_refused_body_that_is_long_is_cut_off_after_the_answer() {
    run(async {
        let script = Script::default();
        let peer = Peer::new(&script);
        let (mut reader, mut writer) = tokio::io::split(peer.io);
        let sending = tokio::task::spawn_local(async move {
            writer
                .write_all(&post("/refuse", &vec![0; 10 << 20]))
                .await
                .is_err()
        });
        let mut answer = Vec::new();
        let _ = reader.read_to_end(&mut answer).await;
        assert!(answer.starts_with(b"HTTP/1.1 503 "));
        assert!(sending.await.unwrap(), "ten mebibytes are not read");
        peer.server.await.unwrap();
        script.assert_settled();
    });
}

#[test]
fn senders_that_leave_are_abandoned() {
    run(async {
        let script = Script::default();
        // In the middle of a body.
        let mut peer = Peer::new(&script);
        peer.write(&post("/now", b"hello")[..53]).await;
        script.until(|script| script.open_requests() == 1).await;
        peer.end(&script).await;
        // While the reply is awaited.
        let mut peer = Peer::new(&script);
        peer.write(post("/later", b"hello")).await;
        script.until(|script| script.waiting() == 1).await;
        peer.end(&script).await;
        // When the task is dropped.
        let mut peer = Peer::new(&script);
        peer.write(post("/later", b"hello")).await;
        script.until(|script| script.waiting() == 1).await;
        peer.server.abort();
        let _ = peer.server.await;
        assert_eq!(script.counts().abandoned.get(), 3);
        script.assert_settled();
    });
}

#[test]
fn what_cannot_be_read_is_answered_and_closed() {
    run(async {
        let script = Script::default();
        let long = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(20_000));
        for (request, status) in [
            (
                "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
                400,
            ),
            (
                "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
                400,
            ),
            ("GET / HTTP/1.1\r\nhost: x\r\nx: y\r\n z\r\n\r\n", 400),
            (
                "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
                400,
            ),
            ("GET / HTTP/9.9\r\nhost: x\r\n\r\n", 505),
            ("\u{16}\u{3}\u{1}\r\n\r\n", 400),
            (long.as_str(), 431),
        ] {
            let mut peer = Peer::new(&script);
            peer.write(request).await;
            let response = peer.response().await.unwrap();
            assert_eq!(response.status, status, "{request}");
            assert!(response.closes());
            assert!(peer.response().await.is_none());
            peer.end(&script).await;
        }
    });
}

#[test]
fn old_senders_keep_a_connection_only_if_they_ask() {
    run(async {
        let script = Script::default();
        let mut peer = Peer::new(&script);
        peer.write("GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n")
            .await;
        let response = peer.response().await.unwrap();
        assert!(response.head.contains("connection: keep-alive\r\n"));
        peer.write("GET / HTTP/1.0\r\n\r\n").await;
        assert!(peer.response().await.unwrap().closes());
        assert!(peer.response().await.is_none());
        peer.end(&script).await;
    });
}

#[test]
fn a_draining_connection_answers_and_closes() {
    run(async {
        let script = Script::default();
        let mut busy = Peer::new(&script);
        busy.write(post("/later", b"hello")).await;
        script.until(|script| script.waiting() == 1).await;
        let mut idle = Peer::new(&script);
        idle.write(post("/now", b"hello")).await;
        assert_eq!(idle.response().await.unwrap().status, 200);
        script.drain_all();
        assert!(idle.response().await.is_none());
        script.answer_all();
        let response = busy.response().await.unwrap();
        assert_eq!((response.status, response.closes()), (200, true));
        assert!(busy.response().await.is_none());
        idle.server.await.unwrap();
        busy.end(&script).await;
    });
}

#[test]
fn slow_senders_are_told_and_closed() {
    run(async {
        let script = Script::default();
        // A head in drops.
        let mut peer = Peer::new(&script);
        for byte in b"POST / " {
            peer.write([*byte]).await;
            script.pass(2 * SECOND).await;
        }
        assert_eq!(peer.response().await.unwrap().status, 408);
        peer.end(&script).await;
        // A body that stops.
        let mut peer = Peer::new(&script);
        peer.write(&post("/now", b"hello")[..53]).await;
        script.pass(31 * SECOND).await;
        let response = peer.response().await.unwrap();
        assert_eq!((response.status, response.closes()), (408, true));
        peer.end(&script).await;
        // A deadline that passes while the reply is awaited.
        let mut peer = Peer::new(&script);
        peer.write(post("/later/brief", b"hello")).await;
        script.pass(6 * SECOND).await;
        let response = peer.response().await.unwrap();
        assert_eq!((response.status, response.closes()), (504, false));
        assert_eq!(script.counts().abandoned.get(), 2);
        peer.end(&script).await;
    });
}

#[test]
fn an_idle_connection_is_closed() {
    run(async {
        let script = Script::default();
        let mut settings = Settings::default();
        settings.lifetime.idle_max = 60 * SECOND;
        let mut peer = Peer::with(&script, settings);
        peer.write(post("/now", b"hello")).await;
        assert_eq!(peer.response().await.unwrap().status, 200);
        script.pass(59 * SECOND).await;
        peer.write(post("/now", b"hello")).await;
        assert_eq!(peer.response().await.unwrap().status, 200);
        script.pass(61 * SECOND).await;
        assert!(peer.response().await.is_none());
        peer.end(&script).await;
    });
}

#[test]
fn a_head_request_gets_no_body() {
    run(async {
        let script = Script::default();
        let mut peer = Peer::new(&script);
        peer.write("HEAD /refuse HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            .await;
        let mut answer = String::new();
        peer.io.read_to_string(&mut answer).await.unwrap();
        assert!(answer.contains("content-length: 4\r\n"));
        assert!(answer.ends_with("\r\n\r\n"));
        peer.end(&script).await;
    });
}
