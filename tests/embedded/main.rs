//! The engine inside a process, against a backend that is not our code.

mod export;
mod layer;
mod metrics;
mod promises;
mod services;

use opentelemetry_proto::tonic::trace::v1::Span;
use std::time::Duration;
use tailrace_codec::Signal;
use tailrace_codec::otlp::encode::{Scope, SpanEnd, SpanKind, SpanStart, attribute};
use tailrace_codec::otlp::fields::SPAN_ATTRIBUTES;
use tailrace_codec::writer::Writer;
use tailrace_engine::embed::propagation::{extract_headers, inject_headers};
use tailrace_engine::embed::{Embedded, FlushError, Protocol, Recorder, RecorderLimits, Settings};
use tailrace_tests::backend::{Answer, Backend};
use tailrace_tests::item::Export;
use tailrace_tests::wait::{self, PATIENCE};

const SCOPE: Scope<'_> = Scope {
    name: "cart",
    version: "1.2",
    schema_url: "",
    attributes: &[],
};

fn settings(backend: &Backend, protocol: Protocol) -> Settings {
    Settings {
        service_name: "shop".to_owned(),
        endpoint: backend.url(),
        protocol,
        ..Settings::default()
    }
}

/// The content of a span that says its number twice.
fn span(number: u64) -> Vec<u8> {
    let mut span = Writer::new(Vec::new());
    write(&mut span, number);
    span.as_slice().to_vec()
}

fn record(recorder: &Recorder, number: u64) -> bool {
    let mut span = recorder.buffer();
    write(&mut span, number);
    let recorded = recorder.record(span.as_slice());
    recorder.give_back(span);
    recorded
}

fn write(span: &mut Writer, number: u64) {
    let mut span_id = number.to_be_bytes();
    span_id[0] = 1;
    SpanStart {
        trace_id: [7; 16],
        span_id,
        name: "GET /cart",
        kind: SpanKind::Server,
        start: 1_700_000_000_000_000_000,
        ..SpanStart::default()
    }
    .write(span);
    attribute(span, SPAN_ATTRIBUTES, "number", (number as i64).into());
    let end = 1_700_000_000_000_001_000;
    SpanEnd {
        end,
        ..SpanEnd::default()
    }
    .write(span);
}

/// Every span that arrived, by its number; resource and scope are checked on the way.
fn arrived(backend: &Backend) -> Vec<u64> {
    let mut numbers = Vec::new();
    for call in backend.calls().iter().filter(|call| call.answer.accepts()) {
        let Export::Traces(request) = &call.export else {
            panic!("nothing but traces was recorded");
        };
        for entry in &request.resource_spans {
            let resource = entry.resource.as_ref().expect("a resource");
            assert_eq!(resource.attributes[0].key, "service.name");
            for entry in &entry.scope_spans {
                assert_eq!(entry.scope.as_ref().expect("a scope").name, "cart");
                numbers.extend(entry.spans.iter().map(number));
            }
        }
    }
    numbers.sort_unstable();
    numbers
}

fn number(span: &Span) -> u64 {
    assert_eq!((&span.name[..], span.attributes.len()), ("GET /cart", 1));
    let mut id: [u8; 8] = span.span_id[..].try_into().expect("eight bytes");
    id[0] = 0;
    u64::from_be_bytes(id)
}

/// Threads that come and go record what arrives once each, whatever is spoken.
#[test]
fn what_was_recorded_before_a_flush_has_arrived_after_it() {
    for protocol in [Protocol::Grpc, Protocol::HttpProtobuf] {
        let backend = Backend::start();
        let engine = Embedded::start(&settings(&backend, protocol)).expect("it starts");
        let of_thread = |thread: u64| {
            let recorder = engine.recorder(Signal::Traces, &SCOPE);
            let mut mine = thread * 100..(thread + 1) * 100;
            assert!(mine.all(|number| record(&recorder, number)));
        };
        std::thread::scope(|scope| {
            for thread in 0..20 {
                scope.spawn(move || of_thread(thread));
            }
        });
        let report = engine.flush(PATIENCE).expect("a backend that takes all");
        assert_eq!(report.dropped_items, 0);
        assert_eq!(arrived(&backend), (0..2000).collect::<Vec<_>>());

        // A recorder that is idle and not gone: its last span leaves too.
        let recorder = engine.recorder(Signal::Traces, &SCOPE);
        assert!(record(&recorder, 2000));
        engine.shutdown(PATIENCE).expect("all is delivered");
        assert_eq!(arrived(&backend).last(), Some(&2000));
        assert!(!record(&recorder, 2001), "nobody takes it any more");
        assert_eq!(recorder.dropped(), 1);
    }
}

/// Dropped, the engine hands over what is recorded and is not waited for.
#[test]
fn what_was_recorded_before_the_drop_arrives() {
    let backend = Backend::start();
    let engine = Embedded::start(&settings(&backend, Protocol::Grpc)).expect("it starts");
    let recorder = engine.recorder(Signal::Traces, &SCOPE);
    for number in 0..300 {
        assert!(record(&recorder, number));
    }
    drop(engine);
    wait::until_true("300 spans", || arrived(&backend).len() == 300);
}

/// A backend that does not answer holds up neither the recorder nor who waits for it.
#[test]
fn every_wait_ends_and_what_has_no_room_is_counted() {
    let backend = Backend::start();
    backend.script(|script| script.otherwise = Answer::Silence);
    let settings = Settings {
        recorder: RecorderLimits {
            chunk_bytes: 32 << 10,
            chunks_max: 2,
        },
        ..settings(&backend, Protocol::Grpc)
    };
    let engine = Embedded::start(&settings).expect("it starts");
    let recorder = engine.recorder(Signal::Traces, &SCOPE);
    let recorded = (0..5000)
        .filter(|number| record(&recorder, *number))
        .count() as u64;
    assert!(recorder.dropped() > 0);
    assert_eq!(recorded + recorder.dropped(), 5000);
    let short = Duration::from_millis(50);
    assert_eq!(engine.flush(short), Err(FlushError::TimedOut));
    assert_eq!(engine.shutdown(short), Err(FlushError::TimedOut));
}

/// What the backend refuses for good is told to who flushes, though it happened before.
#[test]
fn a_refusal_is_the_flushs_failure() {
    let backend = Backend::start();
    backend.script(|script| script.otherwise = Answer::grpc(tonic::Code::InvalidArgument));
    let engine = Embedded::start(&settings(&backend, Protocol::Grpc)).expect("it starts");
    let recorder = engine.recorder(Signal::Traces, &SCOPE);
    assert!(record(&recorder, 1) && record(&recorder, 2));
    let failed_items = 2;
    let refused = Err(FlushError::Undelivered { failed_items });
    assert_eq!(engine.flush(PATIENCE), refused);
    backend.script(|script| script.otherwise = Answer::Accept);
    assert!(record(&recorder, 3));
    assert!(engine.flush(PATIENCE).is_ok());
    assert_eq!(arrived(&backend), [3]);
}

/// A tracer's spans, of two threads: their parent comes and goes as headers.
#[test]
fn spans_of_a_tracer_arrive_under_their_parent() {
    let backend = Backend::start();
    let engine = Embedded::start(&settings(&backend, Protocol::Grpc)).expect("it starts");
    let tracer = engine.tracer(&SCOPE);
    let root = tracer.start("root");
    let mut headers = http::HeaderMap::new();
    inject_headers(root.context(), &mut headers);
    let engine = &engine;
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let tracer = engine.tracer(&SCOPE);
            let parent = extract_headers(&headers).expect("as it was sent");
            tracer.start_child("callee", &parent).end();
        });
    });
    let context = root.context().clone();
    root.end();
    engine.flush(PATIENCE).expect("a backend that takes all");
    let mut spans: Vec<Span> = Vec::new();
    for call in backend.calls().iter() {
        let Export::Traces(request) = &call.export else {
            panic!("nothing but traces was recorded");
        };
        let entries = request
            .resource_spans
            .iter()
            .flat_map(|entry| &entry.scope_spans);
        spans.extend(entries.flat_map(|entry| entry.spans.iter().cloned()));
    }
    spans.sort_by(|a, b| a.name.cmp(&b.name));
    let [callee, root] = &spans[..] else {
        panic!("two spans: {spans:?}");
    };
    assert_eq!(root.span_id, context.span_id().0);
    assert_eq!(callee.parent_span_id, root.span_id);
    assert_eq!(callee.trace_id, context.trace_id().0);
    assert_eq!((root.flags, callee.flags), (0x103, 0x303));
    let now = std::time::SystemTime::now();
    let now = now
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970");
    let off = root.end_time_unix_nano.abs_diff(now.as_nanos() as u64);
    assert!(off < 60_000_000_000, "{off} ns from now");
}
