//! Windows, stream limits, deadlines and floods.

use super::frames::*;
use super::{settings, start};
use crate::exchange::{CloseReason, Failure};
use crate::net::client::rig::{body, grpc_head, run, settle};
use std::time::Duration;

const OK: &str = "Ok \"\" details 0 body 0";

#[test]
fn a_peer_without_window_holds_up_neither_the_others_nor_the_connection() {
    run(async {
        let (mut rig, io) = start(settings());
        let mut peer = Peer::new(io, &[(INITIAL_WINDOW_SIZE, 0)]).await;
        settle().await;
        let stuck = rig.send_until(&grpc_head(), body(5000), Duration::from_secs(5));
        let lucky = rig.send(&grpc_head(), body(5000));
        peer.expect(HEADERS).await;
        peer.expect(HEADERS).await;
        peer.write(WINDOW_UPDATE, 0, 3, &5000_u32.to_be_bytes())
            .await;
        assert_eq!(peer.request().await, 3);
        peer.answer_ok(3).await;
        settle().await;
        assert_eq!(rig.record.answer(lucky).as_deref(), Some(OK));
        assert_eq!(rig.record.answer(stuck), None);

        rig.pass(Duration::from_secs(5)).await;
        assert_eq!(rig.record.failure(stuck), Some(Failure::TimedOut));
        let reset = peer.expect(RST_STREAM).await;
        assert_eq!(
            (reset.stream, reset.payload),
            (1, CANCEL.to_be_bytes().to_vec())
        );
        assert!(!rig.record.is_draining(), "another body moved meanwhile");
    });
}

#[test]
fn a_connection_on_which_nothing_moves_is_retired() {
    run(async {
        let (mut rig, io) = start(settings());
        let _peer = Peer::new(io, &[(INITIAL_WINDOW_SIZE, 0)]).await;
        settle().await;
        let stuck = rig.send_until(&grpc_head(), body(5000), Duration::from_secs(5));
        settle().await;
        rig.pass(Duration::from_secs(5)).await;
        assert_eq!(rig.record.failure(stuck), Some(Failure::TimedOut));
        assert!(rig.record.is_draining());
        rig.pass(Duration::from_secs(2)).await;
        assert_eq!(rig.record.close_reason(), Some(CloseReason::Lost));
    });
}

#[test]
fn bodies_larger_than_the_window_arrive_whole() {
    run(async {
        let (mut rig, io) = start(settings());
        let mut peer = Peer::new(io, &[]).await;
        settle().await;
        let len = 300_000;
        let attempt = rig.send(&grpc_head(), body(len));
        let mut received = Vec::new();
        loop {
            let frame = peer.expect(DATA).await;
            assert!(frame.payload.len() <= 16 << 10);
            received.extend_from_slice(&frame.payload);
            let credit = (frame.payload.len() as u32).to_be_bytes();
            if frame.flags & END_STREAM != 0 {
                break;
            }
            peer.write(WINDOW_UPDATE, 0, 0, &credit).await;
            peer.write(WINDOW_UPDATE, 0, frame.stream, &credit).await;
        }
        assert_eq!(received, body(len).slices().concat());
        peer.answer_ok(1).await;
        settle().await;
        assert_eq!(rig.record.answer(attempt).as_deref(), Some(OK));
    });
}

#[test]
fn a_window_of_one_byte_makes_progress() {
    run(async {
        let (mut rig, io) = start(settings());
        let mut peer = Peer::new(io, &[(INITIAL_WINDOW_SIZE, 1)]).await;
        settle().await;
        let attempt = rig.send(&grpc_head(), body(50));
        for _ in 0..49 {
            assert_eq!(peer.expect(DATA).await.payload.len(), 1);
            peer.write(WINDOW_UPDATE, 0, 1, &1_u32.to_be_bytes()).await;
        }
        assert_eq!(peer.request().await, 1);
        peer.answer_ok(1).await;
        settle().await;
        assert_eq!(rig.record.answer(attempt).as_deref(), Some(OK));
    });
}

#[test]
fn the_peers_stream_limit_is_followed_down_to_none_and_up_again() {
    run(async {
        let (mut rig, io) = start(settings());
        let mut peer = Peer::new(io, &[(MAX_CONCURRENT_STREAMS, 2)]).await;
        settle().await;
        assert_eq!(rig.record.max(), 2);
        let attempts: Vec<_> = (0..40).map(|_| rig.send(&grpc_head(), body(10))).collect();
        assert_eq!((peer.request().await, peer.request().await), (1, 3));
        peer.settings(&[(MAX_CONCURRENT_STREAMS, 0)]).await;
        settle().await;
        assert_eq!(rig.record.max(), 0);
        peer.answer_ok(1).await;
        peer.answer_ok(3).await;
        settle().await;
        assert_eq!(rig.record.answers(), 2);

        peer.settings(&[(MAX_CONCURRENT_STREAMS, 1)]).await;
        for stream in (5..=61).step_by(2) {
            assert_eq!(peer.request().await, stream);
            settle().await;
            assert_eq!(rig.record.answers(), stream as usize / 2, "one at a time");
            peer.answer_ok(stream).await;
        }
        peer.settings(&[(MAX_CONCURRENT_STREAMS, 100)]).await;
        for _ in 63..=79 {
            if rig.record.answers() == attempts.len() {
                break;
            }
            let stream = peer.request().await;
            peer.answer_ok(stream).await;
            settle().await;
        }
        for attempt in attempts {
            assert_eq!(rig.record.answer(attempt).as_deref(), Some(OK));
        }
    });
}

#[test]
fn a_limit_that_jumps_about_neither_loses_nor_holds_up_an_attempt() {
    run(async {
        let (mut rig, io) = start(settings());
        let mut peer = Peer::new(io, &[(MAX_CONCURRENT_STREAMS, 1)]).await;
        for _ in 0..2000 {
            rig.send(&grpc_head(), body(10));
        }
        let mut open = std::collections::VecDeque::new();
        let mut round = 0_u32;
        while rig.record.answers() < 2000 {
            round += 1;
            assert!(round < 20_000, "{} answers", rig.record.answers());
            let limit = [100, 0, 1, 7, 1, 300, 2, 0][round as usize / 3 % 8];
            peer.settings(&[(MAX_CONCURRENT_STREAMS, limit)]).await;
            // The answer to the PING says that all frames before it were read.
            peer.write(PING, 0, 0, &round.to_be_bytes().repeat(2)).await;
            loop {
                let frame = peer.read().await.expect("an open connection");
                match frame.kind {
                    DATA => open.push_back(frame.stream),
                    PING => break,
                    _ => {}
                }
            }
            for _ in 0..1 + round % 40 {
                let Some(stream) = open.pop_front() else {
                    break;
                };
                peer.answer_ok(stream).await;
            }
        }
    });
}

#[test]
fn our_own_stream_limit_holds_where_the_peer_has_none() {
    run(async {
        let mut settings = settings();
        settings.streams_max = 3;
        let (mut rig, io) = start(settings);
        let mut peer = Peer::new(io, &[]).await;
        settle().await;
        assert_eq!(rig.record.max(), 3);
        for _ in 0..10 {
            rig.send(&grpc_head(), body(10));
        }
        for answered in 0..10 {
            let stream = peer.request().await;
            assert!(stream <= 2 * (answered + 3));
            peer.answer_ok(stream).await;
        }
        settle().await;
        assert_eq!(rig.record.answers(), 10);
    });
}

#[test]
fn cancelling_resets_the_stream_and_frees_its_place() {
    run(async {
        let (mut rig, io) = start(settings());
        let mut peer = Peer::new(io, &[(MAX_CONCURRENT_STREAMS, 1)]).await;
        let open = rig.send(&grpc_head(), body(10));
        let waiting = rig.send(&grpc_head(), body(10));
        let last = rig.send(&grpc_head(), body(10));
        peer.request().await;
        rig.cancel(waiting);
        rig.cancel(open);
        assert_eq!(peer.expect(RST_STREAM).await.stream, 1);
        let stream = peer.request().await;
        // A late answer to the cancelled stream is ignored.
        peer.answer_ok(1).await;
        peer.answer_ok(stream).await;
        settle().await;
        assert_eq!(rig.record.answer(last).as_deref(), Some(OK));
        assert!(!rig.record.is_closed());
    });
}

#[test]
fn late_answers_to_streams_that_timed_out_do_not_close_the_connection() {
    run(async {
        let (mut rig, io) = start(settings());
        let mut peer = Peer::new(io, &[]).await;
        for _ in 0..2000 {
            let timeout = Duration::from_secs(2);
            let attempt = rig.send_until(&grpc_head(), body(10), timeout);
            let stream = peer.request().await;
            rig.pass_quickly(timeout).await;
            assert_eq!(rig.record.failure(attempt), Some(Failure::TimedOut));
            peer.answer_ok(stream).await;
        }
        settle().await;
        assert!(!rig.record.is_closed());
    });
}

#[test]
fn a_thousand_tiny_answers_at_once_do_not_close_the_connection() {
    run(async {
        let (mut rig, io) = start(settings());
        let mut peer = Peer::new(io, &[]).await;
        let attempts: Vec<_> = (0..1000)
            .map(|_| rig.send(&grpc_head(), body(10)))
            .collect();
        let mut streams = Vec::new();
        for _ in 0..1000 {
            streams.push(peer.request().await);
        }
        // The headers and messages of all, then the trailers of all: every message is buffered.
        let mut wire = Vec::new();
        for stream in &streams {
            let id = stream.to_be_bytes();
            wire.extend_from_slice(&[0, 0, 1, HEADERS, END_HEADERS]);
            wire.extend_from_slice(&id);
            wire.push(0x88);
            wire.extend_from_slice(&[0, 0, 5, DATA, 0]);
            wire.extend_from_slice(&id);
            wire.extend_from_slice(&[0; 5]);
        }
        tokio::io::AsyncWriteExt::write_all(&mut peer.io, &wire)
            .await
            .unwrap();
        settle().await;
        for stream in streams {
            peer.headers(stream, &[("grpc-status", "0")], END_STREAM)
                .await;
        }
        settle().await;
        assert_eq!(rig.record.answers(), 1000);
        for attempt in attempts {
            assert_eq!(rig.record.answer(attempt).as_deref(), Some(OK));
        }
        assert!(!rig.record.is_closed());
    });
}

#[test]
fn a_flood_of_tiny_frames_closes_the_connection() {
    run(async {
        let (mut rig, io) = start(settings());
        let mut peer = Peer::new(io, &[]).await;
        let attempt = rig.send(&grpc_head(), body(10));
        let stream = peer.request().await;
        peer.headers(stream, &[(":status", "200")], 0).await;
        for _ in 0..200 {
            peer.write(DATA, 0, stream, &[]).await;
        }
        settle().await;
        assert_eq!(rig.record.failure(attempt), Some(Failure::ConnectionLost));
        drop(peer);
        settle().await;
        assert!(matches!(
            rig.record.close_reason(),
            Some(CloseReason::Protocol { .. })
        ));
    });
}

#[test]
fn an_answer_costs_few_polls() {
    run(async {
        let (mut rig, io) = start(settings());
        let mut peer = Peer::new(io, &[]).await;
        settle().await;
        let before = rig.polls();
        for _ in 0..100 {
            rig.send(&grpc_head(), body(10));
        }
        let mut streams = Vec::new();
        for _ in 0..100 {
            streams.push(peer.request().await);
        }
        for stream in streams {
            peer.answer_ok(stream).await;
        }
        settle().await;
        assert_eq!(rig.record.answers(), 100);
        let polls = rig.polls() - before;
        assert!(polls <= 100, "{polls} polls for 100 attempts");
    });
}
