//! Requests in: from headers to a decision, and from a decision to an answer.
//!
//! ```text
//!   RequestHead --admit--> Ingress  (read the body so, answer it so)
//!                      \-> Reply    (wrong path, method, media type, encoding, size)
//!   Outcome, Refusal ---reply-----> Reply, in the words of the request's protocol
//! ```
//!
//! Pure: `net` reads the headers and writes the replies, the pipeline decides what happens between.
//! Source: <https://opentelemetry.io/docs/specs/otlp/>; where it is silent, the Collector's
//! `receiver/otlpreceiver` and `config/confighttp`.

mod cors;
mod grpc;
mod http;
mod metadata;
mod refusal;
mod reply;

pub use cors::{Cors, CorsRule};
pub use metadata::{MetadataKeys, SharedMetadata};

use crate::memory::store::Metadata;
pub use refusal::{Fault, Refusal};
pub use reply::{Outcome, ReplyKind};

use crate::exchange::{Framing, Reply, RequestHead};
use ::http::HeaderMap;
use std::time::Duration;
use tailrace_codec::Signal;
use tailrace_codec::compress::Encoding;

/// What a listener needs to know to decide on a request. Fixed when the configuration is read.
#[derive(Debug, Clone)]
pub struct Receiver {
    pub protocol: Protocol,
    /// The signals with a pipeline behind this receiver. For the others it does not exist.
    pub signals: Signals,
    /// The most bytes of a message, compressed or not: `max_recv_msg_size_mib` or
    /// `max_request_body_size`.
    pub message_max: u64,
    /// Headers kept with the payload. Empty unless `include_metadata` is set and something
    /// downstream uses them.
    pub metadata_keys: MetadataKeys,
}

/// What a listener speaks.
#[derive(Debug, Clone)]
pub enum Protocol {
    Grpc,
    Http(Box<HttpReceiver>),
}

/// The settings that only `protocols.http` has.
#[derive(Debug, Clone)]
pub struct HttpReceiver {
    pub paths: Paths,
    pub cors: Option<Cors>,
    /// `response_headers`: added to every answer.
    pub response_headers: HeaderMap,
}

/// Where each signal is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    pub traces: String,
    pub metrics: String,
    pub logs: String,
    pub profiles: String,
}

impl Default for Paths {
    fn default() -> Self {
        Self {
            traces: Signal::Traces.http_path().into(),
            metrics: Signal::Metrics.http_path().into(),
            logs: Signal::Logs.http_path().into(),
            profiles: Signal::Profiles.http_path().into(),
        }
    }
}

/// A set of signals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Signals(u8);

impl Signals {
    pub const fn with(self, signal: Signal) -> Self {
        Self(self.0 | 1 << signal as u8)
    }

    pub const fn contains(self, signal: Signal) -> bool {
        self.0 & (1 << signal as u8) != 0
    }
}

impl FromIterator<Signal> for Signals {
    fn from_iter<I: IntoIterator<Item = Signal>>(signals: I) -> Self {
        signals.into_iter().fold(Self::default(), Self::with)
    }
}

/// How the message is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Content {
    Protobuf,
    Json,
}

/// A request worth reading.
#[derive(Debug)]
pub struct Ingress {
    pub signal: Signal,
    pub content: Content,
    /// What the message is compressed with; of gRPC messages, those whose flag says so.
    pub encoding: Encoding,
    pub framing: Framing,
    /// What batches are kept apart by; `None` where the receiver keeps nothing.
    pub metadata: Option<Metadata>,
    /// How long the sender waits (`grpc-timeout`), counted from now.
    pub timeout: Option<Duration>,
    /// How to answer.
    pub reply: ReplyKind,
}

impl Ingress {
    /// Whether a payload will be as long as its body: neither inflated nor converted.
    pub fn is_stored_as_received(&self) -> bool {
        self.encoding == Encoding::Identity && self.content == Content::Protobuf
    }
}

/// Decides on a request from its headers.
///
/// Errors: the reply, boxed because it is large and rare. Cost: for gRPC no allocation unless
/// metadata is kept.
pub fn admit(head: &RequestHead<'_>, receiver: &Receiver) -> Result<Ingress, Box<Reply>> {
    match &receiver.protocol {
        Protocol::Grpc => grpc::admit(head.parts, receiver),
        Protocol::Http(settings) => http::admit(head.parts, receiver, settings),
    }
}

#[cfg(test)]
mod tests;
