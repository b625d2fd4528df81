//! Receivers: `otlp` and `nop`.

use super::shared::{Dialer, GrpcServerKeepalive, HttpServer, Transport};
use crate::config::field::section;
use crate::config::types::{AnyList, Anything, Endpoint, Optional, Switched};

section! {
    /// `otlp`
    OtlpReceiver {
        /// At least one of the protocols; one that is not named is not served.
        protocols: Protocols = "{}",
    }
}

section! {
    /// `protocols`
    Protocols {
        /// OTLP over gRPC.
        grpc: Switched<GrpcServer> = "",
        /// OTLP over HTTP/1.1 and HTTP/2, protobuf and JSON.
        http: Switched<OtlpHttpServer> = "",
    }
}

section! {
    /// `protocols.grpc` (configgrpc)
    GrpcServer {
        /// `host:port`, or a path with `transport: unix`. Port 0 takes a free one.
        endpoint: Endpoint = "localhost:4317",
        /// tcp or unix.
        transport: Transport = "tcp",
        /// The largest message in MiB, compressed or not. 0: 64. (The Collector's own default is 4.)
        max_recv_msg_size_mib: u64 = "64",
        /// Requests open at once on one connection. 0: 128; more than 10000
        /// count as 10000.
        max_concurrent_streams: u32 = "0",
        /// Lifetime and PINGs of connections.
        keepalive: Optional<GrpcServerKeepalive> = "~",
        /// Keep the headers that `metadata_keys` of a batch names.
        include_metadata: bool = "false",
        /// Bytes.
        read_buffer_size: i64 = "524288" => NoEffect("buffers follow the frame size and the free memory"),
        /// Bytes.
        write_buffer_size: i64 = "0" => NoEffect("answers are below 1 KiB"),
        /// Refused.
        tls: Anything = "" => Refused("TLS is not supported in this build"),
        /// Refused.
        auth: Anything = "" => Refused("authentication is not supported in this build"),
        /// Refused.
        middlewares: AnyList = "" => Refused("middleware extensions are not in this build"),
        /// Outgoing connections of a server.
        dialer: Optional<Dialer> = "~" => NoEffect("a server does not dial"),
    }
}

section! {
    /// `protocols.http` (confighttp)
    OtlpHttpServer {
        /// `host:port`, or a path with `transport: unix`. Port 0 takes a free one.
        endpoint: Endpoint = "localhost:4318",
        /// Where traces are taken.
        traces_url_path: String = "/v1/traces",
        /// Where metrics are taken.
        metrics_url_path: String = "/v1/metrics",
        /// Where logs are taken.
        logs_url_path: String = "/v1/logs",
        /// Where profiles are taken.
        profiles_url_path: String = "/v1development/profiles";
        ..server: HttpServer
    }
}
