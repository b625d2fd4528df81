//! The engine behind OpenTelemetry's own API: what the SDK of opentelemetry-rust finishes is
//! written into the thread's recorder, and a shard exports it.
//!
//! ```text
//!   application's thread                                      shard's thread
//!   span ends --> SpanProcessor   --encode--> Recorder ------> intake --> pipeline
//!   log       --> LogProcessor    --encode--> (by thread
//!   SDK's own threads                          and scope)
//!   batch     --> SpanExporter, LogExporter, MetricExporter --flush--> verdict
//! ```
//!
//! **A processor or an exporter.** A processor replaces the SDK's batch processor: what ends is
//! encoded where it ends, into memory of the thread, and nothing is queued, cloned or locked. An
//! exporter stands behind a processor of the SDK and answers with the backend's verdict.
//!
//! **Recorders.** One for each thread and scope, made when it is first needed and gone with its
//! thread. What finds no room is dropped and counted, and
//! [`Embedded::flush`] says how much.
//!
//! **Resource.** That of the provider; what the engine's settings say of the resource is for
//! direct recorders.
//!
//! ```no_run
//! use opentelemetry_sdk::logs::SdkLoggerProvider;
//! use opentelemetry_sdk::metrics::SdkMeterProvider;
//! use opentelemetry_sdk::trace::SdkTracerProvider;
//! use std::sync::Arc;
//! use tailrace_engine::embed::{Embedded, Settings};
//! use tailrace_engine::embed::sdk::{LogProcessor, MetricExporter, SpanProcessor};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let engine = Arc::new(Embedded::start(&Settings::from_environment()?)?);
//! let traces = SdkTracerProvider::builder()
//!     .with_span_processor(SpanProcessor::new(&engine))
//!     .build();
//! let logs = SdkLoggerProvider::builder()
//!     .with_log_processor(LogProcessor::new(&engine))
//!     .build();
//! let metrics = SdkMeterProvider::builder()
//!     .with_periodic_exporter(MetricExporter::new(&engine))
//!     .build();
//! // At the end each waits for what it was given:
//! traces.shutdown()?;
//! logs.shutdown()?;
//! metrics.shutdown()?;
//! # Ok(())
//! # }
//! ```

mod log;
mod metric;
mod recorders;
mod span;
#[cfg(test)]
mod tests;
mod value;

pub use log::{LogExporter, LogProcessor};
pub use metric::MetricExporter;
pub use span::{SpanExporter, SpanProcessor, write_span};

use super::{Embedded, FlushError};
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long a `force_flush` may take, for which the SDK gives no time: its own timeout of an
/// export. Source: <https://opentelemetry.io/docs/specs/otel/trace/sdk/#batching-processor>.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(30);

/// Waits until what was recorded is delivered.
fn flush(engine: &Embedded, timeout: Duration) -> OTelSdkResult {
    match engine.flush_recorders(timeout) {
        Ok(_) => Ok(()),
        Err(FlushError::TimedOut) => Err(OTelSdkError::Timeout(timeout)),
        Err(error @ (FlushError::Undelivered { .. } | FlushError::Ended(_))) => {
            Err(OTelSdkError::InternalFailure(error.to_string()))
        }
    }
}

/// Nanoseconds since 1970; 0 before.
fn nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    // As `Duration::as_nanos`, without its 128 bits.
    let nanos = since.as_secs().checked_mul(1_000_000_000);
    let nanos = nanos.and_then(|nanos| nanos.checked_add(since.subsec_nanos().into()));
    nanos.unwrap_or(u64::MAX)
}
