//! Network exporters: request heads built once, and how their connections behave.

use super::division::Division;
use crate::config::{
    Balancer, BalancingPolicy, Compression, ConnectionsConfig, EndpointConfig, ExporterConfig,
    HashKey, HttpEncoding, HttpVersion, KeepaliveConfig, LaneConfig, LoadBalancingConfig,
    OtlpGrpcConfig, OtlpHttpConfig, Secret, Target,
};
use crate::egress::destination::DestinationSettings;
use crate::egress::outlet::{EndpointSettings, Format, NetworkSettings, OutletSettings};
use crate::exchange::{Address, Framing, Keepalive};
use crate::flow::balancing::standing::OutlierRule;
use crate::flow::balancing::{BalancingRule, HashBy, Policy};
use crate::net::client;
use crate::units::{EndpointId, LaneId};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderName, TE, USER_AGENT};
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Method, Uri};
use std::time::Duration;
use tailrace_codec::compress::{Encoding, Level};

const AGENT: &str = concat!("tailrace/", env!("CARGO_PKG_VERSION"));

/// Connections that a burst needed are closed after it, also where one is kept for good.
const SPARE_IDLE_MAX: Duration = Duration::from_secs(30);

pub(super) fn settings(lane: &LaneConfig) -> Option<client::Settings> {
    match &lane.kind {
        ExporterConfig::OtlpGrpc(config) => Some(connection(
            client::Protocol::Http2,
            config.keepalive,
            config.connections,
        )),
        ExporterConfig::OtlpHttp(config) => {
            let protocol = protocol(config.version);
            Some(connection(protocol, config.keepalive, config.connections))
        }
        ExporterConfig::Debug(_) | ExporterConfig::File(_) | ExporterConfig::Nop => None,
    }
}

pub(super) fn grpc(
    id: LaneId,
    lane: &LaneConfig,
    config: &OtlpGrpcConfig,
    division: Division,
) -> OutletSettings {
    let (encoding, level) = encoding(config.compression, Framing::Grpc);
    let mut headers = extra_headers(&config.headers);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(TE, HeaderValue::from_static("trailers"));
    if let Some(token) = encoding
        .grpc_encoding()
        .filter(|_| encoding != Encoding::Identity)
    {
        let name = HeaderName::from_static("grpc-encoding");
        headers.insert(name, HeaderValue::from_static(token));
    }
    let only = Place {
        target: &config.target,
        authority: &config.authority,
        path: "",
        query: None,
    };
    let places = places(lane, only);
    network(
        id,
        lane,
        division,
        Kind {
            balancer: config.balancer,
            connections: config.connections,
            streams_max: u32::MAX,
            endpoints: places
                .into_iter()
                .map(|place| EndpointSettings {
                    addresses: addresses(place.target),
                    uri: uri(place.authority, lane.signal.grpc_path()),
                    headers: headers.clone(),
                })
                .collect(),
            format: Format::GrpcProtobuf,
            encoding,
            level,
            timeout: config.timeout,
        },
    )
}

pub(super) fn http(
    id: LaneId,
    lane: &LaneConfig,
    config: &OtlpHttpConfig,
    division: Division,
) -> OutletSettings {
    let (encoding, level) = encoding(config.compression, Framing::Plain);
    let mut headers = extra_headers(&config.headers);
    let (format, media) = match config.encoding {
        HttpEncoding::Proto => (Format::HttpProtobuf, "application/x-protobuf"),
        HttpEncoding::Json => (Format::HttpJson, "application/json"),
    };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
    if encoding != Encoding::Identity {
        headers.insert(
            CONTENT_ENCODING,
            HeaderValue::from_static(encoding.content_encoding()),
        );
    }
    let endpoint = |place: Place<'_>| {
        let mut headers = headers.clone();
        if config.version == HttpVersion::Http1
            && !headers.contains_key(HOST)
            && let Ok(host) = HeaderValue::from_str(place.authority)
        {
            headers.insert(HOST, host);
        }
        let path = match place.query {
            Some(query) => format!("{}?{}", place.path, query.reveal()),
            None => place.path.to_owned(),
        };
        EndpointSettings {
            addresses: addresses(place.target),
            uri: uri(place.authority, &path),
            headers,
        }
    };
    let only = Place {
        target: &config.target,
        authority: &config.authority,
        path: &config.path,
        query: config.query.as_ref(),
    };
    let endpoints = places(lane, only).into_iter().map(endpoint).collect();
    let streams_max = match config.version {
        HttpVersion::Http1 => 1,
        HttpVersion::Http2 => u32::MAX,
    };
    network(
        id,
        lane,
        division,
        Kind {
            balancer: config.balancer,
            connections: config.connections,
            streams_max,
            endpoints,
            format,
            encoding,
            level,
            timeout: config.timeout,
        },
    )
}

/// Where one endpoint is.
struct Place<'a> {
    target: &'a Target,
    authority: &'a str,
    path: &'a str,
    query: Option<&'a Secret>,
}

/// The endpoints of a lane: the only one, or several.
fn places<'a>(lane: &'a LaneConfig, only: Place<'a>) -> Vec<Place<'a>> {
    let place = |one: &'a EndpointConfig| Place {
        target: &one.target,
        authority: &one.authority,
        path: &one.path,
        query: one.query.as_ref(),
    };
    match &lane.balancing {
        Some(several) => several.endpoints.iter().map(place).collect(),
        None => vec![only],
    }
}

fn addresses(target: &Target) -> Vec<Address> {
    match target {
        Target::Address(address) => vec![Address::Tcp(*address)],
        Target::Unix(path) => vec![Address::Unix(path.clone())],
        Target::Name { .. } => Vec::new(),
    }
}

/// How several endpoints share the batches. Each shard decides for itself.
fn balancing(several: &LoadBalancingConfig) -> BalancingRule {
    let endpoints = several.endpoints.iter();
    BalancingRule {
        policy: match several.policy {
            BalancingPolicy::RoundRobin => Policy::RoundRobin,
            BalancingPolicy::LeastRequest => Policy::LeastRequest,
            BalancingPolicy::ConsistentHash => Policy::ConsistentHash {
                by: match several.hash_key {
                    HashKey::TraceId => HashBy::TraceId,
                    HashKey::Service => HashBy::Service,
                    HashKey::Resource => HashBy::Resource,
                },
                bound: several.hash_balance,
            },
        },
        endpoints: endpoints.map(|one| (one.name.clone(), one.level)).collect(),
        outlier: several.outlier.map(|outlier| OutlierRule {
            consecutive_failures: outlier.consecutive_failures,
            failure_ratio: outlier.failure_ratio,
            window: outlier.interval,
            min_requests: outlier.min_requests,
            base_ejection_time: outlier.base_ejection_time,
            max_ejection_time: outlier.max_ejection_time,
            max_ejection_ratio: outlier.max_ejection_ratio,
        }),
        failback_after: several.failback_after,
    }
}

/// What OTLP/gRPC and OTLP/HTTP have in common, under one name each.
struct Kind {
    balancer: Balancer,
    connections: ConnectionsConfig,
    streams_max: u32,
    endpoints: Vec<EndpointSettings>,
    format: Format,
    encoding: Encoding,
    level: Level,
    timeout: Duration,
}

fn network(id: LaneId, lane: &LaneConfig, division: Division, kind: Kind) -> OutletSettings {
    let homed = division.home(id, lane).is_some();
    let connections_max = division.connections(id, lane, kind.connections.max);
    OutletSettings::Network(Box::new(NetworkSettings {
        destination: DestinationSettings {
            endpoint: EndpointId::first(id),
            connections_max,
            streams_max: kind.streams_max,
            spread: kind.balancer == Balancer::RoundRobin,
            age_max: kind.connections.age_max,
            spare_idle_max: kind.connections.idle_timeout.min(SPARE_IDLE_MAX),
        },
        endpoints: kind.endpoints,
        balancing: lane.balancing.as_ref().map(balancing),
        method: Method::POST,
        format: kind.format,
        encoding: kind.encoding,
        level: kind.level,
        timeout: kind.timeout,
        window: homed.then_some(lane.queue.num_consumers as usize),
    }))
}

fn connection(
    protocol: client::Protocol,
    keepalive: Option<KeepaliveConfig>,
    connections: ConnectionsConfig,
) -> client::Settings {
    client::Settings {
        keepalive: keepalive.map(|keepalive| Keepalive {
            time: keepalive.time,
            timeout: keepalive.timeout,
            permit_without_stream: keepalive.permit_without_stream,
        }),
        idle_timeout: connections.idle_timeout,
        ..client::Settings::new(protocol)
    }
}

const fn protocol(version: HttpVersion) -> client::Protocol {
    match version {
        HttpVersion::Http1 => client::Protocol::Http1,
        HttpVersion::Http2 => client::Protocol::Http2,
    }
}

/// Over gRPC `snappy` means the framed format, over HTTP the block format, as in the Collector.
fn encoding(compression: Compression, framing: Framing) -> (Encoding, Level) {
    let (encoding, level) = match compression {
        Compression::None => (Encoding::Identity, None),
        Compression::Gzip { level } => (Encoding::Gzip, level),
        Compression::Zstd { level } => (Encoding::Zstd, level),
        Compression::Snappy if framing != Framing::Grpc => (Encoding::Snappy, None),
        Compression::Snappy | Compression::SnappyFramed => (Encoding::SnappyFramed, None),
        Compression::Lz4 => (Encoding::Lz4, None),
        Compression::Deflate { level } => (Encoding::Deflate, level),
    };
    let level = level.and_then(|level| Level::new(encoding, level));
    (encoding, level.unwrap_or(Level::DEFAULT))
}

fn extra_headers(configured: &[(HeaderName, Secret)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    for (name, value) in configured {
        // The configuration has checked that the value can be a header's.
        if let Ok(mut value) = HeaderValue::from_str(value.reveal()) {
            value.set_sensitive(true);
            headers.insert(name.clone(), value);
        }
    }
    headers
}

fn uri(authority: &str, path: &str) -> Uri {
    let path = PathAndQuery::try_from(path).unwrap_or_else(|_| PathAndQuery::from_static("/"));
    let uri = Uri::builder()
        .scheme(Scheme::HTTP)
        .authority(authority)
        .path_and_query(path.clone());
    uri.build().unwrap_or_else(|_| Uri::from(path))
}
