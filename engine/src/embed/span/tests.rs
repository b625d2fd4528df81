//! What a span says is what stands in OTLP, as prost reads it.

use super::*;
use crate::embed::clock::Clock;
use crate::embed::propagation::{TraceState, extract};
use crate::embed::recorder::tests::shared;
use crate::embed::recorder::{Recorder, RecorderLimits, Source};
use crate::embed::sampling::{RootSampler, Sampler};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Kind;
use opentelemetry_proto::tonic::trace::v1::{ScopeSpans, Span as Read};
use prost::Message;
use std::sync::Arc;
use std::time::Duration;
use tailrace_codec::otlp::encode::{Key, SpanKind};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03";

fn tracer(sampler: Sampler, limits: SpanLimits) -> (Tracer, Source) {
    let (recorder, source) = Recorder::new(RecorderLimits::default(), shared(1 << 20));
    let clock = Arc::new(Clock::new());
    clock.settle();
    (Tracer::new(recorder, clock, sampler, limits), source)
}

fn recorded(source: &mut Source) -> Vec<Read> {
    let taken = std::iter::from_fn(|| source.take());
    let entries: Vec<u8> = taken.flat_map(|taken| taken.as_ref().to_vec()).collect();
    let entry = ScopeSpans::decode(&entries[..]).expect("OTLP");
    entry.spans
}

#[test]
fn what_is_said_arrives() {
    let (tracer, mut source) = tracer(Sampler::default(), SpanLimits::default());
    let parent = extract(PARENT, "x=1").expect("valid");
    let options = SpanOptions {
        parent: Some(&parent),
        kind: SpanKind::Server,
        start: None,
    };
    let key = Key::new("http.response.status_code");
    let mut span = tracer.start_with("GET /cart", &options);
    span.attribute(&key, 200)
        .attribute("text", "some")
        .attribute("good", true);
    let mut child = tracer.start_child("query", span.context());
    child.link(&parent, &[("why", "tries again".into())]);
    child.event("retry", &[("n", 1.into())]);
    child
        .status(StatusCode::Error, "no answer")
        .status(StatusCode::Unset, "");
    child.end();
    span.status(StatusCode::Ok, "not kept")
        .status(StatusCode::Error, "too late");
    let context = span.context().clone();
    drop(span);

    let spans = recorded(&mut source);
    let [child, span] = &spans[..] else {
        panic!("two spans: {spans:?}");
    };
    assert_eq!((&span.name[..], span.kind), ("GET /cart", 2));
    assert_eq!(span.trace_id, parent.trace_id().0);
    assert_eq!(span.parent_span_id, parent.span_id().0);
    assert_eq!(span.span_id, context.span_id().0);
    assert_eq!((&span.trace_state[..], span.flags), ("x=1", 0x303));
    assert_eq!(span.attributes.len(), 3);
    assert_eq!(span.attributes[0].key, "http.response.status_code");
    let value = |at: usize| span.attributes[at].value.clone().expect("a value").value;
    assert_eq!(value(0), Some(Kind::IntValue(200)));
    assert_eq!(value(1), Some(Kind::StringValue("some".to_owned())));
    let status = span.status.as_ref().expect("a status");
    assert_eq!((status.code, &status.message[..]), (1, ""));

    assert_eq!(
        (child.flags, child.parent_span_id.clone()),
        (0x103, span.span_id.clone())
    );
    assert!(span.start_time_unix_nano <= child.start_time_unix_nano);
    assert!(child.start_time_unix_nano <= child.end_time_unix_nano);
    assert!(child.end_time_unix_nano <= span.end_time_unix_nano);
    let status = child.status.as_ref().expect("a status");
    assert_eq!((status.code, &status.message[..]), (2, "no answer"));
    assert_eq!(child.links[0].span_id, parent.span_id().0);
    assert_eq!(
        (child.links[0].flags, child.links[0].attributes.len()),
        (0x303, 1)
    );
    let event = &child.events[0];
    assert_eq!((&event.name[..], event.attributes.len()), ("retry", 1));
    let of_child = child.start_time_unix_nano..=child.end_time_unix_nano;
    assert!(of_child.contains(&event.time_unix_nano));
}

#[test]
fn what_is_over_a_limit_is_counted() {
    let limits = SpanLimits {
        attributes: 2,
        attribute_value_len: Some(3),
        events: 1,
        links: 1,
        event_attributes: 1,
        link_attributes: 0,
    };
    let (tracer, mut source) = tracer(Sampler::default(), limits);
    let other = extract(PARENT, "").expect("valid");
    let mut span = tracer.start("limited");
    let texts = ["äöüß".into(), Value::Bytes(&[1; 4]), 7.into()];
    span.attribute("array", &texts[..])
        .attribute("text", "ünder");
    for _ in 0..5 {
        span.attribute("more", 1);
        span.event("e", &[("a", 1.into()), ("b", 2.into()), ("c", 3.into())]);
        span.link(&other, &[("a", 1.into())]);
        span.link::<&str>(&SpanContext::default(), &[]);
    }
    span.end();
    let span = &recorded(&mut source)[0];
    let values = |at: usize| span.attributes[at].value.clone().expect("a value").value;
    let Some(Kind::ArrayValue(array)) = values(0) else {
        panic!("an array");
    };
    let kinds: Vec<_> = array
        .values
        .into_iter()
        .filter_map(|value| value.value)
        .collect();
    let cut = [
        Kind::StringValue("äöü".to_owned()),
        Kind::BytesValue(vec![1; 3]),
        Kind::IntValue(7),
    ];
    assert_eq!(kinds, cut);
    assert_eq!(values(1), Some(Kind::StringValue("ünd".to_owned())));
    assert_eq!(
        (span.attributes.len(), span.dropped_attributes_count),
        (2, 5)
    );
    assert_eq!((span.events.len(), span.dropped_events_count), (1, 4));
    assert_eq!(span.events[0].dropped_attributes_count, 2);
    assert_eq!((span.links.len(), span.dropped_links_count), (1, 4));
    assert_eq!(span.links[0].dropped_attributes_count, 1);
}

#[test]
fn a_span_that_is_not_sampled_is_passed_on_and_not_recorded() {
    let sampler = Sampler {
        root: RootSampler::AlwaysOff,
        parent_based: true,
    };
    let (tracer, mut source) = tracer(sampler, SpanLimits::default());
    let mut span = tracer.start("unseen");
    span.attribute("a", 1)
        .event::<&str>("e", &[])
        .status(StatusCode::Error, "no");
    assert!(!span.is_recording() && !span.context().is_sampled() && span.context().is_valid());
    let child = tracer.start_child("unseen too", span.context());
    assert_eq!(child.context().trace_id(), span.context().trace_id());
    drop((child, span));
    assert_eq!(recorded(&mut source), []);

    let sampled = extract(PARENT, "").expect("valid");
    assert!(tracer.start_child("seen", &sampled).is_recording());
    let nobody = SpanContext::remote(
        sampled.trace_id(),
        Default::default(),
        sampled.flags(),
        TraceState::default(),
    );
    let span = tracer.start_child("a trace of its own", &nobody);
    assert_ne!(span.context().trace_id(), sampled.trace_id());
}

/// Where telemetry is disabled a trace goes through this process as if it were not there.
#[test]
fn a_tracer_that_is_off_passes_the_parent_on() {
    let recorder = Recorder::off(shared(0));
    let clock = Arc::new(Clock::new());
    let tracer = Tracer::new(recorder, clock, Sampler::default(), SpanLimits::default());
    assert!(!tracer.is_on());
    let parent = extract(PARENT, "x=1").expect("valid");
    let mut span = tracer.start_child("not there", &parent);
    span.attribute("a", 1);
    assert_eq!((span.context(), span.is_recording()), (&parent, false));
    assert!(!tracer.start("nothing").context().is_valid());
    drop(span);
    assert_eq!(tracer.dropped(), 0);
}

#[test]
fn a_detached_span_goes_on_elsewhere() {
    let (tracer, mut source) = tracer(Sampler::default(), SpanLimits::default());
    let mut span = tracer.start("moves");
    span.attribute("before", 1);
    let detached = span.detach();
    assert_eq!(recorded(&mut source), []);
    let (other, mut of_other) = self::tracer(Sampler::default(), SpanLimits::default());
    let context = std::thread::spawn(move || {
        let mut span = other.resume(detached);
        span.attribute("after", 2);
        span.context().clone()
    });
    let context = context.join().expect("no panic");
    let spans = recorded(&mut of_other);
    assert_eq!(spans[0].span_id, context.span_id().0);
    assert_eq!(spans[0].attributes.len(), 2);

    drop(tracer.start("lost").detach());
    assert_eq!(recorded(&mut source), []);
}

/// Of any length, whatever its head takes, and where a chunk ends.
#[test]
fn spans_of_any_length_arrive_whole() {
    let (tracer, mut source) = tracer(Sampler::default(), SpanLimits::default());
    let lens = [
        0, 1, 20, 60, 61, 62, 63, 64, 65, 66, 67, 200, 16_200, 16_300, 20_000, 40_000,
    ];
    for round in 0..20 {
        for len in lens {
            let text = "x".repeat(len);
            let mut span = tracer.start(&text[..len.min(round)]);
            span.attribute("x", &text);
        }
        let spans = recorded(&mut source);
        assert_eq!(spans.len(), lens.len());
        for (span, len) in spans.iter().zip(lens) {
            assert_eq!(span.name.len(), len.min(round));
            let Some(Kind::StringValue(text)) = &span.attributes[0]
                .value
                .as_ref()
                .and_then(|any| any.value.as_ref())
            else {
                panic!("a text");
            };
            assert_eq!(text.len(), len);
            assert!(span.end_time_unix_nano >= span.start_time_unix_nano);
            assert!(span.end_time_unix_nano - span.start_time_unix_nano < 1_000_000_000_000);
        }
    }
}

#[test]
fn times_may_be_given() {
    let (tracer, mut source) = tracer(Sampler::default(), SpanLimits::default());
    let start = SystemTime::now() - Duration::from_secs(60);
    let options = SpanOptions {
        start: Some(start),
        ..SpanOptions::default()
    };
    let at = |seconds| start + Duration::from_secs(seconds);
    let mut span = tracer.start_with("given", &options);
    span.event_at::<&str>(at(1), "then", &[]);
    span.rename("changed").kind(SpanKind::Consumer);
    span.end_at(at(2));
    tracer
        .start_with("ends before it starts", &options)
        .end_at(start - Duration::from_secs(1));
    tracer.start_with("ends now", &options).end();
    let spans = recorded(&mut source);
    let of = |at: usize| (spans[at].start_time_unix_nano, spans[at].end_time_unix_nano);
    let start = nanos(start);
    assert_eq!((&spans[0].name[..], spans[0].kind), ("changed", 5));
    assert_eq!(of(0), (start, start + 2_000_000_000));
    assert_eq!(spans[0].events[0].time_unix_nano, start + 1_000_000_000);
    assert_eq!(of(1), (start, start));
    assert!(of(2).1 - start >= 59_000_000_000, "{:?}", of(2));
}
