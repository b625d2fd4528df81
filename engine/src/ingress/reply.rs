//! Answers in the words of the request's protocol.

use super::{Content, Refusal};
use crate::exchange::{GrpcReply, HttpReply, Reply};
use ::http::header::{CONTENT_TYPE, HeaderName, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS};
use ::http::{HeaderMap, HeaderValue, StatusCode};
use bytes::Bytes;
use std::time::Duration;
use tailrace_codec::Signal;
use tailrace_codec::grpc::{Code, Prefix};
use tailrace_codec::otlp::response::{PartialSuccess, Status};

pub(super) const PROTOBUF: &str = "application/x-protobuf";
pub(super) const JSON: &str = "application/json";

/// What became of an accepted request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome<'a> {
    Accepted,
    /// The destination rejected some items for good; the sender waited to hear it.
    Partial {
        rejected_items: u64,
        message: &'a str,
    },
}

/// How a request wants to be answered. Kept while it is read and waits.
#[derive(Debug, Clone)]
pub struct ReplyKind {
    signal: Signal,
    protocol: Protocol,
}

#[derive(Debug, Clone)]
enum Protocol {
    Grpc,
    Http {
        content: Content,
        /// Cross-origin and configured headers. `None` where there are none, which is usual.
        extra: Option<Box<HeaderMap>>,
    },
}

impl ReplyKind {
    pub(super) const fn grpc(signal: Signal) -> Self {
        Self {
            signal,
            protocol: Protocol::Grpc,
        }
    }

    pub(super) const fn http(
        signal: Signal,
        content: Content,
        extra: Option<Box<HeaderMap>>,
    ) -> Self {
        Self {
            signal,
            protocol: Protocol::Http { content, extra },
        }
    }

    /// Cost: for gRPC nothing, for HTTP one header map.
    pub fn success(&self, outcome: Outcome<'_>) -> Reply {
        let partial = match outcome {
            Outcome::Accepted => None,
            Outcome::Partial {
                rejected_items,
                message,
            } => Some(PartialSuccess {
                rejected: rejected_items,
                message: message.to_owned(),
            }),
        };
        match &self.protocol {
            Protocol::Grpc => Reply::Grpc(GrpcReply {
                code: Code::Ok,
                message: String::new(),
                details: Bytes::new(),
                body: match partial {
                    // The empty message behind its five-byte prefix.
                    None => Bytes::from_static(&[0; 5]),
                    Some(partial) => framed(&partial.to_protobuf()),
                },
            }),
            Protocol::Http { content, extra } => {
                let body = match (content, partial) {
                    (Content::Protobuf, None) => Bytes::new(),
                    (Content::Protobuf, Some(partial)) => partial.to_protobuf(),
                    (Content::Json, None) => Bytes::from_static(b"{}"),
                    (Content::Json, Some(partial)) => partial.to_json(self.signal),
                };
                Reply::Http(http_reply(StatusCode::OK, *content, body, extra.as_deref()))
            }
        }
    }

    pub fn refusal(&self, refusal: &Refusal) -> Reply {
        self.refusal_saying(refusal, None)
    }

    /// With what the destination said of it.
    pub fn refusal_saying(&self, refusal: &Refusal, said: Option<&str>) -> Reply {
        let status = Status {
            code: refusal.grpc_code(),
            message: match said {
                Some(said) => format!("{refusal}: {said}"),
                None => refusal.to_string(),
            },
            retry_delay: refusal.retry_after(),
        };
        match &self.protocol {
            Protocol::Grpc => Reply::Grpc(GrpcReply {
                code: status.code,
                // The code and the text stand in headers of their own already.
                details: match status.retry_delay {
                    Some(_) => status.to_protobuf(),
                    None => Bytes::new(),
                },
                message: status.message,
                body: Bytes::new(),
            }),
            Protocol::Http { content, extra } => {
                let body = match content {
                    Content::Protobuf => status.to_protobuf(),
                    Content::Json => status.to_json(),
                };
                let mut reply = http_reply(refusal.http_status(), *content, body, extra.as_deref());
                if let Some(delay) = status.retry_delay {
                    let seconds = HeaderValue::from(retry_after_seconds(delay));
                    reply.headers.insert(RETRY_AFTER, seconds);
                }
                Reply::Http(reply)
            }
        }
    }
}

// COPY: a partial success alone is put behind its prefix so, some dozen bytes.
fn framed(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let prefix = Prefix {
        compressed: false,
        length,
    };
    [&prefix.to_bytes(), message].concat().into()
}

/// Whole seconds, rounded up, at least one: a sender that is told 0 comes back at once.
fn retry_after_seconds(delay: Duration) -> u64 {
    delay
        .as_secs()
        .saturating_add(u64::from(delay.subsec_nanos() > 0))
        .max(1)
}

fn http_reply(
    status: StatusCode,
    content: Content,
    body: Bytes,
    extra: Option<&HeaderMap>,
) -> HttpReply {
    let content_type = match content {
        Content::Protobuf => HeaderValue::from_static(PROTOBUF),
        Content::Json => HeaderValue::from_static(JSON),
    };
    let mut headers = HeaderMap::new();
    add_headers(&mut headers, extra);
    headers.insert(CONTENT_TYPE, content_type);
    HttpReply {
        status,
        headers,
        body,
    }
}

/// An answer to what may not be OTLP at all, in the words of Go's and the Collector's servers.
pub(super) fn plain_text(status: StatusCode, text: String) -> HttpReply {
    let mut headers = HeaderMap::new();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    HttpReply {
        status,
        headers,
        body: text.into(),
    }
}

pub(super) fn method_not_allowed() -> HttpReply {
    let text = "405 method not allowed, supported: [POST]";
    plain_text(StatusCode::METHOD_NOT_ALLOWED, text.into())
}

/// Appends, so that a name that stands in `extra` twice stays twice.
pub(super) fn add_headers(headers: &mut HeaderMap, extra: Option<&HeaderMap>) {
    for (name, value) in extra.into_iter().flatten() {
        let name: &HeaderName = name;
        headers.append(name, value.clone());
    }
}

#[cfg(test)]
mod tests;
