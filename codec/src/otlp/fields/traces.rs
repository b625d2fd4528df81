//! `opentelemetry/proto/trace/v1/trace.proto`.

use super::Kind::{Enum, Fixed32, Fixed64, Id, Message as Nested, String, Uint32};
use super::{KEY_VALUE, Message, RESOURCE, SCOPE, many, one};

pub static REQUEST: Message = Message {
    name: "ExportTraceServiceRequest",
    fields: &[many(1, "resourceSpans", Nested(&RESOURCE_SPANS))],
};

static RESOURCE_SPANS: Message = Message {
    name: "ResourceSpans",
    fields: &[
        one(1, "resource", Nested(&RESOURCE)),
        many(2, "scopeSpans", Nested(&SCOPE_SPANS)),
        one(3, "schemaUrl", String),
    ],
};

static SCOPE_SPANS: Message = Message {
    name: "ScopeSpans",
    fields: &[
        one(1, "scope", Nested(&SCOPE)),
        many(2, "spans", Nested(&SPAN)),
        one(3, "schemaUrl", String),
    ],
};

static SPAN: Message = Message {
    name: "Span",
    fields: &[
        one(1, "traceId", Id),
        one(2, "spanId", Id),
        one(3, "traceState", String),
        one(4, "parentSpanId", Id),
        one(5, "name", String),
        one(6, "kind", Enum(SPAN_KIND)),
        one(7, "startTimeUnixNano", Fixed64),
        one(8, "endTimeUnixNano", Fixed64),
        many(9, "attributes", Nested(&KEY_VALUE)),
        one(10, "droppedAttributesCount", Uint32),
        many(11, "events", Nested(&EVENT)),
        one(12, "droppedEventsCount", Uint32),
        many(13, "links", Nested(&LINK)),
        one(14, "droppedLinksCount", Uint32),
        one(15, "status", Nested(&STATUS)),
        one(16, "flags", Fixed32),
    ],
};

static EVENT: Message = Message {
    name: "Span.Event",
    fields: &[
        one(1, "timeUnixNano", Fixed64),
        one(2, "name", String),
        many(3, "attributes", Nested(&KEY_VALUE)),
        one(4, "droppedAttributesCount", Uint32),
    ],
};

static LINK: Message = Message {
    name: "Span.Link",
    fields: &[
        one(1, "traceId", Id),
        one(2, "spanId", Id),
        one(3, "traceState", String),
        many(4, "attributes", Nested(&KEY_VALUE)),
        one(5, "droppedAttributesCount", Uint32),
        one(6, "flags", Fixed32),
    ],
};

static STATUS: Message = Message {
    name: "Status",
    fields: &[one(2, "message", String), one(3, "code", Enum(STATUS_CODE))],
};

const SPAN_KIND: &[&str] = &[
    "SPAN_KIND_UNSPECIFIED",
    "SPAN_KIND_INTERNAL",
    "SPAN_KIND_SERVER",
    "SPAN_KIND_CLIENT",
    "SPAN_KIND_PRODUCER",
    "SPAN_KIND_CONSUMER",
];

const STATUS_CODE: &[&str] = &["STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"];
