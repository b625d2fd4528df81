//! The same work on decoded requests.

use super::{KEY, VALUE};
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use std::hint::black_box;

fn decode(bytes: &Bytes) -> ExportTraceServiceRequest {
    ExportTraceServiceRequest::decode(black_box(bytes.clone())).expect("a request")
}

pub fn count(bytes: &Bytes) -> u64 {
    let request = decode(bytes);
    let resources = request.resource_spans.iter();
    let scopes = resources.flat_map(|resource| &resource.scope_spans);
    scopes.map(|scope| scope.spans.len() as u64).sum()
}

/// Pieces of at most so many spans each.
pub fn split(bytes: &Bytes, spans_max: usize) -> Vec<Vec<u8>> {
    let mut pieces = Vec::new();
    let mut piece = ExportTraceServiceRequest::default();
    let mut free = spans_max;
    each_scope(decode(bytes), |resource, scope, spans| {
        let mut spans = spans.into_iter().peekable();
        while spans.peek().is_some() {
            let taken: Vec<Span> = spans.by_ref().take(free).collect();
            free -= taken.len();
            piece.resource_spans.push(within(resource, scope, taken));
            if free == 0 {
                pieces.push(std::mem::take(&mut piece).encode_to_vec());
                free = spans_max;
            }
        }
    });
    if free < spans_max {
        pieces.push(piece.encode_to_vec());
    }
    pieces
}

/// Every other span in one request, the rest in another.
pub fn partition_by_neighbour(bytes: &Bytes) -> Vec<Vec<u8>> {
    let mut parts = [
        ExportTraceServiceRequest::default(),
        ExportTraceServiceRequest::default(),
    ];
    each_scope(decode(bytes), |resource, scope, spans| {
        let mut groups = [Vec::new(), Vec::new()];
        for (n, span) in spans.into_iter().enumerate() {
            groups[n % 2].push(span);
        }
        for (part, group) in parts.iter_mut().zip(groups) {
            part.resource_spans.push(within(resource, scope, group));
        }
    });
    parts.iter().map(Message::encode_to_vec).collect()
}

pub fn edit_resource(bytes: &Bytes) -> Vec<u8> {
    let mut request = decode(bytes);
    for resource in &mut request.resource_spans {
        let resource = resource.resource.get_or_insert_default();
        upsert(&mut resource.attributes);
    }
    request.encode_to_vec()
}

pub fn edit_items(bytes: &Bytes) -> Vec<u8> {
    let mut request = decode(bytes);
    let resources = request.resource_spans.iter_mut();
    let scopes = resources.flat_map(|resource| &mut resource.scope_spans);
    for span in scopes.flat_map(|scope| &mut scope.spans) {
        upsert(&mut span.attributes);
    }
    request.encode_to_vec()
}

pub fn merge(bytes: &Bytes, times: usize) -> Vec<u8> {
    let mut merged = ExportTraceServiceRequest::default();
    for _ in 0..times {
        merged.resource_spans.extend(decode(bytes).resource_spans);
    }
    merged.encode_to_vec()
}

fn upsert(attributes: &mut Vec<KeyValue>) {
    let text = Value::StringValue(VALUE.to_owned());
    let value = Some(AnyValue { value: Some(text) });
    match attributes.iter_mut().find(|attribute| attribute.key == KEY) {
        Some(attribute) => attribute.value = value,
        None => attributes.push(KeyValue {
            key: KEY.to_owned(),
            value,
            ..KeyValue::default()
        }),
    }
}

/// Takes the spans out of each scope.
fn each_scope(
    request: ExportTraceServiceRequest,
    mut see: impl FnMut(&ResourceSpans, &ScopeSpans, Vec<Span>),
) {
    for mut resource in request.resource_spans {
        for mut scope in std::mem::take(&mut resource.scope_spans) {
            let spans = std::mem::take(&mut scope.spans);
            see(&resource, &scope, spans);
        }
    }
}

/// Spans within copies of the messages around them, which hold none themselves.
fn within(resource: &ResourceSpans, scope: &ScopeSpans, spans: Vec<Span>) -> ResourceSpans {
    let scope = ScopeSpans {
        spans,
        ..scope.clone()
    };
    ResourceSpans {
        scope_spans: vec![scope],
        ..resource.clone()
    }
}
