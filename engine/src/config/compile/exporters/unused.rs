//! Keys of an exporter that others leave without effect: each is warned of by its name.

mod ours;

use crate::config::compile::Exporter;
use crate::config::field::{Reader, Section, changed};
use crate::config::raw::exporters::{FileExporter, OtlpGrpcExporter, OtlpHttpExporter};
use crate::config::raw::shared::{CompressionName, Connections, Queue, Retry};
use crate::config::{HttpVersion, Jitter, Secret};
use http::HeaderName;
use http::header::{CONTENT_TYPE, USER_AGENT};

pub(super) fn warn(exporter: &Exporter, reader: &mut Reader) {
    match exporter {
        Exporter::OtlpGrpc(exporter) => {
            let (queue, retry) = (&exporter.sending_queue, &exporter.retry_on_failure);
            delivery(queue, retry, &exporter.tailrace, reader);
            grpc(exporter, reader);
        }
        Exporter::OtlpHttp(exporter) => {
            let (queue, retry) = (&exporter.sending_queue, &exporter.retry_on_failure);
            delivery(queue, retry, &exporter.tailrace.connections, reader);
            http(exporter, reader);
        }
        Exporter::Debug(exporter) => queue(&exporter.sending_queue, reader),
        Exporter::File(exporter) => file(exporter, reader),
        Exporter::Nop(_) => {}
    }
}

/// What exporters over a network have in common.
fn delivery(of_queue: &Queue, of_retry: &Retry, ours: &Connections, reader: &mut Reader) {
    queue(of_queue, reader);
    retry(of_retry, reader);
    ours::warn(ours, of_queue, of_retry, reader);
}

fn queue(queue: &Queue, reader: &mut Reader) {
    if !queue.enabled {
        rest(
            queue,
            "sending_queue",
            "enabled",
            "enabled is false",
            reader,
        );
    }
}

fn retry(retry: &Retry, reader: &mut Reader) {
    if !retry.enabled {
        rest(
            retry,
            "retry_on_failure",
            "enabled",
            "enabled is false",
            reader,
        );
        return;
    }
    if retry.jitter == Jitter::Full {
        reader.at("retry_on_failure", |reader| {
            keys(retry, &["randomization_factor"], "jitter is full", reader);
        });
    }
    if retry.initial_interval.is_zero() {
        reader.at("retry_on_failure", |reader| {
            reader.at("initial_interval", |reader| {
                reader.warn("0 tries again without a pause");
            });
        });
    }
}

fn grpc(exporter: &OtlpGrpcExporter, reader: &mut Reader) {
    let headers = &exporter.headers.0;
    header(headers, &CONTENT_TYPE, "the protocol sets it", reader);
    if exporter.user_agent.0.is_some() {
        header(headers, &USER_AGENT, "user_agent is given and wins", reader);
    }
    if let Some(keepalive) = &exporter.keepalive.0
        && keepalive.time.is_zero()
    {
        rest(
            keepalive,
            "keepalive",
            "time",
            "time is 0, so there are no PINGs",
            reader,
        );
    }
}

fn http(exporter: &OtlpHttpExporter, reader: &mut Reader) {
    let client = &exporter.client;
    let why = "the content type follows `encoding`";
    header(&exporter.headers.0, &CONTENT_TYPE, why, reader);
    let http1 = exporter.tailrace.http_version == HttpVersion::Http1;
    let no_pings = client.http2_read_idle_timeout.is_zero();
    if http1 && !no_pings {
        let why = "HTTP/1.1 is spoken; for HTTP/2 set tailrace.http_version: 2";
        reader.no_effect("http2_read_idle_timeout", why);
    }
    if (http1 || no_pings) && !client.http2_ping_timeout.is_zero() {
        let why = "PINGs need tailrace.http_version: 2 and http2_read_idle_timeout";
        reader.no_effect("http2_ping_timeout", why);
    }
    if client.max_conns_per_host > 0 && exporter.tailrace.connections.connections_max > 0 {
        let why = "tailrace.connections_max is given and wins";
        reader.no_effect("max_conns_per_host", why);
    }
    if exporter.compression == CompressionName::None && exporter.compression_params.level != 0 {
        reader.at("compression_params", |reader| {
            reader.no_effect("level", "nothing is compressed");
        });
    }
}

fn file(exporter: &FileExporter, reader: &mut Reader) {
    let permissions = changed(exporter).contains(&"directory_permissions".to_owned());
    if permissions && !exporter.create_directory {
        reader.no_effect("directory_permissions", "create_directory is false");
    }
}

fn header(headers: &[(String, Secret)], name: &HeaderName, why: &'static str, reader: &mut Reader) {
    let named = headers
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(name.as_str()));
    if let Some((key, _)) = named {
        reader.at("headers", |reader| reader.no_effect(key, why));
    }
}

/// Those of these keys of a section that were given.
fn keys<T: Section>(section: &T, keys: &[&str], why: &str, reader: &mut Reader) {
    let given = changed(section);
    for key in given.iter().filter(|given| keys.contains(&given.as_str())) {
        reader.no_effect(key, why);
    }
}

/// Every key of the section `at` that was given, but for `switch`, which turned the others off.
fn rest<T: Section>(section: &T, at: &str, switch: &str, why: &str, reader: &mut Reader) {
    reader.at(at, |reader| {
        for key in changed(section).iter().filter(|key| *key != switch) {
            reader.no_effect(key, why);
        }
    });
}
