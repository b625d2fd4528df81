//! Receivers, each protocol a listener.

use super::exporters::or_never;
use super::graph::Routes;
use super::{Declared, Receiver};
use crate::config::endpoint;
use crate::config::fault::FaultKind;
use crate::config::field::{Reader, changed};
use crate::config::raw::receivers::{GrpcServer, OtlpHttpServer};
use crate::config::raw::shared::{
    Cors, GrpcServerKeepalive, HttpServer, ServerParameters, Transport,
};
use crate::config::types::Endpoint;
use crate::config::{
    ComponentId, CorsConfig, HttpListenerConfig, LaneConfig, ListenAddress, ListenerConfig,
    ListenerProtocol, ListenerTimes, ServerKeepalive, SignalPaths,
};
use crate::units::{ByteCount, LaneId};
use http::{HeaderName, HeaderValue};
use std::time::Duration;
use tailrace_codec::Signal;

/// The listeners, in the order of the file, gRPC before HTTP. Receivers that no pipeline names
/// are checked and left out.
pub(super) fn listeners(
    declared: &Declared,
    routes: &Routes<'_>,
    lanes: &[LaneConfig],
    reader: &mut Reader,
) -> Vec<ListenerConfig> {
    let mut listeners: Vec<ListenerConfig> = Vec::new();
    reader.path = vec!["receivers".into()];
    for (id, receiver) in &declared.receivers {
        let Receiver::Otlp(receiver) = receiver else {
            continue;
        };
        let protocols = &receiver.protocols;
        let used = routes
            .pipelines
            .iter()
            .any(|pipeline| pipeline.receivers.contains(id));
        reader.path.extend([id.to_string(), "protocols".into()]);
        if protocols.grpc.0.is_none() && protocols.http.0.is_none() {
            let rule = "must specify at least one protocol when using the OTLP receiver";
            reader.fault(FaultKind::Rule(rule));
        }
        let grpc = protocols.grpc.0.as_ref();
        let grpc =
            grpc.and_then(|server| reader.at("grpc", |reader| grpc_listener(id, server, reader)));
        let http = protocols.http.0.as_ref();
        let http =
            http.and_then(|server| reader.at("http", |reader| http_listener(id, server, reader)));
        for (key, built) in [("grpc", grpc), ("http", http)] {
            let Some((mut listener, include_metadata)) = built.filter(|_| used) else {
                continue;
            };
            reader.at(key, |reader| {
                connect(&mut listener, include_metadata, routes, lanes, reader);
                check_double(&listener, &listeners, reader);
            });
            listeners.push(listener);
        }
        reader.path.truncate(1);
    }
    reader.path.clear();
    listeners
}

/// Fills in the routes, and the headers that something behind them asks for.
fn connect(
    listener: &mut ListenerConfig,
    include_metadata: bool,
    routes: &Routes<'_>,
    lanes: &[LaneConfig],
    reader: &mut Reader,
) {
    for (receiver, signal, lanes) in &routes.routes {
        if *receiver == listener.receiver {
            listener.routes[*signal as usize].clone_from(lanes);
        }
    }
    let reached = listener.routes.iter().flatten();
    let mut keys: Vec<HeaderName> = Vec::new();
    for lane in reached.filter_map(|lane| lanes.get(lane.index())) {
        for key in lane.batch.iter().flat_map(|batch| &batch.metadata_keys) {
            if !keys.contains(key) {
                keys.push(key.clone());
            }
        }
    }
    if include_metadata {
        listener.metadata_keys = keys;
    } else if !keys.is_empty() {
        reader.warn("metadata_keys behind this receiver find no headers without include_metadata");
    }
}

/// Two listeners cannot have one address.
fn check_double(listener: &ListenerConfig, others: &[ListenerConfig], reader: &mut Reader) {
    let any_port = matches!(listener.address, ListenAddress::Tcp { port: 0, .. });
    if !any_port && others.iter().any(|other| other.address == listener.address) {
        reader.rule("endpoint", "another receiver listens on the same address");
    }
}

fn address(
    endpoint: &Endpoint,
    transport: Transport,
    reader: &mut Reader,
) -> Option<ListenAddress> {
    match endpoint::listen(&endpoint.0, transport) {
        Ok(address) => Some(address),
        Err(wrong) => {
            reader.rule("endpoint", wrong);
            None
        }
    }
}

/// The listener without its routes, and whether it keeps headers.
type Built = Option<(ListenerConfig, bool)>;

fn grpc_listener(id: &ComponentId, server: &GrpcServer, reader: &mut Reader) -> Built {
    const MESSAGE_MIB: u64 = 64;
    /// A length prefix has 32 bits.
    const MESSAGE_MIB_MAX: u64 = 4095;
    if server.max_recv_msg_size_mib > MESSAGE_MIB_MAX {
        reader.rule(
            "max_recv_msg_size_mib",
            "a gRPC message has at most 4095 MiB",
        );
    }
    for (key, size) in [
        ("read_buffer_size", server.read_buffer_size),
        ("write_buffer_size", server.write_buffer_size),
    ] {
        if size < 0 {
            reader.rule(key, "must be greater than or equal to 0");
        }
    }
    let mib = match server.max_recv_msg_size_mib {
        0 => MESSAGE_MIB,
        mib => mib.min(MESSAGE_MIB_MAX),
    };
    let listener = ListenerConfig {
        receiver: id.clone(),
        address: address(&server.endpoint, server.transport, reader)?,
        protocol: ListenerProtocol::Grpc,
        message_bytes_max: ByteCount::mib(mib),
        streams_max: streams_max(server.max_concurrent_streams, reader),
        keepalive: server_keepalive(server.keepalive.0.as_ref(), reader),
        times: ListenerTimes {
            header: Duration::from_secs(10),
            read: Duration::MAX,
            write: Duration::from_secs(30),
            idle: Duration::MAX,
        },
        metadata_keys: Vec::new(),
        routes: empty_routes(),
    };
    Some((listener, server.include_metadata))
}

/// Enough for any client that knows how to wait, and a bound on what one connection holds.
const STREAMS_MAX: u32 = 128;

/// The most that may be configured: each stream may hold 16 KiB of headers before its request
/// is charged to the memory limit.
const STREAMS_LIMIT: u32 = 10_000;

fn streams_max(configured: u32, reader: &mut Reader) -> u32 {
    if configured > STREAMS_LIMIT {
        reader.at("max_concurrent_streams", |reader| {
            reader.warn(format!(
                "more than {STREAMS_LIMIT} count as {STREAMS_LIMIT}"
            ));
        });
    }
    match configured {
        0 => STREAMS_MAX,
        streams => streams.min(STREAMS_LIMIT),
    }
}

fn empty_routes() -> [Vec<LaneId>; Signal::ALL.len()] {
    std::array::from_fn(|_| Vec::new())
}

fn server_keepalive(
    keepalive: Option<&GrpcServerKeepalive>,
    reader: &mut Reader,
) -> ServerKeepalive {
    let or = |value: Option<Duration>, default: Duration| {
        value.filter(|value| !value.is_zero()).unwrap_or(default)
    };
    let server = keepalive.map(|keepalive| &keepalive.server_parameters);
    let policy = keepalive.map(|keepalive| &keepalive.enforcement_policy);
    let ages = |server: &ServerParameters| !server.max_connection_age.is_zero();
    if server.is_some_and(|s| !ages(s) && !s.max_connection_age_grace.is_zero()) {
        reader.at("keepalive", |reader| {
            reader.at("server_parameters", |reader| {
                let why = "there is no max_connection_age";
                reader.no_effect("max_connection_age_grace", why);
            });
        });
    }
    ServerKeepalive {
        max_connection_idle: or(server.map(|s| s.max_connection_idle), Duration::MAX),
        max_connection_age: or(server.map(|s| s.max_connection_age), Duration::MAX),
        max_connection_age_grace: or(server.map(|s| s.max_connection_age_grace), Duration::MAX),
        time: or(server.map(|s| s.time), Duration::from_secs(2 * 60 * 60)),
        timeout: or(server.map(|s| s.timeout), Duration::from_secs(20)),
        min_time: or(policy.map(|p| p.min_time), Duration::from_secs(5 * 60)),
        permit_without_stream: policy.is_some_and(|p| p.permit_without_stream),
    }
}

fn http_listener(id: &ComponentId, http: &OtlpHttpServer, reader: &mut Reader) -> Built {
    let server = &http.server;
    let older = server.idle_timeout != Duration::from_secs(60) || !server.keep_alives_enabled;
    if server.keepalive.0.is_some() && older {
        reader.rule(
            "keepalive",
            "cannot stand beside idle_timeout and keep_alives_enabled, which it replaces",
        );
    }
    let protocol = HttpListenerConfig {
        paths: paths(http, reader),
        cors: server
            .cors
            .0
            .as_ref()
            .and_then(|cors| cors_config(cors, reader)),
        response_headers: response_headers(server, reader),
    };
    let listener = ListenerConfig {
        receiver: id.clone(),
        address: address(&http.endpoint, server.transport, reader)?,
        protocol: ListenerProtocol::Http(Box::new(protocol)),
        message_bytes_max: match u64::try_from(server.max_request_body_size) {
            Ok(bytes) if bytes > 0 => ByteCount(bytes),
            _ => ByteCount::mib(20),
        },
        streams_max: STREAMS_MAX,
        keepalive: server_keepalive(None, reader),
        times: times(server, reader),
        metadata_keys: Vec::new(),
        routes: empty_routes(),
    };
    Some((listener, server.include_metadata))
}

/// The longest pause that a connection puts up with, whatever the file says: a body that has
/// stopped holds memory.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Go's rule: a header or idle timeout of zero is the read timeout.
fn times(server: &HttpServer, reader: &mut Reader) -> ListenerTimes {
    for (key, time) in [
        ("read_timeout", server.read_timeout),
        ("write_timeout", server.write_timeout),
    ] {
        if time > PAUSE_MAX {
            reader.at(key, |reader| reader.warn("more than 30s count as 30s"));
        }
    }
    let idle = match &server.keepalive.0 {
        Some(keepalive) => keepalive.idle_timeout,
        None => server.idle_timeout,
    };
    let or_read = |time: Duration| {
        if time.is_zero() {
            server.read_timeout
        } else {
            time
        }
    };
    ListenerTimes {
        header: or_never(or_read(server.read_header_timeout)),
        read: or_never(server.read_timeout).min(PAUSE_MAX),
        write: or_never(server.write_timeout).min(PAUSE_MAX),
        idle: or_never(or_read(idle)),
    }
}

/// A path without its slash gets one, as in the Collector.
fn paths(http: &OtlpHttpServer, reader: &mut Reader) -> SignalPaths {
    let mut path = |key: &str, path: &str| {
        let absolute = format!("/{}", path.strip_prefix('/').unwrap_or(path));
        let valid = absolute.parse::<http::uri::PathAndQuery>();
        if !valid.is_ok_and(|parsed| parsed.query().is_none()) {
            reader.rule(key, "invalid HTTP URL path set for signal");
        }
        absolute
    };
    let paths = SignalPaths {
        traces: path("traces_url_path", &http.traces_url_path),
        metrics: path("metrics_url_path", &http.metrics_url_path),
        logs: path("logs_url_path", &http.logs_url_path),
        profiles: path("profiles_url_path", &http.profiles_url_path),
    };
    let mut all = [&paths.traces, &paths.metrics, &paths.logs, &paths.profiles];
    all.sort_unstable();
    if all.windows(2).any(|pair| pair[0] == pair[1]) {
        reader.fault(FaultKind::Rule("two signals have the same URL path"));
    }
    paths
}

fn cors_config(cors: &Cors, reader: &mut Reader) -> Option<CorsConfig> {
    reader.path.push("cors".into());
    let mut exposed_headers = Vec::new();
    for (index, name) in cors.exposed_headers.iter().enumerate() {
        match name.parse() {
            Ok(name) => exposed_headers.push(name),
            Err(_) => reader.at("exposed_headers", |reader| {
                reader.rule(&index.to_string(), "is not the name of a header");
            }),
        }
    }
    if cors.allowed_origins.is_empty() {
        for key in changed(cors) {
            reader.no_effect(&key, "there are no allowed_origins");
        }
    }
    reader.path.pop();
    (!cors.allowed_origins.is_empty()).then(|| CorsConfig {
        allowed_origins: cors.allowed_origins.clone(),
        allowed_headers: cors.allowed_headers.clone(),
        exposed_headers,
        max_age: cors.max_age,
    })
}

/// Headers that say how an answer is sent.
const FRAMING: [&str; 5] = [
    "connection",
    "content-encoding",
    "content-length",
    "transfer-encoding",
    "upgrade",
];

fn response_headers(
    server: &HttpServer,
    reader: &mut Reader,
) -> Vec<(HeaderName, crate::config::Secret)> {
    reader.path.push("response_headers".into());
    let mut headers = Vec::new();
    for (name, value) in &server.response_headers.0 {
        match name.parse() {
            Err(_) => reader.rule(name, "is not the name of a header"),
            Ok(parsed) if FRAMING.contains(&HeaderName::as_str(&parsed)) => {
                reader.rule(name, "is set by the protocol and cannot be configured");
            }
            Ok(http::header::CONTENT_TYPE) => {
                reader.no_effect(name, "an answer has the content type of its request");
            }
            Ok(_) if HeaderValue::from_str(value.reveal()).is_err() => {
                reader.rule(name, "the value has characters that a header cannot carry");
            }
            Ok(parsed) => headers.push((parsed, value.clone())),
        }
    }
    reader.path.pop();
    headers
}
