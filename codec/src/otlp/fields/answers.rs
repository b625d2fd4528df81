//! `opentelemetry/proto/collector/*/v1/*_service.proto`: what a receiver answers.

use super::Kind::{Int32, Int64, Message as Nested, String};
use super::{Message, many, one};

macro_rules! response {
    ($response:ident, $name:literal, $partial_success:ident, $partial_name:literal, $rejected:literal) => {
        pub static $response: Message = Message {
            name: $name,
            fields: &[one(1, "partialSuccess", Nested(&$partial_success))],
        };

        static $partial_success: Message = Message {
            name: $partial_name,
            fields: &[one(1, $rejected, Int64), one(2, "errorMessage", String)],
        };
    };
}

response!(
    TRACES,
    "ExportTraceServiceResponse",
    TRACES_PARTIAL_SUCCESS,
    "ExportTracePartialSuccess",
    "rejectedSpans"
);
response!(
    METRICS,
    "ExportMetricsServiceResponse",
    METRICS_PARTIAL_SUCCESS,
    "ExportMetricsPartialSuccess",
    "rejectedDataPoints"
);
response!(
    LOGS,
    "ExportLogsServiceResponse",
    LOGS_PARTIAL_SUCCESS,
    "ExportLogsPartialSuccess",
    "rejectedLogRecords"
);
response!(
    PROFILES,
    "ExportProfilesServiceResponse",
    PROFILES_PARTIAL_SUCCESS,
    "ExportProfilesPartialSuccess",
    "rejectedProfiles"
);

/// `google.rpc.Status` as JSON shows it. Its details are not protobuf's `Any` there, but objects
/// that name their type, of which this is the `RetryInfo`.
pub static JSON_STATUS: Message = Message {
    name: "Status",
    fields: &[
        one(1, "code", Int32),
        one(2, "message", String),
        many(3, "details", Nested(&JSON_RETRY_INFO)),
    ],
};

static JSON_RETRY_INFO: Message = Message {
    name: "RetryInfo",
    fields: &[one(1, "@type", String), one(2, "retryDelay", String)],
};
