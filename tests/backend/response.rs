//! Response messages: success with or without a partial refusal, and `google.rpc.Status`.

use opentelemetry_proto::tonic::collector::logs::v1 as l;
use opentelemetry_proto::tonic::collector::metrics::v1 as m;
use opentelemetry_proto::tonic::collector::profiles::v1development as p;
use opentelemetry_proto::tonic::collector::trace::v1 as t;
use prost::Message;
use std::time::Duration;

/// Each: `partial_success` is left out where nothing is rejected and nothing is said.
macro_rules! success {
    ($name:ident, $module:ident::$response:ident, $partial:ident, $rejected:ident) => {
        pub(super) fn $name(rejected: i64, error_message: String) -> $module::$response {
            let said = rejected != 0 || !error_message.is_empty();
            $module::$response {
                partial_success: said.then_some($module::$partial {
                    $rejected: rejected,
                    error_message,
                }),
            }
        }
    };
}

success!(
    traces,
    t::ExportTraceServiceResponse,
    ExportTracePartialSuccess,
    rejected_spans
);
success!(
    metrics,
    m::ExportMetricsServiceResponse,
    ExportMetricsPartialSuccess,
    rejected_data_points
);
success!(
    logs,
    l::ExportLogsServiceResponse,
    ExportLogsPartialSuccess,
    rejected_log_records
);
success!(
    profiles,
    p::ExportProfilesServiceResponse,
    ExportProfilesPartialSuccess,
    rejected_profiles
);

/// `google.rpc.Status`, encoded, with one `google.rpc.RetryInfo` where a delay is given.
///
/// Source: <https://github.com/googleapis/googleapis/blob/master/google/rpc/error_details.proto>
pub(super) fn status(code: i32, message: &str, retry_after: Option<Duration>) -> Vec<u8> {
    let retry_info = |delay: Duration| prost_types::Any {
        type_url: "type.googleapis.com/google.rpc.RetryInfo".to_owned(),
        value: RetryInfo {
            retry_delay: Some(delay.try_into().expect("a delay of less than an eon")),
        }
        .encode_to_vec(),
    };
    RpcStatus {
        code,
        message: message.to_owned(),
        details: retry_after.into_iter().map(retry_info).collect(),
    }
    .encode_to_vec()
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RpcStatus {
    #[prost(int32, tag = "1")]
    pub code: i32,
    #[prost(string, tag = "2")]
    pub message: String,
    #[prost(message, repeated, tag = "3")]
    pub details: Vec<prost_types::Any>,
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    pub retry_delay: Option<prost_types::Duration>,
}
