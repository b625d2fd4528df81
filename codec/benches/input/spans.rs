//! The request that all benches of this crate use.

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as ProstValue;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use tailrace_codec::Rope;

const SLICE: usize = 16 << 10;

const SPANS: u8 = 128;

fn attribute(key: &str, value: ProstValue) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, ProstValue::StringValue(value.to_owned()))
}

fn span(n: u8) -> Span {
    Span {
        trace_id: vec![n; 16],
        span_id: vec![n; 8],
        parent_span_id: vec![n; 8],
        name: "GET /api/v1/users/{id}".to_owned(),
        kind: 2,
        start_time_unix_nano: 1_700_000_000_000_000_000,
        end_time_unix_nano: 1_700_000_000_012_345_678,
        attributes: vec![
            text("http.request.method", "GET"),
            text("url.path", "/api/v1/users/12345"),
            text("server.address", "users.internal.example"),
            attribute("server.port", ProstValue::IntValue(8443)),
            attribute("http.response.status_code", ProstValue::IntValue(200)),
            text("user_agent.original", "Mozilla/5.0 (X11)"),
            text("network.protocol.version", "2"),
            attribute("sampled", ProstValue::BoolValue(true)),
        ],
        ..Span::default()
    }
}

/// 512 spans of about 360 bytes in one scope, as protobuf.
pub fn encoded() -> Vec<u8> {
    let resource = Resource {
        attributes: vec![text("service.name", "users"), text("host.name", "node-17")],
        ..Resource::default()
    };
    let scope = InstrumentationScope {
        name: "instrumentation".to_owned(),
        version: "1.2.3".to_owned(),
        ..InstrumentationScope::default()
    };
    let spans = (0..4).flat_map(|_| (0..SPANS).map(span)).collect();
    let scope_spans = vec![ScopeSpans {
        scope: Some(scope),
        spans,
        ..ScopeSpans::default()
    }];
    let resource_spans = vec![ResourceSpans {
        resource: Some(resource),
        scope_spans,
        ..ResourceSpans::default()
    }];
    ExportTraceServiceRequest { resource_spans }.encode_to_vec()
}

/// The bytes in slices of 16 KiB, as frames of that size leave them.
pub fn sliced(bytes: &[u8]) -> Rope {
    bytes.chunks(SLICE).map(Bytes::copy_from_slice).collect()
}
