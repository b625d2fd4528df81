//! Where batches go: a closed set of exporters, each with its own keys.

use super::Secret;
use http::HeaderName;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// How one exporter instance sends.
#[derive(Debug, Clone, PartialEq)]
pub enum ExporterConfig {
    OtlpGrpc(Box<OtlpGrpcConfig>),
    OtlpHttp(Box<OtlpHttpConfig>),
    Debug(DebugConfig),
    File(FileConfig),
    Nop,
}

/// `otlp_grpc`, alias `otlp`.
#[derive(Debug, Clone, PartialEq)]
pub struct OtlpGrpcConfig {
    pub target: Target,
    /// For `:authority`: the `authority` key, else the endpoint without its scheme.
    pub authority: String,
    /// For one try. `Duration::MAX`: none.
    pub timeout: Duration,
    pub compression: Compression,
    pub headers: Vec<(HeaderName, Secret)>,
    pub keepalive: Option<KeepaliveConfig>,
    pub balancer: Balancer,
    pub connections: ConnectionsConfig,
}

/// `otlp_http`, alias `otlphttp`.
#[derive(Debug, Clone, PartialEq)]
pub struct OtlpHttpConfig {
    pub target: Target,
    /// For `host` or `:authority`: a `Host` header of the file, else host and port of the URL.
    pub authority: String,
    /// The path of this lane's signal: `/v1/traces`.
    pub path: String,
    /// What follows a `?` in the URL. Some backends take their key there.
    pub query: Option<Secret>,
    pub encoding: HttpEncoding,
    pub version: HttpVersion,
    /// For one try. `Duration::MAX`: none.
    pub timeout: Duration,
    pub compression: Compression,
    pub headers: Vec<(HeaderName, Secret)>,
    /// PINGs of HTTP/2 connections: `http2_read_idle_timeout` and `http2_ping_timeout`.
    pub keepalive: Option<KeepaliveConfig>,
    pub balancer: Balancer,
    pub connections: ConnectionsConfig,
}

/// What to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Resolved at start, every `dns_refresh` and after failures.
    Name {
        host: String,
        port: u16,
    },
    Address(SocketAddr),
    Unix(PathBuf),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpEncoding {
    Proto,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpVersion {
    Http1,
    /// With prior knowledge (h2c).
    Http2,
}

/// Invariant: `level` is given for gzip, deflate and zstd alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    None,
    Gzip {
        level: Option<i32>,
    },
    Zstd {
        level: Option<i32>,
    },
    /// Over HTTP one block, over gRPC frames, as in the Collector.
    Snappy,
    SnappyFramed,
    Lz4,
    /// Also the Collector's `zlib`, which is the same format by another header value.
    Deflate {
        level: Option<i32>,
    },
}

/// PINGs of a client connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepaliveConfig {
    /// PING after this long without a frame from the peer. At least 10 s, as in grpc-go.
    pub time: Duration,
    pub timeout: Duration,
    /// Also while no stream is open.
    pub permit_without_stream: bool,
}

/// How several addresses of one name are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Balancer {
    /// The first that answers.
    PickFirst,
    /// All of them in turn.
    RoundRobin,
}

/// Connections of one lane in the whole process: our `tailrace` block, and confighttp's keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionsConfig {
    /// `max_conns_per_host` or `tailrace.connections_max`.
    pub max: u32,
    /// A connection this old takes no new request. `Duration::MAX`: no limit.
    pub age_max: Duration,
    /// `idle_conn_timeout`: closed after this long without a request.
    pub idle_timeout: Duration,
    pub dns_refresh: Duration,
}

/// `debug`: batches on standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DebugConfig {
    pub verbosity: Verbosity,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verbosity {
    Basic,
    Normal,
    Detailed,
}

/// `file`: OTLP/JSON, one request a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileConfig {
    pub path: PathBuf,
    /// Keep what is in the file at start; else it is emptied.
    pub append: bool,
    pub create_directory: bool,
    /// Permissions of a created directory.
    pub directory_permissions: u32,
}
