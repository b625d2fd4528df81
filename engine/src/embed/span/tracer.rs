//! Starts spans on one thread, in one scope.

use super::ids::Ids;
use super::limits::SpanLimits;
use super::{DetachedSpan, Draft, Span, nanos};
use crate::embed::clock::Clock;
use crate::embed::propagation::{SpanContext, SpanId, TraceFlags};
use crate::embed::recorder::{HEAD_ROOM, Pressure, Recorder};
use crate::embed::sampling::{Deciding, Sampler};
use std::sync::Arc;
use std::time::SystemTime;
use tailrace_codec::otlp::encode::{EndTime, SpanHead, SpanKind, SpanStart};
use tailrace_codec::writer::Writer;

/// Starts spans for one thread at a time and one scope. Made by
/// [`Embedded::tracer`](super::super::Embedded::tracer).
#[derive(Debug)]
pub struct Tracer {
    recorder: Recorder,
    clock: Arc<Clock>,
    ids: Ids,
    deciding: Deciding,
    limits: SpanLimits,
}

/// What may be said of a span that starts.
#[derive(Debug, Clone, Copy, Default)]
pub struct SpanOptions<'a> {
    /// `None`, or one that is not valid: a trace begins.
    pub parent: Option<&'a SpanContext>,
    pub kind: SpanKind,
    /// `None`: now.
    pub start: Option<SystemTime>,
}

impl Tracer {
    pub(in crate::embed) fn new(
        recorder: Recorder,
        clock: Arc<Clock>,
        sampler: Sampler,
        limits: SpanLimits,
    ) -> Self {
        Self {
            recorder,
            clock,
            ids: Ids::new(),
            deciding: Deciding::new(sampler),
            limits,
        }
    }

    /// Begins a trace.
    #[inline]
    pub fn start(&self, name: &str) -> Span<'_> {
        self.start_with(name, &SpanOptions::default())
    }

    /// Begins a child of `parent`.
    #[inline]
    pub fn start_child(&self, name: &str, parent: &SpanContext) -> Span<'_> {
        let options = SpanOptions {
            parent: Some(parent),
            ..SpanOptions::default()
        };
        self.start_with(name, &options)
    }

    /// Begins a span.
    ///
    /// Cost: a look at the clock, random numbers, a copy of 64 bytes and one of the name. Where it
    /// is not sampled, the random numbers.
    #[inline]
    pub fn start_with(&self, name: &str, options: &SpanOptions<'_>) -> Span<'_> {
        let parent = options.parent.filter(|parent| parent.is_valid());
        if !self.recorder.is_on() {
            return self.pass_on(parent);
        }
        let (trace_id, flags, parent_id) = match parent {
            Some(parent) => (parent.trace_id, parent.flags, parent.span_id),
            None => {
                let flags = TraceFlags(TraceFlags::RANDOM);
                (self.ids.trace_id(), flags, SpanId::default())
            }
        };
        let decision = self.deciding.decide(parent, trace_id);
        let is_recording = decision.is_sampled;
        let context = SpanContext {
            trace_id,
            span_id: self.ids.span_id(),
            flags: flags.with_sampled(is_recording),
            is_remote: false,
            trace_state: decision.trace_state,
        };
        let mut draft = Draft {
            is_recording,
            context,
            ..Draft::default()
        };
        if is_recording {
            draft.started = match options.start {
                None => self.clock.now(),
                Some(start) => self.clock.at(nanos(start)),
            };
            draft.out = self.recorder.buffer();
            draft.out.raw(&[0; HEAD_ROOM]);
            let context = &draft.context;
            let head = SpanHead(SpanStart {
                trace_id: trace_id.0,
                span_id: context.span_id.0,
                parent_span_id: parent_id.0,
                trace_state: context.trace_state.as_str(),
                name,
                kind: options.kind,
                start: draft.started.unix,
                flags: parent.unwrap_or(context).otlp_flags(context.flags),
            });
            draft.end_time = head.write(&mut draft.out);
        }
        Span {
            tracer: self,
            draft,
        }
    }

    /// Where nothing is recorded this process is not there: who is called hears of the parent.
    #[cold]
    fn pass_on(&self, parent: Option<&SpanContext>) -> Span<'_> {
        let draft = Draft {
            context: parent.cloned().unwrap_or_default(),
            ..Draft::default()
        };
        Span {
            tracer: self,
            draft,
        }
    }

    /// Goes on with a span that may have begun on another thread. It is recorded in the scope of
    /// this tracer.
    pub fn resume(&self, span: DetachedSpan) -> Span<'_> {
        Span {
            tracer: self,
            draft: span.0,
        }
    }

    /// Whether spans go anywhere: `false` where telemetry or traces are disabled.
    pub const fn is_on(&self) -> bool {
        self.recorder.is_on()
    }

    /// Spans that there was no room for.
    pub fn dropped(&self) -> u64 {
        self.recorder.dropped()
    }

    /// How full this tracer is.
    pub fn pressure(&self) -> Pressure {
        self.recorder.pressure()
    }

    #[inline]
    pub(super) const fn limits(&self) -> &SpanLimits {
        &self.limits
    }

    #[inline]
    pub(in crate::embed) fn clock(&self) -> &Clock {
        &self.clock
    }

    #[inline]
    pub(super) fn record(&self, mut out: Writer, end_time: EndTime, end: u64) {
        // What finds no room is counted by the recorder.
        let _ = self.recorder.record_span(&mut out, end_time, end);
        self.recorder.give_back(out);
    }
}
