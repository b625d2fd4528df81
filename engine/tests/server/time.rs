//! Peers that are slow, silent or old, on a clock that the test moves.

use crate::frames::{self, RawPeer, call_block, frame};
use crate::grpc::{call, connect, exchange, framed, read_answer};
use crate::rig::{Script, run};
use std::time::Duration;
use tailrace_engine::net::server::{Lifetime, Pings, Protocol, Settings};

fn settings() -> Settings {
    Settings {
        protocol: Protocol::Http2,
        ..Settings::default()
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_request_past_its_deadline_is_answered_and_abandoned() {
    run(async {
        let script = Script::default();
        let (io, server) = script.pipe(settings());
        let client = connect(io).await;
        let mut ready = client.clone().ready().await.unwrap();
        // One that waits for its reply, and one whose body is not complete.
        let (waiting, mut send) = ready.send_request(call("/later/brief"), false).unwrap();
        send.send_data(framed(b"abc"), true).unwrap();
        let (receiving, mut half) = ready.send_request(call("/brief"), false).unwrap();
        half.send_data(framed(b"abc").slice(..6), false).unwrap();
        script
            .until(|script| script.waiting() == 1 && script.open_requests() == 2)
            .await;
        script.pass(6 * SECOND).await;
        assert_eq!(read_answer(waiting).await.unwrap().status, "4");
        assert_eq!(read_answer(receiving).await.unwrap().status, "4");
        assert_eq!(script.counts().abandoned.get(), 2);
        drop((client, ready, send, half));
        server.await.unwrap();
        script.assert_settled();
    });
}

#[test]
fn a_reply_that_was_sent_in_time_is_not_lost_to_the_deadline() {
    run(async {
        let script = Script::default();
        let (io, server) = script.pipe(settings());
        let client = connect(io).await;
        let mut ready = client.clone().ready().await.unwrap();
        let (response, mut send) = ready.send_request(call("/later/brief"), false).unwrap();
        send.send_data(framed(b"abc"), true).unwrap();
        script.until(|script| script.waiting() == 1).await;
        script.answer_all();
        script.pass(6 * SECOND).await;
        assert_eq!(read_answer(response).await.unwrap().status, "0");
        assert_eq!(script.counts().abandoned.get(), 0);
        drop((client, ready, send));
        server.await.unwrap();
        script.assert_settled();
    });
}

#[test]
fn a_body_that_stops_coming_is_answered() {
    run(async {
        let script = Script::default();
        let (io, server) = script.pipe(settings());
        let client = connect(io).await;
        let mut ready = client.clone().ready().await.unwrap();
        let (response, mut send) = ready.send_request(call("/now"), false).unwrap();
        let bytes = framed(b"abcdef");
        for piece in [bytes.slice(..6), bytes.slice(6..7), bytes.slice(7..8)] {
            send.send_data(piece, false).unwrap();
            script
                .until(|script| script.counts().heads.get() == 1)
                .await;
            tokio::task::yield_now().await;
            script.pass(29 * SECOND).await;
        }
        assert_eq!(script.counts().abandoned.get(), 0, "it moved all the time");
        script.pass(31 * SECOND).await;
        assert_eq!(read_answer(response).await.unwrap().status, "4");
        assert_eq!(script.counts().abandoned.get(), 1);
        drop((client, ready, send));
        server.await.unwrap();
        script.assert_settled();
    });
}

#[test]
fn a_handshake_has_to_be_done_in_time() {
    run(async {
        for protocol in [Protocol::Http2, Protocol::Any] {
            let script = Script::default();
            let settings = Settings {
                protocol,
                ..Settings::default()
            };
            let (io, server) = script.pipe(settings);
            let mut peer = RawPeer::new(io);
            // A byte now and then does not help.
            for byte in b"PRI" {
                assert!(peer.write(&[*byte]).await);
                script.pass(4 * SECOND).await;
            }
            server.await.unwrap();
            script.assert_settled();
        }
    });
}

#[test]
fn an_idle_connection_is_told_to_go_and_goes() {
    run(async {
        let script = Script::default();
        let mut settings = settings();
        settings.lifetime.idle_max = 60 * SECOND;
        let (io, server) = script.pipe(settings);
        let mut client = connect(io).await;
        let answer = exchange(&mut client, call("/now"), &[&framed(b"x")]).await;
        assert_eq!(answer.unwrap().status, "0");
        script.pass(61 * SECOND).await;
        server.await.unwrap();
        script.assert_settled();
    });
}

#[test]
fn an_old_connection_finishes_what_is_open_within_the_grace() {
    run(async {
        let script = Script::default();
        let mut settings = settings();
        settings.lifetime = Lifetime {
            idle_max: Duration::MAX,
            age_max: 1000 * SECOND,
            age_grace: 30 * SECOND,
        };
        let (io, server) = script.pipe(settings);
        let client = connect(io).await;
        let mut ready = client.clone().ready().await.unwrap();
        let (answered, mut send) = ready.send_request(call("/later"), false).unwrap();
        send.send_data(framed(b"abc"), true).unwrap();
        script.until(|script| script.waiting() == 1).await;
        script.pass(1101 * SECOND).await;
        while client.clone().ready().await.is_ok() {
            tokio::task::yield_now().await;
        }
        script.answer_all();
        assert_eq!(read_answer(answered).await.unwrap().status, "0");
        server.await.unwrap();
        script.assert_settled();

        let (io, server) = script.pipe(Settings {
            lifetime: Lifetime {
                age_max: SECOND,
                age_grace: 30 * SECOND,
                idle_max: Duration::MAX,
            },
            ..self::settings()
        });
        let client = connect(io).await;
        let mut ready = client.clone().ready().await.unwrap();
        let (cut, mut send) = ready.send_request(call("/later"), false).unwrap();
        send.send_data(framed(b"abc"), true).unwrap();
        script.until(|script| script.waiting() == 1).await;
        script.pass(2 * SECOND).await;
        while client.clone().ready().await.is_ok() {
            tokio::task::yield_now().await;
        }
        script.pass(31 * SECOND).await;
        assert!(read_answer(cut).await.is_err());
        server.await.unwrap();
        assert_eq!(script.counts().abandoned.get(), 1);
        script.assert_settled();
    });
}

#[test]
fn a_peer_that_does_not_answer_a_ping_is_cut() {
    run(async {
        let script = Script::default();
        let mut settings = settings();
        settings.pings = Pings {
            time: 100 * SECOND,
            timeout: 20 * SECOND,
            ..settings.pings
        };
        let (io, server) = script.pipe(settings);
        let mut peer = RawPeer::greeted(io).await;
        peer.read_until(frames::SETTINGS).await.unwrap();
        script.pass(101 * SECOND).await;
        let ping = peer.read_until(frames::PING).await.unwrap();
        assert_eq!(ping.flags, 0);
        peer.write(&frame(frames::PING, frames::ACK, 0, &ping.payload))
            .await;
        script.pass(19 * SECOND).await;
        script.pass(101 * SECOND).await;
        peer.read_until(frames::PING).await.unwrap();
        script.pass(21 * SECOND).await;
        server.await.unwrap();
        script.assert_settled();
    });
}

#[test]
fn replies_that_nobody_takes_do_not_hold_a_connection() {
    run(async {
        let script = Script::default();
        let (io, server) = script.pipe(settings());
        let mut peer = RawPeer::new(io);
        peer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        // SETTINGS_INITIAL_WINDOW_SIZE 0: no reply body can ever be sent.
        peer.write(&frame(frames::SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]))
            .await;
        let flags = frames::END_HEADERS;
        peer.write(&frame(frames::HEADERS, flags, 1, &call_block("/now")))
            .await;
        peer.write(&frame(frames::DATA, frames::END_STREAM, 1, &framed(b"abc")))
            .await;
        script
            .until(|script| script.counts().completed.get() == 1)
            .await;
        peer.read_until(frames::HEADERS).await.unwrap();
        script.pass(31 * SECOND).await;
        let reset = peer.read_until(frames::RST_STREAM).await.unwrap();
        assert_eq!(reset.stream, 1);
        drop(peer);
        server.await.unwrap();
        script.assert_settled();
    });
}

/// Whatever a peer sends a byte at a time, each connection ends by itself.
#[test]
fn a_header_block_in_drops_is_cut_however_often_it_moves() {
    run(async {
        let block = call_block("/now");
        let (first, rest) = block.split_at(10);
        let blocks = [
            frame(frames::HEADERS, frames::END_HEADERS, 1, &block),
            // Whole frames, but the block goes on and on.
            [
                frame(frames::HEADERS, 0, 1, first),
                frame(frames::CONTINUATION, 0, 1, rest),
            ]
            .concat(),
        ];
        for block in blocks {
            let script = Script::default();
            let (io, server) = script.pipe(settings());
            let mut peer = RawPeer::greeted(io).await;
            for byte in &block[..block.len() - 1] {
                if !peer.write(&[*byte]).await {
                    break;
                }
                script.pass(SECOND).await;
            }
            server.await.unwrap();
            assert_eq!(script.counts().heads.get(), 0);
            script.assert_settled();
        }
    });
}

#[test]
fn a_peer_that_pings_too_often_is_told_to_calm_down() {
    run(async {
        let script = Script::default();
        let (io, server) = script.pipe(settings());
        let mut peer = RawPeer::greeted(io).await;
        for _ in 0..4 {
            peer.write(&frame(frames::PING, 0, 0, &[0; 8])).await;
            script.pass(60 * SECOND).await;
        }
        let (_, reason) = peer.read_to_end().await;
        assert_eq!(reason, Some(11), "ENHANCE_YOUR_CALM");
        server.await.unwrap();
        script.assert_settled();
    });
}

#[test]
fn pings_at_the_agreed_interval_are_answered() {
    run(async {
        let script = Script::default();
        let mut settings = settings();
        settings.pings.min_time = 10 * SECOND;
        settings.pings.permit_without_stream = true;
        let (io, server) = script.pipe(settings);
        let mut peer = RawPeer::greeted(io).await;
        for round in 0..20 {
            peer.write(&frame(frames::PING, 0, 0, &[round; 8])).await;
            let pong = peer.read_until(frames::PING).await.unwrap();
            assert_eq!((pong.flags, pong.payload), (frames::ACK, vec![round; 8]));
            script.pass(11 * SECOND).await;
        }
        drop(peer);
        server.await.unwrap();
        script.assert_settled();
    });
}
