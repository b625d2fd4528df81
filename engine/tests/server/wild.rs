//! Peers that follow no rule: whatever comes, every request ends once and nothing panics.

use crate::frames::{RawPeer, call_block, frame};
use crate::grpc::framed;
use crate::rig::{Script, run, settle};
use proptest::prelude::*;
use std::time::Duration;
use tailrace_engine::net::server::Settings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const PATHS: [&str; 5] = ["/now", "/later", "/refuse", "/greedy", "/later/brief"];

/// What a peer does next.
#[derive(Debug, Clone)]
enum Act {
    Write(Vec<u8>),
    /// The engine answers what waits.
    Answer,
    Pass,
    Settle,
    Drain,
}

/// Frames that are nearly right, on a few streams.
fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let stream = 0..12_u32;
    prop_oneof![
        4 => (0..5_usize, stream.clone(), any::<bool>()).prop_map(|(path, stream, ends)| {
            frame(1, 4 | u8::from(ends), stream, &call_block(PATHS[path]))
        }),
        4 => (stream.clone(), 0..200_usize, any::<bool>()).prop_map(|(stream, len, ends)| {
            frame(0, u8::from(ends), stream, &framed(&vec![7; len]))
        }),
        1 => (stream.clone(), any::<u32>()).prop_map(|(stream, reason)| {
            frame(3, 0, stream, &reason.to_be_bytes())
        }),
        1 => (0..12_u8, any::<u8>(), stream, prop::collection::vec(any::<u8>(), 0..40))
            .prop_map(|(kind, flags, stream, payload)| frame(kind, flags, stream, &payload)),
    ]
}

/// Requests that are nearly right.
fn any_request() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => (0..5_usize, 0..3000_usize, 0..3000_usize).prop_map(|(path, declared, sent)| {
            let path = PATHS[path];
            let head = format!(
                "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {declared}\r\n\r\n"
            );
            [head.as_bytes(), &vec![b'b'; sent]].concat()
        }),
        4 => (0..5_usize, 0..30_usize).prop_map(|(path, len)| {
            let path = PATHS[path];
            let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n");
            format!("{head}\r\n{len:x}\r\n{}\r\n0\r\n\r\n", "c".repeat(len)).into_bytes()
        }),
        1 => prop::collection::vec(any::<u8>(), 0..40),
        1 => Just(b"\r\n0\r\n\r\n".to_vec()),
    ]
}

fn acts(writes: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        12 => writes.prop_map(Act::Write),
        2 => Just(Act::Answer),
        1 => Just(Act::Pass),
        4 => Just(Act::Settle),
        1 => Just(Act::Drain),
    ];
    prop::collection::vec(act, 0..40)
}

fn play(is_http2: bool, acts: Vec<Act>) {
    run(async move {
        let script = Script::default();
        let (io, server) = script.pipe(Settings::default());
        let io = match is_http2 {
            true => RawPeer::greeted(io).await.into_inner(),
            false => io,
        };
        let (mut reader, mut writer) = tokio::io::split(io);
        let reading = tokio::task::spawn_local(async move {
            let mut bytes = Vec::new();
            let _ = reader.read_to_end(&mut bytes).await;
        });
        for act in acts {
            match act {
                Act::Write(bytes) => {
                    // It may be closed by now.
                    let _ = writer.write_all(&bytes).await;
                }
                Act::Answer => script.answer_all(),
                Act::Pass => script.pass(Duration::from_secs(3)).await,
                Act::Settle => settle().await,
                Act::Drain => script.drain_all(),
            }
        }
        let _ = writer.shutdown().await;
        // With answers and time, every connection ends.
        for _ in 0..40 {
            script.answer_all();
            script.pass(Duration::from_secs(10)).await;
        }
        assert!(server.is_finished(), "the connection does not end");
        server.await.unwrap();
        reading.await.unwrap();
        script.assert_settled();
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(80))]

    #[test]
    fn over_http2(acts in acts(any_frame())) {
        play(true, acts);
    }

    #[test]
    fn over_http1(acts in acts(any_request())) {
        play(false, acts);
    }
}
