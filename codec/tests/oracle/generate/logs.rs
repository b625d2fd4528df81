use super::Entropy;
use super::common::{any_value, attributes, resource, scope};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};

pub fn logs(entropy: &mut Entropy<'_>) -> ExportLogsServiceRequest {
    ExportLogsServiceRequest {
        resource_logs: entropy.many(4, |entropy| ResourceLogs {
            resource: entropy.maybe(resource),
            scope_logs: entropy.many(3, |entropy| ScopeLogs {
                scope: entropy.maybe(scope),
                log_records: entropy.many(6, record),
                schema_url: entropy.text(),
            }),
            schema_url: entropy.text(),
        }),
    }
}

fn record(entropy: &mut Entropy<'_>) -> LogRecord {
    LogRecord {
        time_unix_nano: entropy.number(),
        observed_time_unix_nano: entropy.number(),
        severity_number: entropy.below(26) as i32,
        severity_text: entropy.text(),
        body: entropy.maybe(|entropy| any_value(entropy, 4)),
        attributes: attributes(entropy),
        dropped_attributes_count: entropy.number() as u32,
        flags: entropy.number() as u32,
        trace_id: entropy.blob(),
        span_id: entropy.blob(),
        event_name: entropy.text(),
    }
}
