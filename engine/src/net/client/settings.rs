//! How a client connection behaves: everything that does not change while it lives.

use crate::exchange::Keepalive;
use std::time::Duration;

/// What is spoken on a client connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/2 from the first byte (gRPC, h2c with prior knowledge): many attempts at once.
    Http2,
    /// HTTP/1.1 with keep-alive: one attempt at a time.
    Http1,
}

/// The settings of a client connection. A duration of `Duration::MAX` means never.
///
/// Memory: at most 4 x `response_bytes_max` of answers are held a connection, besides h2's own
/// windows; bodies on their way out are references into the store.
#[derive(Debug, Clone)]
pub struct Settings {
    pub protocol: Protocol,
    /// For connecting and for the peer's first SETTINGS, each.
    pub connect_timeout: Duration,
    /// HTTP/2 only.
    pub keepalive: Option<Keepalive>,
    /// Closed after this long without an attempt.
    pub idle_timeout: Duration,
    /// No new attempts after this age; those that are open go on. Jitter is the caller's.
    pub age_max: Duration,
    /// The most attempts open at once, if the peer allows as many. 1 for HTTP/1.1.
    pub streams_max: u32,
    /// DATA frames are no longer than this, whatever the peer allows, in bytes. HTTP/2 only.
    pub data_frame_max: usize,
    /// The largest answer, compressed and decompressed.
    pub response_bytes_max: usize,
}

impl Settings {
    /// 4 MiB, the limit of the OTLP specification.
    /// Source: <https://opentelemetry.io/docs/specs/otlp/>
    pub const RESPONSE_BYTES_MAX: usize = 4 << 20;

    /// The defaults for `protocol`: 5 s to connect, idle for 90 s as Go's HTTP client, no maximum
    /// age, no keepalive PING as the Collector.
    pub const fn new(protocol: Protocol) -> Self {
        Self {
            protocol,
            connect_timeout: Duration::from_secs(5),
            keepalive: None,
            idle_timeout: Duration::from_secs(90),
            age_max: Duration::MAX,
            streams_max: match protocol {
                Protocol::Http2 => 1000,
                Protocol::Http1 => 1,
            },
            data_frame_max: usize::MAX,
            response_bytes_max: Self::RESPONSE_BYTES_MAX,
        }
    }
}
