//! OTLP over gRPC and HTTP as a backend reads and answers it: written for the sink alone, so that
//! what checks the forwarder is not the forwarder.

use super::script::Fault;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, StatusCode, request};
use std::time::Duration;
use tailrace_codec::compress::{Decompressor, Encoding};
use tailrace_codec::grpc::{Code, Prefix};
use tailrace_codec::otlp::json;
use tailrace_codec::otlp::response::{PartialSuccess, Status};
use tailrace_codec::{Rope, Signal};
use tailrace_engine::exchange::{Body, Framing, GrpcReply, HttpReply, Reply};

/// What a request's headers say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    pub signal: Signal,
    pub wire: Wire,
    encoding: Encoding,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    Grpc,
    Protobuf,
    Json,
}

/// The longest message, in bytes.
const MESSAGE_MAX: usize = 256 << 20;

impl Call {
    /// Reads the headers. Errors: the answer to what is no export request.
    pub fn read(parts: &request::Parts) -> Result<Self, Box<Reply>> {
        let media = parts.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
        let media = media.unwrap_or_default();
        let is = |name: &str| media.starts_with(name.as_bytes());
        let path = parts.uri.path();
        if is("application/grpc") {
            return Self::grpc(path, &parts.headers);
        }
        let refused = |status| Err(Box::new(http(status, None, Bytes::new())));
        let Some(signal) = signal_of(path, Signal::http_path) else {
            return refused(StatusCode::NOT_FOUND);
        };
        if parts.method != Method::POST {
            return refused(StatusCode::METHOD_NOT_ALLOWED);
        }
        let wire = if is("application/x-protobuf") {
            Wire::Protobuf
        } else if is("application/json") {
            Wire::Json
        } else {
            return refused(StatusCode::UNSUPPORTED_MEDIA_TYPE);
        };
        let encoding = match parts.headers.get(CONTENT_ENCODING) {
            None => Some(Encoding::Identity),
            Some(value) => Encoding::from_content_encoding(value.as_bytes()),
        };
        match encoding {
            Some(encoding) => Ok(Self {
                signal,
                wire,
                encoding,
            }),
            None => refused(StatusCode::UNSUPPORTED_MEDIA_TYPE),
        }
    }

    fn grpc(path: &str, headers: &HeaderMap) -> Result<Self, Box<Reply>> {
        let refused = |what: &str| {
            let message = what.to_owned();
            let reply = grpc(Code::Unimplemented, message, Bytes::new(), Bytes::new());
            Err(Box::new(reply))
        };
        let Some(signal) = signal_of(path, Signal::grpc_path) else {
            return refused("no such method");
        };
        let encoding = match headers.get("grpc-encoding") {
            None => Some(Encoding::Identity),
            Some(value) => Encoding::from_grpc_encoding(value.as_bytes()),
        };
        match encoding {
            Some(encoding) => Ok(Self {
                signal,
                wire: Wire::Grpc,
                encoding,
            }),
            None => refused("no such grpc-encoding"),
        }
    }

    pub const fn framing(&self) -> Framing {
        match self.wire {
            Wire::Grpc => Framing::Grpc,
            Wire::Protobuf | Wire::Json => Framing::Plain,
        }
    }

    /// The request in protobuf, inflated and converted. `None`: it is not what the headers say.
    pub fn message(&self, body: Body, decompressor: &mut Decompressor) -> Option<Rope> {
        let encoding = match self.wire {
            Wire::Grpc if !body.compressed => Encoding::Identity,
            _ => self.encoding,
        };
        let message = match encoding {
            Encoding::Identity => body.message,
            _ => decompressor
                .inflate(encoding, &body.message, MESSAGE_MAX, |_| true)
                .ok()?,
        };
        match self.wire {
            Wire::Grpc | Wire::Protobuf => Some(message),
            Wire::Json => {
                let protobuf = json::decode(self.signal, &message, MESSAGE_MAX, Vec::new());
                protobuf.ok().map(Rope::from)
            }
        }
    }

    /// It is taken, all of it.
    pub fn success(&self) -> Reply {
        match self.wire {
            Wire::Grpc => grpc(Code::Ok, String::new(), Bytes::new(), framed(&[])),
            Wire::Protobuf => http(StatusCode::OK, self.media(), Bytes::new()),
            Wire::Json => http(StatusCode::OK, self.media(), Bytes::from_static(b"{}")),
        }
    }

    /// It is no export request.
    pub fn malformed(&self) -> Reply {
        self.refusal(Code::InvalidArgument, StatusCode::BAD_REQUEST, None)
    }

    /// The answer of a fault; `None` where there is none.
    pub fn answer(&self, fault: &Fault) -> Option<Reply> {
        Some(match *fault {
            Fault::Refuse {
                grpc,
                http,
                retry_after,
            } => self.refusal(grpc, http, retry_after),
            Fault::PartialSuccess { rejected } => self.partial(rejected),
            Fault::ResetStream { code } => Reply::Reset(code),
            Fault::ResetConnection | Fault::Silence => return None,
            // A field that nobody knows: a response that is valid, and long.
            Fault::Oversize { bytes } => self.bytes(vec![b' '; bytes].into(), true),
            // Field 0 of no wire type: no protobuf, no JSON, and no gRPC prefix.
            Fault::Garbage { bytes } => self.bytes(vec![0x07; bytes].into(), false),
        })
    }

    fn bytes(&self, body: Bytes, is_message: bool) -> Reply {
        match self.wire {
            Wire::Grpc if is_message => {
                let body = framed(&body);
                grpc(Code::Ok, String::new(), Bytes::new(), body)
            }
            Wire::Grpc => grpc(Code::Ok, String::new(), Bytes::new(), body),
            Wire::Protobuf | Wire::Json => http(StatusCode::OK, self.media(), body),
        }
    }

    fn partial(&self, rejected: u64) -> Reply {
        let message = "rejected by the script".to_owned();
        let partial = PartialSuccess { rejected, message };
        match self.wire {
            Wire::Grpc => {
                let body = framed(&partial.to_protobuf());
                grpc(Code::Ok, String::new(), Bytes::new(), body)
            }
            Wire::Protobuf => http(StatusCode::OK, self.media(), partial.to_protobuf()),
            Wire::Json => http(StatusCode::OK, self.media(), partial.to_json(self.signal)),
        }
    }

    fn refusal(&self, code: Code, status: StatusCode, retry_after: Option<Duration>) -> Reply {
        let said = Status {
            code,
            message: "refused by the script".to_owned(),
            retry_delay: retry_after,
        };
        if self.wire == Wire::Grpc {
            let details = match retry_after {
                Some(_) => said.to_protobuf(),
                None => Bytes::new(),
            };
            return grpc(code, said.message, details, Bytes::new());
        }
        let body = match self.wire {
            Wire::Json => said.to_json(),
            Wire::Grpc | Wire::Protobuf => said.to_protobuf(),
        };
        let mut reply = http(status, self.media(), body);
        if let (Some(delay), Reply::Http(reply)) = (retry_after, &mut reply) {
            // Whole seconds, rounded up.
            let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
            reply.headers.insert(RETRY_AFTER, seconds.into());
        }
        reply
    }

    const fn media(&self) -> Option<&'static str> {
        match self.wire {
            Wire::Grpc => None,
            Wire::Protobuf => Some("application/x-protobuf"),
            Wire::Json => Some("application/json"),
        }
    }
}

/// A page of text, such as metrics.
pub fn page(text: String) -> Reply {
    http(
        StatusCode::OK,
        Some("text/plain; version=0.0.4"),
        text.into(),
    )
}

fn signal_of(path: &str, path_of: impl Fn(Signal) -> &'static str) -> Option<Signal> {
    Signal::ALL
        .into_iter()
        .find(|signal| path_of(*signal) == path)
}

fn http(status: StatusCode, media: Option<&'static str>, body: Bytes) -> Reply {
    let media = media.map(|media| (CONTENT_TYPE, HeaderValue::from_static(media)));
    let headers: HeaderMap = media.into_iter().collect::<HeaderMap<HeaderValue>>();
    Reply::Http(HttpReply {
        status,
        headers,
        body,
    })
}

const fn grpc(code: Code, message: String, details: Bytes, body: Bytes) -> Reply {
    Reply::Grpc(GrpcReply {
        code,
        message,
        details,
        body,
    })
}

fn framed(message: &[u8]) -> Bytes {
    let prefix = Prefix {
        compressed: false,
        length: u32::try_from(message.len()).unwrap_or(u32::MAX),
    };
    [&prefix.to_bytes(), message].concat().into()
}
