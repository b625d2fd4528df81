//! Requests as they go on the wire: head, body, compression, framing.

use super::plan::{Plan, Protocol, Version};
use crate::workload::Workload;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HOST, TE};
use http::uri::InvalidUri;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use std::rc::Rc;
use tailrace_codec::Rope;
use tailrace_codec::compress::{CompressError, Compressor, Encoding, Level};
use tailrace_codec::grpc::Prefix;
use tailrace_engine::exchange::{AttemptHead, Framing};
use tailrace_engine::net::client;

/// Writes the requests of a plan. Cost of one: what the workload costs, and the compression.
#[derive(Debug)]
pub struct Writer {
    workload: Workload,
    protocol: Protocol,
    encoding: Encoding,
    compressor: Compressor,
    head: Rc<AttemptHead>,
}

/// A body ready to be sent.
#[derive(Debug)]
pub struct Written {
    pub body: Rope,
    /// Of the message, before compression and framing.
    pub message_bytes: usize,
}

impl Writer {
    /// Errors: the plan's authority and path make no URI.
    pub fn new(plan: &Plan) -> Result<Self, InvalidUri> {
        Ok(Self {
            workload: Workload::new(&plan.spec),
            protocol: plan.wire.protocol,
            encoding: plan.wire.encoding,
            compressor: Compressor::new(),
            head: Rc::new(head(plan)?),
        })
    }

    pub fn items(&self) -> usize {
        self.workload.items()
    }

    pub fn workload(&self) -> &Workload {
        &self.workload
    }

    pub fn head(&self) -> Rc<AttemptHead> {
        Rc::clone(&self.head)
    }

    /// The request whose items are numbered from `first`.
    pub fn write(&mut self, first: u64, unix_nanos: u64) -> Result<Written, CompressError> {
        let message = match self.protocol {
            Protocol::Grpc | Protocol::HttpProtobuf => self.workload.protobuf(first, unix_nanos),
            Protocol::HttpJson => self.workload.json(first, unix_nanos),
        };
        let message_bytes = message.len();
        let message = Rope::from(message);
        let body = self
            .compressor
            .compress(self.encoding, Level::DEFAULT, &message)?;
        let body = match self.protocol {
            Protocol::Grpc => framed(body, self.encoding != Encoding::Identity),
            Protocol::HttpProtobuf | Protocol::HttpJson => body,
        };
        Ok(Written {
            body,
            message_bytes,
        })
    }
}

fn framed(message: Rope, compressed: bool) -> Rope {
    let length = u32::try_from(message.len()).expect("requests are below 4 GiB");
    let prefix = Prefix { compressed, length };
    let mut body = Rope::from(Bytes::copy_from_slice(&prefix.to_bytes()));
    body.append(message);
    body
}

/// What the plan's connections are like.
pub fn settings(plan: &Plan) -> client::Settings {
    let protocol = match plan.wire.version {
        Version::Http1 => client::Protocol::Http1,
        Version::Http2 => client::Protocol::Http2,
    };
    let streams_max = match plan.wire.version {
        Version::Http1 => 1,
        Version::Http2 => u32::try_from(plan.streams).unwrap_or(u32::MAX),
    };
    client::Settings {
        streams_max,
        data_frame_max: plan.wire.frame_bytes_max,
        // A pause of the plan is no reason to connect anew.
        idle_timeout: std::time::Duration::MAX,
        ..client::Settings::new(protocol)
    }
}

fn head(plan: &Plan) -> Result<AttemptHead, InvalidUri> {
    let (target, wire) = (&plan.target, plan.wire);
    let mut headers = HeaderMap::new();
    let media = match wire.protocol {
        Protocol::Grpc => "application/grpc",
        Protocol::HttpProtobuf => "application/x-protobuf",
        Protocol::HttpJson => "application/json",
    };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
    if wire.protocol == Protocol::Grpc {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    if wire.encoding != Encoding::Identity {
        let (name, token) = match wire.protocol {
            Protocol::Grpc => (
                HeaderName::from_static("grpc-encoding"),
                wire.encoding.grpc_encoding().unwrap_or("identity"),
            ),
            Protocol::HttpProtobuf | Protocol::HttpJson => {
                (CONTENT_ENCODING, wire.encoding.content_encoding())
            }
        };
        headers.insert(name, HeaderValue::from_static(token));
    }
    let path = match wire.protocol {
        Protocol::Grpc => plan.spec.signal.grpc_path().to_owned(),
        Protocol::HttpProtobuf | Protocol::HttpJson => {
            format!("{}{}", target.path, plan.spec.signal.http_path())
        }
    };
    let uri = Uri::try_from(format!("http://{}{path}", target.authority))?;
    if wire.version == Version::Http1
        && let Ok(host) = HeaderValue::from_str(&target.authority)
    {
        headers.insert(HOST, host);
    }
    Ok(AttemptHead {
        method: Method::POST,
        uri,
        headers,
        framing: match wire.protocol {
            Protocol::Grpc => Framing::Grpc,
            Protocol::HttpProtobuf | Protocol::HttpJson => Framing::Plain,
        },
    })
}
