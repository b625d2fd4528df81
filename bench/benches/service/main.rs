//! What telemetry costs a small HTTP service as a whole: latency as its callers see it, and processor
//! time, without telemetry, with OpenTelemetry's SDK, with tailrace behind the SDK, and with tailrace
//! directly.
//!
//! `just service` runs it, and writes the record and its picture. Three processes: the service, which
//! has the last processor for itself and its exporter; this one, which sends the requests; and the
//! backend, which counts what arrives. The variants take turns, and one round is compared within
//! itself: the service without telemetry runs twice, so that the record says what the machine alone
//! makes of the figures.

#[path = "../embed/backend.rs"]
mod backend;
mod direct;
mod load;
mod record;
mod sdk;
mod service;
mod shop;

use backend::Backend;
use hdrhistogram::Histogram;
use record::Record;
use service::Service;
use std::thread::available_parallelism;
use tailrace_engine::runtime::bind_to_processor;

/// In each round every variant runs once.
const ROUNDS: usize = 24;

/// How telemetry is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    Off,
    /// The same once more: what differs between it and [`Off`](Self::Off) is chance.
    OffAgain,
    Sdk,
    BehindSdk,
    Direct,
    /// The same, with the engine's threads where no other wants to run.
    DirectIdle,
}

impl Variant {
    pub const ALL: [Self; 6] = [
        Self::Off,
        Self::OffAgain,
        Self::Sdk,
        Self::BehindSdk,
        Self::Direct,
        Self::DirectIdle,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "no telemetry",
            Self::OffAgain => "no telemetry, again",
            Self::Sdk => "SDK and opentelemetry-otlp",
            Self::BehindSdk => "tailrace behind the SDK",
            Self::Direct => "tailrace directly",
            Self::DirectIdle => "tailrace directly, Scheduling::Idle",
        }
    }

    pub const fn is_on(self) -> bool {
        !matches!(self, Self::Off | Self::OffAgain)
    }
}

/// What came of one run.
#[derive(Debug)]
pub struct Run {
    /// Nanoseconds.
    pub latencies: Histogram<u64>,
    /// Processor time of the service, what it does after its last request included.
    pub cpu_ns_a_request: f64,
    /// Of all spans and data points.
    pub items_lost: u64,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let told: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match told[1..] {
        [backend::FLAG, ..] => return backend::serve(),
        [service::FLAG, variant, url, ..] => return service::serve(variant, url),
        _ => {}
    }
    // The backend inherits it; the service takes another.
    if available_parallelism().is_ok_and(|processors| processors.get() > 1) {
        bind_to_processor(0).expect("the first processor");
    }
    let mut record = Record::begin();
    for round in 0..ROUNDS {
        // Nobody is always the first.
        for at in 0..Variant::ALL.len() {
            let variant = Variant::ALL[(round + at) % Variant::ALL.len()];
            record.add(variant, run(variant));
        }
    }
    record.end();
}

fn run(variant: Variant) -> Run {
    let backend = Backend::start();
    let service = Service::start(variant, &backend.url);
    let before = service.cpu_time();
    let warm = load::run(service.address, load::WARM_UP);
    let latencies = load::run(service.address, load::DURATION);
    let requests = warm.len() + latencies.len();
    let ended = service.end();
    assert_eq!(ended.requests, requests, "every request was answered");
    let spans = if variant.is_on() {
        requests * service::SPANS
    } else {
        0
    };
    Run {
        cpu_ns_a_request: (ended.cpu_time - before).as_nanos() as f64 / requests as f64,
        // What came beyond is the histogram.
        items_lost: spans.saturating_sub(backend.end()),
        latencies,
    }
}
