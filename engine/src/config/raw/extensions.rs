//! Extensions: `health_check`.

use super::shared::{Cors, Dialer, HttpServerKeepalive, Transport};
use crate::config::field::section;
use crate::config::types::{AnyList, AnyMap, Anything, Endpoint, Headers, Optional};
use std::time::Duration;

section! {
    /// `health_check`, version 1: 200 while the pipelines run, else 503.
    HealthCheck {
        /// `host:port`, or a path with `transport: unix`.
        endpoint: Endpoint = "localhost:13133",
        /// tcp or unix.
        transport: Transport = "tcp",
        /// The path that is answered.
        path: String = "/",
        /// Bodies instead of the default JSON.
        response_body: Optional<ResponseBody> = "~",
        /// Report failing exporters.
        check_collector_pipeline: AnyMap = "" => NoEffect("as in the Collector, which ignores it"),
        /// Refused.
        tls: Anything = "" => Refused("TLS is not supported in this build"),
        /// Refused.
        auth: Anything = "" => Refused("authentication is not supported in this build"),
        /// Refused.
        middlewares: AnyList = "" => Refused("middleware extensions are not in this build"),
        /// Version 2 of the extension.
        use_v2: bool = "false" => Refused("version 2 of health_check is not in this build"),
        /// Of version 2.
        http: Anything = "" => Refused("version 2 of health_check is not in this build"),
        /// Of version 2.
        grpc: Anything = "" => Refused("version 2 of health_check is not in this build"),
        /// Of version 2.
        component_health: AnyMap = "" => Refused("version 2 of health_check is not in this build"),
        /// Of the HTTP server.
        cors: Optional<Cors> = "~" => NoEffect("health checks are not for web pages"),
        /// Of the HTTP server.
        response_headers: Headers = "{}" => NoEffect("health checks carry no extra headers"),
        /// Of the HTTP server.
        max_request_body_size: i64 = "0" => NoEffect("requests have no body"),
        /// Of the HTTP server.
        include_metadata: bool = "false" => NoEffect("requests go into no pipeline"),
        /// Of the HTTP server.
        compression_algorithms: Vec<String> = "[]" => NoEffect("requests have no body"),
        /// Of the HTTP server.
        read_timeout: Duration = "0s" => NoEffect("each part of a request takes at most 5s"),
        /// Of the HTTP server.
        read_header_timeout: Duration = "1m" => NoEffect("each part of a request takes at most 5s"),
        /// Of the HTTP server.
        write_timeout: Duration = "30s" => NoEffect("each part of a request takes at most 5s"),
        /// Of the HTTP server.
        idle_timeout: Duration = "1m" => NoEffect("a connection is closed when it is idle for 60s"),
        /// Of the HTTP server.
        keepalive: Optional<HttpServerKeepalive> = "~" => NoEffect("a connection is closed when it is idle for 60s"),
        /// Of the HTTP server.
        keep_alives_enabled: bool = "true" => NoEffect("a connection is closed when it is idle for 60s"),
        /// Outgoing connections of a server.
        dialer: Optional<Dialer> = "~" => NoEffect("a server does not dial"),
    }
}

section! {
    /// `response_body`
    ResponseBody {
        /// While ready.
        healthy: String = "''",
        /// While not.
        unhealthy: String = "''",
    }
}
