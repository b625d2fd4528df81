//! Where requests come in: one value for each socket of each receiver.

use super::{ComponentId, Secret};
use crate::units::{ByteCount, LaneId};
use http::HeaderName;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;
use tailrace_codec::Signal;

/// One socket to listen on.
#[derive(Debug, Clone, PartialEq)]
pub struct ListenerConfig {
    pub receiver: ComponentId,
    pub address: ListenAddress,
    pub protocol: ListenerProtocol,
    /// The largest message, compressed or not: `max_recv_msg_size_mib` or `max_request_body_size`.
    pub message_bytes_max: ByteCount,
    /// `max_concurrent_streams`: requests open at once on one HTTP/2 connection.
    pub streams_max: u32,
    pub keepalive: ServerKeepalive,
    pub times: ListenerTimes,
    /// Headers to keep with a payload: what the lanes behind name in `metadata_keys`, where the
    /// receiver has `include_metadata`. Lower case, in the order of the file, without doubles.
    pub metadata_keys: Vec<HeaderName>,
    /// By signal: the lanes a request goes to. Empty: no pipeline has this receiver for the
    /// signal, and the request is answered as if the service did not exist.
    pub routes: [Vec<LaneId>; Signal::ALL.len()],
}

impl ListenerConfig {
    pub fn route(&self, signal: Signal) -> &[LaneId] {
        &self.routes[signal as usize]
    }
}

/// What to bind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    /// `host` is a name or an address without brackets; empty for all addresses. Port 0: any.
    Tcp {
        host: String,
        port: u16,
    },
    Unix(PathBuf),
}

/// What is spoken on the socket.
#[derive(Debug, Clone, PartialEq)]
pub enum ListenerProtocol {
    /// HTTP/2 with prior knowledge, OTLP/gRPC alone.
    Grpc,
    /// HTTP/1.1 and HTTP/2 with prior knowledge, protobuf and JSON.
    Http(Box<HttpListenerConfig>),
}

/// The keys that only `protocols.http` has.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpListenerConfig {
    pub paths: SignalPaths,
    /// `None`: no CORS headers, preflight requests are answered with 405.
    pub cors: Option<CorsConfig>,
    /// Added to every answer.
    pub response_headers: Vec<(HeaderName, Secret)>,
}

/// Where each signal is served. Each begins with a slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignalPaths {
    pub traces: String,
    pub metrics: String,
    pub logs: String,
    pub profiles: String,
}

/// Which web pages may send here: the Collector's `cors`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorsConfig {
    /// Never empty. `*` for any; one `*` within an origin stands for any characters.
    pub allowed_origins: Vec<String>,
    /// `*` for any. Empty: accept, content-type and x-requested-with.
    pub allowed_headers: Vec<String>,
    pub exposed_headers: Vec<HeaderName>,
    /// Seconds a browser may remember a preflight. 0: left to the browser.
    pub max_age: i64,
}

/// Lifetime and PINGs of connections: the Collector's `keepalive`. `Duration::MAX`: no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerKeepalive {
    pub max_connection_idle: Duration,
    pub max_connection_age: Duration,
    pub max_connection_age_grace: Duration,
    /// PING after this long without a sign of the peer.
    pub time: Duration,
    /// Close when the answer takes longer than this.
    pub timeout: Duration,
    /// A peer that pings more often is told to go away.
    pub min_time: Duration,
    pub permit_without_stream: bool,
}

/// How long a peer may take. `Duration::MAX`: no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenerTimes {
    /// `read_header_timeout`: from the first byte of a request's head to its last.
    pub header: Duration,
    /// `read_timeout`: the longest pause within the body of a request. HTTP: at most 30 s.
    pub read: Duration,
    /// `write_timeout`: for the answer to be taken. At most 30 s.
    pub write: Duration,
    /// `idle_timeout`: between two requests on one HTTP/1.1 connection.
    pub idle: Duration,
}

/// As the file writes it.
impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}
