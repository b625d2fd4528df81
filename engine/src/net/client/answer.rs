//! What a response means, in the words of its protocol.

use super::status_text;
use crate::exchange::{Answer, Failure, Framing};
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http::{HeaderMap, HeaderValue, StatusCode};
use tailrace_codec::grpc::Code;

/// The compressed flag and the length before a gRPC message.
const GRPC_PREFIX_LEN: usize = 5;

/// What a body may measure on the wire so that its message is within `bytes_max`.
pub(super) const fn wire_bytes_max(framing: Framing, bytes_max: usize) -> usize {
    match framing {
        Framing::Plain => bytes_max,
        Framing::Grpc => bytes_max.saturating_add(GRPC_PREFIX_LEN),
    }
}

/// Whether the response declares a body over the limit.
pub(super) fn is_declared_too_large(
    headers: &HeaderMap,
    framing: Framing,
    bytes_max: usize,
) -> bool {
    let declared = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok());
    let declared = declared.and_then(|text| text.parse::<u64>().ok());
    declared.is_some_and(|bytes| bytes > wire_bytes_max(framing, bytes_max) as u64)
}

/// An HTTP response as an answer.
pub(super) fn http(
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    bytes_max: usize,
) -> Answer {
    match inflated(headers.get(CONTENT_ENCODING), body, bytes_max) {
        Ok(body) => Answer::Http {
            status,
            headers,
            body,
        },
        Err(failure) => Answer::Failed(failure),
    }
}

/// A gRPC response as an answer. `trailers` are absent where the headers ended the stream.
///
/// The status stands in the trailers, or in the headers of a response that is trailers only.
/// Where it is missing, the HTTP status says what it can.
/// Source: <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>
pub(super) fn grpc(
    status: StatusCode,
    headers: &HeaderMap,
    trailers: Option<&HeaderMap>,
    body: Bytes,
    bytes_max: usize,
) -> Answer {
    let carrier = trailers.filter(|trailers| trailers.contains_key("grpc-status"));
    let carrier = carrier.unwrap_or(headers);
    let Some(code) = carrier.get("grpc-status") else {
        return Answer::Grpc {
            code: code_of_http_status(status),
            message: format!("the response has no grpc-status; its HTTP status is {status}"),
            details: Bytes::new(),
            body: Bytes::new(),
        };
    };
    let code = status_text::code(code.as_bytes());
    // A refusal stands whatever its body is; an acceptance may carry a partial success.
    let body = match code {
        Code::Ok => match message(headers, body, bytes_max) {
            Ok(body) => body,
            Err(failure) => return Answer::Failed(failure),
        },
        _ => Bytes::new(),
    };
    let text = carrier.get("grpc-message").map(HeaderValue::as_bytes);
    let details = carrier
        .get("grpc-status-details-bin")
        .map(HeaderValue::as_bytes);
    Answer::Grpc {
        code,
        message: text.map(status_text::message).unwrap_or_default(),
        details: details.and_then(status_text::binary).unwrap_or_default(),
        body,
    }
}

/// Source: <https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md>
const fn code_of_http_status(status: StatusCode) -> Code {
    match status.as_u16() {
        400 => Code::Internal,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::Unimplemented,
        429 | 502 | 503 | 504 => Code::Unavailable,
        _ => Code::Unknown,
    }
}

/// The one message of a unary response. An empty body, which some servers send, is an empty one.
fn message(headers: &HeaderMap, body: Bytes, bytes_max: usize) -> Result<Bytes, Failure> {
    let Some((prefix, message)) = body.split_first_chunk::<GRPC_PREFIX_LEN>() else {
        return if body.is_empty() {
            Ok(body)
        } else {
            Err(Failure::Malformed)
        };
    };
    let [flag, length @ ..] = *prefix;
    if u32::from_be_bytes(length) as usize != message.len() {
        return Err(Failure::Malformed);
    }
    let encoding = headers.get("grpc-encoding");
    let message = body.slice(GRPC_PREFIX_LEN..);
    match (flag, encoding) {
        (0, _) => Ok(message),
        (1, Some(encoding)) => inflated(Some(encoding), message, bytes_max),
        _ => Err(Failure::Malformed),
    }
}

/// The body as it was before it was compressed.
fn inflated(
    encoding: Option<&HeaderValue>,
    body: Bytes,
    _bytes_max: usize,
) -> Result<Bytes, Failure> {
    match encoding {
        None => Ok(body),
        Some(name) if name == "identity" => Ok(body),
        Some(_) => Err(Failure::Malformed),
    }
}
