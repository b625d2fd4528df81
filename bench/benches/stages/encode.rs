//! Finished spans of eight attributes encoded one by one, beside prost, which is given the same.

use crate::bench::{Bench, Input};
use crate::input::{Request, SPANS};
use crate::product::{Given, Written};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value;
use opentelemetry_proto::tonic::trace::v1::{ScopeSpans, Span};
use prost::Message;
use std::hint::black_box;
use tailrace_codec::Signal;
use tailrace_codec::otlp::encode::{Key, SpanEnd, SpanKind, SpanStart, Value, attribute};
use tailrace_codec::otlp::fields::{SCOPE_ENTRY_ITEMS, SPAN_ATTRIBUTES};
use tailrace_codec::writer::Writer;

pub fn stages(bench: &mut Bench) {
    let request = Request::of(Signal::Traces, SPANS);
    let spans = spans(&request);
    let keys: Vec<Vec<Key>> = spans.spans.iter().map(keys).collect();
    let input = Input {
        bytes: spans.encoded_len(),
        ..request.input("512_finished_spans")
    };
    let (mut own, mut prost) = (Vec::new(), Vec::new());
    bench
        .stages(input, Given::default())
        .stage("encode_keys_ahead", || {
            let mut out = Writer::new(std::mem::take(&mut own));
            out.clear();
            for (span, keys) in black_box(&spans).spans.iter().zip(&keys) {
                encode(&mut out, span, |at| &keys[at]);
            }
            own = out.into_buffer();
            Written(own.len())
        })
        .other("prost_encode", || {
            prost.clear();
            let encoded = black_box(&spans).encode(&mut prost);
            encoded.expect("a vector grows");
            Written(prost.len())
        });
    let mut own = Vec::new();
    let input = Input {
        bytes: spans.encoded_len(),
        ..request.input("512_finished_spans_any_keys")
    };
    bench.stages(input, Given::default()).stage("encode", || {
        let mut out = Writer::new(std::mem::take(&mut own));
        out.clear();
        for span in &black_box(&spans).spans {
            encode(&mut out, span, |at| &span.attributes[at].key[..]);
        }
        own = out.into_buffer();
        Written(own.len())
    });
}

fn spans(request: &Request) -> ScopeSpans {
    let request = ExportTraceServiceRequest::decode(&request.bytes[..]).expect("a request");
    let scopes = request.resource_spans.into_iter();
    let spans = scopes.flat_map(|resource| resource.scope_spans);
    ScopeSpans {
        spans: spans.flat_map(|scope| scope.spans).collect(),
        ..ScopeSpans::default()
    }
}

fn keys(span: &Span) -> Vec<Key> {
    span.attributes
        .iter()
        .map(|attribute| Key::new(&attribute.key))
        .collect()
}

fn encode<'a, K: tailrace_codec::otlp::encode::AttributeKey + ?Sized + 'a>(
    out: &mut Writer,
    span: &'a Span,
    key: impl Fn(usize) -> &'a K,
) {
    let open = out.open(SCOPE_ENTRY_ITEMS, 300);
    SpanStart {
        trace_id: id(&span.trace_id),
        span_id: id(&span.span_id),
        parent_span_id: id(&span.parent_span_id),
        trace_state: &span.trace_state,
        name: &span.name,
        kind: SpanKind::Server,
        start: span.start_time_unix_nano,
        flags: span.flags,
    }
    .write(out);
    for (at, own) in span.attributes.iter().enumerate() {
        let kind = own.value.as_ref().and_then(|value| value.value.as_ref());
        let value = match kind {
            Some(any_value::Value::StringValue(text)) => Value::String(text),
            Some(any_value::Value::IntValue(int)) => Value::Int(*int),
            Some(any_value::Value::BoolValue(bool)) => Value::Bool(*bool),
            Some(any_value::Value::DoubleValue(double)) => Value::Double(*double),
            other => unreachable!("not in the workload: {other:?}"),
        };
        attribute(out, SPAN_ATTRIBUTES, key(at), value);
    }
    SpanEnd {
        end: span.end_time_unix_nano,
        ..SpanEnd::default()
    }
    .write(out);
    out.close(open);
}

fn id<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().unwrap_or([0; N])
}
