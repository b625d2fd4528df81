//! Listeners: what their requests must be, and the limits of their connections.

use crate::config::{HttpListenerConfig, ListenAddress, ListenerConfig, ListenerProtocol};
use crate::ingress::{
    Cors, CorsRule, HttpReceiver, MetadataKeys, Paths, Protocol, Receiver, Signals,
};
use crate::net::server::{self, Lifetime, Pings, Timeouts};
use crate::pipeline::ListenerSettings;
use http::{HeaderMap, HeaderName, HeaderValue};
use tailrace_codec::Signal;

/// What the control thread binds.
#[derive(Debug, Clone)]
pub struct ListenerPlan {
    pub receiver: String,
    pub transport: &'static str,
    pub address: ListenAddress,
    pub server: server::Settings,
}

impl ListenerPlan {
    pub(super) fn new(listener: &ListenerConfig) -> Self {
        Self {
            receiver: listener.receiver.to_string(),
            transport: transport(listener),
            address: listener.address.clone(),
            server: server_settings(listener),
        }
    }
}

pub(super) const fn transport(listener: &ListenerConfig) -> &'static str {
    match listener.protocol {
        ListenerProtocol::Grpc => "grpc",
        ListenerProtocol::Http(_) => "http",
    }
}

/// `tenant`: the header that names it, which is kept whatever the receiver keeps besides.
pub(super) fn settings(listener: &ListenerConfig, tenant: Option<&HeaderName>) -> ListenerSettings {
    let served = |signal: &Signal| !listener.route(*signal).is_empty();
    let signals: Signals = Signal::ALL.into_iter().filter(served).collect();
    let protocol = match &listener.protocol {
        ListenerProtocol::Grpc => Protocol::Grpc,
        ListenerProtocol::Http(http) => Protocol::Http(Box::new(http_receiver(http))),
    };
    let receiver = Receiver {
        protocol,
        signals,
        message_max: listener.message_bytes_max.0,
        metadata_keys: listener
            .metadata_keys
            .iter()
            .chain(tenant)
            .cloned()
            .collect::<MetadataKeys>(),
    };
    ListenerSettings {
        receiver,
        routes: listener.routes.clone(),
    }
}

fn http_receiver(http: &HttpListenerConfig) -> HttpReceiver {
    let mut response_headers = HeaderMap::new();
    for (name, value) in &http.response_headers {
        if let Ok(mut value) = HeaderValue::from_str(value.reveal()) {
            value.set_sensitive(true);
            response_headers.append(name.clone(), value);
        }
    }
    HttpReceiver {
        paths: Paths {
            traces: http.paths.traces.clone(),
            metrics: http.paths.metrics.clone(),
            logs: http.paths.logs.clone(),
            profiles: http.paths.profiles.clone(),
        },
        cors: http.cors.as_ref().and_then(|cors| {
            Cors::new(&CorsRule {
                allowed_origins: cors.allowed_origins.clone(),
                allowed_headers: cors.allowed_headers.clone(),
                exposed_headers: cors.exposed_headers.clone(),
                max_age: cors.max_age,
            })
        }),
        response_headers,
    }
}

fn server_settings(listener: &ListenerConfig) -> server::Settings {
    let defaults = server::Settings::default();
    let keepalive = listener.keepalive;
    let times = listener.times;
    server::Settings {
        protocol: match listener.protocol {
            ListenerProtocol::Grpc => server::Protocol::Http2,
            ListenerProtocol::Http(_) => server::Protocol::Any,
        },
        streams_max: listener.streams_max,
        header_list_max: defaults.header_list_max,
        timeouts: Timeouts {
            handshake: defaults.timeouts.handshake,
            header: times.header,
            body_progress: defaults.timeouts.body_progress.min(times.read),
            reply: defaults.timeouts.reply.min(times.write),
        },
        lifetime: Lifetime {
            idle_max: keepalive.max_connection_idle.min(times.idle),
            age_max: keepalive.max_connection_age,
            age_grace: keepalive.max_connection_age_grace,
        },
        pings: Pings {
            time: keepalive.time,
            timeout: keepalive.timeout,
            min_time: keepalive.min_time,
            permit_without_stream: keepalive.permit_without_stream,
        },
    }
}
