//! The HTTP/1.1 client against peers that behave, misbehave and leave.

use crate::exchange::{ClientCommand, CloseReason, Failure};
use crate::net::client::rig::{Rig, body, http_head, run, settle};
use crate::net::client::settings::{Protocol, Settings};
use proptest::prelude::*;
use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const OK_ANSWER: Option<&str> = Some("200 \"ok\"");

fn settings() -> Settings {
    Settings::new(Protocol::Http1)
}

fn start() -> (Rig, DuplexStream) {
    Rig::start(settings(), 1 << 16)
}

/// Reads one request; its body.
async fn request(io: &mut DuplexStream) -> Vec<u8> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(io.read_u8().await.expect("the client closed"));
    }
    let head = String::from_utf8(head).unwrap();
    assert!(
        head.starts_with("POST /v1/traces HTTP/1.1\r\nhost: sink.test\r\n"),
        "{head}"
    );
    let length = head.split("content-length: ").nth(1).expect("a length");
    let mut body = vec![0; length.trim().parse().unwrap()];
    io.read_exact(&mut body).await.unwrap();
    body
}

#[test]
fn attempts_follow_one_another_on_one_connection() {
    run(async {
        let (mut rig, mut io) = start();
        settle().await;
        assert_eq!(rig.record.max(), 1);
        let attempts: Vec<_> = (0..20)
            .map(|i| rig.send(&http_head(), body(i * 700)))
            .collect();
        for i in 0..20 {
            assert_eq!(request(&mut io).await, body(i * 700).slices().concat());
            settle().await;
            assert_eq!(rig.record.answers(), i, "one at a time");
            io.write_all(OK).await.unwrap();
        }
        settle().await;
        for attempt in attempts {
            assert_eq!(rig.record.answer(attempt).as_deref(), OK_ANSWER);
        }
        assert!(!rig.record.is_closed());
    });
}

/// A socket that counts the reads that bring nothing: system calls, on some executors.
struct Counting {
    io: DuplexStream,
    idle_reads: Rc<Cell<usize>>,
}

impl AsyncRead for Counting {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_read(cx, buf);
        let idle = usize::from(polled.is_pending());
        self.idle_reads.set(self.idle_reads.get() + idle);
        polled
    }
}

impl AsyncWrite for Counting {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[test]
fn an_exchange_costs_one_read_that_brings_nothing() {
    run(async {
        let (near, mut far) = tokio::io::duplex(1 << 16);
        let idle_reads = Rc::new(Cell::new(0));
        let io = Counting {
            io: near,
            idle_reads: Rc::clone(&idle_reads),
        };
        let mut rig = Rig::connect(settings(), async { Ok(io) });
        settle().await;
        let before = idle_reads.get();
        for _ in 0..10 {
            let attempt = rig.send(&http_head(), body(100));
            request(&mut far).await;
            far.write_all(OK).await.unwrap();
            settle().await;
            assert_eq!(rig.record.answer(attempt).as_deref(), OK_ANSWER);
        }
        assert_eq!(idle_reads.get() - before, 10);
    });
}

#[test]
fn bodies_larger_than_the_socket_takes_at_once_arrive_whole() {
    run(async {
        let (mut rig, mut io) = Rig::start(settings(), 777);
        let attempt = rig.send(&http_head(), body(300_000));
        assert_eq!(request(&mut io).await, body(300_000).slices().concat());
        for byte in OK {
            io.write_all(&[*byte]).await.unwrap();
            settle().await;
        }
        assert_eq!(rig.record.answer(attempt).as_deref(), OK_ANSWER);
    });
}

#[test]
fn every_framing_of_the_response_body() {
    for (response, reused) in [
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n",
            true,
        ),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
            true,
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok",
            false,
        ),
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokay?", false),
        ("HTTP/1.0 200 OK\r\n\r\nok", false),
    ] {
        run(async move {
            let (mut rig, mut io) = start();
            let attempt = rig.send(&http_head(), body(10));
            request(&mut io).await;
            io.write_all(response.as_bytes()).await.unwrap();
            if response.starts_with("HTTP/1.0") {
                io.shutdown().await.unwrap();
            }
            settle().await;
            assert_eq!(
                rig.record.answer(attempt).as_deref(),
                OK_ANSWER,
                "{response}"
            );
            assert_eq!(!rig.record.is_closed(), reused, "{response}");
            if !reused {
                assert_eq!(rig.record.close_reason(), Some(CloseReason::Drained));
            }
        });
    }
}

#[test]
fn an_answer_before_the_body_is_sent_counts_and_ends_the_connection() {
    run(async {
        let (mut rig, mut io) = Rig::start(settings(), 1000);
        let attempt = rig.send(&http_head(), body(100_000));
        let waiting = rig.send(&http_head(), body(10));
        settle().await;
        io.write_all(b"HTTP/1.1 413 No\r\ncontent-length: 0\r\n\r\n")
            .await
            .unwrap();
        settle().await;
        assert_eq!(rig.record.answer(attempt).as_deref(), Some("413 \"\""));
        assert_eq!(rig.record.failure(waiting), Some(Failure::Unprocessed));
        assert_eq!(rig.record.close_reason(), Some(CloseReason::Drained));
    });
}

#[test]
fn a_lost_connection_leaves_the_attempt_in_doubt_once_it_is_written() {
    run(async {
        let (mut rig, mut io) = start();
        let first = rig.send(&http_head(), body(10));
        request(&mut io).await;
        io.write_all(OK).await.unwrap();
        settle().await;
        let second = rig.send(&http_head(), body(10));
        let waiting = rig.send(&http_head(), body(10));
        request(&mut io).await;
        drop(io);
        settle().await;
        assert_eq!(rig.record.answer(first).as_deref(), OK_ANSWER);
        assert_eq!(rig.record.failure(second), Some(Failure::ConnectionLost));
        assert_eq!(rig.record.failure(waiting), Some(Failure::Unprocessed));
        assert_eq!(rig.record.close_reason(), Some(CloseReason::Lost));
    });
}

#[test]
fn a_truncated_answer_is_a_lost_one() {
    for response in [
        "HTTP/1.1 200 OK\r\ncontent-le",
        "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n",
    ] {
        run(async move {
            let (mut rig, mut io) = start();
            let attempt = rig.send(&http_head(), body(10));
            request(&mut io).await;
            io.write_all(response.as_bytes()).await.unwrap();
            drop(io);
            settle().await;
            assert_eq!(rig.record.failure(attempt), Some(Failure::ConnectionLost));
        });
    }
}

#[test]
fn a_connection_closed_while_idle_takes_no_attempt_with_it() {
    run(async {
        let (mut rig, mut io) = start();
        settle().await;
        io.write_all(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
            .await
            .unwrap();
        let attempt = rig.send(&http_head(), body(10));
        drop(io);
        settle().await;
        assert_eq!(rig.record.failure(attempt), Some(Failure::Unprocessed));
        assert_eq!(rig.record.close_reason(), Some(CloseReason::Lost));
    });
}

#[test]
fn what_is_not_http_and_what_is_too_large() {
    let too_large = Settings::RESPONSE_BYTES_MAX + 1;
    for (response, failure) in [
        (
            "\0\0\u{6}\u{4}\0\0\0\0\0\r\n\r\n".to_owned(),
            Failure::Malformed,
        ),
        (
            format!("HTTP/1.1 200 OK\r\ncontent-length: {too_large}\r\n\r\n"),
            Failure::ResponseTooLarge,
        ),
        (
            format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{too_large:x}\r\n"),
            Failure::ResponseTooLarge,
        ),
        (
            format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(too_large)),
            Failure::ResponseTooLarge,
        ),
    ] {
        run(async move {
            let (mut rig, mut io) = start();
            let attempt = rig.send(&http_head(), body(10));
            request(&mut io).await;
            // The client stops reading in the middle of the last one.
            let _ = io.write_all(response.as_bytes()).await;
            settle().await;
            assert_eq!(rig.record.failure(attempt), Some(failure));
            assert!(rig.record.is_closed());
        });
    }
}

#[test]
fn a_deadline_closes_the_connection() {
    run(async {
        let (mut rig, mut io) = start();
        let slow = rig.send_until(&http_head(), body(10), Duration::from_secs(5));
        let queued = rig.send_until(&http_head(), body(10), Duration::from_secs(3));
        let waiting = rig.send(&http_head(), body(10));
        request(&mut io).await;
        for byte in b"HTTP" {
            io.write_all(&[*byte]).await.unwrap();
            rig.pass(Duration::from_secs(1)).await;
        }
        assert_eq!(rig.record.failure(queued), Some(Failure::TimedOut));
        assert_eq!(rig.record.answer(slow), None);
        rig.pass(Duration::from_secs(1)).await;
        assert_eq!(rig.record.failure(slow), Some(Failure::TimedOut));
        assert_eq!(rig.record.failure(waiting), Some(Failure::Unprocessed));
        assert!(rig.record.is_closed());
    });
}

#[test]
fn cancelling_an_open_attempt_closes_and_a_waiting_one_does_not() {
    run(async {
        let (mut rig, mut io) = start();
        let open = rig.send(&http_head(), body(10));
        let waiting = rig.send(&http_head(), body(10));
        request(&mut io).await;
        rig.cancel(waiting);
        settle().await;
        assert!(!rig.record.is_closed());
        rig.cancel(open);
        settle().await;
        assert!(rig.record.is_closed());
    });
}

#[test]
fn drain_idleness_and_age_end_the_connection_between_attempts() {
    run(async {
        let (mut rig, mut io) = start();
        let open = rig.send(&http_head(), body(10));
        request(&mut io).await;
        rig.mailbox.send(ClientCommand::Drain);
        let late = rig.send(&http_head(), body(10));
        settle().await;
        assert_eq!(rig.record.failure(late), Some(Failure::Unprocessed));
        assert!(!rig.record.is_closed());
        io.write_all(OK).await.unwrap();
        settle().await;
        assert_eq!(rig.record.answer(open).as_deref(), OK_ANSWER);
        assert_eq!(rig.record.close_reason(), Some(CloseReason::Drained));
    });
    run(async {
        let (rig, _io) = start();
        rig.pass(settings().idle_timeout).await;
        assert_eq!(rig.record.close_reason(), Some(CloseReason::Drained));
    });
    run(async {
        let mut settings = settings();
        settings.age_max = Duration::from_secs(30);
        let (mut rig, mut io) = Rig::start(settings, 1 << 16);
        rig.pass(Duration::from_secs(29)).await;
        let open = rig.send(&http_head(), body(10));
        request(&mut io).await;
        rig.pass(Duration::from_secs(1)).await;
        assert!(rig.record.is_draining());
        io.write_all(OK).await.unwrap();
        settle().await;
        assert_eq!(rig.record.answer(open).as_deref(), OK_ANSWER);
        assert_eq!(rig.record.close_reason(), Some(CloseReason::Drained));
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Whatever a server sends, every attempt is answered once, and the end comes last: the
    /// recorder insists.
    #[test]
    fn wild_bytes_break_no_promise(
        pieces in prop::collection::vec(
            prop_oneof![
                Just(OK.to_vec()),
                Just(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec()),
                Just(b"2\r\nok\r\n".to_vec()),
                Just(b"0\r\n\r\n".to_vec()),
                Just(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec()),
                prop::collection::vec(any::<u8>(), 0..30),
            ],
            0..12,
        ),
    ) {
        run(async move {
            let (mut rig, mut io) = start();
            for len in [10, 0, 5000, 300] {
                rig.send(&http_head(), body(len));
            }
            for piece in pieces {
                let _ = io.write_all(&piece).await;
                tokio::task::yield_now().await;
            }
            settle().await;
            drop(io);
            settle().await;
            assert!(rig.record.is_closed());
        });
    }
}
