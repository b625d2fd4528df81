//! The rules of each exporter, whatever signals it is used for.

use super::{balancing, degradation, protection, sizing};
use crate::config::Secret;
use crate::config::compile::{Exporter, batching};
use crate::config::endpoint;
use crate::config::field::Reader;
use crate::config::raw::exporters::{FileExporter, OtlpGrpcExporter, OtlpHttpExporter};
use crate::config::raw::shared::{ClientTls, CompressionName, Queue, Retry};
use http::header::HOST;
use http::uri::Authority;
use http::{HeaderName, HeaderValue};
use std::time::Duration;

/// Notes every rule that an exporter breaks.
pub(super) fn exporter(exporter: &Exporter, reader: &mut Reader) {
    match exporter {
        Exporter::OtlpGrpc(exporter) => {
            queue_and_retry(&exporter.sending_queue, &exporter.retry_on_failure, reader);
            protection::check(&exporter.tailrace, reader);
            degradation::check(&exporter.tailrace, reader);
            sizing::check(&exporter.tailrace, reader);
            tls(exporter.tls.0.as_ref(), reader);
            headers(&exporter.headers.0, reader);
            grpc(exporter, reader);
        }
        Exporter::OtlpHttp(exporter) => {
            queue_and_retry(&exporter.sending_queue, &exporter.retry_on_failure, reader);
            protection::check(&exporter.tailrace.connections, reader);
            degradation::check(&exporter.tailrace.connections, reader);
            sizing::check(&exporter.tailrace.connections, reader);
            tls(exporter.tls.0.as_ref(), reader);
            headers(&exporter.headers.0, reader);
            http(exporter, reader);
        }
        Exporter::Debug(exporter) => {
            reader.at("sending_queue", |reader| {
                batching::check_queue(&exporter.sending_queue, reader);
            });
            match &exporter.output_paths.0 {
                Some(_) if exporter.use_internal_logger => reader.rule(
                    "output_paths",
                    "output_paths is not supported when use_internal_logger is true",
                ),
                Some(paths) if paths.is_empty() => {
                    reader.rule("output_paths", "output_paths must not be empty");
                }
                _ => {}
            }
        }
        Exporter::File(exporter) => file(exporter, reader),
        Exporter::Nop(_) => {}
    }
}

fn queue_and_retry(queue: &Queue, retry: &Retry, reader: &mut Reader) {
    reader.at("sending_queue", |reader| {
        batching::check_queue(queue, reader);
    });
    if !retry.enabled {
        return;
    }
    reader.path.push("retry_on_failure".into());
    if !(0.0..=1.0).contains(&retry.randomization_factor) {
        reader.rule(
            "randomization_factor",
            "'randomization_factor' must be within [0, 1]",
        );
    }
    if retry.multiplier < 0.0 {
        reader.rule("multiplier", "'multiplier' must be non-negative");
    }
    if !retry.max_elapsed_time.is_zero() {
        if retry.max_elapsed_time < retry.initial_interval {
            reader.rule(
                "max_elapsed_time",
                "'max_elapsed_time' must not be less than 'initial_interval'",
            );
        }
        if retry.max_elapsed_time < retry.max_interval {
            reader.rule(
                "max_elapsed_time",
                "'max_elapsed_time' must not be less than 'max_interval'",
            );
        }
    }
    reader.path.pop();
}

/// Only `insecure: true` without a CA is plaintext in the Collector.
fn tls(tls: Option<&ClientTls>, reader: &mut Reader) {
    let Some(tls) = tls else { return };
    let has_ca = !tls.ca_file.is_empty() || tls.ca_pem.given;
    let left_out = *tls == ClientTls::plain(false);
    if has_ca || (!tls.insecure && !left_out) {
        reader.rule(
            "tls",
            "TLS is not supported in this build; `tls: {insecure: true}` sends in the clear",
        );
    } else if tls.insecure && *tls != ClientTls::plain(true) {
        reader.at("tls", |reader| {
            reader.warn("has no effect here beside `insecure: true`");
        });
    }
}

impl ClientTls {
    /// The section with nothing but `insecure` said.
    fn plain(insecure: bool) -> Self {
        let no = crate::config::types::Anything { given: false };
        Self {
            insecure,
            insecure_skip_verify: false,
            server_name_override: String::new(),
            min_version: String::new(),
            max_version: String::new(),
            include_system_ca_certs_pool: false,
            include_insecure_cipher_suites: false,
            reload_interval: Duration::ZERO,
            cipher_suites: Vec::new(),
            curve_preferences: Vec::new(),
            cert_file: String::new(),
            cert_pem: no,
            key_file: String::new(),
            key_pem: no,
            ca_file: String::new(),
            ca_pem: no,
            tpm: crate::config::types::AnyMap::default(),
        }
    }
}

/// Headers that describe one connection or one message: they are set by the protocol.
const RESERVED: [&str; 12] = [
    "connection",
    "content-length",
    "content-encoding",
    "grpc-accept-encoding",
    "grpc-encoding",
    "grpc-message",
    "grpc-message-type",
    "grpc-status",
    "grpc-timeout",
    "te",
    "transfer-encoding",
    "upgrade",
];

fn headers(headers: &[(String, Secret)], reader: &mut Reader) {
    reader.path.push("headers".into());
    for (name, value) in headers {
        match name.parse::<HeaderName>() {
            Err(_) => reader.rule(name, "is not the name of a header"),
            Ok(name_) if RESERVED.contains(&name_.as_str()) => {
                reader.rule(name, "is set by the protocol and cannot be configured");
            }
            Ok(HOST) if value.reveal().parse::<Authority>().is_err() => {
                reader.rule(name, "is not host or host:port");
            }
            Ok(_) if HeaderValue::from_str(value.reveal()).is_err() => {
                reader.rule(name, "the value has characters that a header cannot carry");
            }
            Ok(_) => {}
        }
    }
    reader.path.pop();
}

fn grpc(exporter: &OtlpGrpcExporter, reader: &mut Reader) {
    let valid = |endpoint: &str| endpoint::grpc(endpoint).map(|target| target.plaintext);
    match &exporter.tailrace.load_balancing.0 {
        Some(several) => {
            let one = !exporter.endpoint.0.is_empty();
            balancing::check(several, one, |endpoint| valid(endpoint).map(drop), reader);
            let listed = several.priority_levels.iter().flatten();
            for endpoint in several.endpoints.iter().chain(listed) {
                if valid(&endpoint.0) == Ok(false) {
                    plaintext(exporter, reader);
                    break;
                }
            }
        }
        None => match valid(&exporter.endpoint.0) {
            Err(wrong) => reader.rule("endpoint", wrong),
            Ok(false) => plaintext(exporter, reader),
            Ok(true) => {}
        },
    }
    match exporter.compression {
        CompressionName::Gzip
        | CompressionName::Zstd
        | CompressionName::Snappy
        | CompressionName::None => {}
        _ => reader.rule(
            "compression",
            "gRPC exporters take gzip, zstd, snappy or none",
        ),
    }
    if !exporter.authority.is_empty() && exporter.authority.parse::<Authority>().is_err() {
        reader.rule("authority", "is not host or host:port");
    }
    if let Some(user_agent) = &exporter.user_agent.0
        && HeaderValue::from_str(user_agent.reveal()).is_err()
    {
        reader.rule("user_agent", "has characters that a header cannot carry");
    }
}

/// An endpoint does not say itself that it is in the clear.
fn plaintext(exporter: &OtlpGrpcExporter, reader: &mut Reader) {
    let tls = exporter.tls.0.as_ref();
    let insecure = tls.is_some_and(|tls| tls.insecure);
    let told_otherwise = tls.is_some_and(|tls| !tls.insecure && *tls != ClientTls::plain(false));
    if !insecure && !told_otherwise {
        reader.rule(
            "tls",
            "the Collector would use TLS here, which is not supported in this build; \
             `tls: {insecure: true}` or an http:// endpoint sends in the clear",
        );
    }
}

fn http(exporter: &OtlpHttpExporter, reader: &mut Reader) {
    let endpoints = [
        ("endpoint", &exporter.endpoint),
        ("traces_endpoint", &exporter.traces_endpoint),
        ("metrics_endpoint", &exporter.metrics_endpoint),
        ("logs_endpoint", &exporter.logs_endpoint),
        ("profiles_endpoint", &exporter.profiles_endpoint),
    ];
    let none = endpoints.iter().all(|(_, endpoint)| endpoint.0.is_empty());
    if let Some(several) = &exporter.tailrace.connections.load_balancing.0 {
        let valid = |endpoint: &str| endpoint::http(endpoint).map(drop);
        balancing::check(several, !none, valid, reader);
    } else if none {
        reader.rule("endpoint", "at least one endpoint must be specified");
    }
    for (key, endpoint) in endpoints {
        if !endpoint.0.is_empty()
            && let Err(wrong) = endpoint::http(&endpoint.0)
        {
            reader.rule(key, wrong);
        }
    }
    let client = &exporter.client;
    let older = client.idle_conn_timeout != Duration::from_secs(90)
        || client.max_idle_conns != 100
        || client.max_idle_conns_per_host != 0
        || client.disable_keep_alives;
    if client.keepalive.0.is_some() && older {
        reader.rule(
            "keepalive",
            "cannot stand beside idle_conn_timeout, max_idle_conns, max_idle_conns_per_host and \
             disable_keep_alives, which it replaces",
        );
    }
    let level = exporter.compression_params.level;
    let valid = match exporter.compression {
        CompressionName::Gzip | CompressionName::Zlib | CompressionName::Deflate => {
            (-2..=9).contains(&level)
        }
        // The Collector maps any level to one of four.
        CompressionName::Zstd | CompressionName::None => true,
        CompressionName::Snappy | CompressionName::SnappyFramed | CompressionName::Lz4 => {
            level == 0
        }
    };
    if !valid {
        reader.at("compression_params", |reader| {
            reader.rule("level", "is not a level of this compression");
        });
    }
}

fn file(exporter: &FileExporter, reader: &mut Reader) {
    if exporter.path.is_empty() {
        reader.rule("path", "path must be non-empty");
    }
    if exporter.format != "json" {
        reader.rule("format", "only json is in this build");
    }
    if !matches!(exporter.compression.as_str(), "" | "none") {
        reader.rule("compression", "compressed files are not in this build");
    }
    if u32::from_str_radix(&exporter.directory_permissions, 8).map_or(true, |mode| mode > 0o777) {
        reader.rule("directory_permissions", "octal digits from 0000 to 0777");
    }
}
