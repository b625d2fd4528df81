//! Telemetry by OpenTelemetry's API and SDK, with its own exporter or tailrace behind it.

use crate::direct::settings;
use crate::service::Telemetry;
use crate::shop::Shop;
use hyper::Request;
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use opentelemetry::metrics::{Histogram, MeterProvider as _};
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{
    Span as _, SpanKind, TraceContextExt as _, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{MetricExporter, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use std::sync::Arc;
use std::time::Instant;
use tailrace_engine::embed::{Embedded, sdk};

pub struct Sdk {
    tracers: SdkTracerProvider,
    meters: SdkMeterProvider,
    tracer: SdkTracer,
    durations: Histogram<f64>,
}

impl Sdk {
    /// As its documentation has it, with all settings as they are.
    pub fn with_otlp(url: &str) -> Self {
        let spans = SpanExporter::builder().with_tonic().with_endpoint(url);
        let spans = spans.build().expect("an exporter");
        let metrics = MetricExporter::builder().with_tonic().with_endpoint(url);
        let metrics = metrics.build().expect("an exporter");
        Self::new(
            SdkTracerProvider::builder()
                .with_batch_exporter(spans)
                .with_resource(resource())
                .build(),
            SdkMeterProvider::builder()
                .with_periodic_exporter(metrics)
                .with_resource(resource())
                .build(),
        )
    }

    pub fn with_tailrace(url: &str) -> Self {
        let engine = Arc::new(Embedded::start(&settings(url)).expect("it starts"));
        Self::new(
            SdkTracerProvider::builder()
                .with_span_processor(sdk::SpanProcessor::new(&engine))
                .with_resource(resource())
                .build(),
            SdkMeterProvider::builder()
                .with_periodic_exporter(sdk::MetricExporter::new(&engine))
                .with_resource(resource())
                .build(),
        )
    }

    fn new(tracers: SdkTracerProvider, meters: SdkMeterProvider) -> Self {
        let durations = meters
            .meter("shop")
            .f64_histogram("http.server.request.duration")
            .with_unit("s")
            .build();
        Self {
            tracer: tracers.tracer("shop"),
            durations,
            tracers,
            meters,
        }
    }
}

fn resource() -> Resource {
    Resource::builder().with_service_name("shop").build()
}

impl Telemetry for Sdk {
    fn request(&self, request: &Request<Incoming>, shop: &Shop) -> Vec<u8> {
        let begin = Instant::now();
        let header = |name: &str| {
            let value = request.headers().get(name);
            let value = value.and_then(|value| value.to_str().ok());
            value.unwrap_or("").to_owned()
        };
        let parent = TraceContextPropagator::new().extract(&Headers(request.headers()));
        let span = self
            .tracer
            .span_builder("GET /products/{number}")
            .with_kind(SpanKind::Server)
            .with_attributes([
                KeyValue::new("http.request.method", request.method().as_str().to_owned()),
                KeyValue::new("url.path", request.uri().path().to_owned()),
                KeyValue::new("http.route", "/products/{number}"),
                KeyValue::new("server.address", header("host")),
                KeyValue::new("user_agent.original", header("user-agent")),
            ])
            .start_with_context(&self.tracer, &parent);
        let context = Context::current_with_span(span);

        let mut looking = self.tracer.start_with_context("look up", &context);
        let found = shop.look_up(request.uri().path());
        looking.set_attribute(KeyValue::new("db.system.name", "memory"));
        looking.set_attribute(KeyValue::new(
            "db.response.returned_rows",
            found.len() as i64,
        ));
        looking.end();

        let mut rendering = self.tracer.start_with_context("render", &context);
        let page = shop.render(&found);
        rendering.set_attribute(KeyValue::new("http.response.body.size", page.len() as i64));
        rendering.end();

        let status = KeyValue::new("http.response.status_code", 200);
        context.span().set_attribute(status.clone());
        let set = [KeyValue::new("http.route", "/products/{number}"), status];
        self.durations.record(begin.elapsed().as_secs_f64(), &set);
        context.span().end();
        page
    }

    fn end(&self) {
        self.tracers.force_flush().expect("everything arrives");
        self.meters.force_flush().expect("everything arrives");
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
