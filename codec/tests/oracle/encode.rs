//! What is encoded item by item is what prost reads: the same message, whatever was recorded.

mod points;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Kind;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1 as logs;
use opentelemetry_proto::tonic::trace::v1 as trace;
use proptest::prelude::*;
use prost::Message;
use tailrace_codec::otlp::encode::{
    Envelope, Event, Key, Link, LogRecord, Resource, Scope, SpanEnd, SpanHead, SpanKind, SpanStart,
    StatusCode, Value, attribute, item, item_len,
};
use tailrace_codec::otlp::fields::{LOG_ATTRIBUTES, SPAN_ATTRIBUTES};
use tailrace_codec::otlp::{Scan, scan};
use tailrace_codec::writer::Writer;
use tailrace_codec::{Rope, Signal};

type Attributes = Vec<(String, Kind)>;

fn value() -> impl Strategy<Value = Kind> {
    let leaf = prop_oneof![
        "[a-zé]{0,200}".prop_map(Kind::StringValue),
        any::<bool>().prop_map(Kind::BoolValue),
        any::<i64>().prop_map(Kind::IntValue),
        any::<f64>().prop_map(Kind::DoubleValue),
        prop::collection::vec(any::<u8>(), 0..9).prop_map(Kind::BytesValue),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop::collection::vec(inner, 0..4).prop_map(|values| {
            let values = values.into_iter().map(any_value).collect();
            Kind::ArrayValue(ArrayValue { values })
        })
    })
}

fn attributes() -> impl Strategy<Value = Attributes> {
    prop::collection::vec(("[a-z.]{0,150}", value()), 0..6)
}

fn any_value(kind: Kind) -> AnyValue {
    AnyValue { value: Some(kind) }
}

/// Attributes as prost has them.
fn expected(attributes: &Attributes) -> Vec<KeyValue> {
    let expected = attributes.iter().map(|(key, kind)| KeyValue {
        key: key.clone(),
        value: Some(any_value(kind.clone())),
        key_strindex: 0,
    });
    expected.collect()
}

/// Calls `with` with a value as it is recorded, whose arrays are borrowed.
fn with_value(kind: &Kind, with: &mut dyn FnMut(Value<'_>)) {
    match kind {
        Kind::StringValue(text) => with(Value::from(text)),
        Kind::BoolValue(bool) => with(Value::from(*bool)),
        Kind::IntValue(int) => with(Value::from(*int)),
        Kind::DoubleValue(double) => with(Value::from(*double)),
        Kind::BytesValue(bytes) => with(Value::from(&bytes[..])),
        Kind::ArrayValue(array) => with_values(&array.values, &mut Vec::new(), with),
        other => unreachable!("not generated: {other:?}"),
    }
}

fn with_values(rest: &[AnyValue], before: &mut Vec<Value<'_>>, with: &mut dyn FnMut(Value<'_>)) {
    let Some((first, rest)) = rest.split_first() else {
        return with(Value::Array(before));
    };
    let kind = first.value.as_ref().expect("every value has a kind");
    with_value(kind, &mut |value| {
        let mut values = before.clone();
        values.push(value);
        with_values(rest, &mut values, with);
    });
}

fn write_attributes(out: &mut Writer, number: u32, attributes: &Attributes) {
    for (at, (key, kind)) in attributes.iter().enumerate() {
        with_value(kind, &mut |value| {
            // Keys that are encoded ahead and keys that are not, in turn.
            if at % 2 == 0 {
                attribute(out, number, Key::new(key), value);
            } else {
                attribute(out, number, &key[..], value);
            }
        });
    }
}

/// A request of one item, as prost reads it.
fn request<R: Message + Default>(signal: Signal, content: &[u8]) -> R {
    let resource = Resource {
        schema_url: "https://example.org/2",
        attributes: &[("service.name", Value::from("shop"))],
    };
    let scope = Scope {
        name: "cart",
        version: "1.2",
        schema_url: "https://example.org/1",
        attributes: &[("team", Value::from("checkout"))],
    };
    let mut items = Writer::default();
    item(&mut items, content);
    item(&mut items, &[]);
    assert_eq!(items.len(), item_len(content.len()) + item_len(0));
    let mut body = Rope::from(Envelope::new(&resource, &scope).head(items.len()));
    body.push(items.finish());
    let scan = scan(signal, &body).expect("a request");
    if signal != Signal::Metrics {
        assert_eq!(scan, Scan { items: 2 });
    }
    R::decode(&body.to_bytes()[..]).expect("a request")
}

fn string(key: &str, value: &str) -> KeyValue {
    let value = any_value(Kind::StringValue(value.to_owned()));
    KeyValue {
        key: key.to_owned(),
        value: Some(value),
        key_strindex: 0,
    }
}

#[test]
fn resource_and_scope_stand_before_the_items() {
    let request: ExportTraceServiceRequest = request(Signal::Traces, &[]);
    let [entry] = &request.resource_spans[..] else {
        panic!("one resource: {request:?}");
    };
    let resource = entry.resource.as_ref().expect("a resource");
    assert_eq!(resource.attributes, [string("service.name", "shop")]);
    assert_eq!(entry.schema_url, "https://example.org/2");
    let [entry] = &entry.scope_spans[..] else {
        panic!("one scope: {entry:?}");
    };
    let scope = entry.scope.as_ref().expect("a scope");
    assert_eq!((&scope.name[..], &scope.version[..]), ("cart", "1.2"));
    assert_eq!(scope.attributes, [string("team", "checkout")]);
    assert_eq!(entry.schema_url, "https://example.org/1");
    assert_eq!(entry.spans.len(), 2);
}

prop_compose! {
    fn texts()(a in "[a-z]{0,9}", b in "[a-z ]{0,300}", c in "[a-z=,]{0,40}") -> [String; 3] {
        [a, b, c]
    }
}

proptest! {
    #[test]
    fn spans(
        ids in any::<([u8; 16], [u8; 8], [u8; 8])>(),
        [name, message, trace_state] in texts(),
        kind in prop::sample::select(&[SpanKind::Internal, SpanKind::Server, SpanKind::Consumer][..]),
        status in prop::sample::select(&[StatusCode::Unset, StatusCode::Ok, StatusCode::Error][..]),
        times in any::<[u64; 3]>(),
        in_one_piece in any::<bool>(),
        numbers in any::<[u32; 4]>(),
        own in attributes(),
        of_event in attributes(),
    ) {
        let (trace_id, span_id, parent_span_id) = ids;
        let mut out = Writer::default();
        let start = SpanStart {
            trace_id, span_id, parent_span_id, kind,
            trace_state: &trace_state, name: &name, start: times[0], flags: numbers[0],
        };
        let end_time = if in_one_piece {
            Some(SpanHead(start).write(&mut out))
        } else {
            start.write(&mut out);
            None
        };
        write_attributes(&mut out, SPAN_ATTRIBUTES, &own);
        // Their attributes are written by the same function: strings are enough.
        let texts: Vec<_> = of_event.iter().map(|(key, _)| (&key[..], Value::from("v"))).collect();
        let event = Event { at: times[1], name: &name, dropped_attributes: 3 };
        event.write(&mut out, &texts);
        Link {
            trace_id, span_id, trace_state: &trace_state, flags: numbers[1], dropped_attributes: 4,
        }.write(&mut out, &texts);
        let end = match end_time {
            Some(end_time) => {
                end_time.fill(&mut out, times[2]);
                0
            }
            None => times[2],
        };
        SpanEnd {
            end, status, status_message: &message, dropped_attributes: numbers[1],
            dropped_events: numbers[2], dropped_links: numbers[3],
        }.write(&mut out);

        let texts: Vec<_> = of_event.iter().map(|(key, _)| string(key, "v")).collect();
        let mut parent = parent_span_id.to_vec();
        parent.retain(|_| parent_span_id != [0; 8]);
        let has_status = status != StatusCode::Unset || !message.is_empty();
        let span = trace::Span {
            trace_id: trace_id.to_vec(),
            span_id: span_id.to_vec(),
            trace_state: trace_state.clone(),
            parent_span_id: parent,
            flags: numbers[0],
            name: name.clone(),
            kind: kind as i32,
            start_time_unix_nano: times[0],
            end_time_unix_nano: times[2],
            attributes: expected(&own),
            dropped_attributes_count: numbers[1],
            events: vec![trace::span::Event {
                time_unix_nano: times[1],
                name,
                attributes: texts.clone(),
                dropped_attributes_count: 3,
            }],
            dropped_events_count: numbers[2],
            links: vec![trace::span::Link {
                trace_id: trace_id.to_vec(),
                span_id: span_id.to_vec(),
                trace_state,
                attributes: texts,
                dropped_attributes_count: 4,
                flags: numbers[1],
            }],
            dropped_links_count: numbers[3],
            status: has_status.then_some(trace::Status { message, code: status as i32 }),
        };
        let read: ExportTraceServiceRequest = request(Signal::Traces, out.as_slice());
        prop_assert_eq!(&read.resource_spans[0].scope_spans[0].spans[0], &span);
    }

    #[test]
    fn log_records(
        ids in any::<([u8; 16], [u8; 8])>(),
        [severity_text, event_name, _] in texts(),
        severity_number in 0..25_u8,
        times in any::<[u64; 2]>(),
        numbers in any::<[u32; 2]>(),
        body in prop::option::of(value()),
        own in attributes(),
    ) {
        let (trace_id, span_id) = ids;
        let mut out = Writer::default();
        let mut write = |body: Option<Value<'_>>| LogRecord {
            time: times[0], observed_time: times[1], severity_number, severity_text: &severity_text,
            event_name: &event_name, body, trace_id, span_id, flags: numbers[0],
            dropped_attributes: numbers[1],
        }.write(&mut out);
        match &body {
            Some(kind) => with_value(kind, &mut |value| write(Some(value))),
            None => write(None),
        }
        write_attributes(&mut out, LOG_ATTRIBUTES, &own);
        let in_span = trace_id != [0; 16];
        let record = logs::LogRecord {
            time_unix_nano: times[0],
            observed_time_unix_nano: times[1],
            severity_number: severity_number.into(),
            severity_text,
            body: body.map(any_value),
            attributes: expected(&own),
            dropped_attributes_count: numbers[1],
            flags: numbers[0],
            trace_id: if in_span { trace_id.to_vec() } else { vec![] },
            span_id: if in_span { span_id.to_vec() } else { vec![] },
            event_name,
        };
        let read: ExportLogsServiceRequest = request(Signal::Logs, out.as_slice());
        prop_assert_eq!(&read.resource_logs[0].scope_logs[0].log_records[0], &record);
    }
}
