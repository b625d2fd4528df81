//! What responses come out as.

use super::frames::*;
use super::{settings, start};
use crate::exchange::Failure;
use crate::net::client::rig::{body, grpc_head, http_head, run, settle};
use crate::net::client::settings::Settings;
use bytes::Bytes;
use std::time::Duration;

/// The answer to one gRPC request whose response `respond` writes.
fn answered<F>(respond: impl FnOnce(Peer, u32) -> F + 'static) -> String
where
    F: Future<Output = Peer>,
{
    let answer = std::rc::Rc::new(std::cell::RefCell::new(None));
    let out = std::rc::Rc::clone(&answer);
    run(async move {
        let (mut rig, io) = start(settings());
        let mut peer = Peer::new(io, &[]).await;
        let attempt = rig.send(&grpc_head(), body(10));
        let stream = peer.request().await;
        let _peer = respond(peer, stream).await;
        settle().await;
        assert!(!rig.record.is_closed());
        *out.borrow_mut() = rig.record.answer(attempt);
    });
    answer.take().expect("an answer")
}

#[test]
fn trailers_only() {
    let answer = answered(async |mut peer: Peer, stream| {
        let fields = [
            (":status", "200"),
            ("grpc-status", "14"),
            ("grpc-message", "busy"),
        ];
        peer.headers(stream, &fields, END_STREAM).await;
        peer
    });
    assert_eq!(answer, "Unavailable \"busy\" details 0 body 0");
}

#[test]
fn a_message_and_trailers() {
    let answer = answered(async |mut peer: Peer, stream| {
        peer.headers(stream, &[(":status", "200")], 0).await;
        peer.write(DATA, 0, stream, &[0, 0, 0, 0, 3, 1]).await;
        peer.write(DATA, 0, stream, &[2, 3]).await;
        peer.headers(stream, &[("grpc-status", "0")], END_STREAM)
            .await;
        peer
    });
    assert_eq!(answer, "Ok \"\" details 0 body 3");
}

#[test]
fn interim_responses_are_passed_over() {
    let answer = answered(async |mut peer: Peer, stream| {
        peer.headers(stream, &[(":status", "100")], 0).await;
        peer.headers(stream, &[(":status", "103"), ("link", "x")], 0)
            .await;
        peer.answer_ok(stream).await;
        peer
    });
    assert_eq!(answer, "Ok \"\" details 0 body 0");
}

#[test]
fn no_status() {
    let answer = answered(async |mut peer: Peer, stream| {
        peer.headers(stream, &[(":status", "503")], 0).await;
        peer.write(DATA, END_STREAM, stream, b"<html>").await;
        peer
    });
    assert!(answer.starts_with("Unavailable"), "{answer}");
    let answer = answered(async |mut peer: Peer, stream| {
        peer.headers(stream, &[(":status", "200")], END_STREAM)
            .await;
        peer
    });
    assert!(answer.starts_with("Unknown"), "{answer}");
}

#[test]
fn a_complete_answer_before_the_body_is_sent() {
    run(async {
        let (mut rig, io) = start(settings());
        let mut peer = Peer::new(io, &[(INITIAL_WINDOW_SIZE, 10)]).await;
        settle().await;
        let attempt = rig.send(&grpc_head(), body(1000));
        let other = rig.send(&grpc_head(), body(5));
        peer.expect(DATA).await;
        let fields = [(":status", "200"), ("grpc-status", "16")];
        peer.headers(1, &fields, END_STREAM).await;
        peer.reset(1, NO_ERROR).await;
        peer.answer_ok(3).await;
        settle().await;
        let answer = rig.record.answer(attempt).unwrap();
        assert!(answer.starts_with("Unauthenticated"), "{answer}");
        assert!(rig.record.answer(other).unwrap().starts_with("Ok"));
        assert!(!rig.record.is_closed());
    });
}

#[test]
fn http_answers_keep_status_headers_and_body() {
    run(async {
        let (mut rig, io) = start(settings());
        let mut peer = Peer::new(io, &[]).await;
        let attempt = rig.send(&http_head(), body(10));
        let request = peer.expect(HEADERS).await;
        assert!(!request.payload.is_empty());
        let stream = peer.request().await;
        peer.headers(stream, &[(":status", "429"), ("retry-after", "7")], 0)
            .await;
        peer.write(DATA, END_STREAM, stream, b"later").await;
        settle().await;
        assert_eq!(rig.record.answer(attempt).as_deref(), Some("429 \"later\""));
    });
}

#[test]
fn a_response_over_the_limit_is_refused_and_the_stream_reset() {
    run(async {
        let (mut rig, io) = start(settings());
        let mut peer = Peer::new(io, &[]).await;
        let bomb = rig.send(&http_head(), body(10));
        let stream = peer.request().await;
        peer.headers(stream, &[(":status", "200")], 0).await;
        let piece = vec![0; 16 << 10];
        for _ in 0..=Settings::RESPONSE_BYTES_MAX / piece.len() {
            peer.write(DATA, 0, stream, &piece).await;
            settle().await;
        }
        assert_eq!(rig.record.failure(bomb), Some(Failure::ResponseTooLarge));
        assert_eq!(peer.expect(RST_STREAM).await.stream, stream);

        let declared = rig.send(&http_head(), body(10));
        let stream = peer.request().await;
        peer.headers(
            stream,
            &[(":status", "200"), ("content-length", "4194305")],
            0,
        )
        .await;
        settle().await;
        assert_eq!(
            rig.record.failure(declared),
            Some(Failure::ResponseTooLarge)
        );
        assert!(!rig.record.is_closed());
    });
}

#[test]
fn answers_of_many_streams_share_a_budget() {
    run(async {
        let mut settings = settings();
        settings.response_bytes_max = 32 << 10;
        let (mut rig, io) = start(settings);
        let mut peer = Peer::new(io, &[]).await;
        for _ in 0..8 {
            rig.send(&http_head(), body(10));
        }
        for _ in 0..8 {
            peer.request().await;
        }
        for stream in (1..16).step_by(2) {
            peer.headers(stream, &[(":status", "200")], 0).await;
            peer.write(DATA, 0, stream, &[0; 15 << 10]).await;
        }
        settle().await;
        let mut credited = Vec::new();
        peer.write(PING, 0, 0, &[9; 8]).await;
        loop {
            let frame = peer.read().await.unwrap();
            match (frame.kind, frame.stream) {
                (PING, _) => break,
                (WINDOW_UPDATE, stream @ 1..) => credited.push(stream),
                _ => {}
            }
        }
        assert!(credited.len() < 8, "all of {credited:?} may go on");
        for stream in (1..16).step_by(2) {
            peer.write(DATA, END_STREAM, stream, b"end").await;
        }
        settle().await;
        assert_eq!(rig.record.answers(), 8);
    });
}

#[test]
fn giants_that_use_up_the_budget_together_are_refused_one_by_one() {
    run(async {
        let mut settings = settings();
        settings.response_bytes_max = 256 << 10;
        let (mut rig, io) = start(settings);
        tokio::task::spawn_local(async move {
            let mut connection = h2::server::handshake(io).await.unwrap();
            while let Some(Ok((_, mut respond))) = connection.accept().await {
                let response = http::Response::new(());
                let mut send = respond.send_response(response, false).unwrap();
                // h2 sends it as the windows allow.
                send.send_data(vec![0; 1 << 20].into(), true).unwrap();
            }
        });
        let attempts: Vec<_> = (0..8).map(|_| rig.send(&http_head(), body(10))).collect();
        settle().await;
        for attempt in attempts {
            let failure = rig.record.failure(attempt);
            assert_eq!(failure, Some(Failure::ResponseTooLarge));
        }
    });
}

#[test]
fn a_slow_response_ends_at_the_deadline() {
    run(async {
        let (mut rig, io) = start(settings());
        let mut peer = Peer::new(io, &[]).await;
        let attempt = rig.send_until(&http_head(), body(10), Duration::from_secs(10));
        let stream = peer.request().await;
        peer.headers(stream, &[(":status", "200")], 0).await;
        for second in 0..10 {
            assert_eq!(rig.record.answer(attempt), None, "after {second} s");
            peer.write(DATA, 0, stream, b"x").await;
            rig.pass(Duration::from_secs(1)).await;
        }
        assert_eq!(rig.record.failure(attempt), Some(Failure::TimedOut));
        assert_eq!(peer.expect(RST_STREAM).await.stream, stream);
    });
}

#[test]
fn the_h2_server_of_the_same_library_is_served() {
    run(async {
        let (mut rig, io) = start(settings());
        let served = tokio::task::spawn_local(async move {
            let mut connection = h2::server::handshake(io).await.unwrap();
            let mut lengths = Vec::new();
            while let Some(Ok((request, mut respond))) = connection.accept().await {
                assert_eq!(request.headers()["te"], "trailers");
                assert_eq!(request.headers()["grpc-timeout"], "60000m");
                lengths.push(request.uri().path().len());
                let mut send = respond
                    .send_response(http::Response::new(()), false)
                    .unwrap();
                send.send_data(Bytes::from_static(&[0; 5]), false).unwrap();
                let mut trailers = http::HeaderMap::new();
                trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
                send.send_trailers(trailers).unwrap();
                drop(request);
            }
            lengths.len()
        });
        let attempts: Vec<_> = (0..50).map(|_| rig.send(&grpc_head(), body(40))).collect();
        settle().await;
        for attempt in attempts {
            assert!(rig.record.answer(attempt).unwrap().starts_with("Ok"));
        }
        rig.mailbox.send(crate::exchange::ClientCommand::Drain);
        assert_eq!(served.await.unwrap(), 50);
    });
}
