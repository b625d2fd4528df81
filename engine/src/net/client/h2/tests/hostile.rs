//! Servers that attack their client.

use super::frames::*;
use super::{settings, start};
use crate::exchange::{CloseReason, Failure};
use crate::net::client::rig::{body, grpc_head, http_head, run, settle};
use proptest::prelude::*;
use std::cell::Cell;
use std::rc::Rc;
use tokio::io::AsyncWriteExt;
use tokio::task::spawn_local;

const CONTINUATION: u8 = 9;

#[test]
fn a_flood_that_wants_answers_is_held_up_by_a_full_socket() {
    for (kind, payload) in [(PING, &[7; 8][..]), (SETTINGS, &[])] {
        run(async move {
            let (rig, io) = start(settings());
            let mut peer = Peer::new(io, &[]).await;
            let sent = Rc::new(Cell::new(0));
            let count = Rc::clone(&sent);
            spawn_local(async move {
                loop {
                    peer.write(kind, 0, 0, payload).await;
                    count.set(count.get() + 9 + payload.len());
                }
            });
            let mut before = usize::MAX;
            while before != sent.get() && !rig.record.is_closed() {
                before = sent.get();
                settle().await;
            }
            // Two sockets of a mebibyte, what is gathered, and a few buffers.
            assert!(
                before < 4 << 20,
                "{before} bytes were taken without an answer being read"
            );
        });
    }
}

#[test]
fn headers_without_end_close_the_connection() {
    run(async {
        let (mut rig, io) = start(settings());
        let mut peer = Peer::new(io, &[]).await;
        let attempt = rig.send(&grpc_head(), body(10));
        let stream = peer.request().await;
        peer.write(HEADERS, 0, stream, &[0x88]).await;
        for _ in 0..100 {
            let mut fields = Vec::new();
            while fields.len() < 16_000 {
                fields.extend_from_slice(b"\0\x01x\x40");
                fields.extend_from_slice(&[b'y'; 64]);
            }
            peer.write(CONTINUATION, 0, stream, &fields).await;
            settle().await;
        }
        drop(peer);
        settle().await;
        assert_eq!(rig.record.failure(attempt), Some(Failure::ConnectionLost));
        assert!(matches!(
            rig.record.close_reason(),
            Some(CloseReason::Protocol { .. })
        ));
    });
}

#[test]
fn headers_and_trailers_over_the_limit_end_their_stream() {
    run(async {
        let (mut rig, io) = start(settings());
        let mut peer = Peer::new(io, &[]).await;
        let first = rig.send(&grpc_head(), body(10));
        let stream = peer.request().await;
        // More than the list may measure, by a reference to one field again and again.
        let mut block = vec![0x88, 0x40, 1, b'n', 127, 1];
        block.extend_from_slice(&[b'v'; 128]);
        block.resize(block.len() + 600, 0xbe);
        peer.write(HEADERS, END_HEADERS, stream, &block).await;
        settle().await;
        assert_eq!(rig.record.failure(first), Some(Failure::Malformed));

        let second = rig.send(&grpc_head(), body(10));
        let stream = peer.request().await;
        peer.headers(stream, &[(":status", "200")], 0).await;
        block.drain(..1);
        peer.write(HEADERS, END_HEADERS | END_STREAM, stream, &block)
            .await;
        settle().await;
        // h2 keeps the trailers that fit; the status is not among them.
        let answer = rig.record.answer(second).unwrap();
        assert!(answer.starts_with("Unknown"), "{answer}");

        let third = rig.send(&grpc_head(), body(10));
        let stream = peer.request().await;
        peer.answer_ok(stream).await;
        settle().await;
        assert!(rig.record.answer(third).unwrap().starts_with("Ok"));
    });
}

#[test]
fn broken_answers_are_malformed() {
    for broken in [
        // The prefix promises more than comes, or less.
        &[0, 0, 0, 0, 2, 1][..],
        &[0, 0, 0, 0, 0, 1],
        &[0, 0, 0],
        // Compressed, and nobody says how; a flag that does not exist.
        &[1, 0, 0, 0, 1, 1],
        &[2, 0, 0, 0, 1, 1],
    ] {
        run(async move {
            let (mut rig, io) = start(settings());
            let mut peer = Peer::new(io, &[]).await;
            let attempt = rig.send(&grpc_head(), body(10));
            let stream = peer.request().await;
            peer.headers(stream, &[(":status", "200")], 0).await;
            peer.write(DATA, 0, stream, broken).await;
            peer.headers(stream, &[("grpc-status", "0")], END_STREAM)
                .await;
            settle().await;
            assert_eq!(
                rig.record.failure(attempt),
                Some(Failure::Malformed),
                "{broken:?}"
            );
        });
    }
    run(async {
        let (mut rig, io) = start(settings());
        let mut peer = Peer::new(io, &[]).await;
        let attempt = rig.send(&http_head(), body(10));
        let stream = peer.request().await;
        peer.headers(stream, &[(":status", "200"), ("content-length", "3")], 0)
            .await;
        peer.write(DATA, END_STREAM, stream, b"four").await;
        settle().await;
        assert_eq!(rig.record.failure(attempt), Some(Failure::Malformed));
        assert!(!rig.record.is_closed());
    });
}

#[test]
fn frames_of_streams_that_were_never_opened_close_the_connection() {
    for (kind, flags, payload) in [
        (DATA, 0, &b"data"[..]),
        (RST_STREAM, 0, &[0, 0, 0, 8]),
        (HEADERS, END_HEADERS, &[0x88]),
    ] {
        run(async move {
            let (mut rig, io) = start(settings());
            let mut peer = Peer::new(io, &[]).await;
            let attempt = rig.send(&grpc_head(), body(10));
            peer.request().await;
            peer.write(kind, flags, 9, payload).await;
            settle().await;
            drop(peer);
            settle().await;
            assert_eq!(rig.record.failure(attempt), Some(Failure::ConnectionLost));
            assert!(matches!(
                rig.record.close_reason(),
                Some(CloseReason::Protocol { .. })
            ));
        });
    }
}

#[derive(Debug, Clone)]
struct Wild {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

fn wild() -> impl Strategy<Value = Wild> {
    // Mostly what could be a frame of an answer, so that the depths are reached.
    let payload = prop_oneof![
        Just(vec![0x88]),
        Just(vec![0; 5]),
        Just(vec![0, 0, 0, 8]),
        Just(b"\0\x0bgrpc-status\x010".to_vec()),
        Just([0, 0, 0, 3, 0, 0, 0, 0].to_vec()),
        prop::collection::vec(any::<u8>(), 0..40),
    ];
    let kind = prop_oneof![4 => Just(DATA), 4 => Just(HEADERS), 5 => 0..11_u8];
    let flags = prop_oneof![
        Just(0),
        Just(END_HEADERS),
        Just(END_HEADERS | END_STREAM),
        any::<u8>()
    ];
    let stream = prop_oneof![6 => (0..6_u32).prop_map(|n| 2 * n + 1), 1 => 0..12_u32];
    (kind, flags, stream, payload).prop_map(|(kind, flags, stream, payload)| Wild {
        kind,
        flags,
        stream,
        payload,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Whatever a server sends, every attempt is answered once, and the end comes last: the
    /// recorder insists.
    #[test]
    fn wild_frames_break_no_promise(frames in prop::collection::vec(wild(), 0..30)) {
        run(async move {
            let (mut rig, io) = start(settings());
            let mut peer = Peer::new(io, &[(MAX_CONCURRENT_STREAMS, 5)]).await;
            for i in 0..8 {
                let head = if i % 2 == 0 { grpc_head() } else { http_head() };
                rig.send(&head, body(i * 300));
            }
            settle().await;
            for Wild { kind, flags, stream, payload } in frames {
                peer.write(kind, flags, stream, &payload).await;
                tokio::task::yield_now().await;
            }
            let _ = peer.io.shutdown().await;
            settle().await;
            drop(peer);
            settle().await;
            assert!(rig.record.is_closed());
        });
    }
}
