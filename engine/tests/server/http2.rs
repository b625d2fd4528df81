//! HTTP without gRPC over HTTP/2, on a listener that speaks both versions.

use crate::grpc::connect;
use crate::rig::{Script, run};
use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, Request, StatusCode};
use tailrace_engine::net::server::Settings;

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

async fn exchange(client: &SendRequest<Bytes>, request: Request<()>, body: &[u8]) -> Answer {
    let mut ready = client.clone().ready().await.unwrap();
    let (response, mut send) = ready.send_request(request, false).unwrap();
    // The server may have answered and stopped reading: that is no error.
    let _ = send.send_data(Bytes::copy_from_slice(body), true);
    let (head, mut stream) = response.await.unwrap().into_parts();
    let mut body = Vec::new();
    while let Some(piece) = stream.data().await {
        body.extend_from_slice(&piece.unwrap());
    }
    assert!(stream.trailers().await.unwrap().is_none());
    Answer {
        status: head.status,
        headers: head.headers,
        body,
    }
}

fn post(path: &str) -> http::request::Builder {
    Request::post(format!("http://localhost{path}"))
}

#[test]
fn the_preface_is_recognised_and_requests_are_served() {
    run(async {
        let script = Script::default();
        let (io, server) = script.pipe(Settings::default());
        let client = connect(io).await;
        for declared in [false, true] {
            let mut request = post("/now");
            if declared {
                request = request.header("content-length", 5000);
            }
            let answer = exchange(&client, request.body(()).unwrap(), &[1; 5000]).await;
            assert_eq!(answer.status, StatusCode::OK);
            assert_eq!(answer.headers["content-length"], "8");
            assert!(answer.headers.contains_key("date"));
            assert_eq!(answer.body, 5000_u64.to_be_bytes());
        }
        for path in ["/refuse", "/greedy"] {
            let request = post(path).body(()).unwrap();
            let answer = exchange(&client, request, &[1; 5000]).await;
            assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(answer.headers["retry-after"], "7");
            assert_eq!(answer.body, b"full");
        }
        drop(client);
        server.await.unwrap();
        script.assert_settled();
    });
}

#[test]
fn a_declared_length_is_refused_before_the_body_and_leave_is_given_otherwise() {
    run(async {
        let script = Script::default();
        let (io, server) = script.pipe(Settings::default());
        let client = connect(io).await;
        let mut ready = client.clone().ready().await.unwrap();
        let request = post("/greedy")
            .header("content-length", 1 << 30)
            .body(())
            .unwrap();
        // Not a byte of the body is sent, and the answer is there.
        let (response, send) = ready.send_request(request, false).unwrap();
        assert_eq!(
            response.await.unwrap().status(),
            StatusCode::SERVICE_UNAVAILABLE
        );
        drop(send);

        let request = post("/now")
            .header("expect", "100-continue")
            .body(())
            .unwrap();
        let (mut response, mut send) = ready.send_request(request, false).unwrap();
        let leave = std::future::poll_fn(|cx| response.poll_informational(cx)).await;
        assert_eq!(leave.unwrap().unwrap().status(), StatusCode::CONTINUE);
        send.send_data(Bytes::from_static(b"hello"), true).unwrap();
        assert_eq!(response.await.unwrap().status(), StatusCode::OK);
        drop((client, ready, send));
        server.await.unwrap();
        script.assert_settled();
    });
}

#[test]
fn a_head_request_gets_no_body() {
    run(async {
        let script = Script::default();
        let (io, server) = script.pipe(Settings::default());
        let client = connect(io).await;
        let request = Request::head("http://localhost/refuse").body(()).unwrap();
        let answer = exchange(&client, request, b"").await;
        assert_eq!(answer.headers["content-length"], "4");
        assert!(answer.body.is_empty());
        drop(client);
        server.await.unwrap();
        script.assert_settled();
    });
}
