//! A service that makes its spans by a tracer of the embedded engine: each thread has its own, the
//! parent of a request's span comes in its headers, and what is done for it is a child. How long
//! requests take goes into a histogram, whose exemplars name spans.
//!
//! `cargo run -p tailrace-engine --example service_direct 127.0.0.1:8080`, with a collector, or
//! `tailrace sink`, on port 4318; then `curl localhost:8080/cart`.

mod http;

use std::error::Error;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tailrace_codec::otlp::encode::{Key, Scope, SpanKind, StatusCode};
use tailrace_engine::embed::metrics::{Buckets, Histogram, Instrument};
use tailrace_engine::embed::propagation::Propagators;
use tailrace_engine::embed::span::SpanOptions;
use tailrace_engine::embed::{Embedded, Settings, Tracer};

const THREADS: usize = 2;

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1);
    let address = address.unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let settings = Settings::from_environment()?;
    serve(&TcpListener::bind(address)?, usize::MAX, &settings)
}

/// Answers so many requests, and ends when their spans are delivered.
pub fn serve(
    listener: &TcpListener,
    requests: usize,
    settings: &Settings,
) -> Result<(), Box<dyn Error>> {
    let engine = Embedded::start(settings)?;
    let scope = Scope {
        name: "service",
        version: env!("CARGO_PKG_VERSION"),
        ..Scope::default()
    };
    let keys = Keys::default();
    let duration = Instrument {
        name: "http.server.request.duration",
        unit: "s",
        ..Instrument::default()
    };
    let durations = engine
        .meter(&scope)
        .histogram_with(duration, &Buckets::exponential())?;
    let left = AtomicUsize::new(requests);
    std::thread::scope(|threads| {
        for _ in 0..THREADS {
            threads.spawn(|| {
                let tracer = engine.tracer(&scope);
                let claim = |left: usize| left.checked_sub(1);
                while left
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, claim)
                    .is_ok()
                {
                    // A connection that breaks is its client's affair.
                    let _ = listener.accept().map(|(stream, _)| {
                        handle(&stream, &tracer, engine.propagators(), &durations, &keys)
                    });
                }
            });
        }
    });
    engine.shutdown(Duration::from_secs(10))?;
    Ok(())
}

/// Encoded once, written with each span.
struct Keys {
    method: Key,
    path: Key,
    status: Key,
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            method: Key::new("http.request.method"),
            path: Key::new("url.path"),
            status: Key::new("http.response.status_code"),
        }
    }
}

fn handle(
    stream: &TcpStream,
    tracer: &Tracer,
    propagators: Propagators,
    durations: &Histogram,
    keys: &Keys,
) -> std::io::Result<()> {
    let began = Instant::now();
    let request = http::read(stream)?;
    let parent = propagators.extract_headers(&request.headers);
    let options = SpanOptions {
        parent: parent.as_ref(),
        kind: SpanKind::Server,
        ..SpanOptions::default()
    };
    let mut span = tracer.start_with(&request.method, &options);
    span.attribute(&keys.method, &request.method)
        .attribute(&keys.path, &request.path);

    let mut lookup = tracer.start_child("look up", span.context());
    let found = request.path != "/broken";
    if !found {
        lookup.event("gave up", &[("tries", 3.into())]);
        lookup.status(StatusCode::Error, "the shelf is broken");
    }
    lookup.end();

    let status = if found { 200 } else { 500 };
    span.attribute(&keys.status, status);
    if !found {
        span.status(StatusCode::Error, "");
    }
    let seconds = began.elapsed().as_secs_f64();
    durations.record_in(seconds, &[(&keys.status, status.into())], span.context());
    // Ended before the answer, so that who has the answer knows that the span is on its way.
    span.end();
    http::answer(stream, status)
}
