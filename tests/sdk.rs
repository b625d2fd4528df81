//! A service that uses OpenTelemetry's SDK, with the engine behind it, and a backend that is not our
//! code.

use opentelemetry::logs::{AnyValue, LogRecord as _, Logger as _, LoggerProvider as _, Severity};
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry::trace::{
    Span as _, SpanKind, Status, TraceContextExt as _, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, InstrumentationScope, KeyValue, Value};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span};
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter as _};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tailrace_engine::embed::sdk::{
    LogExporter, LogProcessor, MetricExporter, SpanExporter, SpanProcessor,
};
use tailrace_engine::embed::{Embedded, Protocol, Settings};
use tailrace_tests::backend::{Answer, Backend};
use tailrace_tests::item::Export;
use tonic::Code;

fn engine(backend: &Backend) -> Arc<Embedded> {
    let settings = Settings {
        endpoint: backend.url(),
        protocol: Protocol::Grpc,
        schedule_delay: Duration::from_millis(20),
        ..Settings::default()
    };
    Arc::new(Embedded::start(&settings).expect("it starts"))
}

fn resource() -> Resource {
    Resource::builder_empty()
        .with_schema_url(
            [KeyValue::new("service.name", "shop")],
            "https://example.org/1",
        )
        .build()
}

/// Everything that arrived and was taken.
fn exports(backend: &Backend) -> Vec<Export> {
    let calls = backend.calls().into_iter();
    let taken = calls.filter(|call| call.answer.accepts());
    taken.map(|call| call.export.clone()).collect()
}

/// Scope and name of each span that arrived; the resource is checked on the way.
fn spans(backend: &Backend) -> Vec<(String, String)> {
    let mut spans = Vec::new();
    for export in exports(backend) {
        let Export::Traces(request) = export else {
            continue;
        };
        for entry in request.resource_spans {
            assert_eq!(entry.schema_url, "https://example.org/1");
            let resource = entry.resource.expect("a resource");
            assert_eq!(resource.attributes[0].key, "service.name");
            for entry in entry.scope_spans {
                let scope = entry.scope.expect("a scope").name;
                let names = entry.spans.into_iter().map(|span| span.name);
                spans.extend(names.map(|name| (scope.clone(), name)));
            }
        }
    }
    spans.sort();
    spans
}

#[test]
fn spans_of_many_threads_and_scopes_arrive_in_their_scope() {
    let backend = Backend::start();
    let engine = engine(&backend);
    let provider = SdkTracerProvider::builder()
        .with_span_processor(SpanProcessor::new(&engine))
        .with_resource(resource())
        .build();
    let threads: Vec<_> = (0..8)
        .map(|thread| {
            let provider = provider.clone();
            std::thread::spawn(move || {
                for number in 0..50 {
                    let scope = ["cart", "pay"][number % 2];
                    let tracer = provider.tracer(scope);
                    let mut span = tracer.start(format!("{thread}/{number}"));
                    span.set_attribute(KeyValue::new("n", number as i64));
                    span.end();
                }
            })
        })
        .collect();
    threads
        .into_iter()
        .for_each(|thread| thread.join().expect("no panic"));
    provider.force_flush().expect("delivered");
    let mut expected: Vec<_> = (0..8)
        .flat_map(|thread| (0..50).map(move |number| (thread, number)))
        .map(|(thread, number)| {
            let scope = ["cart", "pay"][number % 2];
            (scope.to_owned(), format!("{thread}/{number}"))
        })
        .collect();
    expected.sort();
    assert_eq!(spans(&backend), expected);
    provider.shutdown().expect("nothing is left");
}

#[test]
fn an_exporter_answers_with_the_backend_s_verdict() {
    let backend = Backend::start();
    let engine = engine(&backend);
    let provider = SdkTracerProvider::builder()
        .with_simple_exporter(SpanExporter::new(&engine))
        .with_resource(resource())
        .build();
    provider.tracer("cart").start("taken").end();
    assert_eq!(
        spans(&backend).len(),
        1,
        "it has arrived when `end` returns"
    );
    let refused = Answer::Grpc {
        code: Code::InvalidArgument,
        message: "no".to_owned(),
        retry_after: None,
    };
    backend.script(|script| script.next.push_back(refused));
    let exporter = SpanExporter::new(&engine);
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.expect("a runtime");
    let error = runtime.block_on(exporter.export(vec![finished_span()]));
    let error = error.expect_err("the backend refused it").to_string();
    assert!(error.contains("1 items were refused"), "{error}");
    let taken = runtime.block_on(exporter.export(vec![finished_span()]));
    taken.expect("the backend takes the next");
}

/// Spans as the SDK hands them to exporters.
#[derive(Debug, Clone, Default)]
struct Kept(Arc<Mutex<Vec<SpanData>>>);

impl opentelemetry_sdk::trace::SpanExporter for Kept {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().expect("no panic").extend(batch);
        Ok(())
    }
}

fn finished_span() -> SpanData {
    let kept = Kept::default();
    let provider = SdkTracerProvider::builder()
        .with_simple_exporter(kept.clone())
        .build();
    provider.tracer("cart").start("finished").end();
    let mut spans = kept.0.lock().expect("no panic");
    spans.pop().expect("one has ended")
}

/// Resource, scopes, events, links, status, limits and what they dropped: whatever the SDK's own
/// exporter would make of the same spans.
#[test]
fn what_arrives_is_what_the_sdks_exporter_would_send() {
    let backend = Backend::start();
    let kept = Kept::default();
    let resource = Resource::builder_empty()
        .with_schema_url(
            [
                KeyValue::new("service.name", "shop"),
                KeyValue::new("service.version", 7),
            ],
            "https://example.org/1",
        )
        .build();
    let provider = SdkTracerProvider::builder()
        .with_span_processor(SpanProcessor::new(&engine(&backend)))
        .with_simple_exporter(kept.clone())
        .with_resource(resource.clone())
        .with_max_attributes_per_span(2)
        .with_max_events_per_span(1)
        .with_max_links_per_span(1)
        .with_max_attributes_per_event(1)
        .with_max_attributes_per_link(1)
        .build();
    let library = InstrumentationScope::builder("cart")
        .with_version("1.2")
        .with_schema_url("https://example.org/2")
        .with_attributes([KeyValue::new("tier", "gold")])
        .build();
    let plain = InstrumentationScope::builder("pay").build();
    for scope in [library, plain] {
        let tracer = provider.tracer_with_scope(scope);
        let parent = tracer.start("parent");
        let linked = parent.span_context().clone();
        let parent = Context::new().with_remote_span_context(linked.clone());
        for status in [Status::Unset, Status::Ok, Status::error("no answer")] {
            let builder = tracer.span_builder("child").with_kind(SpanKind::Producer);
            let mut span = builder.start_with_context(&tracer, &parent);
            for number in 0..4 {
                let own = || vec![KeyValue::new("a", number), KeyValue::new("b", true)];
                span.set_attribute(KeyValue::new(format!("key {number}"), number));
                span.add_event("event", own());
                span.add_link(linked.clone(), own());
            }
            span.set_status(status);
            span.end();
        }
    }
    provider.shutdown().expect("delivered");

    let resource = ResourceAttributesWithSchema::from(&resource);
    let spans = std::mem::take(&mut *kept.0.lock().expect("no panic"));
    assert_eq!(spans.len(), 8);
    let dropped = |span: &SpanData| span.dropped_attributes_count + span.links.dropped_count;
    assert_eq!(dropped(&spans[1]), 2 + 3, "the limits hold");
    let expected = group_spans_by_resource_and_scope(spans, &resource);
    let arrived = exports(&backend)
        .into_iter()
        .flat_map(|export| match export {
            Export::Traces(request) => request.resource_spans,
            other => panic!("only spans: {other:?}"),
        });
    assert_eq!(by_scope(arrived.collect()), by_scope(expected));
}

/// The spans of each resource and scope, in an order of their own.
fn by_scope(entries: Vec<ResourceSpans>) -> BTreeMap<String, Vec<Span>> {
    let mut scopes: BTreeMap<String, Vec<Span>> = BTreeMap::new();
    for mut entry in entries {
        let resource = entry.resource.as_mut().expect("a resource");
        // The SDK keeps them in a map.
        resource.attributes.sort_by(|a, b| a.key.cmp(&b.key));
        for scope_spans in entry.scope_spans {
            let of = (&entry.resource, &entry.schema_url);
            let of = format!("{of:?} {:?} {}", scope_spans.scope, scope_spans.schema_url);
            let spans = scope_spans.spans.into_iter().map(|mut span| {
                // One that is not set may be left out.
                span.status.get_or_insert_default();
                span
            });
            scopes.entry(of).or_default().extend(spans);
        }
    }
    for spans in scopes.values_mut() {
        spans.sort_by(|a, b| a.span_id.cmp(&b.span_id));
    }
    scopes
}

#[test]
fn logs_arrive_with_their_body_and_target() {
    let backend = Backend::start();
    let engine = engine(&backend);
    let direct = SdkLoggerProvider::builder()
        .with_log_processor(LogProcessor::new(&engine))
        .with_resource(resource())
        .build();
    let batched = SdkLoggerProvider::builder()
        .with_batch_exporter(LogExporter::new(&engine))
        .with_resource(resource())
        .build();
    for provider in [direct, batched] {
        let logger = provider.logger("cart");
        let mut record = logger.create_log_record();
        record.set_severity_number(Severity::Warn);
        record.set_target("shop::cart");
        record.set_body(AnyValue::from("out of stock"));
        record.add_attribute("sku", 7);
        logger.emit(record);
        provider.shutdown().expect("delivered");
    }
    let mut records = Vec::new();
    for export in exports(&backend) {
        let Export::Logs(request) = export else {
            continue;
        };
        for entry in request
            .resource_logs
            .into_iter()
            .flat_map(|entry| entry.scope_logs)
        {
            assert_eq!(entry.scope.expect("a scope").name, "shop::cart");
            records.extend(entry.log_records);
        }
    }
    assert_eq!(records.len(), 2);
    assert_eq!(records[0].severity_number, 13);
    assert_eq!(records[0].body, records[1].body);
    assert_eq!(records[0].attributes[0].key, "sku");
}

#[test]
fn what_a_meter_collects_arrives() {
    let backend = Backend::start();
    let engine = engine(&backend);
    let provider = SdkMeterProvider::builder()
        .with_periodic_exporter(MetricExporter::new(&engine))
        .with_resource(resource())
        .build();
    let meter = provider.meter("cart");
    let counter = meter.u64_counter("requests").build();
    for route in ["/a", "/b", "/a"] {
        counter.add(2, &[KeyValue::new("route", Value::from(route))]);
    }
    meter.f64_histogram("seconds").build().record(0.3, &[]);
    provider.shutdown().expect("delivered");
    let mut metrics = Vec::new();
    for export in exports(&backend) {
        if let Export::Metrics(request) = export {
            let entries = request.resource_metrics.into_iter();
            let entries = entries.flat_map(|entry| entry.scope_metrics);
            metrics.extend(entries.flat_map(|entry| entry.metrics));
        }
    }
    metrics.sort_by(|a, b| a.name.cmp(&b.name));
    let [requests, seconds] = &metrics[..] else {
        panic!("two metrics: {metrics:?}");
    };
    let (Some(Data::Sum(sum)), Some(Data::Histogram(histogram))) = (&requests.data, &seconds.data)
    else {
        panic!("a sum and a histogram: {metrics:?}");
    };
    assert_eq!(sum.data_points.len(), 2);
    assert_eq!(histogram.data_points[0].count, 1);
}
