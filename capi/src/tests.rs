//! The functions as a caller in C has them.

mod allocations;
mod misuse;

use crate::boundary::{
    Failure, Status, guard, guard_or, tailrace_last_message, tailrace_status_text, tailrace_version,
};
use crate::context::{
    Context, TAILRACE_TRACEPARENT_SIZE, TAILRACE_TRACESTATE_SIZE, tailrace_context_extract,
    tailrace_context_inject,
};
use crate::engine::*;
use crate::log::*;
use crate::metric::*;
use crate::scope::Scope;
use crate::span::*;
use crate::value::{Attribute, Content, Slice, Value, ValueKind};
use std::ffi::{CStr, c_char};
use std::ptr::{null, null_mut};

const YAML: &CStr = c"
receivers: {otlp: {protocols: {grpc: {}}}}
exporters: {nop: {}}
service:
  pipelines:
    traces: {receivers: [otlp], exporters: [nop]}
    logs: {receivers: [otlp], exporters: [nop]}
    metrics: {receivers: [otlp], exporters: [nop]}
";

fn message() -> String {
    // SAFETY: it ends with a NUL, and is read before another call fails.
    let text = unsafe { CStr::from_ptr(tailrace_last_message()) };
    text.to_string_lossy().into_owned()
}

/// As a caller in C has it: an engine that delivers to nobody, and what this thread records with.
struct Program {
    engine: *mut Engine,
    tracer: *mut Tracer,
    logger: *mut Logger,
    meter: *mut Meter,
}

impl Program {
    fn start() -> Self {
        let mut own = Self {
            engine: null_mut(),
            tracer: null_mut(),
            logger: null_mut(),
            meter: null_mut(),
        };
        let scope = scope(c"tests");
        // SAFETY: all pointers are to what is here.
        let made = unsafe {
            [
                tailrace_start_from_yaml(YAML.as_ptr(), &raw mut own.engine),
                tailrace_tracer_new(own.engine, &raw const scope, &raw mut own.tracer),
                tailrace_logger_new(own.engine, &raw const scope, &raw mut own.logger),
                tailrace_meter_new(own.engine, &raw const scope, &raw mut own.meter),
            ]
        };
        assert_eq!(made, [Status::Ok; 4], "{}", message());
        own
    }

    fn span(&self, options: *const SpanOptions) -> *mut Span {
        let mut span = null_mut();
        // SAFETY: the tracer is there, and the options are the caller's.
        let status =
            unsafe { tailrace_span_start(self.tracer, c"span".as_ptr(), options, &raw mut span) };
        assert_eq!(status, Status::Ok, "{}", message());
        span
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // SAFETY: each is freed once; a test that freed one left NULL there.
        unsafe {
            tailrace_meter_free(self.meter);
            tailrace_logger_free(self.logger);
            tailrace_tracer_free(self.tracer);
            tailrace_engine_free(self.engine);
        }
    }
}

const fn scope(name: &CStr) -> Scope {
    Scope {
        name: name.as_ptr(),
        version: null(),
        schema_url: null(),
        attributes: null(),
        attributes_len: 0,
    }
}

const fn integer(integer: i64) -> Value {
    Value {
        kind: ValueKind::Int as u32,
        content: Content { integer },
    }
}

const fn text(text: &CStr) -> Value {
    let slice = Slice {
        data: text.as_ptr().cast(),
        len: text.count_bytes(),
    };
    Value {
        kind: ValueKind::String as u32,
        content: Content { slice },
    }
}

fn context_of(span: *const Span) -> Context {
    let mut context = Context {
        trace_id: [0; 16],
        span_id: [0; 8],
        trace_flags: 0,
        is_remote: 1,
    };
    // SAFETY: the span is the caller's, and the context is here.
    let status = unsafe { tailrace_span_context(span, &raw mut context) };
    assert_eq!(status, Status::Ok, "{}", message());
    context
}

#[test]
fn a_span_outlives_its_tracer_and_is_known_when_it_has_ended() {
    let mut own = Program::start();
    let (first, second) = (own.span(null()), own.span(null()));
    // SAFETY: a handle that ended is looked at while its tracer is there, which the header allows.
    unsafe {
        assert_eq!(tailrace_span_end(first, 0), Status::Ok);
        assert_eq!(tailrace_span_end(first, 0), Status::SpanEnded);
        let set = tailrace_span_set_attribute(first, c"key".as_ptr(), integer(1));
        assert_eq!(
            (set, tailrace_span_is_recording(first)),
            (Status::SpanEnded, false)
        );
        let mut of_ended = SpanOptions {
            parent_span: first,
            parent: null(),
            tracestate: null(),
            start_unix_ns: 0,
            kind: 0,
        };
        let mut span = null_mut();
        let name = c"x".as_ptr();
        let started = tailrace_span_start(own.tracer, name, &raw const of_ended, &raw mut span);
        assert_eq!((started, span), (Status::SpanEnded, null_mut()));
        of_ended.parent_span = null();
        assert_eq!(
            own.span(&raw const of_ended),
            first,
            "its handle is used again"
        );
        assert_eq!(tailrace_span_end(first, 0), Status::Ok);

        tailrace_tracer_free(own.tracer);
        own.tracer = null_mut();
        let set = tailrace_span_set_attribute(second, c"key".as_ptr(), integer(1));
        assert_eq!(
            (set, tailrace_span_end(second, 0)),
            (Status::Ok, Status::Ok)
        );
    }
}

#[test]
fn what_is_recorded_after_the_end_is_dropped_and_counted() {
    let own = Program::start();
    let (before, after) = (own.span(null()), own.span(null()));
    let mut dropped = 7;
    // SAFETY: all pointers are to what is here.
    unsafe {
        assert_eq!(tailrace_span_end(before, 0), Status::Ok);
        let minute = 60_000;
        assert_eq!(
            tailrace_flush(own.engine, minute, &raw mut dropped),
            Status::Ok
        );
        assert_eq!(dropped, 0);
        assert_eq!(
            tailrace_shutdown(own.engine, minute, null_mut()),
            Status::Ok
        );
        assert_eq!(tailrace_span_end(after, 0), Status::Dropped);
        assert_eq!(tailrace_tracer_dropped(own.tracer), 1);
        assert_eq!(
            tailrace_flush(own.engine, minute, &raw mut dropped),
            Status::Ended
        );
        assert_eq!(
            tailrace_shutdown(own.engine, minute, null_mut()),
            Status::Ended
        );
        assert!(message().contains("it was shut down"), "{}", message());
    }
}

#[test]
fn settings_that_are_not_valid_are_told_with_their_place() {
    let mut engine = null_mut();
    let yaml = c"receivers: {otlp: {protocols: {grpc: {}}}}\nexportters: {}\n";
    // SAFETY: all pointers are to what is here.
    let status = unsafe { tailrace_start_from_yaml(yaml.as_ptr(), &raw mut engine) };
    assert_eq!((status, engine), (Status::InvalidSettings, null_mut()));
    assert!(message().contains("exportters"), "{}", message());
}

#[test]
fn headers_come_and_go() {
    const PARENT: &CStr = c"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const STATE: &CStr = c"vendor=value,other=1";
    let own = Program::start();
    let mut context = context_of_nothing();
    let mut parent = [1 as c_char; TAILRACE_TRACEPARENT_SIZE];
    let mut state = [1 as c_char; TAILRACE_TRACESTATE_SIZE];
    // SAFETY: all pointers are to what is here, and the texts end with a NUL.
    unsafe {
        let read = tailrace_context_extract(PARENT.as_ptr(), &raw mut context);
        assert_eq!(
            (read, context.is_remote, context.trace_flags),
            (Status::Ok, 1, 1)
        );
        let put = tailrace_context_inject(&raw const context, parent.as_mut_ptr());
        assert_eq!((put, CStr::from_ptr(parent.as_ptr())), (Status::Ok, PARENT));

        let options = SpanOptions {
            parent_span: null(),
            parent: &raw const context,
            tracestate: STATE.as_ptr(),
            start_unix_ns: 0,
            kind: SpanKind::Server as u32,
        };
        let span = own.span(&raw const options);
        let here = context_of(span);
        assert_eq!((here.trace_id, here.is_remote), (context.trace_id, 0));
        assert_ne!(here.span_id, context.span_id);
        let put = tailrace_span_tracestate(span, state.as_mut_ptr());
        assert_eq!((put, CStr::from_ptr(state.as_ptr())), (Status::Ok, STATE));
        assert_eq!(
            tailrace_span_add_link(span, &raw const context, null(), 0),
            Status::Ok
        );
        assert_eq!(tailrace_span_end(span, 0), Status::Ok);

        let read = tailrace_context_extract(c"00-nothing".as_ptr(), &raw mut context);
        assert_eq!(
            (read, context),
            (Status::InvalidArgument, context_of_nothing())
        );
        let put = tailrace_context_inject(&raw const context, parent.as_mut_ptr());
        assert_eq!((put, CStr::from_ptr(parent.as_ptr())), (Status::Ok, c""));
    }
}

const fn context_of_nothing() -> Context {
    Context {
        trace_id: [0; 16],
        span_id: [0; 8],
        trace_flags: 0,
        is_remote: 0,
    }
}

#[test]
fn a_panic_is_a_code_and_goes_no_further() {
    assert_eq!(guard(|| panic!("a defect of {}", "ours")), Status::Panicked);
    assert_eq!(message(), "a defect of ours");
    assert_eq!(guard_or(7, || panic!("another")), 7);
    assert_eq!(message(), "another");
    assert_eq!(guard(|| std::panic::panic_any(7)), Status::Panicked);
    assert_eq!(message(), "of unknown cause");
}

#[test]
fn messages_are_of_their_thread_and_every_code_has_a_text() {
    let failed = || guard(|| Err(Failure::plain(Status::Dropped)));
    assert_eq!(failed(), Status::Dropped);
    let elsewhere = std::thread::spawn(message).join().expect("no panic");
    assert_eq!((&elsewhere[..], message().is_empty()), ("", false));
    // SAFETY: these texts end with a NUL, and stay.
    let text = |status| unsafe { CStr::from_ptr(tailrace_status_text(status)) };
    let texts: std::collections::BTreeSet<_> = (0..=11).map(text).collect();
    assert_eq!(
        texts.len(),
        12,
        "ten failures, success, and what is no code"
    );
    assert_eq!(text(-1), text(11));
    // SAFETY: as above.
    let version = unsafe { CStr::from_ptr(tailrace_version()) };
    assert_eq!(version.to_str(), Ok(env!("CARGO_PKG_VERSION")));
}

/// What the compiler cannot hold C to must at least be true of what C is given.
#[test]
fn types_go_between_threads_as_the_header_says() {
    const fn moves<T: Send>() {}
    const fn is_shared<T: Sync>() {}
    is_shared::<Engine>();
    is_shared::<Metric>();
    moves::<Engine>();
    moves::<Metric>();
    moves::<Logger>();
    moves::<Meter>();
    // Of a tracer and its spans, which refer to it, all move together.
    moves::<tailrace_engine::embed::Tracer>();
    moves::<tailrace_engine::embed::span::DetachedSpan>();
}
