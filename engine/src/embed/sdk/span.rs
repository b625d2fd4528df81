//! Finished spans.

use super::recorders::{Origin, ScopeOf};
use super::{FLUSH_TIMEOUT, nanos, value};
use crate::embed::service::Embedded;
use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanKind as ApiKind, Status};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData};
use std::sync::Arc;
use std::time::Duration;
use tailrace_codec::Signal;
use tailrace_codec::otlp::encode::{
    Event, Link, SpanEnd, SpanHead, SpanKind, SpanStart, StatusCode,
};
use tailrace_codec::otlp::fields::{EVENT_ATTRIBUTES, LINK_ATTRIBUTES, SPAN_ATTRIBUTES};
use tailrace_codec::writer::Writer;

/// Spans as they end, on the thread on which they end. Takes the place of the SDK's batch
/// processor.
#[derive(Debug)]
pub struct SpanProcessor(Origin);

impl SpanProcessor {
    pub fn new(engine: &Arc<Embedded>) -> Self {
        Self(Origin::of(engine, Signal::Traces))
    }
}

impl opentelemetry_sdk::trace::SpanProcessor for SpanProcessor {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() {
            record(&self.0, &span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.flush(FLUSH_TIMEOUT)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.flush(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.0.set_resource(resource);
    }
}

/// Batches of spans, answered when the backend has answered. For use behind a processor of the SDK.
#[derive(Debug)]
pub struct SpanExporter(Origin);

impl SpanExporter {
    pub fn new(engine: &Arc<Embedded>) -> Self {
        Self(Origin::of(engine, Signal::Traces))
    }
}

impl opentelemetry_sdk::trace::SpanExporter for SpanExporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let dropped = batch.iter().filter(|span| !record(&self.0, span)).count();
        self.0.answer(dropped)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.flush(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.flush(FLUSH_TIMEOUT)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.0.set_resource(resource);
    }
}

fn record(origin: &Origin, span: &SpanData) -> bool {
    let scope = ScopeOf {
        scope: &span.instrumentation_scope,
        target: None,
    };
    origin.record(scope, |out| write_span(out, span))
}

/// Writes the content of a finished span as OTLP: what the processor and the exporter record.
///
/// Cost: that of the copies. Nothing is allocated, but for a trace state that is not empty.
pub fn write_span(out: &mut Writer, span: &SpanData) {
    let context = &span.span_context;
    let start = SpanStart {
        trace_id: context.trace_id().to_bytes(),
        span_id: context.span_id().to_bytes(),
        parent_span_id: span.parent_span_id.to_bytes(),
        trace_state: &context.trace_state().header(),
        name: &span.name,
        kind: kind(&span.span_kind),
        start: nanos(span.start_time),
        flags: flags(context, span.parent_span_is_remote),
    };
    let end_time = SpanHead(start).write(out);
    end_time.fill(out, nanos(span.end_time));
    value::attributes(out, SPAN_ATTRIBUTES, &span.attributes);
    for event in span.events.iter() {
        let head = Event {
            at: nanos(event.timestamp),
            name: &event.name,
            dropped_attributes: event.dropped_attributes_count,
        };
        head.write_with(out, event.attributes.len(), |out| {
            value::attributes(out, EVENT_ATTRIBUTES, &event.attributes);
        });
    }
    for link in span.links.iter() {
        let context = &link.span_context;
        let head = Link {
            trace_id: context.trace_id().to_bytes(),
            span_id: context.span_id().to_bytes(),
            trace_state: &context.trace_state().header(),
            flags: flags(context, context.is_remote()),
            dropped_attributes: link.dropped_attributes_count,
        };
        head.write_with(out, link.attributes.len(), |out| {
            value::attributes(out, LINK_ATTRIBUTES, &link.attributes);
        });
    }
    let (status, status_message) = match &span.status {
        Status::Unset => (StatusCode::Unset, ""),
        Status::Ok => (StatusCode::Ok, ""),
        Status::Error { description } => (StatusCode::Error, &**description),
    };
    let end = SpanEnd {
        end: 0,
        status,
        status_message,
        dropped_attributes: span.dropped_attributes_count,
        dropped_events: span.events.dropped_count,
        dropped_links: span.links.dropped_count,
    };
    end.write(out);
}

const fn kind(kind: &ApiKind) -> SpanKind {
    match kind {
        ApiKind::Internal => SpanKind::Internal,
        ApiKind::Server => SpanKind::Server,
        ApiKind::Client => SpanKind::Client,
        ApiKind::Producer => SpanKind::Producer,
        ApiKind::Consumer => SpanKind::Consumer,
    }
}

/// The W3C flags, that it is known whether the parent or linked span is remote, and whether it is.
/// Source: `SpanFlags` in opentelemetry/proto/trace/v1/trace.proto.
fn flags(context: &SpanContext, is_remote: bool) -> u32 {
    const HAS_IS_REMOTE: u32 = 0x100;
    const IS_REMOTE: u32 = 0x200;
    let remote = if is_remote { IS_REMOTE } else { 0 };
    u32::from(context.trace_flags().to_u8()) | HAS_IS_REMOTE | remote
}
