//! Why a request is refused, as values, and which codes say so.

use crate::telemetry::Quota;
use ::http::StatusCode;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tailrace_codec::grpc::Code;
use tailrace_codec::{Malformed, MalformedKind};

/// Why a request that came to be read was not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The message on the wire is over the receiver's limit. `bytes`: as declared, or as far as
    /// it was read.
    TooLarge {
        bytes: u64,
        limit: u64,
    },
    /// It inflates to more than the limit.
    InflatesTooLarge {
        limit: u64,
    },
    /// The content coding is none of ours.
    UnsupportedEncoding,
    /// A gRPC message is flagged as compressed and the call named no encoding.
    CompressedWithoutEncoding,
    /// The bytes are not what they should be. Sending them again cannot help.
    Malformed(Fault),
    /// A queue behind the receiver is full.
    Full {
        retry_after: Duration,
    },
    /// The shard's credit is used up.
    Memory {
        retry_after: Duration,
    },
    /// Memory is scarce, and the sender holds more than its share of it.
    MemoryShare {
        retry_after: Duration,
    },
    /// A quota is spent; `None`: that of all senders together.
    Quota {
        tenant: Option<Arc<str>>,
        quota: Quota,
        retry_after: Duration,
    },
    ShuttingDown {
        retry_after: Duration,
    },
    /// The sender waits for delivery and the deadline passed.
    TimedOut,
    /// The sender waits for delivery; the destination could not take it now.
    Undelivered {
        retry_after: Option<Duration>,
    },
    /// The sender waits for delivery and the destination refused it for good.
    RefusedUpstream,
}

/// What is wrong with a message, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Offset into the uncompressed message.
    Protobuf(Malformed),
    /// Offset into the uncompressed message.
    Json {
        offset: u64,
    },
    Compression,
}

impl Refusal {
    /// As the Collector's receiver maps its errors, and the OTLP specification wants them read.
    ///
    /// No room is UNAVAILABLE rather than RESOURCE_EXHAUSTED: the latter is retried only by
    /// senders that read RetryInfo, and several do not.
    pub const fn grpc_code(&self) -> Code {
        match self {
            Self::TooLarge { .. } | Self::InflatesTooLarge { .. } => Code::ResourceExhausted,
            Self::UnsupportedEncoding => Code::Unimplemented,
            Self::CompressedWithoutEncoding => Code::Internal,
            Self::Malformed(_) | Self::RefusedUpstream => Code::InvalidArgument,
            Self::Full { .. }
            | Self::Quota { .. }
            | Self::Memory { .. }
            | Self::MemoryShare { .. }
            | Self::ShuttingDown { .. }
            | Self::Undelivered { .. } => Code::Unavailable,
            Self::TimedOut => Code::DeadlineExceeded,
        }
    }

    pub const fn http_status(&self) -> StatusCode {
        match self {
            Self::TooLarge { .. } | Self::InflatesTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedEncoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::CompressedWithoutEncoding | Self::Malformed(_) | Self::RefusedUpstream => {
                StatusCode::BAD_REQUEST
            }
            Self::Full { .. } | Self::Quota { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Memory { .. }
            | Self::MemoryShare { .. }
            | Self::ShuttingDown { .. }
            | Self::Undelivered { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::TimedOut => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// Whether the receiver itself fails the request, as opposed to what comes after it.
    pub const fn is_the_requests_fault(&self) -> bool {
        matches!(
            self,
            Self::TooLarge { .. }
                | Self::InflatesTooLarge { .. }
                | Self::UnsupportedEncoding
                | Self::CompressedWithoutEncoding
                | Self::Malformed(_)
        )
    }

    /// The pause asked of the sender.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Full { retry_after }
            | Self::Quota { retry_after, .. }
            | Self::Memory { retry_after }
            | Self::MemoryShare { retry_after }
            | Self::ShuttingDown { retry_after } => Some(*retry_after),
            Self::Undelivered { retry_after } => *retry_after,
            Self::TooLarge { .. }
            | Self::InflatesTooLarge { .. }
            | Self::UnsupportedEncoding
            | Self::CompressedWithoutEncoding
            | Self::Malformed(_)
            | Self::TimedOut
            | Self::RefusedUpstream => None,
        }
    }

    /// Whether the same request may succeed later.
    #[cfg(test)]
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Full { .. }
            | Self::Quota { .. }
            | Self::Memory { .. }
            | Self::MemoryShare { .. }
            | Self::ShuttingDown { .. }
            | Self::TimedOut
            | Self::Undelivered { .. } => true,
            Self::TooLarge { .. }
            | Self::InflatesTooLarge { .. }
            | Self::UnsupportedEncoding
            | Self::CompressedWithoutEncoding
            | Self::Malformed(_)
            | Self::RefusedUpstream => false,
        }
    }
}

/// For the sender's log. The two size texts are grpc-go's, so that senders which read the limit out
/// of them, as we do, find it.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { bytes, limit } => {
                write!(
                    f,
                    "grpc: received message larger than max ({bytes} vs. {limit})"
                )
            }
            Self::InflatesTooLarge { limit } => {
                write!(
                    f,
                    "grpc: received message after decompression larger than max {limit}"
                )
            }
            Self::UnsupportedEncoding => write!(f, "unsupported content-encoding"),
            Self::CompressedWithoutEncoding => {
                write!(
                    f,
                    "grpc: compressed flag set with identity or empty encoding"
                )
            }
            Self::Malformed(fault) => write!(f, "{fault}"),
            Self::Full { .. } => write!(f, "sending queue is full"),
            Self::Quota {
                tenant: Some(tenant),
                quota,
                ..
            } => write!(f, "{} of tenant {tenant:?} is spent", quota.name()),
            Self::Quota { quota, .. } => write!(f, "{} of the receivers is spent", quota.name()),
            Self::Memory { .. } => write!(f, "data refused due to high memory usage"),
            Self::MemoryShare { .. } => {
                write!(f, "memory is scarce and this connection has its share")
            }
            Self::ShuttingDown { .. } => write!(f, "shutting down"),
            Self::TimedOut => write!(f, "not delivered before the deadline"),
            Self::Undelivered { .. } => write!(f, "the destination cannot take it now"),
            Self::RefusedUpstream => write!(f, "the destination refused it"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protobuf(Malformed { offset, kind }) => {
                write!(f, "malformed protobuf at byte {offset}: {}", text(*kind))
            }
            Self::Json { offset } => write!(f, "malformed JSON at byte {offset}"),
            Self::Compression => write!(f, "malformed compressed data"),
        }
    }
}

const fn text(kind: MalformedKind) -> &'static str {
    match kind {
        MalformedKind::Truncated => "truncated",
        MalformedKind::VarintTooLong => "varint too long",
        MalformedKind::Tag => "illegal tag",
        MalformedKind::LengthPastEnd => "length past the end",
        MalformedKind::WireType(_) => "illegal wire type",
        MalformedKind::UnexpectedWireType(_) => "unexpected wire type",
        MalformedKind::TooDeep => "nested too deep",
    }
}
