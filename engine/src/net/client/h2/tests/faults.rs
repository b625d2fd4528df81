//! GOAWAY, resets, lost connections, peers that speak something else or nothing.

use super::frames::*;
use super::{settings, start};
use crate::exchange::{ClientCommand, CloseReason, Failure, Keepalive};
use crate::net::client::rig::{body, grpc_head, run, settle};
use std::time::Duration;
use tokio::io::AsyncWriteExt;

const OK: &str = "Ok \"\" details 0 body 0";

#[test]
fn streams_above_goaways_last_id_are_unprocessed_and_the_others_finish() {
    run(async {
        let (mut rig, io) = start(settings());
        let mut peer = Peer::new(io, &[]).await;
        settle().await;
        let attempts: Vec<_> = (0..3).map(|_| rig.send(&grpc_head(), body(100))).collect();
        for stream in [1, 3, 5] {
            assert_eq!(peer.request().await, stream);
        }
        peer.goaway(i32::MAX as u32, NO_ERROR, "").await;
        settle().await;
        assert!(rig.record.is_draining());
        assert_eq!(rig.record.answers(), 0);

        let late = rig.send(&grpc_head(), body(100));
        peer.goaway(3, NO_ERROR, "").await;
        settle().await;
        assert_eq!(rig.record.failure(late), Some(Failure::Unprocessed));
        assert_eq!(rig.record.failure(attempts[2]), Some(Failure::Unprocessed));
        assert_eq!(rig.record.answers(), 2);

        peer.answer_ok(1).await;
        peer.answer_ok(3).await;
        settle().await;
        assert_eq!(rig.record.answer(attempts[0]).as_deref(), Some(OK));
        assert_eq!(rig.record.answer(attempts[1]).as_deref(), Some(OK));
        assert_eq!(rig.record.close_reason(), Some(CloseReason::Drained));
    });
}

#[test]
fn goaway_and_an_immediate_close_lose_only_what_may_be_processed() {
    run(async {
        let (mut rig, io) = start(settings());
        let mut peer = Peer::new(io, &[]).await;
        let first = rig.send(&grpc_head(), body(100));
        let second = rig.send(&grpc_head(), body(100));
        peer.request().await;
        peer.request().await;
        peer.goaway(1, NO_ERROR, "").await;
        drop(peer);
        settle().await;
        assert_eq!(rig.record.failure(first), Some(Failure::ConnectionLost));
        assert_eq!(rig.record.failure(second), Some(Failure::Unprocessed));
        assert!(rig.record.is_closed());
    });
}

#[test]
fn reset_codes_say_whether_the_request_was_processed() {
    run(async {
        let (mut rig, io) = start(settings());
        let mut peer = Peer::new(io, &[]).await;
        for code in 0..=13 {
            let attempt = rig.send(&grpc_head(), body(100));
            let stream = peer.request().await;
            peer.reset(stream, code).await;
            settle().await;
            let expected = match code {
                REFUSED_STREAM => Failure::Unprocessed,
                _ => Failure::ConnectionLost,
            };
            assert_eq!(rig.record.failure(attempt), Some(expected), "code {code}");
        }
        let attempt = rig.send(&grpc_head(), body(100));
        let stream = peer.request().await;
        peer.answer_ok(stream).await;
        settle().await;
        assert_eq!(rig.record.answer(attempt).as_deref(), Some(OK));
    });
}

#[test]
fn an_answer_lost_with_the_connection_may_have_been_processed() {
    run(async {
        let (mut rig, io) = start(settings());
        let mut peer = Peer::new(io, &[(MAX_CONCURRENT_STREAMS, 1)]).await;
        let sent = rig.send(&grpc_head(), body(100));
        let waiting = rig.send(&grpc_head(), body(100));
        peer.request().await;
        peer.headers(1, &[(":status", "200")], 0).await;
        drop(peer);
        settle().await;
        assert_eq!(rig.record.failure(sent), Some(Failure::ConnectionLost));
        assert_eq!(rig.record.failure(waiting), Some(Failure::Unprocessed));
        assert_eq!(rig.record.close_reason(), Some(CloseReason::Lost));
    });
}

#[test]
fn a_request_of_which_no_byte_was_written_is_unprocessed() {
    run(async {
        let (mut rig, io) = start(settings());
        let peer = Peer::new(io, &[(INITIAL_WINDOW_SIZE, 0)]).await;
        settle().await;
        let attempt = rig.send(&grpc_head(), body(100));
        settle().await;
        drop(peer);
        settle().await;
        assert_eq!(rig.record.failure(attempt), Some(Failure::Unprocessed));
    });
}

#[test]
fn a_peer_that_speaks_something_else_is_told_apart() {
    for (spoken, what) in [
        (
            &b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n"[..],
            "HTTP/1.1",
        ),
        (&[0x15, 3, 3, 0, 2, 2, 40], "TLS"),
        (&[0xff; 64], "connection error detected"),
    ] {
        run(async move {
            let (mut rig, mut io) = start(settings());
            let attempt = rig.send(&grpc_head(), body(100));
            io.write_all(spoken).await.unwrap();
            settle().await;
            drop(io);
            settle().await;
            assert!(!rig.record.is_connected());
            assert_eq!(rig.record.failure(attempt), Some(Failure::Unprocessed));
            match rig.record.close_reason() {
                Some(CloseReason::Protocol { what: said }) if said.contains(what) => {}
                other => panic!("{other:?} does not say {what:?}"),
            }
        });
    }
}

#[test]
fn a_peer_that_never_sends_settings_times_out() {
    run(async {
        let (mut rig, _io) = start(settings());
        let attempt = rig.send(&grpc_head(), body(100));
        rig.pass(settings().connect_timeout).await;
        assert_eq!(rig.record.failure(attempt), Some(Failure::Unprocessed));
        assert_eq!(
            rig.record.close_reason(),
            Some(CloseReason::ConnectTimedOut)
        );
    });
}

#[test]
fn a_peer_that_leaves_at_once_is_lost() {
    run(async {
        let (rig, io) = start(settings());
        settle().await;
        drop(io);
        settle().await;
        assert_eq!(rig.record.close_reason(), Some(CloseReason::Lost));
    });
}

fn with_keepalive(permit_without_stream: bool) -> crate::net::client::Settings {
    let mut settings = settings();
    settings.idle_timeout = Duration::MAX;
    settings.keepalive = Some(Keepalive {
        time: Duration::from_secs(10),
        timeout: Duration::from_secs(5),
        permit_without_stream,
    });
    settings
}

#[test]
fn a_silent_peer_is_pinged_and_given_up() {
    run(async {
        let (mut rig, io) = start(with_keepalive(false));
        let mut peer = Peer::new(io, &[]).await;
        settle().await;
        rig.pass(Duration::from_secs(60)).await;
        assert!(!rig.record.is_closed(), "no PING without a stream");

        let attempt = rig.send(&grpc_head(), body(100));
        settle().await;
        let ping = peer.expect(PING).await;
        peer.write(PING, ACK, 0, &ping.payload).await;
        rig.pass(Duration::from_secs(14)).await;
        peer.expect(PING).await;
        assert!(!rig.record.is_closed());
        rig.pass(Duration::from_secs(2)).await;
        assert_eq!(rig.record.failure(attempt), Some(Failure::ConnectionLost));
        assert_eq!(
            rig.record.close_reason(),
            Some(CloseReason::KeepaliveTimedOut)
        );
    });
}

#[test]
fn pings_without_a_stream_when_permitted_and_any_frame_is_a_sign_of_life() {
    run(async {
        let (rig, io) = start(with_keepalive(true));
        let mut peer = Peer::new(io, &[]).await;
        settle().await;
        for _ in 0..5 {
            rig.pass(Duration::from_secs(10)).await;
            let ping = peer.expect(PING).await;
            peer.write(PING, ACK, 0, &ping.payload).await;
            settle().await;
        }
        // Not the answer, but a frame all the same.
        rig.pass(Duration::from_secs(10)).await;
        peer.expect(PING).await;
        peer.write(PING, 0, 0, &[1; 8]).await;
        rig.pass(Duration::from_secs(9)).await;
        assert!(!rig.record.is_closed());
        rig.pass(Duration::from_secs(6)).await;
        assert_eq!(
            rig.record.close_reason(),
            Some(CloseReason::KeepaliveTimedOut)
        );
    });
}

#[test]
fn too_many_pings_is_told_to_the_engine() {
    run(async {
        let (mut rig, io) = start(settings());
        let mut peer = Peer::new(io, &[]).await;
        let attempt = rig.send(&grpc_head(), body(100));
        peer.request().await;
        peer.goaway(0, ENHANCE_YOUR_CALM, "too_many_pings").await;
        drop(peer);
        settle().await;
        assert_eq!(rig.record.failure(attempt), Some(Failure::Unprocessed));
        assert_eq!(rig.record.close_reason(), Some(CloseReason::TooManyPings));
    });
}

#[test]
fn drain_finishes_what_is_open_and_says_goodbye() {
    run(async {
        let (mut rig, io) = start(settings());
        let mut peer = Peer::new(io, &[(MAX_CONCURRENT_STREAMS, 1)]).await;
        settle().await;
        let open = rig.send(&grpc_head(), body(100));
        let waiting = rig.send(&grpc_head(), body(100));
        rig.mailbox.send(ClientCommand::Drain);
        let late = rig.send(&grpc_head(), body(100));
        for _ in 0..2 {
            let stream = peer.request().await;
            peer.answer_ok(stream).await;
        }
        settle().await;
        assert_eq!(rig.record.answer(open).as_deref(), Some(OK));
        assert_eq!(rig.record.answer(waiting).as_deref(), Some(OK));
        assert_eq!(rig.record.failure(late), Some(Failure::Unprocessed));
        peer.expect(GOAWAY).await;
        drop(peer);
        settle().await;
        assert_eq!(rig.record.close_reason(), Some(CloseReason::Drained));
        assert!(!rig.record.is_draining(), "the engine knows already");
    });
}

#[test]
fn drain_before_the_handshake_ends_at_once() {
    run(async {
        let (mut rig, _io) = start(settings());
        let attempt = rig.send(&grpc_head(), body(100));
        rig.mailbox.send(ClientCommand::Drain);
        settle().await;
        assert_eq!(rig.record.failure(attempt), Some(Failure::Unprocessed));
        assert_eq!(rig.record.close_reason(), Some(CloseReason::Drained));
    });
}

#[test]
fn idle_and_old_connections_retire() {
    run(async {
        let (rig, io) = start(settings());
        let _peer = Peer::new(io, &[]).await;
        rig.pass(settings().idle_timeout + Duration::from_secs(2))
            .await;
        assert!(rig.record.is_draining());
        assert_eq!(rig.record.close_reason(), Some(CloseReason::Drained));
    });
    run(async {
        let mut settings = settings();
        settings.age_max = Duration::from_secs(30);
        let (mut rig, io) = start(settings);
        let mut peer = Peer::new(io, &[]).await;
        rig.pass(Duration::from_secs(29)).await;
        let open = rig.send(&grpc_head(), body(100));
        settle().await;
        rig.pass(Duration::from_secs(2)).await;
        assert!(rig.record.is_draining());
        let late = rig.send(&grpc_head(), body(100));
        let stream = peer.request().await;
        peer.answer_ok(stream).await;
        settle().await;
        assert_eq!(rig.record.answer(open).as_deref(), Some(OK));
        assert_eq!(rig.record.failure(late), Some(Failure::Unprocessed));
        rig.pass(Duration::from_secs(2)).await;
        assert_eq!(rig.record.close_reason(), Some(CloseReason::Drained));
    });
}
