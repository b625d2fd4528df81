//! Metrics of all five kinds, by the semantic conventions: what a service says of its requests, its
//! runtime and its clients.
//!
//! Source: <https://opentelemetry.io/docs/specs/semconv/general/metrics/>

use super::fleet::{Fleet, Group};
use super::values::{Any, attributes, identity};
use tailrace_codec::otlp::fields::{DATA_POINTS, SCOPE_ENTRY_ITEMS, point_attributes};
use tailrace_codec::varint;
use tailrace_codec::writer::Writer;

/// Points of a metric in one request, at most: the series that a scrape or a reader finds.
const POINTS_MAX: usize = 5;

/// The interval of a periodic reader.
const INTERVAL_NANOS: u64 = 60_000_000_000;

/// The bounds that the conventions advise for durations, in seconds.
///
/// Source: <https://opentelemetry.io/docs/specs/semconv/http/http-metrics/>
const BOUNDS: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];

/// What a metric is, apart from its points.
#[derive(Debug, Clone, Copy)]
struct Instrument {
    name: &'static str,
    description: &'static str,
    unit: &'static str,
    kind: Kind,
}

/// By the field of the metric that holds the points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Gauge = 5,
    Sum = 7,
    Histogram = 9,
    Exponential = 10,
    Summary = 11,
}

const fn instrument(
    name: &'static str,
    description: &'static str,
    unit: &'static str,
    kind: Kind,
) -> Instrument {
    Instrument {
        name,
        description,
        unit,
        kind,
    }
}

const INSTRUMENTS: [Instrument; 7] = [
    instrument(
        "http.server.request.duration",
        "Duration of HTTP server requests.",
        "s",
        Kind::Histogram,
    ),
    instrument(
        "http.server.active_requests",
        "Number of active HTTP server requests.",
        "{request}",
        Kind::Sum,
    ),
    instrument("system.cpu.utilization", "", "1", Kind::Gauge),
    instrument(
        "db.client.operation.duration",
        "Duration of database client operations.",
        "s",
        Kind::Exponential,
    ),
    instrument(
        "go_gc_duration_seconds",
        "A summary of pauses.",
        "",
        Kind::Summary,
    ),
    instrument(
        "messaging.client.sent.messages",
        "Number of messages that were sent.",
        "{message}",
        Kind::Sum,
    ),
    instrument(
        "jvm.memory.used",
        "Measure of memory used.",
        "By",
        Kind::Gauge,
    ),
];

/// A metrics request with relative times.
pub fn request(fleet: &mut Fleet<'_>) -> Vec<u8> {
    let sizes = sizes(fleet);
    let groups: Vec<Group> = fleet.groups(sizes.len());
    // Each request of the cycle begins with another, so that small ones hold all kinds in turn.
    let first = fleet.template;
    fleet.request(&groups, |fleet, out, at| {
        let instrument = &INSTRUMENTS[(first + at) % INSTRUMENTS.len()];
        metric(fleet, out, instrument, sizes[at]);
    })
}

/// How many points each metric has: as many in all as items were asked for.
fn sizes(fleet: &mut Fleet<'_>) -> Vec<usize> {
    let mut left = fleet.spec.items;
    let mut sizes = Vec::new();
    while left > 0 {
        let size = (1 + fleet.random.below(POINTS_MAX)).min(left);
        sizes.push(size);
        left -= size;
    }
    sizes
}

fn metric(fleet: &mut Fleet<'_>, out: &mut Writer, instrument: &Instrument, points: usize) {
    let metric = out.open(SCOPE_ENTRY_ITEMS, 600);
    out.bytes(1, instrument.name.as_bytes());
    for (number, text) in [(2, instrument.description), (3, instrument.unit)] {
        if !text.is_empty() {
            out.bytes(number, text.as_bytes());
        }
    }
    let kind = instrument.kind;
    let data = out.open(kind as u32, 500);
    for _ in 0..points {
        let point = out.open(DATA_POINTS, 200);
        match kind {
            Kind::Gauge | Kind::Sum => number(fleet, out, kind),
            Kind::Histogram => histogram(fleet, out),
            Kind::Exponential => exponential(fleet, out),
            Kind::Summary => summary(fleet, out),
        }
        out.close(point);
    }
    if matches!(kind, Kind::Sum | Kind::Histogram | Kind::Exponential) {
        // Cumulative; monotonic where only ever more is counted.
        out.varint(2, 2);
        if instrument.name.starts_with("messaging") {
            out.varint(3, 1);
        }
    }
    out.close(data);
    out.close(metric);
}

fn times(out: &mut Writer) {
    out.fixed64(2, INTERVAL_NANOS);
    out.fixed64(3, 0);
}

/// The series that a point is of, and its identity.
fn series(fleet: &mut Fleet<'_>, out: &mut Writer, kind: Kind) {
    let number = point_attributes(kind as u32);
    let entries = [
        (
            "http.request.method",
            Any::from(*fleet.random.pick(&["GET", "POST"])),
        ),
        ("http.route", fleet.route().into()),
        ("http.response.status_code", Any::Int(200)),
    ];
    let others = [
        (
            "state",
            Any::from(*fleet.random.pick(&["idle", "used", "user"])),
        ),
        (
            "cpu",
            Any::Int(fleet.random.below(fleet.spec.cardinality.max(1)) as i64),
        ),
        ("app.primary", Any::Bool(fleet.random.chance(50))),
    ];
    match kind {
        Kind::Gauge | Kind::Summary => attributes(out, number, &others),
        Kind::Sum | Kind::Histogram | Kind::Exponential => attributes(out, number, &entries),
    }
    fleet.extra_attributes(out, number);
    identity(out, number);
}

fn number(fleet: &mut Fleet<'_>, out: &mut Writer, kind: Kind) {
    times(out);
    let value = 1 + fleet.random.below(1 << 30) as u64;
    if kind == Kind::Gauge {
        out.fixed64(4, (value as f64 / 1e9).to_bits());
    } else {
        if fleet.random.chance(20) {
            exemplar(fleet, out, 5, 1.0);
        }
        out.fixed64(6, value);
    }
    series(fleet, out, kind);
}

fn histogram(fleet: &mut Fleet<'_>, out: &mut Writer) {
    times(out);
    let buckets: Vec<u64> = (0..=BOUNDS.len())
        .map(|_| fleet.random.below(5000) as u64)
        .collect();
    out.fixed64(4, buckets.iter().sum());
    out.fixed64(5, 1234.5_f64.to_bits());
    out.header(6, buckets.len() * 8);
    for count in &buckets {
        out.raw(&count.to_le_bytes());
    }
    out.header(7, BOUNDS.len() * 8);
    for bound in BOUNDS {
        out.raw(&bound.to_le_bytes());
    }
    exemplar(fleet, out, 8, 0.237);
    series(fleet, out, Kind::Histogram);
    out.fixed64(11, 0.0011_f64.to_bits());
    out.fixed64(12, 7.93_f64.to_bits());
}

fn exponential(fleet: &mut Fleet<'_>, out: &mut Writer) {
    series(fleet, out, Kind::Exponential);
    times(out);
    let buckets: Vec<u64> = (0..20 + fleet.random.below(60))
        .map(|_| fleet.random.below(900) as u64)
        .collect();
    out.fixed64(4, 7 + buckets.iter().sum::<u64>());
    out.fixed64(5, 87.25_f64.to_bits());
    out.varint(6, varint::to_zigzag(4));
    out.fixed64(7, 7);
    let positive = out.open(8, 100);
    out.varint(1, varint::to_zigzag(-113));
    let packed = buckets.iter().map(|count| varint::len(*count)).sum();
    out.header(2, packed);
    for count in &buckets {
        out.raw_varint(*count);
    }
    out.close(positive);
    exemplar(fleet, out, 11, 0.034);
    out.fixed64(12, 0.0004_f64.to_bits());
    out.fixed64(13, 2.5_f64.to_bits());
}

fn summary(fleet: &mut Fleet<'_>, out: &mut Writer) {
    times(out);
    out.fixed64(4, 1 + fleet.random.below(1 << 20) as u64);
    out.fixed64(5, 17.625_f64.to_bits());
    for (quantile, value) in [(0.5, 0.000_04), (0.9, 0.000_11), (0.99, 0.001_9)] {
        let at = out.open(6, 18);
        out.fixed64(1, f64::to_bits(quantile));
        out.fixed64(2, f64::to_bits(value));
        out.close(at);
    }
    series(fleet, out, Kind::Summary);
}

/// A measurement with the span it was made in.
///
/// The value is a double: implementations differ in where they put an integer, whose field number
/// is above the others', and the place would change the bytes that the check is of.
fn exemplar(fleet: &mut Fleet<'_>, out: &mut Writer, number: u32, value: f64) {
    let exemplar = out.open(number, 60);
    out.fixed64(2, fleet.moment());
    out.fixed64(3, value.to_bits());
    let id = 1 + fleet.random.below(1 << 40) as u64;
    out.bytes(4, &id.to_be_bytes());
    out.bytes(5, &[id.to_be_bytes(), (!id).to_be_bytes()].concat());
    if fleet.random.chance(50) {
        attributes(out, 7, &[("client.address", "203.0.113.9".into())]);
    }
    out.close(exemplar);
}
