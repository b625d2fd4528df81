//! The HTTP half: protobuf and JSON, plain or compressed.

use super::script::Answer;
use super::{Call, Shared, response};
use crate::item::{Export, Signal};
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use prost::Message;
use std::io::Read;
use std::time::Instant;
use tonic::Code;
use tonic::body::Body;

/// How a request's and its response's body are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Protobuf,
    Json,
}

impl Format {
    const fn content_type(self) -> &'static str {
        match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        }
    }

    const fn protocol(self) -> &'static str {
        match self {
            Self::Protobuf => "http/protobuf",
            Self::Json => "http/json",
        }
    }
}

pub(super) async fn answer(shared: &Shared, request: Request<Incoming>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let Some(signal) = signal_of(parts.uri.path()) else {
        return plain(StatusCode::NOT_FOUND);
    };
    if parts.method != Method::POST {
        return plain(StatusCode::METHOD_NOT_ALLOWED);
    }
    let Some(format) = format_of(&parts.headers) else {
        return plain(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    };
    let Ok(body) = body.collect().await else {
        return plain(StatusCode::BAD_REQUEST);
    };
    let message = match inflate(&parts.headers, &body.to_bytes()) {
        Ok(message) => message,
        Err(fault) => return refused(format, StatusCode::BAD_REQUEST, 3, &fault, None),
    };
    let export = match format {
        Format::Protobuf => {
            Export::decode_protobuf(signal, &message).map_err(|fault| fault.to_string())
        }
        Format::Json => Export::decode_json(signal, &message).map_err(|fault| fault.to_string()),
    };
    match export {
        Ok(export) => judge(shared, format, parts.headers, message.len(), export).await,
        Err(fault) => refused(format, StatusCode::BAD_REQUEST, 3, &fault, None),
    }
}

fn signal_of(path: &str) -> Option<Signal> {
    let signals = [
        Signal::Traces,
        Signal::Metrics,
        Signal::Logs,
        Signal::Profiles,
    ];
    signals
        .into_iter()
        .find(|signal| path.ends_with(signal.http_path()))
}

fn format_of(headers: &HeaderMap) -> Option<Format> {
    let content_type = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    match content_type.split(';').next()?.trim() {
        "application/x-protobuf" => Some(Format::Protobuf),
        "application/json" => Some(Format::Json),
        _ => None,
    }
}

/// The uncompressed body. Errors: a sentence for the sender.
fn inflate(headers: &HeaderMap, body: &[u8]) -> Result<Vec<u8>, String> {
    let encoding = headers
        .get(CONTENT_ENCODING)
        .map_or("", |value| value.to_str().unwrap_or("?"));
    let mut message = Vec::new();
    let read = match encoding {
        "" | "identity" => Read::read_to_end(&mut &*body, &mut message),
        "gzip" => flate2::read::MultiGzDecoder::new(body).read_to_end(&mut message),
        "deflate" => flate2::read::ZlibDecoder::new(body).read_to_end(&mut message),
        "zstd" => zstd::stream::read::Decoder::new(body)
            .and_then(|mut decoder| decoder.read_to_end(&mut message)),
        other => return Err(format!("content-encoding {other} is not known")),
    };
    read.map_err(|fault| format!("content-encoding {encoding}: {fault}"))?;
    Ok(message)
}

async fn judge(
    shared: &Shared,
    format: Format,
    headers: HeaderMap,
    bytes: usize,
    export: Export,
) -> Response<Body> {
    let answer = shared.judge.judge(&export, bytes);
    let signal = export.signal();
    shared.ledger.enter(Call {
        at: Instant::now(),
        protocol: format.protocol(),
        headers,
        bytes,
        export,
        answer: answer.clone(),
    });
    shared.judge.gate().await;
    match answer {
        Answer::Accept => accepted(signal, format, 0, String::new()),
        Answer::Partial { rejected, message } => accepted(signal, format, rejected, message),
        Answer::Http {
            status,
            retry_after,
        } => {
            let status = StatusCode::from_u16(status).expect("a scripted HTTP status");
            refused(format, status, 0, "scripted", retry_after)
        }
        Answer::Grpc {
            code,
            message,
            retry_after,
        } => {
            // As the Collector maps its own errors to HTTP; a message that is too large is 413.
            let status = match code {
                Code::InvalidArgument => StatusCode::BAD_REQUEST,
                Code::ResourceExhausted if message.contains("larger than max") => {
                    StatusCode::PAYLOAD_TOO_LARGE
                }
                Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
                Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            };
            let delay = retry_after.map(|delay| delay.as_secs().to_string());
            refused(format, status, code as i32, &message, delay)
        }
        Answer::Silence => std::future::pending().await,
    }
}

fn accepted(signal: Signal, format: Format, rejected: i64, message: String) -> Response<Body> {
    macro_rules! encode {
        ($response:expr) => {{
            let response = $response;
            match format {
                Format::Protobuf => response.encode_to_vec(),
                Format::Json => serde_json::to_vec(&response).expect("a response has a JSON form"),
            }
        }};
    }
    let body = match signal {
        Signal::Traces => encode!(response::traces(rejected, message)),
        Signal::Metrics => encode!(response::metrics(rejected, message)),
        Signal::Logs => encode!(response::logs(rejected, message)),
        Signal::Profiles => encode!(response::profiles(rejected, message)),
    };
    respond(StatusCode::OK, Some(format), None, body)
}

/// An error with a `google.rpc.Status` body, as the OTLP specification asks of 4xx and 5xx.
fn refused(
    format: Format,
    status: StatusCode,
    code: i32,
    message: &str,
    retry_after: Option<String>,
) -> Response<Body> {
    let body = match format {
        Format::Protobuf => response::status(code, message, None),
        Format::Json => serde_json::json!({ "code": code, "message": message })
            .to_string()
            .into_bytes(),
    };
    respond(status, Some(format), retry_after, body)
}

fn plain(status: StatusCode) -> Response<Body> {
    respond(status, None, None, Vec::new())
}

fn respond(
    status: StatusCode,
    format: Option<Format>,
    retry_after: Option<String>,
    body: Vec<u8>,
) -> Response<Body> {
    let mut response = Response::builder().status(status);
    if let Some(format) = format {
        response = response.header(CONTENT_TYPE, format.content_type());
    }
    if let Some(delay) = retry_after {
        response = response.header(RETRY_AFTER, delay);
    }
    response
        .body(Body::new(Full::new(Bytes::from(body))))
        .expect("status and headers are valid")
}
