//! The identity of a span, as others need it.

use super::TraceState;
use std::fmt;

/// 16 bytes of which not all are zero, unless there is no trace.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct TraceId(pub [u8; 16]);

/// 8 bytes of which not all are zero, unless there is no span.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SpanId(pub [u8; 8]);

/// The flags of W3C: one byte, of which two bits have a meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct TraceFlags(pub u8);

impl TraceFlags {
    pub const SAMPLED: u8 = 1;
    /// The last seven bytes of the trace id are random.
    pub const RANDOM: u8 = 2;

    pub const fn is_sampled(self) -> bool {
        self.0 & Self::SAMPLED != 0
    }

    pub const fn is_random(self) -> bool {
        self.0 & Self::RANDOM != 0
    }

    pub(crate) const fn with_sampled(self, sampled: bool) -> Self {
        Self(self.0 & !Self::SAMPLED | sampled as u8)
    }
}

impl TraceId {
    pub const fn is_valid(self) -> bool {
        u128::from_ne_bytes(self.0) != 0
    }
}

impl SpanId {
    pub const fn is_valid(self) -> bool {
        u64::from_ne_bytes(self.0) != 0
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A span as others refer to it: its parent's child, its child's parent, a link.
///
/// Cost of a clone: a copy; a reference count where there is a tracestate. The default is no span.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SpanContext {
    pub(crate) trace_id: TraceId,
    pub(crate) span_id: SpanId,
    pub(crate) flags: TraceFlags,
    /// It came from another process.
    pub(crate) is_remote: bool,
    pub(crate) trace_state: TraceState,
}

impl SpanContext {
    /// A span of another process, where it did not come as W3C's headers.
    pub const fn remote(
        trace_id: TraceId,
        span_id: SpanId,
        flags: TraceFlags,
        trace_state: TraceState,
    ) -> Self {
        Self {
            trace_id,
            span_id,
            flags,
            is_remote: true,
            trace_state,
        }
    }

    /// A span of this process, where only its parts are known.
    pub const fn local(
        trace_id: TraceId,
        span_id: SpanId,
        flags: TraceFlags,
        trace_state: TraceState,
    ) -> Self {
        let mut context = Self::remote(trace_id, span_id, flags, trace_state);
        context.is_remote = false;
        context
    }

    pub const fn trace_id(&self) -> TraceId {
        self.trace_id
    }

    pub const fn span_id(&self) -> SpanId {
        self.span_id
    }

    pub const fn flags(&self) -> TraceFlags {
        self.flags
    }

    pub const fn is_sampled(&self) -> bool {
        self.flags.is_sampled()
    }

    pub const fn is_remote(&self) -> bool {
        self.is_remote
    }

    pub const fn trace_state(&self) -> &TraceState {
        &self.trace_state
    }

    /// Whether it names a span.
    pub const fn is_valid(&self) -> bool {
        self.trace_id.is_valid() && self.span_id.is_valid()
    }

    /// OTLP's flags of a span whose parent this is, or of a link to it: those of W3C, that it is
    /// known whether this is remote, and whether it is.
    ///
    /// Source: `SpanFlags` in opentelemetry/proto/trace/v1/trace.proto.
    pub(crate) fn otlp_flags(&self, flags: TraceFlags) -> u32 {
        const HAS_IS_REMOTE: u32 = 0x100;
        const IS_REMOTE: u32 = 0x200;
        let remote = if self.is_remote { IS_REMOTE } else { 0 };
        u32::from(flags.0) | HAS_IS_REMOTE | remote
    }
}
