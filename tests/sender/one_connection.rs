//! Many requests on one connection that is never replaced: a GOAWAY or a close fails the test.

use crate::{Export, Protocol};
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::collections::VecDeque;
use std::net::SocketAddr;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// Requests open at once over HTTP/2; HTTP/1.1 has one.
const IN_FLIGHT: usize = 32;

/// An answer's status, in either protocol's words.
#[derive(Debug)]
pub struct Status {
    pub http: StatusCode,
    pub grpc: Option<String>,
}

impl Status {
    pub fn is_success(&self) -> bool {
        self.http == StatusCode::OK && self.grpc.as_deref().is_none_or(|code| code == "0")
    }

    /// No room: 429 over HTTP, UNAVAILABLE over gRPC.
    pub fn is_full(&self) -> bool {
        self.http == StatusCode::TOO_MANY_REQUESTS || self.grpc.as_deref() == Some("14")
    }
}

/// A client with exactly one connection.
#[derive(Debug)]
pub struct OneConnection {
    runtime: tokio::runtime::Runtime,
    protocol: Protocol,
    way: Way,
}

#[derive(Debug)]
enum Way {
    Two(http2::SendRequest<Full<Bytes>>),
    One(http1::SendRequest<Full<Bytes>>),
}

impl OneConnection {
    /// `protocol` says what is spoken on it: gRPC, HTTP/2 or HTTP/1.1 with protobuf.
    pub fn open(protocol: Protocol, address: SocketAddr) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let way = runtime.block_on(async {
            let io = TokioIo::new(TcpStream::connect(address).await.expect("a connection"));
            if matches!(protocol, Protocol::Grpc | Protocol::Http2Protobuf) {
                let executor = TokioExecutor::new();
                let (sender, driver) = http2::handshake(executor, io).await.expect("HTTP/2");
                tokio::spawn(driver);
                Way::Two(sender)
            } else {
                let (sender, driver) = http1::handshake(io).await.expect("HTTP/1.1");
                tokio::spawn(driver);
                Way::One(sender)
            }
        });
        Self {
            runtime,
            protocol,
            way,
        }
    }

    /// Sends `export` so often; the statuses in the order of the requests.
    pub fn send(&mut self, export: &Export, count: usize) -> Vec<Status> {
        let body = body(self.protocol, export);
        let request = || request(self.protocol, export, body.clone());
        let way = &mut self.way;
        self.runtime.block_on(async {
            match way {
                Way::One(sender) => send_one_by_one(sender, request, count).await,
                Way::Two(sender) => send_side_by_side(sender, request, count).await,
            }
        })
    }
}

async fn send_one_by_one(
    sender: &mut http1::SendRequest<Full<Bytes>>,
    request: impl Fn() -> Request<Full<Bytes>>,
    count: usize,
) -> Vec<Status> {
    let mut statuses = Vec::with_capacity(count);
    for _ in 0..count {
        sender.ready().await.expect("the connection lives");
        statuses.push(status(sender.send_request(request()).await).await);
    }
    statuses
}

async fn send_side_by_side(
    sender: &mut http2::SendRequest<Full<Bytes>>,
    request: impl Fn() -> Request<Full<Bytes>>,
    count: usize,
) -> Vec<Status> {
    let mut statuses = Vec::with_capacity(count);
    let mut open: VecDeque<JoinHandle<Status>> = VecDeque::new();
    for _ in 0..count {
        if open.len() == IN_FLIGHT
            && let Some(answer) = open.pop_front()
        {
            statuses.push(answer.await.expect("a request did not panic"));
        }
        sender.ready().await.expect("the connection lives");
        let answer = sender.send_request(request());
        open.push_back(tokio::spawn(async { status(answer.await).await }));
    }
    for answer in open {
        statuses.push(answer.await.expect("a request did not panic"));
    }
    statuses
}

async fn status(answer: hyper::Result<Response<Incoming>>) -> Status {
    let (parts, body) = answer.expect("an answer").into_parts();
    let body = body.collect().await.expect("a whole answer");
    let code = |headers: &HeaderMap| Some(headers.get("grpc-status")?.to_str().ok()?.to_owned());
    let trailer = body.trailers().and_then(code);
    Status {
        http: parts.status,
        grpc: code(&parts.headers).or(trailer),
    }
}

fn body(protocol: Protocol, export: &Export) -> Bytes {
    let message = export.encode_protobuf();
    if protocol != Protocol::Grpc {
        return message.into();
    }
    let length = u32::try_from(message.len()).expect("a small message");
    let mut framed = vec![0];
    framed.extend_from_slice(&length.to_be_bytes());
    framed.extend_from_slice(&message);
    framed.into()
}

fn request(protocol: Protocol, export: &Export, body: Bytes) -> Request<Full<Bytes>> {
    let signal = export.signal();
    let request = match protocol {
        Protocol::Grpc => Request::post(format!("http://forwarder{}", signal.grpc_path()))
            .version(Version::HTTP_2)
            .header("content-type", "application/grpc")
            .header("te", "trailers"),
        Protocol::Http2Protobuf => Request::post(format!("http://forwarder{}", signal.http_path()))
            .version(Version::HTTP_2)
            .header("content-type", "application/x-protobuf"),
        Protocol::HttpProtobuf | Protocol::HttpJson => Request::post(signal.http_path())
            .header("host", "forwarder")
            .header("content-type", "application/x-protobuf"),
    };
    request.body(Full::new(body)).expect("a valid request")
}
