//! Tracers and their spans.

mod handle;

pub use handle::{Span, Tracer};

use crate::boundary::{
    Failure, Status, exclusive, guard, guard_or, optional, optional_text, put, shared, text,
};
use crate::context::{Context, TAILRACE_TRACESTATE_SIZE};
use crate::engine::Engine;
use crate::scope::{self, Scope};
use crate::value::{Attribute, Value, pairs};
use std::ffi::c_char;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tailrace_codec::otlp::encode;
use tailrace_engine::embed::propagation::{SpanContext, TraceState};
use tailrace_engine::embed::span;

/// What a span is to its trace.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub enum SpanKind {
    /// As INTERNAL.
    Unspecified = 0,
    Internal = 1,
    Server = 2,
    Client = 3,
    Producer = 4,
    Consumer = 5,
}

/// How a span went.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub enum SpanStatus {
    Unset = 0,
    Ok = 1,
    Error = 2,
}

/// What may be said of a span that starts. Zeroed it begins a trace, now.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct SpanOptions {
    /// The parent, where it is a span of this thread. Only one of the two parents may be given.
    pub parent_span: *const Span,
    /// The parent, where it is elsewhere: from tailrace_context_extract() or tailrace_span_context().
    /// One that is no span is as good as NULL.
    pub parent: *const Context,
    /// What came with `parent` as the header `tracestate`. Costs an allocation. What is not valid is
    /// left out.
    pub tracestate: *const c_char,
    /// Nanoseconds since 1970; 0: now.
    pub start_unix_ns: u64,
    /// One of tailrace_span_kind.
    pub kind: u32,
}

/// Makes what starts spans, in one scope. For one thread at a time, and so are its spans: together they
/// may move to another. Ends with tailrace_tracer_free().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailrace_tracer_new(
    engine: *const Engine,
    scope: *const Scope,
    tracer: *mut *mut Tracer,
) -> Status {
    guard(|| {
        // SAFETY: the header asks for room for a pointer.
        unsafe { put(tracer, std::ptr::null_mut(), "tracer") }?;
        // SAFETY: the header asks for an engine that is not freed.
        let engine = unsafe { shared(engine, "engine") }?;
        // SAFETY: the header asks for a scope.
        let scope = unsafe { scope::read(scope) }?;
        let made = Tracer::new(engine.embedded().tracer(&scope.scope()));
        // SAFETY: as above.
        unsafe { put(tracer, Box::into_raw(Box::new(made)), "tracer") }
    })
}

/// Spans that this tracer had no room for; 0 of NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailrace_tracer_dropped(tracer: *const Tracer) -> u64 {
    guard_or(0, || {
        // SAFETY: the header asks for a tracer that is not freed.
        let tracer = unsafe { optional(tracer, "tracer") };
        tracer.ok().flatten().map_or(0, Tracer::dropped)
    })
}

/// Lets go of a tracer; NULL is nothing to do. Spans of it that go on are valid until they end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailrace_tracer_free(tracer: *mut Tracer) {
    guard_or((), || {
        if !tracer.is_null() {
            // SAFETY: it came out of a box in `tailrace_tracer_new`, and the header asks that it
            // be freed once.
            drop(unsafe { Box::from_raw(tracer) });
        }
    });
}

/// Starts a span; `options` may be NULL. It goes on until tailrace_span_end(), and belongs to the thread
/// of its tracer. Where this fails `span` is set to NULL, which every function of spans takes for an
/// argument that is not valid, without harm.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailrace_span_start(
    tracer: *const Tracer,
    name: *const c_char,
    options: *const SpanOptions,
    span: *mut *mut Span,
) -> Status {
    guard(|| {
        // SAFETY: the header asks for room for a pointer.
        unsafe { put(span, std::ptr::null_mut(), "span") }?;
        // SAFETY: the header asks for a tracer of this thread.
        let tracer = unsafe { shared(tracer, "tracer") }?;
        // SAFETY: the header asks for a text that ends with a NUL.
        let name = unsafe { text(name, "name") }?;
        // SAFETY: the header asks for options, or NULL.
        let started = match unsafe { optional(options, "options") }? {
            None => tracer.start(name, &span::SpanOptions::default()),
            Some(options) => {
                // SAFETY: the header asks for parents that are there, or NULL.
                let parent = unsafe { options.parent() }?;
                let options = span::SpanOptions {
                    parent: parent.as_ref(),
                    kind: kind(options.kind)?,
                    start: time(options.start_unix_ns),
                };
                tracer.start(name, &options)
            }
        };
        // SAFETY: as above.
        unsafe { put(span, started, "span") }
    })
}

impl SpanOptions {
    /// # Safety
    ///
    /// The pointers are as [`optional`] and [`optional_text`] want them.
    unsafe fn parent(&self) -> Result<Option<SpanContext>, Failure> {
        // SAFETY: as the caller says, here and below.
        let here = unsafe { optional(self.parent_span, "options->parent_span") }?;
        // SAFETY: as above.
        let elsewhere = unsafe { optional(self.parent, "options->parent") }?;
        match (here, elsewhere) {
            (None, None) => Ok(None),
            (Some(span), None) => Ok(Some(span.open()?.context().clone())),
            (None, Some(context)) => {
                // SAFETY: as above.
                let state = unsafe { optional_text(self.tracestate, "options->tracestate") }?;
                let state = match state {
                    "" => TraceState::default(),
                    state => TraceState::parse(&[state]).unwrap_or_default(),
                };
                Ok(Some(context.read(state)))
            }
            (Some(_), Some(_)) => Err(Failure::argument("options", "two parents")),
        }
    }
}

/// Gives a span an attribute. A key that is given twice stands there twice.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailrace_span_set_attribute(
    span: *mut Span,
    key: *const c_char,
    value: Value,
) -> Status {
    guard(|| {
        // SAFETY: the header asks for a span of this thread.
        let span = unsafe { exclusive(span, "span") }?.open_mut()?;
        // SAFETY: the header asks for a text that ends with a NUL.
        let key = unsafe { text(key, "key") }?;
        // SAFETY: the header asks for a value as its functions make them.
        span.attribute(key, unsafe { value.read_some("value") }?);
        Ok(())
    })
}

/// Something that happened in a span, at `unix_ns` nanoseconds since 1970; 0: now.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailrace_span_add_event(
    span: *mut Span,
    name: *const c_char,
    unix_ns: u64,
    attributes: *const Attribute,
    attributes_len: usize,
) -> Status {
    guard(|| {
        // SAFETY: the header asks for a span of this thread.
        let span = unsafe { exclusive(span, "span") }?.open_mut()?;
        // SAFETY: the header asks for a text that ends with a NUL.
        let name = unsafe { text(name, "name") }?;
        // SAFETY: the header asks for so many attributes.
        let attributes = unsafe { pairs(attributes, attributes_len) }?;
        match time(unix_ns) {
            None => span.event(name, &attributes),
            Some(at) => span.event_at(at, name, &attributes),
        };
        Ok(())
    })
}

/// Another span that this one has to do with.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailrace_span_add_link(
    span: *mut Span,
    to: *const Context,
    attributes: *const Attribute,
    attributes_len: usize,
) -> Status {
    guard(|| {
        // SAFETY: the header asks for a span of this thread.
        let span = unsafe { exclusive(span, "span") }?.open_mut()?;
        // SAFETY: the header asks for a context.
        let to = unsafe { shared(to, "to") }?.read(TraceState::default());
        // SAFETY: the header asks for so many attributes.
        let attributes = unsafe { pairs(attributes, attributes_len) }?;
        span.link(&to, &attributes);
        Ok(())
    })
}

/// How a span went, as one of tailrace_span_status. `message` counts for an error alone, may be NULL, and
/// costs an allocation. OK stays whatever is said after it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailrace_span_set_status(
    span: *mut Span,
    status: u32,
    message: *const c_char,
) -> Status {
    guard(|| {
        // SAFETY: the header asks for a span of this thread.
        let span = unsafe { exclusive(span, "span") }?.open_mut()?;
        let status = match status {
            0 => encode::StatusCode::Unset,
            1 => encode::StatusCode::Ok,
            2 => encode::StatusCode::Error,
            _ => return Err(Failure::argument("status", "no tailrace_span_status")),
        };
        // SAFETY: the header asks for a text that ends with a NUL, or NULL.
        span.status(status, unsafe { optional_text(message, "message") }?);
        Ok(())
    })
}

/// Gives a span another name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailrace_span_set_name(span: *mut Span, name: *const c_char) -> Status {
    guard(|| {
        // SAFETY: the header asks for a span of this thread.
        let span = unsafe { exclusive(span, "span") }?.open_mut()?;
        // SAFETY: the header asks for a text that ends with a NUL.
        span.rename(unsafe { text(name, "name") }?);
        Ok(())
    })
}

/// Which span of which trace it is: for log records, links, spans of other threads and calls.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailrace_span_context(span: *const Span, context: *mut Context) -> Status {
    guard(|| {
        // SAFETY: the header asks for a span of this thread.
        let own = unsafe { shared(span, "span") }?.open()?.context();
        // SAFETY: the header asks for room for a context.
        unsafe { put(context, Context::of(own), "context") }
    })
}

/// The header `tracestate` of a call that is made in a span: TAILRACE_TRACESTATE_SIZE bytes are written,
/// with a NUL behind the text, which is empty where the call needs no such header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailrace_span_tracestate(
    span: *const Span,
    tracestate: *mut c_char,
) -> Status {
    guard(|| {
        // SAFETY: the header asks for a span of this thread.
        let context = unsafe { shared(span, "span") }?.open()?.context();
        let state = context.trace_state().as_str().as_bytes();
        let mut header = [0; TAILRACE_TRACESTATE_SIZE];
        // A tracestate has 512 bytes at most; and if it had more, this would be a failure.
        let place = header[..TAILRACE_TRACESTATE_SIZE - 1].get_mut(..state.len());
        place
            .ok_or(Failure::argument("tracestate", "too long"))?
            .copy_from_slice(state);
        let place = tracestate.cast::<[u8; TAILRACE_TRACESTATE_SIZE]>();
        // SAFETY: the header asks for room for so many bytes.
        unsafe { put(place, header, "tracestate") }
    })
}

/// Whether what is said of a span is kept. Where it is not, because it is not sampled or telemetry is
/// disabled, what is costly to find out need not be. `false` of NULL and of a span that has ended.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailrace_span_is_recording(span: *const Span) -> bool {
    guard_or(false, || {
        // SAFETY: the header asks for a span of this thread, or NULL.
        let span = unsafe { optional(span, "span") }.ok().flatten();
        span.and_then(|span| span.open().ok())
            .is_some_and(span::Span::is_recording)
    })
}

/// Ends a span, and frees it; NULL is nothing to do. The end is `unix_ns` nanoseconds since 1970, and now
/// where that is 0. TAILRACE_STATUS_DROPPED: there was no room for it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailrace_span_end(span: *mut Span, unix_ns: u64) -> Status {
    guard(|| {
        if span.is_null() {
            return Ok(());
        }
        // SAFETY: the header asks for a span of this thread, that came from `tailrace_span_start`.
        match unsafe { Span::end(span, time(unix_ns)) }? {
            true => Ok(()),
            false => Err(Failure::plain(Status::Dropped)),
        }
    })
}

const fn kind(kind: u32) -> Result<encode::SpanKind, Failure> {
    Ok(match kind {
        0 | 1 => encode::SpanKind::Internal,
        2 => encode::SpanKind::Server,
        3 => encode::SpanKind::Client,
        4 => encode::SpanKind::Producer,
        5 => encode::SpanKind::Consumer,
        _ => return Err(Failure::argument("options->kind", "no tailrace_span_kind")),
    })
}

/// `None`: now.
fn time(unix_ns: u64) -> Option<SystemTime> {
    (unix_ns != 0).then(|| UNIX_EPOCH + Duration::from_nanos(unix_ns))
}
