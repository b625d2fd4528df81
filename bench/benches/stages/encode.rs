//! A span of eight attributes, beside the same span in prost's types: written as it happens, and
//! written when OpenTelemetry's SDK has finished it, beside the SDK's own conversion.

use crate::bench::{Bench, Input};
use crate::product::{Given, Written};
use opentelemetry::trace::{
    SpanContext, SpanId, SpanKind as ApiKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{InstrumentationScope, KeyValue as ApiKeyValue};
use opentelemetry_proto::tonic::common::v1::any_value::Value as ProstValue;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use prost::Message;
use std::hint::black_box;
use std::time::{Duration, UNIX_EPOCH};
use tailrace_codec::otlp::encode::{
    AttributeKey, Key, SpanEnd, SpanKind, SpanStart, Value, attribute,
};
use tailrace_codec::otlp::fields::SPAN_ATTRIBUTES;
use tailrace_codec::writer::Writer;
use tailrace_engine::embed::sdk::write_span;

const START: u64 = 1_790_000_000_000_000_000;
const END: u64 = START + 12_345_678;

const NAME: &str = "GET /api/v1/users/{id}";

const VALUES: [(&str, Value<'static>); 8] = [
    ("http.request.method", Value::String("GET")),
    ("url.path", Value::String("/api/v1/users/12345")),
    ("server.address", Value::String("users.internal.example")),
    ("server.port", Value::Int(8443)),
    ("http.response.status_code", Value::Int(200)),
    ("user_agent.original", Value::String("Mozilla/5.0 (X11)")),
    ("network.protocol.version", Value::String("2")),
    ("sampled", Value::Bool(true)),
];

pub fn stages(bench: &mut Bench) {
    recorded(bench);
    finished(bench);
}

/// By the SDK, whose conversion uses its span up: ours is dropped where it stands beside it.
fn finished(bench: &mut Bench) {
    let data = finished_span();
    let span = Span::from(data.clone());
    let mut out = Writer::default();
    write_span(&mut out, &data);
    assert_eq!(
        Span::decode(out.as_slice()).expect("a span").attributes,
        span.attributes
    );
    let input = Input {
        name: "a_finished_span_of_the_sdk".to_owned(),
        bytes: out.len(),
        items: 1,
        requests: 1,
    };
    let mut used = Writer::default();
    let (mut prost_out, mut transformed_out) = (Vec::new(), Vec::new());
    bench
        .stages(input, Given::default())
        .stage("encode", || {
            out.clear();
            write_span(&mut out, black_box(&data));
            Written(out.len())
        })
        .other("prost_encode", || {
            by_prost(black_box(&span), &mut prost_out)
        })
        .stage_of(
            "encode_and_drop",
            || data.clone(),
            |data| {
                used.clear();
                write_span(&mut used, &data);
                Written(used.len())
            },
        )
        .other_of(
            "sdk_transform_and_prost_encode",
            || data.clone(),
            |data| by_prost(&Span::from(data), &mut transformed_out),
        );
}

fn by_prost(span: &Span, out: &mut Vec<u8>) -> Written {
    out.clear();
    span.encode(out).expect("a Vec grows");
    Written(out.len())
}

fn finished_span() -> SpanData {
    let attributes = VALUES.map(|(key, value)| match value {
        Value::String(text) => ApiKeyValue::new(key, text),
        Value::Int(int) => ApiKeyValue::new(key, int),
        Value::Bool(bool) => ApiKeyValue::new(key, bool),
        other => unreachable!("none of the eight is {other:?}"),
    });
    let context = SpanContext::new(
        TraceId::from_bytes([1; 16]),
        SpanId::from_bytes([2; 8]),
        TraceFlags::SAMPLED,
        false,
        TraceState::default(),
    );
    SpanData {
        span_context: context,
        parent_span_id: SpanId::from_bytes([3; 8]),
        parent_span_is_remote: false,
        span_kind: ApiKind::Server,
        name: NAME.into(),
        start_time: UNIX_EPOCH + Duration::from_nanos(START),
        end_time: UNIX_EPOCH + Duration::from_nanos(END),
        attributes: attributes.into(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: InstrumentationScope::default(),
    }
}

fn recorded(bench: &mut Bench) {
    let ahead = VALUES.map(|(key, value)| (Key::new(key), value));
    let mut out = Writer::default();
    write(&mut out, &VALUES);
    let (ours, span) = (out.len(), built());
    assert_eq!(Span::decode(out.as_slice()).expect("a span"), span);
    let input = Input {
        name: "a_span_of_8_attributes".to_owned(),
        bytes: ours,
        items: 1,
        requests: 1,
    };
    let mut again = Writer::default();
    let mut prost_out = Vec::new();
    bench
        .stages(input, Given::default())
        .stage("encode_keys_ahead", || {
            write(&mut out, black_box(&ahead));
            Written(out.len())
        })
        .other("prost_encode", || {
            by_prost(black_box(&span), &mut prost_out)
        })
        .stage("encode", || {
            write(&mut again, black_box(&VALUES));
            Written(again.len())
        })
        .other("prost_build_and_encode", || {
            black_box(built()).encode_to_vec()
        });
}

fn write<K: AttributeKey>(out: &mut Writer, attributes: &[(K, Value<'_>)]) {
    out.clear();
    SpanStart {
        trace_id: [1; 16],
        span_id: [2; 8],
        parent_span_id: [3; 8],
        name: NAME,
        kind: SpanKind::Server,
        start: START,
        ..SpanStart::default()
    }
    .write(out);
    for (key, value) in attributes {
        attribute(out, SPAN_ATTRIBUTES, key, *value);
    }
    SpanEnd {
        end: END,
        ..SpanEnd::default()
    }
    .write(out);
}

fn built() -> Span {
    let attributes = VALUES.map(|(key, value)| KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue {
            value: match value {
                Value::String(text) => Some(ProstValue::StringValue(text.to_owned())),
                Value::Int(int) => Some(ProstValue::IntValue(int)),
                Value::Bool(bool) => Some(ProstValue::BoolValue(bool)),
                Value::Double(_) | Value::Bytes(_) | Value::Array(_) => None,
            },
        }),
        ..KeyValue::default()
    });
    Span {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        parent_span_id: vec![3; 8],
        name: NAME.to_owned(),
        kind: SpanKind::Server as i32,
        start_time_unix_nano: START,
        end_time_unix_nano: END,
        attributes: attributes.into(),
        ..Span::default()
    }
}
