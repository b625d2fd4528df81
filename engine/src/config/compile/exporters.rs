//! Exporters, each for each signal that reaches it.

mod balancing;
mod check;
mod degradation;
mod protection;
mod sizing;
mod unused;

pub(super) use protection::{check_rate, rate_limit};

use super::graph::{Instance, Routes};
use super::{Declared, Exporter, Processor, batching, find};
use crate::config::endpoint;
use crate::config::field::Reader;
use crate::config::raw::exporters::{
    DebugExporter, FileExporter, OtlpGrpcExporter, OtlpHttpExporter,
};
use crate::config::raw::shared::{
    CatchUp, ClientKeepalive, CompressionName, Connections, Queue, Retry,
};
use crate::config::types::Endpoint;
use crate::config::{
    CatchUpConfig, ComponentId, Compression, ConnectionsConfig, DebugConfig, ExporterConfig,
    FileConfig, Jitter, KeepaliveConfig, LaneConfig, OtlpGrpcConfig, OtlpHttpConfig, Overflow,
    QueueConfig, RetryConfig, Secret, Sizer,
};
use http::HeaderName;
use std::time::Duration;
use tailrace_codec::Signal;

/// The lanes, in the order of their ids. Exporters that no pipeline names are checked too.
pub(super) fn lanes(
    declared: &Declared,
    routes: &Routes<'_>,
    reader: &mut Reader,
) -> Vec<LaneConfig> {
    reader.path = vec!["processors".into()];
    for (id, processor) in &declared.processors {
        if let Processor::Batch(batch) = processor {
            reader.at(id.as_str(), |reader| {
                batching::check_processor(batch, reader);
            });
        }
    }
    reader.path = vec!["exporters".into()];
    for (id, exporter) in &declared.exporters {
        reader.at(id.as_str(), |reader| {
            check::exporter(exporter, reader);
            unused::warn(exporter, reader);
        });
    }
    let mut lanes = Vec::new();
    for instance in &routes.instances {
        let exporter = find(&declared.exporters, instance.exporter.as_str());
        let lane = reader.at(instance.exporter.as_str(), |reader| {
            lane(instance, exporter?, reader)
        });
        lanes.extend(lane);
    }
    reader.path.clear();
    lanes
}

/// One lane; `None` after a fault that leaves nothing to send to.
fn lane(instance: &Instance<'_>, exporter: &Exporter, reader: &mut Reader) -> Option<LaneConfig> {
    let (queue, retry) = match exporter {
        Exporter::OtlpGrpc(exporter) => (
            Some(&exporter.sending_queue),
            retry(&exporter.retry_on_failure),
        ),
        Exporter::OtlpHttp(exporter) => (
            Some(&exporter.sending_queue),
            retry(&exporter.retry_on_failure),
        ),
        Exporter::Debug(exporter) => (Some(&exporter.sending_queue), NO_RETRY),
        Exporter::File(_) | Exporter::Nop(_) => (None, NO_RETRY),
    };
    let queue = queue.filter(|queue| queue.enabled);
    let behind_batch = instance.ways.iter().all(|way| !way.batches.is_empty());
    let consumers = queue.map_or(u32::MAX, sizing::consumers_max);
    let mut pipelines: Vec<ComponentId> = Vec::new();
    for way in &instance.ways {
        if !pipelines.contains(&way.pipeline) {
            pipelines.push(way.pipeline.clone());
        }
    }
    let batch = batching::lane(&instance.ways, queue, reader);
    if batch.is_some() && !instance.signal.merges_by_concatenation() {
        reader.warn(
            "profiles are sent as they came, whatever batch and sending_queue.batch say: each \
             request has a dictionary of its own",
        );
    }
    Some(LaneConfig {
        exporter: instance.exporter.clone(),
        signal: instance.signal,
        pipelines,
        queue: queue_config(queue, behind_batch),
        batch,
        retry,
        protection: protection::protection(exporter),
        degradation: degradation::degradation(exporter),
        sizing: sizing::sizing(exporter, queue),
        balancing: balancing::config(exporter, instance.signal),
        kind: kind(exporter, instance.signal, consumers, reader)?,
    })
}

fn queue_config(queue: Option<&Queue>, behind_batch: bool) -> QueueConfig {
    match queue {
        Some(queue) => QueueConfig {
            size: queue.queue_size.0.unwrap_or(u64::MAX),
            sizer: queue.sizer,
            overflow: overflow(queue),
            catch_up: queue.catch_up.0.as_ref().map(catch_up),
            wait_for_result: queue.wait_for_result,
            num_consumers: sizing::consumers_max(queue),
        },
        None => QueueConfig {
            size: u64::MAX,
            sizer: Sizer::Requests,
            overflow: Overflow::Reject,
            catch_up: None,
            wait_for_result: !behind_batch,
            num_consumers: u32::MAX,
        },
    }
}

fn catch_up(catch_up: &CatchUp) -> CatchUpConfig {
    let rate = |rate: f64| (rate > 0.0).then_some(rate);
    CatchUpConfig {
        order: catch_up.order,
        after: catch_up.after,
        items_per_second: rate(catch_up.items_per_second),
        bytes_per_second: rate(catch_up.bytes_per_second),
    }
}

fn overflow(queue: &Queue) -> Overflow {
    let inherited = if queue.block_on_overflow {
        Overflow::Block
    } else {
        Overflow::Reject
    };
    queue.overflow.0.unwrap_or(inherited)
}

/// For exporters that have nothing to try again.
const NO_RETRY: RetryConfig = RetryConfig {
    enabled: false,
    initial_interval: Duration::from_secs(5),
    randomization_factor: 0.5,
    jitter: Jitter::Around,
    multiplier: 1.5,
    max_interval: Duration::from_secs(30),
    max_elapsed_time: None,
};

fn retry(retry: &Retry) -> RetryConfig {
    RetryConfig {
        enabled: retry.enabled,
        initial_interval: retry.initial_interval,
        randomization_factor: retry.randomization_factor,
        jitter: retry.jitter,
        multiplier: retry.multiplier,
        max_interval: retry.max_interval,
        max_elapsed_time: (!retry.max_elapsed_time.is_zero()).then_some(retry.max_elapsed_time),
    }
}

fn kind(
    exporter: &Exporter,
    signal: Signal,
    consumers: u32,
    reader: &mut Reader,
) -> Option<ExporterConfig> {
    Some(match exporter {
        Exporter::OtlpGrpc(exporter) => ExporterConfig::OtlpGrpc(grpc(exporter, consumers)?),
        Exporter::OtlpHttp(exporter) => {
            ExporterConfig::OtlpHttp(http(exporter, signal, consumers, reader)?)
        }
        Exporter::Debug(exporter) => ExporterConfig::Debug(debug(exporter)),
        Exporter::File(exporter) => ExporterConfig::File(file(exporter)),
        Exporter::Nop(_) => ExporterConfig::Nop,
    })
}

fn grpc(exporter: &OtlpGrpcExporter, consumers: u32) -> Option<Box<OtlpGrpcConfig>> {
    // What is wrong with the endpoint is noted already.
    let several = exporter.tailrace.load_balancing.0.as_ref();
    let endpoint = several
        .and_then(balancing::first)
        .unwrap_or(&exporter.endpoint);
    let target = endpoint::grpc(&endpoint.0).ok()?;
    let mut headers = headers(&exporter.headers.0);
    if let Some(user_agent) = &exporter.user_agent.0 {
        headers.push((http::header::USER_AGENT, user_agent.clone()));
    }
    let authority = match exporter.authority.as_str() {
        "" => target.authority,
        authority => authority.to_owned(),
    };
    Some(Box::new(OtlpGrpcConfig {
        target: target.target,
        authority,
        timeout: or_never(exporter.timeout),
        compression: compression(exporter.compression, 0),
        headers,
        keepalive: exporter.keepalive.0.as_ref().and_then(keepalive),
        balancer: exporter.balancer_name,
        connections: connections(&exporter.tailrace, 0, Duration::MAX, consumers),
    }))
}

fn http(
    exporter: &OtlpHttpExporter,
    signal: Signal,
    consumers: u32,
    reader: &mut Reader,
) -> Option<Box<OtlpHttpConfig>> {
    let (key, whole) = match signal {
        Signal::Traces => ("traces_endpoint", &exporter.traces_endpoint),
        Signal::Metrics => ("metrics_endpoint", &exporter.metrics_endpoint),
        Signal::Logs => ("logs_endpoint", &exporter.logs_endpoint),
        Signal::Profiles => ("profiles_endpoint", &exporter.profiles_endpoint),
    };
    let several = exporter.tailrace.connections.load_balancing.0.as_ref();
    let base = several
        .and_then(balancing::first)
        .unwrap_or(&exporter.endpoint);
    let url = match (whole, base) {
        (Endpoint(whole), _) if !whole.is_empty() => whole.clone(),
        (_, Endpoint(base)) if base.is_empty() => {
            let rule = "either endpoint or the endpoint of this signal must be specified";
            reader.rule(key, rule);
            return None;
        }
        (_, Endpoint(base)) => url_of(base, signal),
    };
    let target = endpoint::http(&url).ok()?;
    let client = &exporter.client;
    let mut headers = headers(&exporter.headers.0);
    let host = headers
        .iter()
        .position(|(name, _)| name == http::header::HOST);
    let authority = match host {
        Some(index) => headers.remove(index).1.reveal().to_owned(),
        None => target.authority,
    };
    let idle = match &client.keepalive.0 {
        Some(keepalive) => keepalive.idle_conn_timeout,
        None => client.idle_conn_timeout,
    };
    let pings = ClientKeepalive {
        time: client.http2_read_idle_timeout,
        timeout: match client.http2_ping_timeout {
            Duration::ZERO => Duration::from_secs(15),
            timeout => timeout,
        },
        permit_without_stream: true,
    };
    let settings = &exporter.tailrace;
    Some(Box::new(OtlpHttpConfig {
        target: target.target,
        authority,
        path: target.path,
        query: target.query,
        encoding: exporter.encoding,
        version: settings.http_version,
        timeout: or_never(exporter.timeout),
        compression: compression(exporter.compression, exporter.compression_params.level),
        headers,
        keepalive: keepalive(&pings),
        balancer: crate::config::Balancer::RoundRobin,
        connections: connections(
            &settings.connections,
            u32::try_from(client.max_conns_per_host).unwrap_or(0),
            or_never(idle),
            consumers,
        ),
    }))
}

/// The URL of a signal below a base.
fn url_of(base: &str, signal: Signal) -> String {
    let base = base.strip_suffix('/').unwrap_or(base);
    format!("{base}{}", signal.http_path())
}

fn headers(headers: &[(String, Secret)]) -> Vec<(HeaderName, Secret)> {
    let header = |(name, value): &(String, Secret)| Some((name.parse().ok()?, value.clone()));
    headers.iter().filter_map(header).collect()
}

/// Connections are opened by need; this is what they may become.
fn connections(
    ours: &Connections,
    per_host: u32,
    idle_timeout: Duration,
    consumers: u32,
) -> ConnectionsConfig {
    const UNTOLD_MAX: u32 = 100;
    let max = [ours.connections_max, per_host, consumers.min(UNTOLD_MAX)];
    ConnectionsConfig {
        max: max.into_iter().find(|&max| max > 0).unwrap_or(1),
        age_max: or_never(ours.connection_age_max),
        idle_timeout,
        dns_refresh: ours.dns_refresh,
    }
}

fn keepalive(keepalive: &ClientKeepalive) -> Option<KeepaliveConfig> {
    /// What grpc-go sends at most, and servers put up with.
    const TIME_MIN: Duration = Duration::from_secs(10);
    (!keepalive.time.is_zero()).then(|| KeepaliveConfig {
        time: keepalive.time.max(TIME_MIN),
        timeout: match keepalive.timeout {
            Duration::ZERO => Duration::from_secs(20),
            timeout => timeout,
        },
        permit_without_stream: keepalive.permit_without_stream,
    })
}

fn compression(name: CompressionName, level: i32) -> Compression {
    let deflate = match level {
        -1 | 0 => None,
        level => Some(level.clamp(1, 9)),
    };
    match name {
        CompressionName::Gzip => Compression::Gzip { level: deflate },
        CompressionName::Zstd => Compression::Zstd {
            level: (level != 0).then_some(level.clamp(1, 22)),
        },
        CompressionName::Deflate | CompressionName::Zlib => Compression::Deflate { level: deflate },
        CompressionName::Snappy => Compression::Snappy,
        CompressionName::SnappyFramed => Compression::SnappyFramed,
        CompressionName::Lz4 => Compression::Lz4,
        CompressionName::None => Compression::None,
    }
}

const fn debug(exporter: &DebugExporter) -> DebugConfig {
    DebugConfig {
        verbosity: exporter.verbosity,
    }
}

fn file(exporter: &FileExporter) -> FileConfig {
    FileConfig {
        path: exporter.path.as_str().into(),
        append: exporter.append,
        create_directory: exporter.create_directory,
        directory_permissions: u32::from_str_radix(&exporter.directory_permissions, 8)
            .unwrap_or(0o755),
    }
}

/// Zero means none.
pub(super) const fn or_never(duration: Duration) -> Duration {
    if duration.is_zero() {
        Duration::MAX
    } else {
        duration
    }
}
