//! Log records.

use super::recorders::{Origin, ScopeOf};
use super::{FLUSH_TIMEOUT, nanos, value};
use crate::embed::logs::{LogAttributes, LogLimits};
use crate::embed::service::Embedded;
use opentelemetry::InstrumentationScope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogBatch, SdkLogRecord};
use std::sync::Arc;
use std::time::Duration;
use tailrace_codec::Signal;
use tailrace_codec::otlp::encode::LogRecord;
use tailrace_codec::otlp::fields::LOG_ATTRIBUTES;
use tailrace_codec::writer::Writer;

/// Log records as they are emitted, on the thread that emits them. Takes the place of the SDK's
/// batch processor.
#[derive(Debug)]
pub struct LogProcessor(Origin);

impl LogProcessor {
    pub fn new(engine: &Arc<Embedded>) -> Self {
        Self(Origin::of(engine, Signal::Logs))
    }
}

impl opentelemetry_sdk::logs::LogProcessor for LogProcessor {
    fn emit(&self, data: &mut SdkLogRecord, scope: &InstrumentationScope) {
        record(&self.0, data, scope);
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

/// Batches of log records, answered when the backend has answered. For use behind a processor of
/// the SDK.
#[derive(Debug)]
pub struct LogExporter(Origin);

impl LogExporter {
    pub fn new(engine: &Arc<Embedded>) -> Self {
        Self(Origin::of(engine, Signal::Logs))
    }
}

impl opentelemetry_sdk::logs::LogExporter for LogExporter {
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        let refused = batch
            .iter()
            .filter(|(log, scope)| !record(&self.0, log, scope));
        let dropped = refused.count();
        self.0.answer(dropped)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.flush(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.0.set_resource(resource);
    }
}

fn record(origin: &Origin, log: &SdkLogRecord, scope: &InstrumentationScope) -> bool {
    let scope = ScopeOf {
        scope,
        target: log.target(),
    };
    origin.record(scope, |out| write(out, log, origin.log_limits()))
}

/// The content of a log record.
pub(super) fn write(out: &mut Writer, log: &SdkLogRecord, limits: LogLimits) {
    let context = log.trace_context();
    let flags = context.and_then(|context| context.trace_flags);
    let record = LogRecord {
        time: log.timestamp().map_or(0, nanos),
        observed_time: log.observed_timestamp().map_or(0, nanos),
        severity_number: log.severity_number().map_or(0, |severity| severity as u8),
        severity_text: log.severity_text().unwrap_or_default(),
        event_name: log.event_name().unwrap_or_default(),
        body: None,
        trace_id: context.map_or([0; 16], |context| context.trace_id.to_bytes()),
        span_id: context.map_or([0; 8], |context| context.span_id.to_bytes()),
        flags: flags.map_or(0, |flags| flags.to_u8().into()),
        dropped_attributes: 0,
    };
    record.write(out);
    if let Some(body) = log.body() {
        LogRecord::body_with(out, |out| value::any(out, body, None));
    }
    let mut attributes = LogAttributes::new(limits, out);
    for (key, value) in log.attributes_iter() {
        attributes.write_with(|out, len| {
            value::any_attribute(out, LOG_ATTRIBUTES, key.as_str(), value, len);
        });
    }
    attributes.finish();
}
