//! What is written, as prost reads it, against the SDK's own conversion of the same data.

use super::{log, metric, span};
use crate::embed::logs::LogLimits;
use opentelemetry::logs::{AnyValue, LogRecord as _, Logger as _, LoggerProvider as _, Severity};
use opentelemetry::trace::{
    Event, Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{Array, InstrumentationScope, Key, KeyValue, StringValue, Value};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{Metric, NumberDataPoint, Sum};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogProcessor, SdkLogRecord, SdkLoggerProvider};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use proptest::prelude::*;
use prost::Message;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tailrace_codec::writer::Writer;

fn value() -> impl Strategy<Value = Value> {
    let texts = || prop::collection::vec("[a-z]{0,9}", 0..4);
    prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::I64),
        (-1e9..1e9f64).prop_map(Value::F64),
        "\\PC{0,200}".prop_map(|text| Value::String(text.into())),
        prop::collection::vec(any::<bool>(), 0..4).prop_map(|v| Value::Array(Array::Bool(v))),
        prop::collection::vec(any::<i64>(), 0..4).prop_map(|v| Value::Array(Array::I64(v))),
        prop::collection::vec(-1.0..1.0f64, 0..4).prop_map(|v| Value::Array(Array::F64(v))),
        texts().prop_map(|texts| {
            let texts = texts.into_iter().map(StringValue::from);
            Value::Array(Array::String(texts.collect()))
        }),
    ]
}

fn attributes() -> impl Strategy<Value = Vec<KeyValue>> {
    let attribute = ("[a-z.]{1,20}", value()).prop_map(|(key, value)| KeyValue::new(key, value));
    prop::collection::vec(attribute, 0..10)
}

fn time() -> impl Strategy<Value = SystemTime> {
    any::<u32>().prop_map(|seconds| UNIX_EPOCH + Duration::new(seconds.into(), seconds % 1000))
}

fn context() -> impl Strategy<Value = SpanContext> {
    let ids = (1..u128::MAX, 1..u64::MAX, 0..4u8, any::<bool>());
    (ids, "[a-z]{0,5}").prop_map(|((trace, span, flags, is_remote), state)| {
        let state = TraceState::from_key_value((!state.is_empty()).then_some(("k", state)));
        SpanContext::new(
            TraceId::from(trace),
            SpanId::from(span),
            TraceFlags::new(flags),
            is_remote,
            state.expect("a valid state"),
        )
    })
}

fn status() -> impl Strategy<Value = Status> {
    prop_oneof![
        Just(Status::Unset),
        Just(Status::Ok),
        "[a-z ]{0,30}".prop_map(Status::error),
    ]
}

fn kind() -> impl Strategy<Value = SpanKind> {
    prop::sample::select(vec![
        SpanKind::Internal,
        SpanKind::Server,
        SpanKind::Client,
        SpanKind::Producer,
        SpanKind::Consumer,
    ])
}

prop_compose! {
    fn event()(name in "[a-z]{0,20}", at in time(), own in attributes(), lost in 0..5u32) -> Event {
        Event::new(name, at, own, lost)
    }
}

prop_compose! {
    fn link()(context in context(), own in attributes(), lost in 0..5u32) -> Link {
        Link::new(context, own, lost)
    }
}

prop_compose! {
    fn span_data()(
        span_context in context(),
        parent in any::<(u64, bool)>(),
        span_kind in kind(),
        name in "[A-Za-z /{}]{0,60}",
        times in (time(), time()),
        own in attributes(),
        lost in any::<[u32; 3]>(),
        events in prop::collection::vec(event(), 0..4),
        links in prop::collection::vec(link(), 0..3),
        status in status(),
    ) -> SpanData {
        let mut span_events = SpanEvents::default();
        span_events.events = events;
        span_events.dropped_count = lost[1];
        let mut span_links = SpanLinks::default();
        span_links.links = links;
        span_links.dropped_count = lost[2];
        SpanData {
            span_context,
            parent_span_id: SpanId::from(parent.0),
            parent_span_is_remote: parent.1,
            span_kind,
            name: name.into(),
            start_time: times.0,
            end_time: times.1,
            attributes: own,
            dropped_attributes_count: lost[0],
            events: span_events,
            links: span_links,
            status,
            instrumentation_scope: InstrumentationScope::builder("cart").build(),
        }
    }
}

proptest! {
    #[test]
    fn a_span_is_what_the_sdk_makes_of_it(data in span_data()) {
        let mut out = Writer::default();
        span::write_span(&mut out, &data);
        let mut ours = Span::decode(out.as_slice()).expect("a span");
        // A status that is not set may be left out.
        ours.status.get_or_insert_default();
        prop_assert_eq!(ours, Span::from(data));
    }
}

/// Keeps what is emitted.
#[derive(Debug, Clone, Default)]
struct Kept(Arc<Mutex<Vec<SdkLogRecord>>>);

impl LogProcessor for Kept {
    fn emit(&self, data: &mut SdkLogRecord, _: &InstrumentationScope) {
        self.0.lock().expect("no panic").push(data.clone());
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

fn any_value(depth: u32) -> BoxedStrategy<AnyValue> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(AnyValue::Int),
        (-1e9..1e9f64).prop_map(AnyValue::Double),
        "\\PC{0,200}".prop_map(|text| AnyValue::String(text.into())),
        any::<bool>().prop_map(AnyValue::Boolean),
        prop::collection::vec(any::<u8>(), 0..200).prop_map(|b| AnyValue::Bytes(Box::new(b))),
    ];
    if depth == 0 {
        return leaf.boxed();
    }
    let list = prop::collection::vec(any_value(depth - 1), 0..4);
    // Of one pair: in which order more are written, their map decides.
    let pair = ("[a-z]{1,9}", any_value(depth - 1));
    prop_oneof![
        leaf,
        list.prop_map(|values| AnyValue::ListAny(Box::new(values))),
        pair.prop_map(|(key, value)| {
            AnyValue::Map(Box::new(HashMap::from([(Key::from(key), value)])))
        }),
    ]
    .boxed()
}

proptest! {
    #[test]
    fn a_log_record_is_what_the_sdk_makes_of_it(
        at in prop::option::of(time()),
        severity in prop::option::of(prop::sample::select(vec![
            (Severity::Trace, "TRACE"), (Severity::Info3, "INFO3"), (Severity::Fatal4, "FATAL4"),
        ])),
        body in prop::option::of(any_value(2)),
        own in prop::collection::vec(("[a-z.]{1,20}", any_value(2)), 0..10),
        context in prop::option::of(context()),
    ) {
        let kept = Kept::default();
        let provider = SdkLoggerProvider::builder().with_log_processor(kept.clone()).build();
        let logger = provider.logger("cart");
        let mut record = logger.create_log_record();
        record.set_event_name("checkout");
        if let Some(at) = at {
            record.set_timestamp(at);
        }
        if let Some((severity, text)) = severity {
            record.set_severity_number(severity);
            record.set_severity_text(text);
        }
        if let Some(body) = body {
            record.set_body(body);
        }
        record.add_attributes(own);
        if let Some(context) = context {
            let flags = Some(context.trace_flags());
            record.set_trace_context(context.trace_id(), context.span_id(), flags);
        }
        logger.emit(record);
        let records = kept.0.lock().expect("no panic");
        let mut out = Writer::default();
        log::write(&mut out, &records[0], LogLimits::default());
        let ours = LogRecord::decode(out.as_slice()).expect("a record");
        prop_assert_eq!(ours, LogRecord::from(&records[0]));
    }
}

#[test]
fn a_metric_of_many_points_goes_in_pieces_that_fit() {
    let point = |number: u64| NumberDataPoint {
        time_unix_nano: number,
        ..NumberDataPoint::default()
    };
    let sum = Sum {
        data_points: (1..=1000).map(point).collect(),
        aggregation_temporality: 2,
        is_monotonic: true,
    };
    let metric = Metric {
        name: "requests".to_owned(),
        unit: "1".to_owned(),
        data: Some(Data::Sum(sum)),
        ..Metric::default()
    };
    let mut times = Vec::new();
    let mut take = |bytes: &[u8]| {
        assert!(bytes.len() <= 1000);
        let piece = Metric::decode(bytes).expect("a metric");
        assert_eq!((&piece.name[..], &piece.unit[..]), ("requests", "1"));
        let Some(Data::Sum(sum)) = piece.data else {
            panic!("still a sum");
        };
        assert!(sum.is_monotonic && sum.aggregation_temporality == 2);
        times.extend(sum.data_points.iter().map(|point| point.time_unix_nano));
        true
    };
    assert!(metric::in_pieces(metric.clone(), 1000, &mut take));
    assert_eq!(times, (1..=1000).collect::<Vec<u64>>());
    assert!(
        !metric::in_pieces(metric, 10, &mut |_| true),
        "one point is larger"
    );
}

#[test]
fn a_log_record_is_limited_and_says_so() {
    let kept = Kept::default();
    let provider = SdkLoggerProvider::builder()
        .with_log_processor(kept.clone())
        .build();
    let logger = provider.logger("cart");
    let mut record = logger.create_log_record();
    record.set_body(AnyValue::from("a long body"));
    let nested = AnyValue::ListAny(Box::new(vec!["grüße".into(), AnyValue::Int(123_456)]));
    record.add_attributes([
        ("text", AnyValue::from("grüße")),
        ("list", nested),
        ("bytes", AnyValue::Bytes(Box::new(vec![7; 9]))),
        ("fourth", AnyValue::Int(4)),
        ("fifth", AnyValue::Int(5)),
    ]);
    logger.emit(record);
    let records = kept.0.lock().expect("no panic");
    let limits = LogLimits {
        attributes: 3,
        attribute_value_len: Some(3),
    };
    let mut out = Writer::default();
    log::write(&mut out, &records[0], limits);
    let read = LogRecord::decode(out.as_slice()).expect("it is OTLP");
    assert_eq!(read.dropped_attributes_count, 2);
    let text = format!("{:?}", read.attributes);
    assert_eq!(read.attributes.len(), 3, "{text}");
    assert_eq!(text.matches("StringValue(\"grü\")").count(), 2, "{text}");
    assert!(
        text.contains("IntValue(123456)") && text.contains("BytesValue([7, 7, 7])"),
        "{text}"
    );
    assert!(format!("{:?}", read.body).contains("a long body"));
}
