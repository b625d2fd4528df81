//! `opentelemetry/proto/logs/v1/logs.proto`.

use super::Kind::{Enum, Fixed32, Fixed64, Id, Message as Nested, String, Uint32};
use super::{ANY_VALUE, KEY_VALUE, Message, RESOURCE, SCOPE, many, one};

pub static REQUEST: Message = Message {
    name: "ExportLogsServiceRequest",
    fields: &[many(1, "resourceLogs", Nested(&RESOURCE_LOGS))],
};

static RESOURCE_LOGS: Message = Message {
    name: "ResourceLogs",
    fields: &[
        one(1, "resource", Nested(&RESOURCE)),
        many(2, "scopeLogs", Nested(&SCOPE_LOGS)),
        one(3, "schemaUrl", String),
    ],
};

static SCOPE_LOGS: Message = Message {
    name: "ScopeLogs",
    fields: &[
        one(1, "scope", Nested(&SCOPE)),
        many(2, "logRecords", Nested(&LOG_RECORD)),
        one(3, "schemaUrl", String),
    ],
};

static LOG_RECORD: Message = Message {
    name: "LogRecord",
    fields: &[
        one(1, "timeUnixNano", Fixed64),
        one(2, "severityNumber", Enum(SEVERITY_NUMBER)),
        one(3, "severityText", String),
        one(5, "body", Nested(&ANY_VALUE)),
        many(6, "attributes", Nested(&KEY_VALUE)),
        one(7, "droppedAttributesCount", Uint32),
        one(8, "flags", Fixed32),
        one(9, "traceId", Id),
        one(10, "spanId", Id),
        one(11, "observedTimeUnixNano", Fixed64),
        one(12, "eventName", String),
    ],
};

const SEVERITY_NUMBER: &[&str] = &[
    "SEVERITY_NUMBER_UNSPECIFIED",
    "SEVERITY_NUMBER_TRACE",
    "SEVERITY_NUMBER_TRACE2",
    "SEVERITY_NUMBER_TRACE3",
    "SEVERITY_NUMBER_TRACE4",
    "SEVERITY_NUMBER_DEBUG",
    "SEVERITY_NUMBER_DEBUG2",
    "SEVERITY_NUMBER_DEBUG3",
    "SEVERITY_NUMBER_DEBUG4",
    "SEVERITY_NUMBER_INFO",
    "SEVERITY_NUMBER_INFO2",
    "SEVERITY_NUMBER_INFO3",
    "SEVERITY_NUMBER_INFO4",
    "SEVERITY_NUMBER_WARN",
    "SEVERITY_NUMBER_WARN2",
    "SEVERITY_NUMBER_WARN3",
    "SEVERITY_NUMBER_WARN4",
    "SEVERITY_NUMBER_ERROR",
    "SEVERITY_NUMBER_ERROR2",
    "SEVERITY_NUMBER_ERROR3",
    "SEVERITY_NUMBER_ERROR4",
    "SEVERITY_NUMBER_FATAL",
    "SEVERITY_NUMBER_FATAL2",
    "SEVERITY_NUMBER_FATAL3",
    "SEVERITY_NUMBER_FATAL4",
];
