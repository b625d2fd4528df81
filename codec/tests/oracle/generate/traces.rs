use super::Entropy;
use super::common::{attributes, resource, scope};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};

pub fn traces(entropy: &mut Entropy<'_>) -> ExportTraceServiceRequest {
    ExportTraceServiceRequest {
        resource_spans: entropy.many(4, |entropy| ResourceSpans {
            resource: entropy.maybe(resource),
            scope_spans: entropy.many(3, |entropy| ScopeSpans {
                scope: entropy.maybe(scope),
                spans: entropy.many(6, span),
                schema_url: entropy.text(),
            }),
            schema_url: entropy.text(),
        }),
    }
}

fn span(entropy: &mut Entropy<'_>) -> Span {
    Span {
        trace_id: entropy.blob(),
        span_id: entropy.blob(),
        trace_state: entropy.text(),
        parent_span_id: entropy.blob(),
        flags: entropy.number() as u32,
        name: entropy.text(),
        kind: entropy.int32(),
        start_time_unix_nano: entropy.number(),
        end_time_unix_nano: entropy.number(),
        attributes: attributes(entropy),
        dropped_attributes_count: entropy.number() as u32,
        events: entropy.many(2, |entropy| Event {
            time_unix_nano: entropy.number(),
            name: entropy.text(),
            attributes: attributes(entropy),
            dropped_attributes_count: entropy.number() as u32,
        }),
        dropped_events_count: entropy.number() as u32,
        links: entropy.many(2, |entropy| Link {
            trace_id: entropy.blob(),
            span_id: entropy.blob(),
            trace_state: entropy.text(),
            attributes: attributes(entropy),
            dropped_attributes_count: entropy.number() as u32,
            flags: entropy.number() as u32,
        }),
        dropped_links_count: entropy.number() as u32,
        status: entropy.maybe(|entropy| Status {
            message: entropy.text(),
            code: entropy.int32(),
        }),
    }
}
