//! A service that only uses `tracing`: the layer makes its spans those of OpenTelemetry and its events
//! log records, through the embedded engine.
//!
//! `cargo run -p tailrace-engine --features tracing-layer --example service_traced 127.0.0.1:8080`, with
//! a collector, or `tailrace sink`, on port 4318; then `curl localhost:8080/cart`.

mod http;

use std::error::Error;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;
use tailrace_engine::embed::layer::{TracingLayer, with_remote_parent};
use tailrace_engine::embed::propagation::Propagators;
use tailrace_engine::embed::{Embedded, Settings};
use tracing::{error, field, info, info_span};
use tracing_subscriber::layer::SubscriberExt;

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
    let layer = TracingLayer::new(&engine).with_scope("service", env!("CARGO_PKG_VERSION"));
    let registry = tracing_subscriber::registry().with(layer);
    tracing::subscriber::with_default(registry, || {
        for _ in 0..requests {
            // A connection that breaks is its client's affair.
            let _ = listener
                .accept()
                .map(|(stream, _)| handle(&stream, engine.propagators()));
        }
    });
    engine.flush(Duration::from_secs(10))?;
    Ok(())
}

fn handle(stream: &TcpStream, propagators: Propagators) -> std::io::Result<()> {
    let request = http::read(stream)?;
    let parent = propagators.extract_headers(&request.headers);
    let span = with_remote_parent(parent.as_ref(), || {
        info_span!(
            "request",
            otel.name = request.method,
            otel.kind = "server",
            http.request.method = request.method,
            url.path = request.path,
            http.response.status_code = field::Empty,
        )
    });
    let status = span.in_scope(|| if look_up(&request.path) { 200 } else { 500 });
    span.record("http.response.status_code", status);
    drop(span);
    http::answer(stream, status)
}

fn look_up(path: &str) -> bool {
    let _inside = info_span!("look up").entered();
    let found = path != "/broken";
    if found {
        info!(path, "found");
    } else {
        error!(tries = 3, "the shelf is broken");
    }
    found
}
