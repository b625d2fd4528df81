//! What a measurement costs the thread that makes it: tailrace's instruments, beside those of
//! OpenTelemetry's SDK.
//!
//! `just instruments` runs it and writes the record. Threads measure in a loop, each on its own,
//! and their processor time is added up.

use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;
use tailrace_bench::conditions::Conditions;
use tailrace_codec::otlp::encode::{Key, Scope};
use tailrace_engine::embed::metrics::Buckets;
use tailrace_engine::embed::sdk::MetricExporter;
use tailrace_engine::embed::{Embedded, Settings};
use tailrace_engine::runtime::thread_cpu_time;

/// Where the record goes, if anywhere.
const RECORD: &str = "INSTRUMENTS_RECORD";

const THREADS: [usize; 5] = [1, 2, 4, 8, 16];
const MEASUREMENTS: u64 = 1_000_000;
const ROUNDS: usize = 5;

type Measure<'a> = &'a (dyn Fn(u64) + Sync);

fn main() {
    let mut conditions = Conditions::begin();
    // Nothing is exported: no interval ends, and what is measured goes nowhere at the end.
    let settings = Settings {
        configuration: Some(
            "receivers: {otlp: {protocols: {grpc: }}}\n\
             exporters: {nop: }\n\
             service: {pipelines: {metrics: {receivers: [otlp], exporters: [nop]}}}"
                .to_owned(),
        ),
        ..Settings::default()
    };
    let engine = Arc::new(Embedded::start(&settings).expect("it starts"));
    let meter = engine.meter(&Scope::default());
    let keys = [
        "http.route",
        "http.request.method",
        "http.response.status_code",
    ]
    .map(Key::new);
    let [route, method, status] = &keys;
    let set = [
        (route, "/cart".into()),
        (method, "GET".into()),
        (status, 200.into()),
    ];
    let counter = meter.counter::<u64>("counter").expect("valid");
    let bound = counter.bind(&set);
    let gauge = meter.gauge::<i64>("gauge").expect("valid").bind(&set);
    let explicit = meter.histogram("explicit").expect("valid").bind(&set);
    let exponential = meter.histogram_with("exponential", &Buckets::exponential());
    let exponential = exponential.expect("valid").bind(&set);

    let provider = SdkMeterProvider::builder()
        .with_periodic_exporter(MetricExporter::new(&engine))
        .build();
    let sdk = provider.meter("sdk");
    let sdk_counter = sdk.u64_counter("counter").build();
    let sdk_histogram = sdk.f64_histogram("histogram").build();
    let sdk_set = [
        KeyValue::new("http.route", "/cart"),
        KeyValue::new("http.request.method", "GET"),
        KeyValue::new("http.response.status_code", 200),
    ];

    let size = |at: u64| (at % 1000) as f64;
    let rows: [(&str, Measure<'_>); 8] = [
        ("counter, known attributes", &|_| bound.add(1)),
        ("counter, 3 attributes", &|_| counter.add(1, &set)),
        ("SDK: counter, 3 attributes", &|_| {
            sdk_counter.add(1, &sdk_set);
        }),
        ("SDK: counter, no attributes", &|_| sdk_counter.add(1, &[])),
        ("gauge, known attributes", &|at| gauge.set(at as i64)),
        ("histogram, known attributes", &|at| {
            explicit.record(size(at));
        }),
        ("exponential histogram, known attributes", &|at| {
            exponential.record(size(at));
        }),
        ("SDK: histogram, 3 attributes", &|at| {
            sdk_histogram.record(size(at), &sdk_set);
        }),
    ];
    let measured: Vec<_> = rows
        .iter()
        .map(|(name, measure)| {
            let of_each = THREADS.map(|threads| median(threads, *measure));
            eprintln!("{name}: {of_each:.1?} ns");
            (*name, of_each)
        })
        .collect();
    conditions.end();
    let text = page(&conditions, &measured);
    println!("{text}");
    if let Some(path) = std::env::var_os(RECORD) {
        std::fs::write(path, text).expect("the record is written");
    }
}

/// Nanoseconds of a measurement, with so many threads beside each other.
fn median(threads: usize, measure: Measure<'_>) -> f64 {
    let mut rounds = [(); ROUNDS].map(|()| {
        let of_threads = std::thread::scope(|scope| {
            let running: Vec<_> = (0..threads)
                .map(|_| scope.spawn(|| cpu_time(measure)))
                .collect();
            let joined = running
                .into_iter()
                .map(|thread| thread.join().expect("it measured"));
            joined.sum::<Duration>()
        });
        of_threads.as_nanos() as f64 / (threads as u64 * MEASUREMENTS) as f64
    });
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}

/// Of one thread, after the first measurements, which make room.
fn cpu_time(measure: Measure<'_>) -> Duration {
    (0..1000).for_each(measure);
    let before = thread_cpu_time();
    (0..MEASUREMENTS).for_each(measure);
    thread_cpu_time() - before
}

fn page(conditions: &Conditions, rows: &[(&str, [f64; THREADS.len()])]) -> String {
    let mut text = format!(
        "# Instruments\n\nMade by `just instruments`. {conditions} Nanoseconds of processor time of one \
         measurement, among {} million of each thread in a loop; the median of {ROUNDS} rounds. Threads \
         share the instrument and the attributes.\n\n| threads |",
        MEASUREMENTS / 1_000_000,
    );
    // Writing to a string cannot fail.
    for threads in THREADS {
        let _ = write!(text, " {threads} |");
    }
    text.push_str("\n| --- |");
    text.push_str(&" --- |".repeat(THREADS.len()));
    text.push('\n');
    for (name, of_each) in rows {
        let _ = write!(text, "| {name} |");
        for nanos in of_each {
            let _ = write!(text, " {nanos:.1} |");
        }
        text.push('\n');
    }
    text
}
