//! OTLP/gRPC: admission of a call.
//!
//! Source: <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>; where it leaves a
//! choice, grpc-go's server. `te: trailers` is not demanded: grpc-go does not, and proxies lose it.

use super::reply::{self, ReplyKind};
use super::{Content, Ingress, Receiver};
use crate::exchange::{Framing, GrpcReply, HttpReply, Reply};
use ::http::header::{ALLOW, CONTENT_TYPE};
use ::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, request};
use bytes::Bytes;
use std::time::Duration;
use tailrace_codec::Signal;
use tailrace_codec::compress::Encoding;
use tailrace_codec::grpc::{Code, parse_timeout};

const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
const TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// What `grpc-encoding` may name.
pub(super) const ACCEPTED_ENCODINGS: &str = "identity,gzip,zstd,snappy,deflate";

pub(super) fn admit(parts: &request::Parts, receiver: &Receiver) -> Result<Ingress, Box<Reply>> {
    if parts.method != Method::POST {
        return Err(Box::new(Reply::Http(method_not_allowed())));
    }
    if !is_grpc(parts.headers.get(CONTENT_TYPE)) {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        let text = "invalid gRPC request content-type, supported: [application/grpc]";
        return Err(Box::new(Reply::Http(reply::plain_text(
            status,
            text.into(),
        ))));
    }
    let signal = signal(parts.uri.path(), receiver)?;
    Ok(Ingress {
        signal,
        content: Content::Protobuf,
        encoding: encoding(&parts.headers)?,
        framing: Framing::Grpc,
        metadata: receiver.metadata_keys.collect(parts),
        timeout: timeout(&parts.headers)?,
        reply: ReplyKind::grpc(signal),
    })
}

/// `application/grpc`, `application/grpc+proto`, or either with parameters.
fn is_grpc(content_type: Option<&HeaderValue>) -> bool {
    let Some(value) = content_type else {
        return false;
    };
    let media = value
        .as_bytes()
        .split(|&byte| byte == b';')
        .next()
        .unwrap_or_default();
    let media = media.trim_ascii();
    media.eq_ignore_ascii_case(b"application/grpc")
        || media.eq_ignore_ascii_case(b"application/grpc+proto")
}

fn signal(path: &str, receiver: &Receiver) -> Result<Signal, Box<Reply>> {
    let unimplemented = |message: String| status(Code::Unimplemented, message);
    let Some((service, method)) = path
        .strip_prefix('/')
        .and_then(|path| path.rsplit_once('/'))
    else {
        return Err(unimplemented(format!("malformed method name: {path:?}")));
    };
    let served = Signal::ALL
        .into_iter()
        .find(|&signal| service == self::service(signal) && receiver.signals.contains(signal));
    match served {
        None => Err(unimplemented(format!("unknown service {service}"))),
        Some(_) if method != "Export" => Err(unimplemented(format!(
            "unknown method {method} for service {service}"
        ))),
        Some(signal) => Ok(signal),
    }
}

fn service(signal: Signal) -> &'static str {
    let path = signal.grpc_path();
    path.trim_start_matches('/').trim_end_matches("/Export")
}

/// Errors: UNIMPLEMENTED with what is accepted, as the gRPC compression document demands.
fn encoding(headers: &HeaderMap) -> Result<Encoding, Box<Reply>> {
    let Some(name) = headers.get(ENCODING) else {
        return Ok(Encoding::Identity);
    };
    Encoding::from_grpc_encoding(name.as_bytes().trim_ascii()).ok_or_else(|| {
        // A reply that is trailers only is one block of headers, so any header can stand in it.
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(STATUS, HeaderValue::from(Code::Unimplemented as u16));
        let message = "grpc-encoding is not supported, see grpc-accept-encoding";
        headers.insert(MESSAGE, HeaderValue::from_static(message));
        headers.insert(
            ACCEPT_ENCODING,
            HeaderValue::from_static(ACCEPTED_ENCODINGS),
        );
        Box::new(Reply::Http(HttpReply {
            status: StatusCode::OK,
            headers,
            body: Bytes::new(),
        }))
    })
}

/// Errors: INTERNAL for a value that is none, as grpc-go answers.
fn timeout(headers: &HeaderMap) -> Result<Option<Duration>, Box<Reply>> {
    let Some(value) = headers.get(TIMEOUT) else {
        return Ok(None);
    };
    match parse_timeout(value.as_bytes()) {
        Some(timeout) => Ok(Some(timeout)),
        None => Err(status(Code::Internal, "malformed grpc-timeout".into())),
    }
}

fn status(code: Code, message: String) -> Box<Reply> {
    Box::new(Reply::Grpc(GrpcReply {
        code,
        message,
        details: Bytes::new(),
        body: Bytes::new(),
    }))
}

fn method_not_allowed() -> HttpReply {
    let mut reply = reply::method_not_allowed();
    reply
        .headers
        .insert(ALLOW, HeaderValue::from_static("POST"));
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types() {
        for (value, expected) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("Application/GRPC; charset=utf-8", true),
            ("application/grpc+json", false),
            ("application/grpc-web", false),
            ("application/x-protobuf", false),
            ("", false),
        ] {
            assert_eq!(
                is_grpc(Some(&HeaderValue::from_static(value))),
                expected,
                "{value}"
            );
        }
        assert!(!is_grpc(None));
    }
}
