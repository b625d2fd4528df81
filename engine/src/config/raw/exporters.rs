//! Exporters: `otlp_grpc`, `otlp_http`, `debug`, `file` and `nop`.

use super::shared::{
    ClientKeepalive, ClientTls, CompressionName, Connections, HttpClientPool, Queue, Retry,
};
use crate::config::field::{choice, section};
use crate::config::types::{AnyList, AnyMap, Anything, Endpoint, Headers, Optional};
use crate::config::{Balancer, HttpEncoding, HttpVersion, Secret, Verbosity};
use std::time::Duration;

section! {
    /// `otlp_grpc`, also `otlp`
    OtlpGrpcExporter {
        /// `host:port`, `http://host:port`, `dns:///host:port` or `unix:///path`. Without `http://`
        /// or `unix://`, `tls.insecure: true` is needed: the Collector would use TLS there.
        endpoint: Endpoint = "''",
        /// For one try of one batch. 0: none.
        timeout: Duration = "5s",
        /// gzip, zstd, snappy or none.
        compression: CompressionName = "gzip",
        /// Headers of every request.
        headers: Headers = "{}",
        /// What happens with a batch after a failure.
        retry_on_failure: Retry = "{}",
        /// What waits, and how it is put together.
        sending_queue: Queue = "{}",
        /// Only `insecure: true` in this build.
        tls: Optional<ClientTls> = "~",
        /// PINGs of connections.
        keepalive: Optional<ClientKeepalive> = "{}",
        /// round_robin uses all addresses of a name, pick_first the first that answers.
        balancer_name: Balancer = "round_robin",
        /// `:authority` instead of the endpoint's.
        authority: String = "''",
        /// `user-agent` instead of our own.
        user_agent: Optional<Secret> = "~",
        /// Bytes.
        read_buffer_size: i64 = "0" => NoEffect("buffers follow the frame size and the free memory"),
        /// Bytes.
        write_buffer_size: i64 = "524288" => NoEffect("batches are written from the received buffers"),
        /// Wait for a connection instead of failing.
        wait_for_ready: bool = "false" => NoEffect("a batch waits while one connects, and backs off where nothing answers"),
        /// Refused.
        auth: Anything = "" => Refused(
            "authentication is not supported in this build; a token can stand in `headers`"
        ),
        /// Refused.
        middlewares: AnyList = "" => Refused("middleware extensions are not in this build"),
        /// Refused.
        dialer_middleware: AnyMap = "" => Refused("middleware extensions are not in this build"),
        /// Refused.
        batcher: Anything = "" => Refused("`batcher` was replaced by `sending_queue.batch`"),
        /// Our own keys.
        tailrace: Connections = "{}",
    }
}

section! {
    /// `otlp_http`, also `otlphttp`
    OtlpHttpExporter {
        /// The base URL; `/v1/traces`, `/v1/metrics`, `/v1/logs` or `/v1development/profiles` is added.
        endpoint: Endpoint = "''",
        /// The whole URL for traces instead.
        traces_endpoint: Endpoint = "''",
        /// The whole URL for metrics instead.
        metrics_endpoint: Endpoint = "''",
        /// The whole URL for logs instead.
        logs_endpoint: Endpoint = "''",
        /// The whole URL for profiles instead.
        profiles_endpoint: Endpoint = "''",
        /// proto or json.
        encoding: HttpEncoding = "proto",
        /// For one try of one batch. 0: none.
        timeout: Duration = "30s",
        /// gzip, zstd, snappy, x-snappy-framed, lz4, deflate, zlib or none. zlib is sent as
        /// deflate: the same bytes.
        compression: CompressionName = "gzip",
        /// How hard to compress.
        compression_params: CompressionParams = "{}",
        /// Headers of every request; `Host` replaces the URL's.
        headers: Headers = "{}",
        /// What happens with a batch after a failure.
        retry_on_failure: Retry = "{}",
        /// What waits, and how it is put together.
        sending_queue: Queue = "{}",
        /// Only `insecure: true` in this build.
        tls: Optional<ClientTls> = "~",
        /// Refused.
        batcher: Anything = "" => Refused("`batcher` was replaced by `sending_queue.batch`"),
        /// Our own keys.
        tailrace: HttpConnections = "{}";
        ..client: HttpClientPool
    }
}

section! {
    /// `compression_params`
    CompressionParams {
        /// gzip, zlib, deflate: 1 to 9; zstd: 1 to 22. 0 and -1: 4 for gzip, zlib and deflate
        /// (a batch over 4 MiB: 6), 3 for zstd. -2 (Huffman codes alone) counts as 1.
        level: i32 = "0",
    }
}

section! {
    /// `tailrace` of `otlp_http`: ours, not the Collector's.
    HttpConnections {
        /// 1 (HTTP/1.1), or 2 for HTTP/2 with prior knowledge (h2c).
        http_version: HttpVersion = "'1'";
        ..connections: Connections
    }
}

section! {
    /// `debug`: batches on standard output.
    DebugExporter {
        /// basic: one line of counts; normal: and a line of OTLP/JSON; detailed: and indented OTLP/JSON.
        verbosity: Verbosity = "basic",
        /// Of the batches in one second, print so many.
        sampling_initial: i64 = "2" => NoEffect("every batch is printed"),
        /// Then print every n-th.
        sampling_thereafter: i64 = "1" => NoEffect("every batch is printed"),
        /// Print through the log instead of to standard output.
        use_internal_logger: bool = "true" => NoEffect("batches are printed to standard output"),
        /// Where to print.
        output_paths: Optional<Vec<String>> = "~" => NoEffect("batches are printed to standard output"),
        /// What waits. Off unless given.
        sending_queue: Queue = "{enabled: false}",
    }
}

section! {
    /// `file`: OTLP/JSON, one request a line.
    FileExporter {
        /// The file to write.
        path: String = "''",
        /// Keep what is in the file; else it is emptied at start.
        append: bool = "false",
        /// Create the file's directory if it is missing.
        create_directory: bool = "false",
        /// Its permissions, in octal digits.
        directory_permissions: String = "'0755'",
        /// How often what is buffered is written.
        flush_interval: Duration = "1s" => NoEffect("batches are written at once"),
        /// Put the file aside when it is large or old.
        rotation: Anything = "" => Refused(
            "rotation is not in this build; logrotate with `copytruncate` works"
        ),
        /// Only json.
        format: String = "json",
        /// Only none.
        compression: String = "''",
        /// Refused.
        encoding: Anything = "" => Refused("encoding extensions are not in this build"),
        /// Refused.
        group_by: AnyMap = "" => Refused("writing to several files is not in this build"),
    }
}

choice!(HttpEncoding { "proto" => Self::Proto, "json" => Self::Json });

choice!(Verbosity { "basic" => Self::Basic, "normal" => Self::Normal, "detailed" => Self::Detailed });
