//! Peers that mean harm: each loses its connection, and another connection is still served.

use crate::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PRIORITY, RST_STREAM,
    RawPeer, SETTINGS, WINDOW_UPDATE, call_block, frame, literal,
};
use crate::grpc::{call, connect, exchange, framed};
use crate::rig::{Script, run, settle};
use std::future::Future;
use tailrace_engine::net::server::{Protocol, Settings};
use tokio::io::AsyncWriteExt;

const PROTOCOL_ERROR: u32 = 1;
const COMPRESSION_ERROR: u32 = 9;
const ENHANCE_YOUR_CALM: u32 = 11;
const CANCEL: [u8; 4] = [0, 0, 0, 8];

fn settings() -> Settings {
    Settings {
        protocol: Protocol::Http2,
        ..Settings::default()
    }
}

/// Lets `attack` write until it returns, reads what the server has to say, and checks that the
/// connection is closed for one of `reasons` while another connection is served.
fn survives<F>(reasons: &[u32], attack: impl FnOnce(Script, RawPeer) -> F + 'static)
where
    F: Future<Output = RawPeer> + 'static,
{
    let reasons = reasons.to_vec();
    run(async move {
        let script = Script::default();
        let (io, attacked) = script.pipe(settings());
        let peer = RawPeer::greeted(io).await;
        let mut peer = attack(script.clone(), peer).await;
        let (kinds, reason) = peer.read_to_end().await;
        assert!(kinds.contains_key(&GOAWAY), "no GOAWAY among {kinds:?}");
        assert!(reasons.contains(&reason.unwrap()), "closed for {reason:?}");
        attacked.await.unwrap();

        let (io, server) = script.pipe(settings());
        let mut client = connect(io).await;
        let answer = exchange(&mut client, call("/now"), &[&framed(b"x")]).await;
        assert_eq!(answer.unwrap().status, "0");
        drop(client);
        server.await.unwrap();
        script.assert_settled();
    });
}

fn open(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &call_block(path))
}

/// The ids of `count` requests of a client.
fn streams(count: u32) -> impl Iterator<Item = u32> {
    (0..count).map(|index| 2 * index + 1)
}

/// CVE-2023-44487: streams reset as soon as they are opened.
#[test]
fn rapid_reset() {
    survives(&[ENHANCE_YOUR_CALM], |_, mut peer| async move {
        for stream in streams(10_000) {
            let mut bytes = open(stream, "/now");
            bytes.extend(frame(RST_STREAM, 0, stream, &CANCEL));
            if !peer.write(&bytes).await {
                break;
            }
        }
        peer
    });
}

/// The same, slow enough that each stream has been accepted, and has cost us its headers.
#[test]
fn rapid_reset_of_accepted_streams() {
    survives(&[ENHANCE_YOUR_CALM], |script, mut peer| async move {
        for stream in streams(2000) {
            let before = script.counts().heads.get();
            if !peer.write(&open(stream, "/now")).await {
                break;
            }
            let closed = || script.counts().closed.get() == 1;
            script
                .until(|script| script.counts().heads.get() > before || closed())
                .await;
            peer.write(&frame(RST_STREAM, 0, stream, &CANCEL)).await;
            if script.counts().abandoned.get() > 1000 {
                break;
            }
            script.until(|script| script.open_requests() == 0).await;
        }
        peer
    });
}

/// CVE-2025-8671: faults that make the server reset the stream itself.
#[test]
fn made_you_reset() {
    let faults: [fn(u32) -> Vec<u8>; 4] = [
        // A window update of nothing.
        |stream| frame(WINDOW_UPDATE, 0, stream, &[0; 4]),
        // One that overflows the window.
        |stream| frame(WINDOW_UPDATE, 0, stream, &[0x7f, 0xff, 0xff, 0xff]),
        // A stream that depends on itself.
        |stream| {
            frame(
                PRIORITY,
                0,
                stream,
                &[&stream.to_be_bytes()[..], &[1]].concat(),
            )
        },
        // A body after the end of the body.
        |stream| {
            let mut bytes = frame(DATA, END_STREAM, stream, &[]);
            bytes.extend(frame(DATA, END_STREAM, stream, b"more"));
            bytes
        },
    ];
    for fault in faults {
        survives(
            &[ENHANCE_YOUR_CALM, PROTOCOL_ERROR],
            move |script, mut peer| async move {
                for stream in streams(2000) {
                    let mut bytes = open(stream, "/later");
                    bytes.extend(fault(stream));
                    if !peer.write(&bytes).await || script.counts().closed.get() == 1 {
                        break;
                    }
                    settle().await;
                }
                peer
            },
        );
    }
}

/// More streams than allowed, for ever: each is refused, and refusals count as well.
#[test]
fn streams_beyond_the_limit() {
    survives(&[ENHANCE_YOUR_CALM], |script, mut peer| async move {
        let limit = settings().streams_max;
        for stream in streams(limit) {
            peer.write(&open(stream, "/later")).await;
        }
        script
            .until(|script| script.open_requests() == limit as usize)
            .await;
        for stream in streams(3000).skip(limit as usize) {
            if !peer.write(&open(stream, "/later")).await {
                break;
            }
        }
        assert_eq!(script.counts().heads.get(), limit as usize);
        peer
    });
}

/// CVE-2024-27316: a header block that never ends.
#[test]
fn continuation_flood() {
    survives(
        &[ENHANCE_YOUR_CALM, COMPRESSION_ERROR],
        |_, mut peer| async move {
            peer.write(&frame(HEADERS, 0, 1, &call_block("/now"))).await;
            let mut block = Vec::new();
            literal(&mut block, "x-filler", &"y".repeat(100));
            for _ in 0..1000 {
                if !peer.write(&frame(CONTINUATION, 0, 1, &block)).await {
                    break;
                }
            }
            peer
        },
    );
}

/// A large entry of the dynamic table, referred to by one byte a copy.
#[test]
fn header_bomb() {
    survives(
        &[ENHANCE_YOUR_CALM, COMPRESSION_ERROR],
        |script, mut peer| async move {
            // Literal with incremental indexing; its value of 3000 bytes is announced as 127 + 2873.
            let mut block = vec![0x40, 1, b'x', 0x7f, 0xb9, 0x16];
            block.extend([b'y'; 3000]);
            block.extend(call_block("/now"));
            // Entry 62 is the newest one: 10,000 copies are 30 MB of headers.
            block.extend([0xbe; 10_000]);
            for stream in streams(1000) {
                if !peer
                    .write(&frame(HEADERS, END_HEADERS, stream, &block))
                    .await
                {
                    break;
                }
            }
            assert_eq!(script.counts().heads.get(), 0, "such headers reach nobody");
            peer
        },
    );
}

/// A body cut into frames of one byte.
#[test]
fn tiny_frames_do_not_cost_more_than_their_bytes() {
    run(async {
        let script = Script::default();
        let (io, server) = script.pipe(settings());
        let mut peer = RawPeer::greeted(io).await;
        let message = framed(&[7; 20_000]);
        peer.write(&open(1, "/now")).await;
        for (index, byte) in message.iter().enumerate() {
            let last = if index + 1 == message.len() {
                END_STREAM
            } else {
                0
            };
            if !peer.write(&frame(DATA, last, 1, &[*byte])).await {
                break;
            }
        }
        // Honest, if odd: it is served, or cut, but never held as a slice for each byte.
        script
            .until(|script| script.counts().completed.get() + script.counts().closed.get() > 0)
            .await;
        drop(peer);
        server.await.unwrap();
        script.assert_settled();
    });
}

/// Frames that cost the peer nine bytes each and carry nothing.
#[test]
fn control_frame_floods() {
    let floods: [fn() -> Vec<u8>; 5] = [
        || frame(PING, 0, 0, &[0; 8]),
        || frame(SETTINGS, 0, 0, &[]),
        || frame(PRIORITY, 0, 1, &[0, 0, 0, 3, 1]),
        || frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]),
        || frame(0x77, 0, 1, &[]),
    ];
    run(async move {
        for flood in floods {
            let script = Script::default();
            let (io, attacked) = script.pipe(settings());
            let peer = RawPeer::greeted(io).await;
            let (mut reader, mut writer) = tokio::io::split(peer.into_inner());
            // Reads what comes, so that only the number of frames can be what ends it.
            let reading = tokio::task::spawn_local(async move {
                let _ = tokio::io::copy(&mut reader, &mut tokio::io::sink()).await;
            });
            let (io, served) = script.pipe(settings());
            let mut client = connect(io).await;
            let flooding = tokio::task::spawn_local(async move {
                let frames = flood().repeat(100);
                while writer.write_all(&frames).await.is_ok() {}
            });
            while !attacked.is_finished() {
                // Others are served while it goes on.
                let answer = exchange(&mut client, call("/now"), &[&framed(b"x")]).await;
                assert_eq!(answer.unwrap().status, "0");
            }
            flooding.await.unwrap();
            reading.await.unwrap();
            drop(client);
            served.await.unwrap();
            script.assert_settled();
        }
    });
}
