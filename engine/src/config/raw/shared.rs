//! Keys that several components share: the Collector's config packages.

use super::balancing::LoadBalancing;
use super::degradation::Degradation;
use super::protection::{AdaptiveConcurrency, CircuitBreaker, RateLimit, RetryBudget};
use crate::config::field::{choice, section};
use crate::config::types::{AnyList, AnyMap, Anything, Auto, Headers, Optional, Switched};
use crate::config::{Balancer, CatchUpOrder, HttpVersion, Jitter, OnlySampled, Overflow, Sizer};
use std::time::Duration;

section! {
    /// `tls` of a client (configtls). Only `insecure: true` is supported in this build.
    ClientTls {
        /// Send in the clear.
        insecure: bool = "false",
        /// Without effect where `insecure` is true.
        insecure_skip_verify: bool = "false",
        /// Without effect where `insecure` is true.
        server_name_override: String = "''",
        /// Without effect where `insecure` is true.
        min_version: String = "''",
        /// Without effect where `insecure` is true.
        max_version: String = "''",
        /// Without effect where `insecure` is true.
        include_system_ca_certs_pool: bool = "false",
        /// Without effect where `insecure` is true.
        include_insecure_cipher_suites: bool = "false",
        /// Without effect where `insecure` is true.
        reload_interval: Duration = "0s",
        /// Without effect where `insecure` is true.
        cipher_suites: Vec<String> = "[]",
        /// Without effect where `insecure` is true.
        curve_preferences: Vec<String> = "[]",
        /// Without effect where `insecure` is true.
        cert_file: String = "''",
        /// Without effect where `insecure` is true.
        cert_pem: Anything = "",
        /// Without effect where `insecure` is true.
        key_file: String = "''",
        /// Without effect where `insecure` is true.
        key_pem: Anything = "",
        /// Refused: the Collector uses TLS where a CA is given, whatever `insecure` says.
        ca_file: String = "''",
        /// Refused: the Collector uses TLS where a CA is given, whatever `insecure` says.
        ca_pem: Anything = "",
        /// Refused.
        tpm: AnyMap = "" => Refused("keys in a TPM are not supported in this build"),
    }
}

section! {
    /// `keepalive` of a gRPC client.
    ClientKeepalive {
        /// PING after this long without a frame from the peer. Below 10s, 10s hold, as in grpc-go.
        time: Duration = "10s",
        /// The connection is closed when the answer takes longer.
        timeout: Duration = "10s",
        /// PING also while no request is open.
        permit_without_stream: bool = "false",
    }
}

section! {
    /// `keepalive` of a gRPC server.
    GrpcServerKeepalive {
        /// How long connections live, and when the server asks whether the peer is there.
        server_parameters: ServerParameters = "{}",
        /// How often a client may PING.
        enforcement_policy: EnforcementPolicy = "{}",
    }
}

section! {
    /// `keepalive.server_parameters`; 0 is grpc-go's default.
    ServerParameters {
        /// A connection without a request for this long is closed. 0: never.
        max_connection_idle: Duration = "0s",
        /// A connection this old is told to go (GOAWAY). 0: never.
        max_connection_age: Duration = "0s",
        /// After that, how long its open requests may take. 0: as long as they like.
        max_connection_age_grace: Duration = "0s",
        /// PING after this long without a frame from the peer. 0: 2h.
        time: Duration = "0s",
        /// The connection is closed when the answer takes longer. 0: 20s.
        timeout: Duration = "0s",
    }
}

section! {
    /// `keepalive.enforcement_policy`.
    EnforcementPolicy {
        /// A client that PINGs more often is told to go away. 0: 5m.
        min_time: Duration = "0s",
        /// Whether a client may PING while no request is open.
        permit_without_stream: bool = "false",
    }
}

section! {
    /// `retry_on_failure` (configretry).
    Retry {
        /// False: the first failure of a batch is final.
        enabled: bool = "true",
        /// The wait after the first failure.
        initial_interval: Duration = "5s",
        /// Each wait is multiplied by a random factor in [1 - this, 1 + this].
        randomization_factor: f64 = "0.5",
        /// `around`: by `randomization_factor`. `full`: each wait is anything from nothing to its
        /// whole length, which spreads best what failed at the same moment. tailrace's own key.
        jitter: Jitter = "around",
        /// How much longer each wait is than the one before.
        multiplier: f64 = "1.5",
        /// The longest wait. A longer delay that the server asks for wins.
        max_interval: Duration = "30s",
        /// When a batch is given up, from its first try. 0: never.
        max_elapsed_time: Duration = "300s",
    }
}

section! {
    /// `sending_queue` (exporterhelper).
    Queue {
        /// False: nothing waits, senders are answered after delivery.
        enabled: bool = "true",
        /// Batches on their way at once, in the whole process. `auto`: as many as the load asks for,
        /// at most 1000; see docs/plan.md.
        num_consumers: Auto<u32> = "10",
        /// How much may wait, in the whole process, measured by `sizer`. A bound beside the
        /// exporter's share of memory, not a reservation. `auto`: what `outage_target` needs, at
        /// most that share.
        queue_size: Auto<u64> = "1000",
        /// What `queue_size` counts: requests, items (spans, points, records, samples) or bytes.
        sizer: Sizer = "requests",
        /// True: a full queue makes senders wait. False: it refuses them with a retryable status.
        block_on_overflow: bool = "false",
        /// What a full queue does: `reject`, `block`, `drop_newest`, `drop_oldest` or
        /// `drop_lowest_priority`, which drops what waits longest of the lowest class, or `sample`:
        /// from half of the queue on half of the traces that come are taken, then a quarter, down to
        /// a sixteenth; metrics until it is full. Those that drop isolate: the other exporters take the request and its sender is answered with success,
        /// while this exporter counts what it dropped. Left out: as `block_on_overflow` says.
        /// tailrace's own key.
        overflow: Optional<Overflow> = "~",
        /// What goes first of what an outage left waiting, and how fast; left out: as it came, as
        /// fast as it can. tailrace's own key.
        catch_up: Switched<CatchUp> = "",
        /// Senders are answered after delivery. Holds also where a `batch` processor stands before
        /// the exporter, which in the Collector answers at once.
        wait_for_result: bool = "false",
        /// Put requests together; left out: each is sent as it came. `batch: {}` takes the defaults.
        batch: Switched<QueueBatch> = "",
        /// Refused.
        storage: Optional<String> = "~" => Refused(
            "durable queues are not in this build; without `storage` the queue is in memory"
        ),
        /// Refused.
        concurrency_controller: Anything = "" => Refused(
            "concurrency controllers are not in this build"
        ),
        /// Refused.
        blocking: Anything = "" => Refused("renamed: write `block_on_overflow`"),
    }
}

section! {
    /// `sending_queue.batch`.
    QueueBatch {
        /// A batch is sent when its oldest part is this old, however little it holds. `auto`: what
        /// `latency_target` leaves time for.
        flush_timeout: Auto<Duration> = "200ms",
        /// A batch is sent as soon as it holds this much, by `sizer`.
        min_size: u64 = "8192",
        /// Larger requests are split. 0: no limit.
        max_size: u64 = "0",
        /// items or bytes. Left out: the queue's `sizer` if that is given, else items.
        sizer: Optional<Sizer> = "~",
        /// Requests that never stand in one batch.
        partition: Partition = "{}",
    }
}

section! {
    /// `sending_queue.catch_up`.
    CatchUp {
        /// oldest_first; newest_first: what comes now is not held up by the backlog; interleave:
        /// one of each in turn. Without a backlog the oldest goes first.
        order: CatchUpOrder = "oldest_first",
        /// What has waited as long is backlog.
        after: Duration = "10s",
        /// Items of the backlog a second, in the whole process. 0: no limit.
        items_per_second: f64 = "0",
        /// Bytes of the backlog a second, before compression. 0: no limit.
        bytes_per_second: f64 = "0",
    }
}

section! {
    /// `sending_queue.batch.partition`.
    Partition {
        /// Requests whose values of these headers differ are kept apart. Needs
        /// `include_metadata: true` at the receiver.
        metadata_keys: Vec<String> = "[]",
        /// The most different values that are remembered.
        cache_size: u32 = "10000" => NoEffect(
            "open batches hold references to received buffers, and memory bounds those"
        ),
        /// How long values are remembered that no longer come.
        idle_timeout: Duration = "90s" => NoEffect("nothing is kept of values that no longer come"),
    }
}

section! {
    /// Keys of the http client (confighttp) that both exporters over HTTP would share.
    HttpClientPool {
        /// Refused.
        proxy_url: String = "''" => Refused("proxies are not supported in this build"),
        /// Bytes.
        read_buffer_size: i64 = "0" => NoEffect("buffers follow the frame size and the free memory"),
        /// Bytes.
        write_buffer_size: i64 = "524288" => NoEffect("batches are written from the received buffers"),
        /// Idle connections kept, all hosts together.
        max_idle_conns: i64 = "100" => NoEffect("idle connections close after idle_conn_timeout"),
        /// Idle connections kept for one host.
        max_idle_conns_per_host: i64 = "0" => NoEffect("idle connections close after idle_conn_timeout"),
        /// Connections for each signal, in the whole process. 0 or less: one for each consumer.
        max_conns_per_host: i64 = "0",
        /// A connection without a request for this long is closed. 0: never.
        idle_conn_timeout: Duration = "90s",
        /// One connection for each request.
        disable_keep_alives: bool = "false" => NoEffect("connections are reused"),
        /// HTTP/2 only: PING after this long without a frame. 0: never.
        http2_read_idle_timeout: Duration = "0s",
        /// HTTP/2 only: the connection is closed when the answer takes longer. 0: 15s.
        http2_ping_timeout: Duration = "0s",
        /// Upgrade to HTTP/2 where TLS offers it.
        force_attempt_http2: bool = "true" => NoEffect(
            "without TLS the Collector speaks HTTP/1.1 too; for HTTP/2 set tailrace.http_version: 2"
        ),
        /// Reuse cookies that the server sets.
        cookies: AnyMap = "" => NoEffect("cookies are not kept"),
        /// Refused.
        middlewares: AnyList = "" => Refused("middleware extensions are not in this build"),
        /// Refused.
        dialer_middleware: AnyMap = "" => Refused("middleware extensions are not in this build"),
        /// Refused.
        auth: Anything = "" => Refused(
            "authentication is not supported in this build; a token can stand in `headers`"
        ),
        /// The newer place of the idle keys.
        keepalive: Optional<HttpClientKeepalive> = "~",
    }
}

section! {
    /// `keepalive` of an HTTP client, the newer spelling.
    HttpClientKeepalive {
        /// One connection for each request if false.
        enabled: bool = "true" => NoEffect("connections are reused"),
        /// As `idle_conn_timeout` beside it.
        idle_conn_timeout: Duration = "90s",
        /// As `max_idle_conns` beside it.
        max_idle_conns: i64 = "100" => NoEffect("idle connections close after idle_conn_timeout"),
        /// As `max_idle_conns_per_host` beside it.
        max_idle_conns_per_host: i64 = "0" => NoEffect("idle connections close after idle_conn_timeout"),
    }
}

section! {
    /// Keys of every HTTP server (confighttp).
    HttpServer {
        /// tcp or unix. With unix, `endpoint` is a path.
        transport: Transport = "tcp",
        /// Refused.
        tls: Anything = "" => Refused("TLS is not supported in this build"),
        /// Refused.
        auth: Anything = "" => Refused("authentication is not supported in this build"),
        /// Web pages that may send here. Left out: none.
        cors: Optional<Cors> = "~",
        /// The largest request body, in bytes, compressed or not. 0: 20 MiB.
        max_request_body_size: i64 = "20971520",
        /// Keep the headers that `metadata_keys` of a batch names.
        include_metadata: bool = "false",
        /// Must be false without TLS.
        include_tls_metadata: bool = "false" => Refused(
            "invalid include_tls_metadata value, must be false when not using TLS"
        ),
        /// Headers added to every answer.
        response_headers: Headers = "{}",
        /// Compressions taken.
        compression_algorithms: Vec<String> = "[]" => NoEffect(
            "gzip, zstd, zlib, deflate, snappy, x-snappy-framed, lz4 and none are always taken"
        ),
        /// The longest pause within the body of a request. 0, or more than 30s: 30s.
        read_timeout: Duration = "0s",
        /// For the head of a request, from its first byte to its last. 0: `read_timeout`.
        read_header_timeout: Duration = "1m",
        /// For the answer to be taken. 0, or more than 30s: 30s.
        write_timeout: Duration = "30s",
        /// Between two requests of a connection. 0: `read_timeout`.
        idle_timeout: Duration = "1m",
        /// Close after each answer if false.
        keep_alives_enabled: bool = "true" => NoEffect("connections are kept for more requests"),
        /// The newer place of `idle_timeout`.
        keepalive: Optional<HttpServerKeepalive> = "~",
        /// Refused.
        middlewares: AnyList = "" => Refused("middleware extensions are not in this build"),
        /// Outgoing connections of a server.
        dialer: Optional<Dialer> = "~" => NoEffect("a server does not dial"),
    }
}

section! {
    /// `dialer` (confignet)
    Dialer {
        /// For a connection to come about.
        timeout: Duration = "0s",
    }
}

section! {
    /// `keepalive` of an HTTP server, the newer spelling.
    HttpServerKeepalive {
        /// Close after each answer if false.
        enabled: bool = "true" => NoEffect("connections are kept for more requests"),
        /// As `idle_timeout` beside it.
        idle_timeout: Duration = "1m",
    }
}

section! {
    /// `cors` (Cross-Origin Resource Sharing).
    Cors {
        /// Origins that may send; one `*` in an origin stands for any characters. Empty: no CORS.
        allowed_origins: Vec<String> = "[]",
        /// Headers that may be sent besides the always allowed; `*` for any.
        allowed_headers: Vec<String> = "[]",
        /// Headers of the answer that the page may read.
        exposed_headers: Vec<String> = "[]",
        /// Seconds that a browser may remember the answer to a preflight request. 0: its own choice.
        max_age: i64 = "0",
    }
}

section! {
    /// `tailrace` of an exporter over a network: ours, not the Collector's.
    Connections {
        /// Connections for each signal, in the whole process. 0: one for each consumer, at most 100.
        connections_max: u32 = "0",
        /// A connection this old takes no new request. 0: never.
        connection_age_max: Duration = "0s",
        /// How often a host name is resolved again.
        dns_refresh: Duration = "30s",
        /// Leaves a destination alone that fails; left out: never. `circuit_breaker: {}` takes the
        /// defaults. While it is open batches wait, and none is given up for its age.
        circuit_breaker: Switched<CircuitBreaker> = "",
        /// Sends to several endpoints instead of to `endpoint`, which is left out then.
        load_balancing: Switched<LoadBalancing> = "",
        /// Bounds retries to a share of the traffic; left out: no bound. `retry_budget: {}` takes
        /// the defaults. What is over the budget waits.
        retry_budget: Switched<RetryBudget> = "",
        /// Finds by itself how many requests the destination should be given at once, up to
        /// `num_consumers`; left out: always as many as those. `adaptive_concurrency: {}` takes the
        /// defaults.
        adaptive_concurrency: Switched<AdaptiveConcurrency> = "",
        /// What is sent at most; left out: no limit. What is over it waits. Totals of the process,
        /// divided among the shards.
        rate_limit: Switched<RateLimit> = "",
        /// What is given up, step by step, while the queue fills; left out: nothing but what finds no
        /// room.
        degradation: Switched<Degradation> = "",
        /// Which spans are exported, by the W3C sampled flag: `off`: all; `marked`: not those whose
        /// flags are in use and say they are not sampled; `strict`: not those with any flags and
        /// without that one. Several SDKs write flags without it: with `strict` all of theirs is lost.
        export_only_sampled: OnlySampled = "off",
        /// How long an outage a queue with `queue_size: auto` is to hold.
        outage_target: Duration = "5m",
        /// The share of batches for which it may have no room while the destination works.
        loss_target: f64 = "0.000001",
        /// The 99th percentile, from arrival to answer, that `flush_timeout: auto` aims at.
        latency_target: Duration = "1s",
    }
}

/// What a server listens on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum Transport {
    Tcp,
    Unix,
}

choice!(Transport { "tcp" => Self::Tcp, "tcp4" => Self::Tcp, "tcp6" => Self::Tcp, "unix" => Self::Unix });

choice!(Sizer { "requests" => Self::Requests, "items" => Self::Items, "bytes" => Self::Bytes });

choice!(Overflow {
    "reject" => Self::Reject,
    "block" => Self::Block,
    "drop_newest" => Self::DropNewest,
    "drop_oldest" => Self::DropOldest,
    "drop_lowest_priority" => Self::DropLowestPriority,
    "sample" => Self::Sample,
});

choice!(CatchUpOrder {
    "oldest_first" => Self::OldestFirst,
    "newest_first" => Self::NewestFirst,
    "interleave" => Self::Interleave,
});

choice!(Jitter { "around" => Self::Around, "full" => Self::Full });

choice!(Balancer { "round_robin" => Self::RoundRobin, "pick_first" => Self::PickFirst, "" => Self::PickFirst });

choice!(HttpVersion { "1" => Self::Http1, "1.1" => Self::Http1, "2" => Self::Http2 });

/// Names of compressions, before it is known which the exporter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum CompressionName {
    None,
    Gzip,
    Zstd,
    Snappy,
    Zlib,
    Deflate,
    Lz4,
    SnappyFramed,
}

choice!(CompressionName {
    "none" => Self::None,
    "" => Self::None,
    "gzip" => Self::Gzip,
    "zstd" => Self::Zstd,
    "snappy" => Self::Snappy,
    "zlib" => Self::Zlib,
    "deflate" => Self::Deflate,
    "lz4" => Self::Lz4,
    "x-snappy-framed" => Self::SnappyFramed,
});
