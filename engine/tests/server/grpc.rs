//! gRPC over HTTP/2, with the client of the h2 crate.

use crate::rig::{Script, run};
use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, Request};
use tailrace_engine::exchange::Windows;
use tailrace_engine::net::server::{Protocol, Settings};
use tokio::io::DuplexStream;

fn settings() -> Settings {
    Settings {
        protocol: Protocol::Http2,
        ..Settings::default()
    }
}

pub fn framed(message: &[u8]) -> Bytes {
    let mut bytes = vec![0];
    bytes.extend((message.len() as u32).to_be_bytes());
    bytes.extend(message);
    bytes.into()
}

pub fn call(path: &str) -> Request<()> {
    Request::post(format!("http://localhost{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .unwrap()
}

/// Opens the client's side of a connection.
pub async fn connect(io: DuplexStream) -> SendRequest<Bytes> {
    let (client, connection) = h2::client::handshake(io).await.unwrap();
    tokio::task::spawn_local(async move {
        // Its end is the test's business, seen through the requests.
        let _ = connection.await;
    });
    client
}

/// What came back.
#[derive(Debug, PartialEq)]
pub struct Answer {
    pub body: Vec<u8>,
    pub status: String,
    pub trailers: HeaderMap,
}

/// Makes one call and reads its answer to the end.
pub async fn exchange(
    client: &mut SendRequest<Bytes>,
    request: Request<()>,
    pieces: &[&[u8]],
) -> Result<Answer, h2::Error> {
    let mut ready = client.clone().ready().await?;
    let (response, mut send) = ready.send_request(request, pieces.is_empty())?;
    for (index, piece) in pieces.iter().enumerate() {
        let last = index + 1 == pieces.len();
        // The server may have answered and stopped reading: that is no error.
        if send.send_data(Bytes::copy_from_slice(piece), last).is_err() {
            break;
        }
    }
    read_answer(response).await
}

pub async fn read_answer(response: h2::client::ResponseFuture) -> Result<Answer, h2::Error> {
    let (head, mut stream) = response.await?.into_parts();
    assert_eq!(head.headers["content-type"], "application/grpc");
    let mut body = Vec::new();
    while let Some(piece) = stream.data().await {
        let piece = piece?;
        stream.flow_control().release_capacity(piece.len())?;
        body.extend_from_slice(&piece);
    }
    let trailers = stream.trailers().await?.unwrap_or(head.headers);
    let status = trailers["grpc-status"].to_str().unwrap().to_owned();
    Ok(Answer {
        body,
        status,
        trailers,
    })
}

#[test]
fn a_call_is_answered_with_headers_message_and_trailers() {
    run(async {
        let script = Script::default();
        let (io, server) = script.pipe(settings());
        let mut client = connect(io).await;
        let message = vec![7; 3000];
        let answer = exchange(&mut client, call("/now"), &[&framed(&message)])
            .await
            .unwrap();
        assert_eq!(answer.status, "0");
        assert_eq!(answer.body, framed(&3000_u64.to_be_bytes()));
        assert_eq!(answer.trailers.len(), 1);
        assert_eq!(script.messages(), [(message, false)]);
        drop(client);
        server.await.unwrap();
        script.assert_settled();
    });
}

#[test]
fn a_message_cut_anywhere_arrives_whole() {
    run(async {
        let script = Script::default();
        let (io, server) = script.pipe(settings());
        let mut client = connect(io).await;
        let message: Vec<u8> = (0..300_u32).flat_map(u32::to_be_bytes).collect();
        let bytes = framed(&message);
        for cut in [1, 3, 5, 6, 600] {
            let answer = exchange(
                &mut client,
                call("/now"),
                &[&bytes[..cut], &bytes[cut..], b""],
            )
            .await
            .unwrap();
            assert_eq!(answer.status, "0");
        }
        assert!(script.messages().iter().all(|(m, _)| *m == message));
        drop(client);
        server.await.unwrap();
        script.assert_settled();
    });
}

#[test]
fn large_messages_pass_windows_smaller_than_they_are() {
    run(async {
        let script = Script::default();
        script.set_windows(Windows {
            frame: 16 << 10,
            stream: 64 << 10,
            connection: 64 << 10,
        });
        let (io, server) = script.pipe(settings());
        let client = connect(io).await;
        let message: Vec<u8> = (0..500_000_u32).flat_map(u32::to_be_bytes).collect();
        let calls: Vec<_> = (0..4)
            .map(|_| {
                let (mut client, message) = (client.clone(), message.clone());
                tokio::task::spawn_local(async move {
                    exchange(&mut client, call("/now"), &[&framed(&message)]).await
                })
            })
            .collect();
        for call in calls {
            assert_eq!(call.await.unwrap().unwrap().status, "0");
        }
        assert!(script.messages().iter().all(|(m, _)| *m == message));
        drop(client);
        server.await.unwrap();
        script.assert_settled();
    });
}

#[test]
fn replies_by_mailbox_reach_their_requests() {
    run(async {
        let script = Script::default();
        let (io, server) = script.pipe(settings());
        let client = connect(io).await;
        for round in 0..3 {
            let calls: Vec<_> = (0..100_usize)
                .map(|len| {
                    let mut client = client.clone();
                    tokio::task::spawn_local(async move {
                        exchange(&mut client, call("/later"), &[&framed(&vec![0; len])]).await
                    })
                })
                .collect();
            script.until(|script| script.waiting() == 100).await;
            script.answer_all();
            for (len, call) in calls.into_iter().enumerate() {
                let answer = call.await.unwrap().unwrap();
                assert_eq!(answer.body, framed(&(len as u64).to_be_bytes()), "{round}");
            }
        }
        drop(client);
        server.await.unwrap();
        script.assert_settled();
    });
}

#[test]
fn a_refusal_is_trailers_only_with_message_and_details() {
    run(async {
        let script = Script::default();
        let (io, server) = script.pipe(settings());
        let mut client = connect(io).await;
        for path in ["/refuse", "/greedy"] {
            let answer = exchange(&mut client, call(path), &[&framed(b"message")])
                .await
                .unwrap();
            assert_eq!(answer.status, "8");
            assert_eq!(answer.trailers["grpc-message"], "100%25 full");
            assert_eq!(answer.trailers["grpc-status-details-bin"], "ZGV0YWlscw");
            assert!(answer.body.is_empty());
        }
        drop(client);
        server.await.unwrap();
        script.assert_settled();
    });
}

#[test]
fn ten_thousand_refusals_leave_the_connection_as_it_was() {
    run(async {
        let script = Script::default();
        let (io, server) = script.pipe(settings());
        let client = connect(io).await;
        // Twice the drain limit: half of each body is never read.
        let message = vec![0; 128 << 10];
        let workers: Vec<_> = (0..20)
            .map(|_| {
                let (mut client, bytes) = (client.clone(), framed(&message));
                tokio::task::spawn_local(async move {
                    for round in 0..500 {
                        let path = ["/refuse", "/greedy"][round % 2];
                        let answer = exchange(&mut client, call(path), &[&bytes]).await;
                        assert_eq!(answer.unwrap().status, "8");
                    }
                })
            })
            .collect();
        for worker in workers {
            worker.await.unwrap();
        }
        assert_eq!(script.counts().heads.get(), 10_000);
        assert_eq!(script.held_peak(), 0);
        // The connection still takes calls: no GOAWAY was sent.
        let mut client = client;
        let answer = exchange(&mut client, call("/now"), &[&framed(b"x")]).await;
        assert_eq!(answer.unwrap().status, "0");
        drop(client);
        server.await.unwrap();
        script.assert_settled();
    });
}

#[test]
fn bodies_that_break_their_framing_get_the_code_of_grpc() {
    run(async {
        let script = Script::default();
        let (io, server) = script.pipe(settings());
        let mut client = connect(io).await;
        let good = framed(b"abc");
        let cases: [(&[&[u8]], &str); 6] = [
            (&[], "12"),
            (&[b""], "12"),
            (&[&good[..3]], "13"),
            (&[&good[..7]], "13"),
            (&[&good, &good], "12"),
            (&[&[9, 0, 0, 0, 0]], "13"),
        ];
        for (pieces, status) in cases {
            let answer = exchange(&mut client, call("/now"), pieces).await.unwrap();
            assert_eq!(answer.status, status, "{pieces:?}");
        }
        assert_eq!(script.counts().abandoned.get(), cases.len());
        drop(client);
        server.await.unwrap();
        script.assert_settled();
    });
}

#[test]
fn senders_that_leave_are_abandoned() {
    run(async {
        let script = Script::default();
        let (io, server) = script.pipe(settings());
        let client = connect(io).await;
        // In the middle of a body.
        let mut ready = client.clone().ready().await.unwrap();
        let (_response, mut send) = ready.send_request(call("/now"), false).unwrap();
        send.send_data(framed(b"abc").slice(..6), false).unwrap();
        script.until(|script| script.open_requests() == 1).await;
        send.send_reset(h2::Reason::CANCEL);
        script.until(|script| script.open_requests() == 0).await;

        // With the body complete and the reply awaited.
        let (response, mut send) = ready.send_request(call("/later"), false).unwrap();
        send.send_data(framed(b"abc"), true).unwrap();
        script.until(|script| script.waiting() == 1).await;
        drop((response, send));
        script.until(|script| script.open_requests() == 0).await;
        assert_eq!(script.counts().abandoned.get(), 2);

        // With the whole connection.
        let (_response, mut send) = ready.send_request(call("/later"), false).unwrap();
        send.send_data(framed(b"abc"), true).unwrap();
        script.until(|script| script.waiting() == 1).await;
        server.abort();
        let _ = server.await;
        assert_eq!(script.counts().abandoned.get(), 3);
        script.assert_settled();
    });
}

#[test]
fn a_draining_connection_finishes_what_is_open() {
    run(async {
        let script = Script::default();
        let (io, server) = script.pipe(settings());
        let client = connect(io).await;
        let mut ready = client.clone().ready().await.unwrap();
        let (response, mut send) = ready.send_request(call("/later"), false).unwrap();
        send.send_data(framed(b"abc"), true).unwrap();
        script.until(|script| script.waiting() == 1).await;
        script.drain_all();
        // Until the client has seen GOAWAY it takes new calls, afterwards it refuses them.
        while client.clone().ready().await.is_ok() {
            tokio::task::yield_now().await;
        }
        script.answer_all();
        assert_eq!(read_answer(response).await.unwrap().status, "0");
        server.await.unwrap();
        script.assert_settled();
    });
}

#[test]
fn a_connection_over_the_cap_is_closed_without_a_word() {
    run(async {
        let script = Script::default();
        script.set_connections_max(0);
        let (io, server) = script.pipe(settings());
        server.await.unwrap();
        let (mut reader, _writer) = tokio::io::split(io);
        let mut bytes = Vec::new();
        tokio::io::AsyncReadExt::read_to_end(&mut reader, &mut bytes)
            .await
            .unwrap();
        assert!(bytes.is_empty());
        script.assert_settled();
    });
}
