//! Who makes spans, and for whom.

use crate::backend::Backend;
use crate::fast::{CHILDREN, Fastrace, Shape};
use opentelemetry::trace::{Span as _, Tracer as _, TracerProvider as _};
use opentelemetry::{KeyValue, trace};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SdkTracer, SdkTracerProvider,
};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tailrace_codec::Signal;
use tailrace_codec::otlp::encode::{Key, Scope, SpanEnd, SpanKind, SpanStart, Value, attribute};
use tailrace_codec::otlp::fields::SPAN_ATTRIBUTES;
use tailrace_engine::embed::sdk::SpanProcessor;
use tailrace_engine::embed::span::SpanOptions;
use tailrace_engine::embed::{
    Embedded, Protocol, Recorder, RecorderLimits, RootSampler, Sampler, Settings, Tracer,
};
use tailrace_engine::flow::Random;

/// Makes spans on this thread.
pub trait Maker {
    fn span(&mut self);
    /// Waits until they have arrived.
    fn flush(&mut self);
}

#[derive(Clone, Copy)]
pub struct Variant {
    pub name: &'static str,
    pub exports: bool,
    /// Of one call.
    pub spans: u64,
    pub start: fn(&Backend) -> Box<dyn Maker>,
}

pub fn all() -> [Variant; 11] {
    [
        Variant {
            name: "tracer, 8 attributes",
            exports: true,
            spans: 1,
            start: |backend| Box::new(Traced::new(backend, 8, Sampler::default())),
        },
        Variant {
            name: "tracer, 1 attribute",
            exports: true,
            spans: 1,
            start: |backend| Box::new(Traced::new(backend, 1, Sampler::default())),
        },
        Variant {
            name: "tracer, a root and 10 children without attributes",
            exports: true,
            spans: 1 + CHILDREN as u64,
            start: |backend| Box::new(Traced::with_children(backend)),
        },
        Variant {
            name: "fastrace, a root with 8 attributes",
            exports: false,
            spans: 1,
            start: |_| Box::new(Fastrace::new(Shape::Attributes(8))),
        },
        Variant {
            name: "fastrace, a root and 10 children without attributes",
            exports: false,
            spans: 1 + CHILDREN as u64,
            start: |_| Box::new(Fastrace::new(Shape::Children)),
        },
        Variant {
            name: "tracer, 8 attributes, not sampled",
            exports: false,
            spans: 1,
            start: |backend| Box::new(Traced::new(backend, 8, NEVER)),
        },
        Variant {
            name: "recorder, 8 attributes",
            exports: true,
            spans: 1,
            start: |backend| Box::new(Direct::new(backend, 8)),
        },
        Variant {
            name: "recorder, 1 attribute",
            exports: true,
            spans: 1,
            start: |backend| Box::new(Direct::new(backend, 1)),
        },
        Variant {
            name: "SDK with tailrace's span processor",
            exports: true,
            spans: 1,
            start: |backend| Box::new(Sdk::with_tailrace(backend)),
        },
        Variant {
            name: "SDK with its batch processor and opentelemetry-otlp",
            exports: true,
            spans: 1,
            start: |backend| Box::new(Sdk::with_otlp(backend)),
        },
        Variant {
            name: "SDK without a processor",
            exports: false,
            spans: 1,
            start: |_| Box::new(Sdk::alone()),
        },
    ]
}

pub const NAME: &str = "GET /api/v1/users/{id}";

pub const ATTRIBUTES: [(&str, Value<'static>); 8] = [
    ("http.request.method", Value::String("GET")),
    ("url.path", Value::String("/api/v1/users/12345")),
    ("server.address", Value::String("users.internal.example")),
    ("server.port", Value::Int(8443)),
    ("http.response.status_code", Value::Int(200)),
    ("user_agent.original", Value::String("Mozilla/5.0 (X11)")),
    ("network.protocol.version", Value::String("2")),
    ("sampled", Value::Bool(true)),
];

/// What a batch waits for others, in every variant.
const DELAY: Duration = Duration::from_millis(100);

fn engine(backend: &Backend, sampler: Sampler) -> Embedded {
    let settings = Settings {
        endpoint: backend.url.clone(),
        protocol: Protocol::Grpc,
        schedule_delay: DELAY,
        sampler,
        // As large as the queue of the SDK's processor, so that nothing is dropped while others
        // have the processor.
        recorder: RecorderLimits {
            chunks_max: 384,
            ..RecorderLimits::default()
        },
        recorders_mib: 128,
        memory_mib: 256,
        ..Settings::default()
    };
    Embedded::start(&settings).expect("it starts")
}

/// The recorder, written by hand as a library would.
struct Direct {
    engine: Embedded,
    recorder: Recorder,
    attributes: Vec<(Key, Value<'static>)>,
    random: Random,
}

impl Direct {
    fn new(backend: &Backend, attributes: usize) -> Self {
        let engine = engine(backend, Sampler::default());
        let scope = Scope {
            name: "bench",
            ..Scope::default()
        };
        Self {
            recorder: engine.recorder(Signal::Traces, &scope),
            engine,
            attributes: ATTRIBUTES[..attributes]
                .iter()
                .map(|(key, value)| (Key::new(key), *value))
                .collect(),
            random: Random::new(7),
        }
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_nanos() as u64)
}

impl Maker for Direct {
    fn span(&mut self) {
        let mut out = self.recorder.buffer();
        let ids = [(); 3].map(|()| self.random.next_u64());
        let mut trace_id = [0; 16];
        trace_id[..8].copy_from_slice(&ids[0].to_ne_bytes());
        trace_id[8..].copy_from_slice(&ids[1].to_ne_bytes());
        let start = SpanStart {
            trace_id,
            span_id: ids[2].to_ne_bytes(),
            name: NAME,
            kind: SpanKind::Server,
            start: now(),
            flags: 0x101,
            ..SpanStart::default()
        };
        start.write(&mut out);
        for (key, value) in &self.attributes {
            attribute(&mut out, SPAN_ATTRIBUTES, key, *value);
        }
        let end = SpanEnd {
            end: now(),
            ..SpanEnd::default()
        };
        end.write(&mut out);
        assert!(self.recorder.record(out.as_slice()), "there is room");
        self.recorder.give_back(out);
    }

    fn flush(&mut self) {
        let report = self.engine.flush(Duration::from_secs(30));
        report.expect("everything arrives");
    }
}

const NEVER: Sampler = Sampler {
    root: RootSampler::AlwaysOff,
    parent_based: true,
};

/// The tracer, as services use it.
struct Traced {
    engine: Embedded,
    tracer: Tracer,
    attributes: Vec<(Key, Value<'static>)>,
    children: usize,
}

impl Traced {
    fn with_children(backend: &Backend) -> Self {
        Self {
            children: CHILDREN,
            ..Self::new(backend, 0, Sampler::default())
        }
    }

    fn new(backend: &Backend, attributes: usize, sampler: Sampler) -> Self {
        let engine = engine(backend, sampler);
        let scope = Scope {
            name: "bench",
            ..Scope::default()
        };
        Self {
            tracer: engine.tracer(&scope),
            engine,
            attributes: ATTRIBUTES[..attributes]
                .iter()
                .map(|(key, value)| (Key::new(key), *value))
                .collect(),
            children: 0,
        }
    }
}

impl Maker for Traced {
    fn span(&mut self) {
        let options = SpanOptions {
            kind: SpanKind::Server,
            ..SpanOptions::default()
        };
        let mut span = self.tracer.start_with(NAME, &options);
        for (key, value) in &self.attributes {
            span.attribute(key, *value);
        }
        for _ in 0..self.children {
            self.tracer.start_child(NAME, span.context()).end();
        }
    }

    fn flush(&mut self) {
        let report = self.engine.flush(Duration::from_secs(30));
        let report = report.expect("everything arrives");
        assert_eq!(report.dropped_items, 0, "there is room");
    }
}

/// The SDK, with whatever stands behind it.
struct Sdk {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    /// What the SDK's own exporter needs.
    _runtime: Option<tokio::runtime::Runtime>,
}

impl Sdk {
    fn new(provider: SdkTracerProvider, runtime: Option<tokio::runtime::Runtime>) -> Self {
        Self {
            tracer: provider.tracer("bench"),
            provider,
            _runtime: runtime,
        }
    }

    fn alone() -> Self {
        Self::new(SdkTracerProvider::builder().build(), None)
    }

    fn with_tailrace(backend: &Backend) -> Self {
        let processor = SpanProcessor::new(&Arc::new(engine(backend, Sampler::default())));
        let provider = SdkTracerProvider::builder().with_span_processor(processor);
        Self::new(provider.build(), None)
    }

    fn with_otlp(backend: &Backend) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let guard = runtime.enter();
        let exporter = SpanExporter::builder()
            .with_tonic()
            .with_endpoint(&backend.url)
            .build()
            .expect("an exporter");
        drop(guard);
        // Larger than by default, so that nothing is dropped; the batch is the default.
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(1 << 16)
            .with_scheduled_delay(DELAY)
            .build();
        let processor = BatchSpanProcessor::builder(exporter)
            .with_batch_config(config)
            .build();
        let provider = SdkTracerProvider::builder().with_span_processor(processor);
        Self::new(provider.build(), Some(runtime))
    }
}

impl Maker for Sdk {
    fn span(&mut self) {
        let builder = self.tracer.span_builder(NAME);
        let builder = builder.with_kind(trace::SpanKind::Server);
        let mut span = self.tracer.build(builder);
        for (key, value) in ATTRIBUTES {
            span.set_attribute(match value {
                Value::String(text) => KeyValue::new(key, text),
                Value::Int(int) => KeyValue::new(key, int),
                Value::Bool(bool) => KeyValue::new(key, bool),
                other => unreachable!("none of the eight is {other:?}"),
            });
        }
        span.end();
    }

    fn flush(&mut self) {
        self.provider.force_flush().expect("everything arrives");
    }
}
