//! Senders that are not our code: tonic's and hyper's clients, and a load made of them that
//! writes down what was acknowledged.

mod load;
mod one_connection;

pub use load::Load;
pub use one_connection::{OneConnection, Status};

use crate::backend::response::{RetryInfo, RpcStatus};
use crate::item::{Export, Signal};
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::collector::profiles::v1development::profiles_service_client::ProfilesServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use prost::Message;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tonic::Code;
use tonic::codec::CompressionEncoding;
use tonic::transport::{Channel, Endpoint};

/// How a sender speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Grpc,
    HttpProtobuf,
    HttpJson,
    /// OTLP/HTTP with protobuf over cleartext HTTP/2.
    Http2Protobuf,
}

/// What a sender was told.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    Accepted {
        rejected: i64,
        message: String,
    },
    /// A gRPC status other than OK, with the delay of its RetryInfo.
    Grpc {
        code: Code,
        message: String,
        retry_after: Option<Duration>,
    },
    /// An HTTP status other than 200.
    Http {
        status: StatusCode,
        headers: HeaderMap,
        body: Bytes,
    },
    /// No answer: the connection broke or the deadline passed.
    Broken(String),
}

impl Outcome {
    pub fn is_accepted(&self) -> bool {
        matches!(self, Self::Accepted { .. })
    }

    /// Whether the OTLP specification lets the sender try again.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Accepted { .. } => false,
            Self::Grpc {
                code, retry_after, ..
            } => match code {
                Code::ResourceExhausted => retry_after.is_some(),
                Code::Cancelled
                | Code::DeadlineExceeded
                | Code::Aborted
                | Code::OutOfRange
                | Code::Unavailable
                | Code::DataLoss => true,
                _ => false,
            },
            Self::Http { status, .. } => matches!(status.as_u16(), 429 | 502 | 503 | 504),
            Self::Broken(_) => true,
        }
    }
}

/// A client with one connection (gRPC, HTTP/2) or a pool of them (HTTP/1.1).
#[derive(Debug)]
pub struct Sender {
    runtime: tokio::runtime::Runtime,
    client: Peer,
}

/// The asynchronous half; a clone shares the connection.
#[derive(Debug, Clone)]
struct Peer {
    protocol: Protocol,
    address: SocketAddr,
    gzip: bool,
    headers: HeaderMap,
    channel: Channel,
    http: Client<HttpConnector, Full<Bytes>>,
}

/// Longer than any answer that a test waits for, shorter than the patience of the suite.
const DEADLINE: Duration = Duration::from_secs(30);

impl Sender {
    /// Connects when it first sends.
    pub fn new(protocol: Protocol, address: SocketAddr) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let client = {
            let _inside = runtime.enter();
            Peer::new(protocol, address)
        };
        Self { runtime, client }
    }

    /// Compresses what it sends with gzip.
    pub fn gzip(mut self) -> Self {
        self.client.gzip = true;
        self
    }

    /// Adds a header (gRPC: metadata) to every request.
    pub fn header(mut self, name: &'static str, value: &'static str) -> Self {
        let value = http::HeaderValue::from_static(value);
        self.client.headers.insert(name, value);
        self
    }

    /// Sends one request and waits for its answer.
    pub fn send(&self, export: &Export) -> Outcome {
        self.runtime.block_on(self.client.send(export))
    }

    /// Sends one request and panics unless it is accepted whole.
    pub fn send_accepted(&self, export: &Export) {
        let outcome = self.send(export);
        let whole = Outcome::Accepted {
            rejected: 0,
            message: String::new(),
        };
        assert_eq!(outcome, whole);
    }

    /// Sends all requests, at most `concurrency` at once; the outcomes are in their order.
    pub fn send_all(&self, exports: &[Export], concurrency: usize) -> Vec<Outcome> {
        self.runtime.block_on(async {
            let turns = Arc::new(tokio::sync::Semaphore::new(concurrency));
            let mut answers = Vec::new();
            for export in exports {
                let turn = Arc::clone(&turns)
                    .acquire_owned()
                    .await
                    .expect("never closed");
                let (client, export) = (self.client.clone(), export.clone());
                answers.push(tokio::spawn(async move {
                    let outcome = client.send(&export).await;
                    drop(turn);
                    outcome
                }));
            }
            let mut outcomes = Vec::new();
            for answer in answers {
                outcomes.push(answer.await.expect("a sender did not panic"));
            }
            outcomes
        })
    }
}

impl Peer {
    fn new(protocol: Protocol, address: SocketAddr) -> Self {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("a valid URI");
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self {
            protocol,
            address,
            gzip: false,
            headers: HeaderMap::new(),
            channel: endpoint.timeout(DEADLINE).connect_lazy(),
            http: Client::builder(TokioExecutor::new())
                .http2_only(protocol == Protocol::Http2Protobuf)
                .build(connector),
        }
    }

    async fn send(&self, export: &Export) -> Outcome {
        match self.protocol {
            Protocol::Grpc => self.send_grpc(export.clone()).await,
            Protocol::HttpProtobuf | Protocol::Http2Protobuf => {
                self.send_http(export, "application/x-protobuf", export.encode_protobuf())
                    .await
            }
            Protocol::HttpJson => {
                self.send_http(export, "application/json", export.encode_json())
                    .await
            }
        }
    }

    async fn send_grpc(&self, export: Export) -> Outcome {
        macro_rules! call {
            ($client:ident, $request:expr, $rejected:ident) => {{
                let mut client = $client::new(self.channel.clone())
                    .max_encoding_message_size(usize::MAX)
                    .accept_compressed(CompressionEncoding::Gzip);
                if self.gzip {
                    client = client.send_compressed(CompressionEncoding::Gzip);
                }
                let mut request = tonic::Request::new($request);
                request.set_timeout(DEADLINE);
                let sent = tonic::metadata::MetadataMap::from_headers(self.headers.clone());
                request.metadata_mut().as_mut().extend(sent.into_headers());
                client.export(request).await.map(|response| {
                    let partial = response.into_inner().partial_success.unwrap_or_default();
                    (partial.$rejected, partial.error_message)
                })
            }};
        }
        let answer = match export {
            Export::Traces(request) => call!(TraceServiceClient, request, rejected_spans),
            Export::Metrics(request) => call!(MetricsServiceClient, request, rejected_data_points),
            Export::Logs(request) => call!(LogsServiceClient, request, rejected_log_records),
            Export::Profiles(request) => call!(ProfilesServiceClient, request, rejected_profiles),
        };
        match answer {
            Ok((rejected, message)) => Outcome::Accepted { rejected, message },
            Err(status) if std::error::Error::source(&status).is_some() => {
                // Made by the client from a transport error: the peer sent no status.
                Outcome::Broken(status.to_string())
            }
            Err(status) => Outcome::Grpc {
                code: status.code(),
                message: status.message().to_owned(),
                retry_after: retry_delay(status.details()),
            },
        }
    }

    async fn send_http(&self, export: &Export, content_type: &str, body: Vec<u8>) -> Outcome {
        let uri = format!("http://{}{}", self.address, export.signal().http_path());
        let mut request = Request::post(uri).header("content-type", content_type);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let body = if self.gzip {
            request = request.header("content-encoding", "gzip");
            gzip(&body)
        } else {
            body
        };
        let request = request
            .body(Full::new(Bytes::from(body)))
            .expect("a valid request");
        let exchange = async {
            let response = self
                .http
                .request(request)
                .await
                .map_err(|fault| fault.to_string())?;
            let (parts, body) = response.into_parts();
            let body = body.collect().await.map_err(|fault| fault.to_string())?;
            Ok((parts, body.to_bytes()))
        };
        match tokio::time::timeout(DEADLINE, exchange).await {
            Err(late) => Outcome::Broken(late.to_string()),
            Ok(Err(fault)) => Outcome::Broken(fault),
            Ok(Ok((parts, body))) if parts.status == StatusCode::OK => {
                accepted(export.signal(), content_type, &body)
            }
            Ok(Ok((parts, body))) => Outcome::Http {
                status: parts.status,
                headers: parts.headers,
                body,
            },
        }
    }
}

/// `body` as one gzip member.
pub fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(body).expect("writing to memory");
    encoder.finish().expect("writing to memory")
}

/// Reads the response of a success; all signals' responses have one shape.
fn accepted(signal: Signal, content_type: &str, body: &[u8]) -> Outcome {
    #[derive(Clone, PartialEq, Message)]
    struct Partial {
        #[prost(int64, tag = "1")]
        rejected: i64,
        #[prost(string, tag = "2")]
        message: String,
    }
    #[derive(Clone, PartialEq, Message)]
    struct Response {
        #[prost(message, optional, tag = "1")]
        partial: Option<Partial>,
    }
    if content_type == "application/json" {
        let value: serde_json::Value = match serde_json::from_slice(body) {
            Ok(value) => value,
            Err(fault) => return Outcome::Broken(format!("{signal:?} response: {fault}")),
        };
        let partial = &value["partialSuccess"];
        let rejected = partial.as_object().and_then(|fields| {
            let field = fields
                .iter()
                .find(|(name, _)| name.starts_with("rejected"))?;
            field.1.as_i64().or_else(|| field.1.as_str()?.parse().ok())
        });
        return Outcome::Accepted {
            rejected: rejected.unwrap_or(0),
            message: partial["errorMessage"].as_str().unwrap_or("").to_owned(),
        };
    }
    match Response::decode(body) {
        Ok(response) => {
            let partial = response.partial.unwrap_or_default();
            Outcome::Accepted {
                rejected: partial.rejected,
                message: partial.message,
            }
        }
        Err(fault) => Outcome::Broken(format!("{signal:?} response: {fault}")),
    }
}

/// The delay in the `google.rpc.RetryInfo` of an encoded `google.rpc.Status`.
pub fn retry_delay(details: &[u8]) -> Option<Duration> {
    let status = RpcStatus::decode(details).ok()?;
    let is_retry = |any: &&prost_types::Any| any.type_url.ends_with("google.rpc.RetryInfo");
    let info = status.details.iter().find(is_retry)?;
    let delay = RetryInfo::decode(info.value.as_slice()).ok()?.retry_delay?;
    delay.try_into().ok()
}
