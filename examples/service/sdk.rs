//! A service that uses OpenTelemetry's own API and SDK. What is tailrace's here are the three lines that
//! name its processors and its exporter; all else is as it would be with any other.
//!
//! `cargo run -p tailrace-engine --features opentelemetry --example service_sdk 127.0.0.1:8080`, with a
//! collector, or `tailrace sink`, on port 4318; then `curl localhost:8080/cart`.

mod http;

use ::http::HeaderMap;
use opentelemetry::logs::{AnyValue, LogRecord, Logger, LoggerProvider, Severity};
use opentelemetry::metrics::{Histogram, MeterProvider};
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{
    Span, SpanKind, Status, TraceContextExt, Tracer, TracerProvider, get_active_span,
    mark_span_as_active,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::logs::{SdkLogger, SdkLoggerProvider};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use std::error::Error;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Instant;
use tailrace_engine::embed::sdk::{LogProcessor, MetricExporter, SpanProcessor};
use tailrace_engine::embed::{Embedded, Settings};

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1);
    let address = address.unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let settings = Settings::from_environment()?;
    serve(&TcpListener::bind(address)?, usize::MAX, &settings)
}

/// Answers so many requests, and ends when what was said of them is delivered.
pub fn serve(
    listener: &TcpListener,
    requests: usize,
    settings: &Settings,
) -> Result<(), Box<dyn Error>> {
    let engine = Arc::new(Embedded::start(settings)?);
    let spans = SdkTracerProvider::builder()
        .with_span_processor(SpanProcessor::new(&engine))
        .build();
    let logs = SdkLoggerProvider::builder()
        .with_log_processor(LogProcessor::new(&engine))
        .build();
    let metrics = SdkMeterProvider::builder()
        .with_periodic_exporter(MetricExporter::new(&engine))
        .build();
    let meter = metrics.meter("service");
    let durations = meter.f64_histogram("http.server.request.duration");
    let telemetry = Telemetry {
        tracer: spans.tracer("service"),
        logger: logs.logger("service"),
        durations: durations.with_unit("s").build(),
    };
    for _ in 0..requests {
        // A connection that breaks is its client's affair.
        let _ = listener
            .accept()
            .map(|(stream, _)| telemetry.handle(&stream));
    }
    spans.shutdown()?;
    logs.shutdown()?;
    metrics.shutdown()?;
    Ok(())
}

struct Telemetry {
    tracer: SdkTracer,
    logger: SdkLogger,
    durations: Histogram<f64>,
}

impl Telemetry {
    fn handle(&self, stream: &TcpStream) -> std::io::Result<()> {
        let began = Instant::now();
        let request = http::read(stream)?;
        let parent = TraceContextPropagator::new().extract(&Headers(&request.headers));
        let span = self
            .tracer
            .span_builder(request.method.clone())
            .with_kind(SpanKind::Server)
            .with_attributes([
                KeyValue::new("http.request.method", request.method),
                KeyValue::new("url.path", request.path.clone()),
            ])
            .start_with_context(&self.tracer, &parent);
        let active = mark_span_as_active(span);
        let status = if self.look_up(&request.path) {
            200
        } else {
            500
        };
        let status_code = KeyValue::new("http.response.status_code", status);
        get_active_span(|span| span.set_attribute(status_code.clone()));
        let seconds = began.elapsed().as_secs_f64();
        self.durations.record(seconds, &[status_code]);
        Context::current().span().end();
        drop(active);
        http::answer(stream, status as u16)
    }

    fn look_up(&self, path: &str) -> bool {
        let mut span = self.tracer.start("look up");
        let found = path != "/broken";
        let mut record = self.logger.create_log_record();
        record.add_attribute("url.path", path.to_owned());
        if found {
            record.set_severity_number(Severity::Info);
            record.set_body(AnyValue::from("found"));
        } else {
            record.set_severity_number(Severity::Error);
            record.set_body(AnyValue::from("the shelf is broken"));
            span.add_event("gave up", vec![KeyValue::new("tries", 3)]);
            span.set_status(Status::error("the shelf is broken"));
        }
        self.logger.emit(record);
        span.end();
        found
    }
}

/// The headers of a request, as the SDK reads them.
struct Headers<'h>(&'h HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(|name| name.as_str()).collect()
    }
}
