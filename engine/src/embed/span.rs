//! Spans written as OTLP while they happen.
//!
//! A [`Tracer`] belongs to one thread at a time and one scope. A [`Span`] is a buffer of its own, out of
//! the tracer's pool, that begins with its head; attributes, events and links are appended, the end
//! time is filled in, and then it is copied into the tracer's chunk. Nothing is kept beside the
//! encoding but counters, so what was written cannot be changed: a key that is given twice stands
//! there twice, and so does a name, of which readers take the last as protobuf has it.

mod ids;
mod limits;
mod tracer;

pub use limits::SpanLimits;
#[cfg(feature = "opentelemetry")]
pub(super) use limits::cut_text;
pub(super) use limits::write_cut;
pub use tracer::{SpanOptions, Tracer};

use super::clock::Moment;
use super::propagation::SpanContext;
use limits::over;
use std::time::{SystemTime, UNIX_EPOCH};
use tailrace_codec::otlp::encode::{
    AttributeKey, EndTime, Event, Link, SpanEnd, SpanKind, StatusCode, Value, span_kind, span_name,
};
use tailrace_codec::otlp::fields::{EVENT_ATTRIBUTES, LINK_ATTRIBUTES, SPAN_ATTRIBUTES};
use tailrace_codec::writer::Writer;

/// A span that is going on. Dropped, it ends and is recorded.
#[derive(Debug)]
#[must_use = "a span ends when it is dropped"]
pub struct Span<'t> {
    tracer: &'t Tracer,
    draft: Draft,
}

/// A span without its tracer: it may go to another thread, and goes on with
/// [`Tracer::resume`]. Dropped, it is not recorded.
#[derive(Debug, Default)]
pub struct DetachedSpan(Draft);

#[derive(Debug, Default)]
struct Draft {
    /// `false`: it was not sampled, or there is nobody to record it for.
    is_recording: bool,
    status: StatusCode,
    attributes: u32,
    events: u32,
    links: u32,
    dropped_attributes: u32,
    dropped_events: u32,
    dropped_links: u32,
    out: Writer,
    started: Moment,
    end_time: EndTime,
    /// Nanoseconds since 1970; 0: by the clock.
    end: u64,
    context: SpanContext,
    status_message: Option<Box<str>>,
}

impl Span<'_> {
    /// What a child, a link or the headers of a call need.
    pub const fn context(&self) -> &SpanContext {
        &self.draft.context
    }

    /// Whether what is said of it is kept. Where it is not, an attribute costs a comparison, and
    /// what is costly to find out need not be.
    pub const fn is_recording(&self) -> bool {
        self.draft.is_recording
    }

    /// Cost: two short copies, none of them where the span is not recorded. No allocation below 512
    /// bytes of a span, and above it none once the pool has grown.
    #[inline]
    pub fn attribute<'v>(
        &mut self,
        key: impl AttributeKey,
        value: impl Into<Value<'v>>,
    ) -> &mut Self {
        let draft = &mut self.draft;
        if draft.is_recording {
            let limits = self.tracer.limits();
            if draft.attributes < limits.attributes {
                draft.attributes += 1;
                limits.write(&mut draft.out, SPAN_ATTRIBUTES, key, value.into());
            } else {
                draft.dropped_attributes += 1;
            }
        }
        self
    }

    /// Something that happened now.
    pub fn event<K: AttributeKey>(
        &mut self,
        name: &str,
        attributes: &[(K, Value<'_>)],
    ) -> &mut Self {
        if self.draft.is_recording {
            let at = self.tracer.clock().since(self.draft.started);
            self.write_event(at, name, attributes);
        }
        self
    }

    /// Something that happened at this time.
    pub fn event_at<K: AttributeKey>(
        &mut self,
        at: SystemTime,
        name: &str,
        attributes: &[(K, Value<'_>)],
    ) -> &mut Self {
        if self.draft.is_recording {
            self.write_event(nanos(at), name, attributes);
        }
        self
    }

    /// Something that happened now, with `count` attributes, of which `attributes` says each to what
    /// it is given.
    #[cfg(feature = "tracing-layer")]
    pub(super) fn event_with(
        &mut self,
        name: &str,
        count: usize,
        attributes: impl FnOnce(&mut dyn FnMut(&str, Value<'_>)),
    ) {
        let at = self.tracer.clock().since(self.draft.started);
        let (draft, limits) = (&mut self.draft, self.tracer.limits());
        if draft.events >= limits.events {
            draft.dropped_events += 1;
            return;
        }
        draft.events += 1;
        let event = Event {
            at,
            name,
            dropped_attributes: over(count, limits.event_attributes),
        };
        event.write_with(&mut draft.out, count, |out| {
            let mut room = limits.event_attributes;
            attributes(&mut |key, value| {
                if room > 0 {
                    room -= 1;
                    limits.write(out, EVENT_ATTRIBUTES, key, value);
                }
            });
        });
    }

    fn write_event<K: AttributeKey>(&mut self, at: u64, name: &str, attributes: &[(K, Value<'_>)]) {
        let (draft, limits) = (&mut self.draft, self.tracer.limits());
        if draft.events >= limits.events {
            draft.dropped_events += 1;
            return;
        }
        draft.events += 1;
        let event = Event {
            at,
            name,
            dropped_attributes: over(attributes.len(), limits.event_attributes),
        };
        event.write_with(&mut draft.out, attributes.len(), |out| {
            limits.write_all(out, EVENT_ATTRIBUTES, attributes, limits.event_attributes);
        });
    }

    /// Another span that this one has to do with. One that is not valid is kept where it says
    /// something all the same, in attributes or a tracestate.
    pub fn link<K: AttributeKey>(
        &mut self,
        to: &SpanContext,
        attributes: &[(K, Value<'_>)],
    ) -> &mut Self {
        let (draft, limits) = (&mut self.draft, self.tracer.limits());
        let says_something = to.is_valid() || !attributes.is_empty() || !to.trace_state.is_empty();
        if !draft.is_recording || !says_something {
            return self;
        }
        if draft.links >= limits.links {
            draft.dropped_links += 1;
            return self;
        }
        draft.links += 1;
        let link = Link {
            trace_id: to.trace_id.0,
            span_id: to.span_id.0,
            trace_state: to.trace_state.as_str(),
            flags: to.otlp_flags(to.flags),
            dropped_attributes: over(attributes.len(), limits.link_attributes),
        };
        link.write_with(&mut draft.out, attributes.len(), |out| {
            limits.write_all(out, LINK_ATTRIBUTES, attributes, limits.link_attributes);
        });
        self
    }

    /// How it went. The message counts for [`StatusCode::Error`] alone, and costs an allocation.
    /// `Ok` stays whatever is said after it, and `Unset` says nothing, as the specification has it.
    pub fn status(&mut self, status: StatusCode, message: &str) -> &mut Self {
        let draft = &mut self.draft;
        if draft.is_recording && draft.status != StatusCode::Ok && status != StatusCode::Unset {
            draft.status = status;
            let is_said = status == StatusCode::Error && !message.is_empty();
            draft.status_message = is_said.then(|| message.into());
        }
        self
    }

    /// Gives it another name.
    pub fn rename(&mut self, name: &str) -> &mut Self {
        if self.draft.is_recording {
            span_name(&mut self.draft.out, name);
        }
        self
    }

    /// Makes it of another kind.
    pub fn kind(&mut self, kind: SpanKind) -> &mut Self {
        if self.draft.is_recording {
            span_kind(&mut self.draft.out, kind);
        }
        self
    }

    /// What was said of how it went.
    pub const fn status_code(&self) -> StatusCode {
        self.draft.status
    }

    /// Ends it now, as dropping it does.
    pub fn end(self) {}

    /// Ends it at this time, or at its start where that is later.
    pub fn end_at(mut self, at: SystemTime) {
        self.draft.end = nanos(at).max(self.draft.started.unix);
    }

    /// Takes it from this thread.
    pub fn detach(mut self) -> DetachedSpan {
        DetachedSpan(std::mem::take(&mut self.draft))
    }
}

impl DetachedSpan {
    pub const fn context(&self) -> &SpanContext {
        &self.0.context
    }

    pub const fn is_recording(&self) -> bool {
        self.0.is_recording
    }
}

impl Drop for Span<'_> {
    #[inline]
    fn drop(&mut self) {
        let draft = &mut self.draft;
        if !draft.is_recording {
            return;
        }
        let mut out = std::mem::take(&mut draft.out);
        let end = match draft.end {
            0 => self.tracer.clock().since(draft.started),
            end => end,
        };
        let dropped = draft.dropped_attributes | draft.dropped_events | draft.dropped_links;
        if draft.status != StatusCode::Unset || dropped != 0 {
            SpanEnd {
                end: 0,
                status: draft.status,
                status_message: draft.status_message.as_deref().unwrap_or_default(),
                dropped_attributes: draft.dropped_attributes,
                dropped_events: draft.dropped_events,
                dropped_links: draft.dropped_links,
            }
            .write(&mut out);
        }
        self.tracer.record(out, draft.end_time, end);
    }
}

/// Nanoseconds since 1970; 0 before it, and the last there are after 2554.
fn nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
