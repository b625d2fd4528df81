//! What to send, where, how and when.

use super::arrivals::{Phase, Shape, Spacing};
use crate::workload::Spec;
use std::time::Duration;
use tailrace_codec::compress::Encoding;
use tailrace_engine::exchange::Address;

/// A run as it is meant to be.
#[derive(Debug, Clone)]
pub struct Plan {
    pub target: Target,
    pub wire: Wire,
    pub spec: Spec,
    pub connections: usize,
    /// Requests that may be unanswered on one connection. 1 for HTTP/1.1.
    pub streams: usize,
    pub phases: Vec<Phase>,
    /// The end comes sooner where so many requests were sent.
    pub requests_max: u64,
    /// Without an answer for so long, a request has failed.
    pub timeout: Duration,
    pub retry: Option<Retry>,
    /// The number of the first item, for several runs into one set of numbers.
    pub first_item: u64,
    /// The processor to stay on.
    pub cpu: Option<usize>,
}

/// Where requests go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub address: Address,
    /// `host:port`, as the requests name it.
    pub authority: String,
    /// What stands before `/v1/traces`, without a slash at its end. Not for gRPC.
    pub path: String,
}

impl Target {
    pub fn new(address: Address) -> Self {
        let authority = match &address {
            Address::Tcp(address) => address.to_string(),
            Address::Unix(_) => "localhost".to_owned(),
        };
        let path = String::new();
        Self {
            address,
            authority,
            path,
        }
    }
}

/// How requests look on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wire {
    pub protocol: Protocol,
    pub version: Version,
    pub encoding: Encoding,
    /// DATA frames are no longer than this, whatever the peer allows, in bytes.
    pub frame_bytes_max: usize,
}

impl Wire {
    pub const GRPC: Self = Self {
        protocol: Protocol::Grpc,
        version: Version::Http2,
        encoding: Encoding::Identity,
        frame_bytes_max: usize::MAX,
    };
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Grpc,
    HttpProtobuf,
    HttpJson,
}

impl Protocol {
    /// By the names of `OTEL_EXPORTER_OTLP_PROTOCOL`.
    pub const NAMES: [(&'static str, Self); 3] = [
        ("grpc", Self::Grpc),
        ("http/protobuf", Self::HttpProtobuf),
        ("http/json", Self::HttpJson),
    ];

    pub fn name(self) -> &'static str {
        let named = Self::NAMES.iter().find(|(_, protocol)| *protocol == self);
        named.map_or("", |(name, _)| name)
    }

    /// The port that the specification gives it.
    pub const fn port(self) -> u16 {
        match self {
            Self::Grpc => 4317,
            Self::HttpProtobuf | Self::HttpJson => 4318,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    Http1,
    /// Without TLS, from the first byte.
    Http2,
}

impl Version {
    pub const NAMES: [(&'static str, Self); 3] =
        [("1.1", Self::Http1), ("1", Self::Http1), ("2", Self::Http2)];
}

/// Refused requests are sent again where the answer allows it, until they are taken or given up.
///
/// A request that waits for its next try keeps its place on its connection, so that a load never
/// has more than connections x streams requests that are not settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// From the first try, after which a request has failed.
    pub give_up_after: Duration,
}

impl Plan {
    /// A closed loop over gRPC: `streams` requests in flight on one connection.
    pub fn closed(address: Address, spec: Spec, streams: usize, duration: Duration) -> Self {
        Self {
            target: Target::new(address),
            wire: Wire::GRPC,
            spec,
            connections: 1,
            streams,
            phases: vec![Phase {
                name: "max".to_owned(),
                duration,
                shape: Shape::Max,
            }],
            requests_max: u64::MAX,
            timeout: Self::TIMEOUT,
            retry: None,
            first_item: 0,
            cpu: None,
        }
    }

    /// The same at a steady rate of requests a second.
    pub fn at_rate(mut self, rate: f64) -> Self {
        for phase in &mut self.phases {
            phase.shape = Shape::steady(rate, Spacing::Constant);
        }
        self
    }

    pub const TIMEOUT: Duration = Duration::from_secs(30);

    /// The seed of what is sent, and of when.
    pub fn seed(&self) -> u64 {
        self.spec.seed
    }
}
