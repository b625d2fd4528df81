//! Telemetry by the embedded engine itself.

use crate::service::Telemetry;
use crate::shop::Shop;
use hyper::Request;
use hyper::body::Incoming;
use std::cell::OnceCell;
use std::time::{Duration, Instant};
use tailrace_codec::otlp::encode::{Key, Scope, SpanKind};
use tailrace_engine::embed::metrics::{Buckets, Histogram, Instrument};
use tailrace_engine::embed::span::SpanOptions;
use tailrace_engine::embed::{Embedded, Protocol, Scheduling, Settings, Tracer};

/// As services are usually set up: all settings are the defaults.
pub fn settings(url: &str) -> Settings {
    Settings {
        service_name: "shop".to_owned(),
        endpoint: url.to_owned(),
        protocol: Protocol::Grpc,
        ..Settings::default()
    }
}

pub struct Direct {
    engine: Embedded,
    durations: Histogram,
    keys: Keys,
}

const SCOPE: Scope<'static> = Scope {
    name: "shop",
    version: "1.0",
    schema_url: "",
    attributes: &[],
};

thread_local! {
    /// A tracer belongs to a thread.
    static TRACER: OnceCell<Tracer> = const { OnceCell::new() };
}

/// Encoded once, written with each span.
struct Keys {
    method: Key,
    path: Key,
    route: Key,
    address: Key,
    user_agent: Key,
    status: Key,
    system: Key,
    found: Key,
    bytes: Key,
}

impl Direct {
    pub fn new(url: &str, scheduling: Scheduling) -> Self {
        let settings = Settings {
            scheduling,
            ..settings(url)
        };
        let engine = Embedded::start(&settings).expect("it starts");
        let instrument = Instrument {
            name: "http.server.request.duration",
            unit: "s",
            ..Instrument::default()
        };
        let durations = engine
            .meter(&SCOPE)
            .histogram_with(instrument, &Buckets::default());
        Self {
            durations: durations.expect("valid"),
            engine,
            keys: Keys {
                method: Key::new("http.request.method"),
                path: Key::new("url.path"),
                route: Key::new("http.route"),
                address: Key::new("server.address"),
                user_agent: Key::new("user_agent.original"),
                status: Key::new("http.response.status_code"),
                system: Key::new("db.system.name"),
                found: Key::new("db.response.returned_rows"),
                bytes: Key::new("http.response.body.size"),
            },
        }
    }

    fn traced(&self, tracer: &Tracer, request: &Request<Incoming>, shop: &Shop) -> Vec<u8> {
        let begin = Instant::now();
        let keys = &self.keys;
        let header = |name: &str| {
            let value = request.headers().get(name);
            value.and_then(|value| value.to_str().ok()).unwrap_or("")
        };
        let parent = self.engine.propagators().extract_headers(request.headers());
        let options = SpanOptions {
            parent: parent.as_ref(),
            kind: SpanKind::Server,
            ..SpanOptions::default()
        };
        let mut span = tracer.start_with("GET /products/{number}", &options);
        span.attribute(&keys.method, request.method().as_str())
            .attribute(&keys.path, request.uri().path())
            .attribute(&keys.route, "/products/{number}")
            .attribute(&keys.address, header("host"))
            .attribute(&keys.user_agent, header("user-agent"));

        let mut looking = tracer.start_child("look up", span.context());
        let found = shop.look_up(request.uri().path());
        looking
            .attribute(&keys.system, "memory")
            .attribute(&keys.found, found.len() as i64);
        looking.end();

        let mut rendering = tracer.start_child("render", span.context());
        let page = shop.render(&found);
        rendering.attribute(&keys.bytes, page.len() as i64);
        rendering.end();

        span.attribute(&keys.status, 200);
        let set = [
            (&keys.route, "/products/{number}".into()),
            (&keys.status, 200.into()),
        ];
        self.durations.record(begin.elapsed().as_secs_f64(), &set);
        page
    }
}

impl Telemetry for Direct {
    fn request(&self, request: &Request<Incoming>, shop: &Shop) -> Vec<u8> {
        TRACER.with(|tracer| {
            let tracer = tracer.get_or_init(|| self.engine.tracer(&SCOPE));
            self.traced(tracer, request, shop)
        })
    }

    fn end(&self) {
        let flushed = self.engine.flush(Duration::from_secs(10));
        flushed.expect("everything arrives");
    }
}
