//! Which span of which trace, and its header.

use crate::boundary::{Failure, Status, guard, put, shared, text};
use std::ffi::c_char;
use tailrace_engine::embed::propagation::{
    SpanContext, SpanId, TRACEPARENT_LEN, TraceFlags, TraceId, TraceParent, TraceState,
};

/// Bytes that a traceparent needs, its NUL included.
pub const TAILRACE_TRACEPARENT_SIZE: usize = 56;

/// Bytes that any tracestate needs, its NUL included.
pub const TAILRACE_TRACESTATE_SIZE: usize = 513;

const _: () = assert!(TAILRACE_TRACEPARENT_SIZE == TRACEPARENT_LEN + 1);

/// Which span of which trace. A plain value: copy it, keep it, give it to other threads. Zeroed it is
/// no span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Context {
    pub trace_id: [u8; 16],
    pub span_id: [u8; 8],
    /// W3C's trace flags: 1 is sampled, 2 that the trace id is random.
    pub trace_flags: u8,
    /// Not 0: it came from another process.
    pub is_remote: u8,
}

impl Context {
    pub(crate) const fn of(context: &SpanContext) -> Self {
        Self {
            trace_id: context.trace_id().0,
            span_id: context.span_id().0,
            trace_flags: context.flags().0,
            is_remote: context.is_remote() as u8,
        }
    }

    pub(crate) const fn read(&self, trace_state: TraceState) -> SpanContext {
        let trace_id = TraceId(self.trace_id);
        let span_id = SpanId(self.span_id);
        let flags = TraceFlags(self.trace_flags);
        match self.is_remote {
            0 => SpanContext::local(trace_id, span_id, flags, trace_state),
            _ => SpanContext::remote(trace_id, span_id, flags, trace_state),
        }
    }
}

/// Reads the header `traceparent` of a request. Where it is not valid, this is
/// TAILRACE_STATUS_INVALID_ARGUMENT, and `context` is no span: a span that has it as its parent begins a
/// trace, as it should.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailrace_context_extract(
    traceparent: *const c_char,
    context: *mut Context,
) -> Status {
    guard(|| {
        let none = Context::of(&SpanContext::default());
        // SAFETY: the header asks for room for a context.
        unsafe { put(context, none, "context") }?;
        // SAFETY: the header asks for a text that ends with a NUL.
        let header = unsafe { text(traceparent, "traceparent") }?;
        let parent = TraceParent::parse(header)
            .ok_or(Failure::argument("traceparent", "not as W3C has it"))?;
        let read = Context {
            trace_id: parent.trace_id.0,
            span_id: parent.span_id.0,
            trace_flags: parent.flags.0,
            is_remote: 1,
        };
        // SAFETY: as above.
        unsafe { put(context, read, "context") }
    })
}

/// Writes the header `traceparent` of a request that is made in a span: TAILRACE_TRACEPARENT_SIZE bytes,
/// with a NUL at their end. Of no span it is the empty text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailrace_context_inject(
    context: *const Context,
    traceparent: *mut c_char,
) -> Status {
    guard(|| {
        // SAFETY: the header asks for a context.
        let context = unsafe { shared(context, "context") }?.read(TraceState::default());
        let mut header = [0; TAILRACE_TRACEPARENT_SIZE];
        if context.is_valid() {
            header[..TRACEPARENT_LEN].copy_from_slice(&TraceParent::of(&context).to_text());
        }
        let place = traceparent.cast::<[u8; TAILRACE_TRACEPARENT_SIZE]>();
        // SAFETY: the header asks for room for so many bytes.
        unsafe { put(place, header, "traceparent") }
    })
}
