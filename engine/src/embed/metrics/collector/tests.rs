//! What threads measured, as prost reads it after it was collected.

use crate::embed::budget::Budget;
use crate::embed::clock::Clock;
use crate::embed::life::Life;
use crate::embed::metrics::{
    Buckets, Collector, Counter, ExemplarFilter, Instrument, InstrumentError, Meter, Registry,
};
use crate::embed::propagation::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};
use crate::embed::{Settings, TemporalityPreference};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Kind;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{HistogramDataPoint, Metric, NumberDataPoint};
use proptest::prelude::*;
use prost::Message;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use tailrace_codec::otlp::encode::{Envelope, Key, Resource, Scope};

mod observed;

struct World {
    registry: Arc<Registry>,
    budget: Arc<Budget>,
    collector: Collector,
    /// Grows by one with each collection.
    now: u64,
}

impl World {
    fn new(settings: &Settings) -> Self {
        Self::with_memory(settings, 1 << 20)
    }

    fn with_memory(settings: &Settings, bytes: usize) -> Self {
        let budget = Arc::new(Budget::new(bytes));
        let life = Arc::new(Life::begin().expect("a fork is seen"));
        let clock = Arc::new(Clock::new());
        clock.settle();
        let registry = Registry::new(&life, &budget, &clock, settings);
        Self {
            collector: registry.collector(),
            registry: Arc::new(registry),
            budget,
            now: 1 << 62,
        }
    }

    fn delta() -> Self {
        Self::new(&Settings {
            temporality: TemporalityPreference::Delta,
            ..Settings::default()
        })
    }

    fn meter(&self) -> Meter {
        self.meter_of("scope")
    }

    fn meter_of(&self, name: &str) -> Meter {
        let scope = Scope {
            name,
            ..Scope::default()
        };
        let envelope = Envelope::new(&Resource::default(), &scope);
        self.registry.meter(envelope, true)
    }

    /// The metrics of each request.
    fn collect_requests(&mut self) -> Vec<Vec<Metric>> {
        self.now += 1;
        let messages = self.collector.collect(self.now);
        let requests = messages.into_iter().map(|message| {
            let mut bytes = message.envelope.head(message.metrics.len()).to_vec();
            bytes.extend_from_slice(&message.metrics);
            let mut request = ExportMetricsServiceRequest::decode(&bytes[..]).expect("it is OTLP");
            let mut scopes = request.resource_metrics.remove(0).scope_metrics;
            assert_eq!(scopes.len(), 1);
            scopes.remove(0).metrics
        });
        requests.collect()
    }

    fn collect(&mut self) -> Vec<Metric> {
        self.collect_requests().into_iter().flatten().collect()
    }
}

fn attributes(point: &[opentelemetry_proto::tonic::common::v1::KeyValue]) -> String {
    let texts = point.iter().map(|attribute| {
        let value = attribute
            .value
            .as_ref()
            .and_then(|value| value.value.as_ref());
        match value.expect("a value") {
            Kind::StringValue(text) => format!("{}={text}", attribute.key),
            other => format!("{}={other:?}", attribute.key),
        }
    });
    texts.collect::<Vec<_>>().join(",")
}

fn numbers(metric: &Metric) -> &[NumberDataPoint] {
    match metric.data.as_ref().expect("data") {
        Data::Sum(sum) => &sum.data_points,
        Data::Gauge(gauge) => &gauge.data_points,
        other => panic!("no numbers: {other:?}"),
    }
}

fn histograms(metric: &Metric) -> &[HistogramDataPoint] {
    match metric.data.as_ref().expect("data") {
        Data::Histogram(histogram) => &histogram.data_points,
        other => panic!("no histogram: {other:?}"),
    }
}

/// Attributes and values.
fn values(metric: &Metric) -> HashMap<String, f64> {
    let points = numbers(metric).iter().map(|point| {
        let value = match point.value.expect("a value") {
            Number::AsInt(int) => int as f64,
            Number::AsDouble(double) => double,
        };
        (attributes(&point.attributes), value)
    });
    points.collect()
}

fn value(metrics: &[Metric]) -> f64 {
    assert_eq!(metrics.len(), 1);
    let values = values(&metrics[0]);
    assert_eq!(values.len(), 1);
    values.into_values().sum()
}

#[test]
fn what_threads_add_is_one_sum_also_when_they_are_gone() {
    let mut world = World::new(&Settings::default());
    let served: Counter<u64> = world.meter().counter("served").expect("valid");
    let bound = served.bind(&[]);
    bound.add(1);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..1000).for_each(|_| bound.add(1)));
            scope.spawn(|| (0..1000).for_each(|_| served.add(1, &[])));
        }
    });
    assert_eq!(value(&world.collect()), 8001.0);
    assert_eq!(value(&world.collect()), 8001.0);
    bound.add(2);
    world.collector.reclaim();
    let metrics = world.collect();
    assert_eq!(value(&metrics), 8003.0);
    let Some(Data::Sum(sum)) = &metrics[0].data else {
        panic!("a counter is a sum");
    };
    assert!(sum.is_monotonic && sum.aggregation_temporality == 2);
    let point = &sum.data_points[0];
    assert!(point.start_time_unix_nano < point.time_unix_nano);
}

/// A thread has memory of its own for as long as it lives, or until the collector has looked.
#[test]
fn threads_come_and_go_without_growth() {
    let mut world = World::new(&Settings::default());
    let meter = world.meter();
    let served: Counter<u64> = meter.counter("served").expect("valid");
    let duration = meter.histogram("duration").expect("valid").bind(&[]);
    let mut held = HashSet::new();
    for _ in 0..200 {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                served.add(1, &[]);
                duration.record(7.0);
            });
            // Not by the end of the scope: it does not wait for what a thread drops at its end.
            thread.join().expect("it measured");
        });
        world.collector.reclaim();
        held.insert(world.budget.usage().bytes);
    }
    assert_eq!(held.len(), 1, "{held:?}");
    let metrics = world.collect();
    // In the order in which they got their first series.
    assert_eq!(histograms(&metrics[0])[0].count, 200);
    assert_eq!(values(&metrics[1])[""], 200.0);
}

#[test]
fn deltas_begin_where_the_last_one_ended() {
    let mut world = World::delta();
    let meter = world.meter();
    let served: Counter<u64> = meter.counter("served").expect("valid");
    let open: Counter<i64> = meter.up_down_counter("open").expect("valid");
    let duration = meter.histogram("duration").expect("valid");
    served.add(5, &[]);
    open.add(3, &[]);
    duration.record(1.0, &[]);
    let first = world.collect();
    assert_eq!(first.len(), 3);
    served.add(2, &[]);
    open.add(-1, &[]);
    duration.record(30.0, &[]);
    let second = world.collect();
    assert_eq!((values(&second[0])[""], values(&second[1])[""]), (2.0, 2.0));
    let point = &histograms(&second[2])[0];
    assert_eq!(
        (point.count, point.min, point.max),
        (1, Some(30.0), Some(30.0))
    );
    let at = numbers(&first[0])[0].time_unix_nano;
    assert_eq!(numbers(&second[0])[0].start_time_unix_nano, at);
    assert_eq!(point.start_time_unix_nano, at);
    // Where an up-down counter stands is told whatever is preferred, and nothing else is.
    let third = world.collect();
    assert_eq!((third.len(), values(&third[0])[""]), (1, 2.0));
    assert_eq!(third[0].name, "open");
}

#[test]
fn a_cumulative_distribution_keeps_what_was_collected() {
    let mut world = World::new(&Settings::default());
    let bounds = Buckets::explicit(&[1.0, 2.0]);
    let duration = world
        .meter()
        .histogram_with("duration", &bounds)
        .expect("valid");
    for value in [0.5, 1.5, 9.0] {
        duration.record(value, &[]);
        world.collect();
    }
    let metrics = world.collect();
    let point = &histograms(&metrics[0])[0];
    assert_eq!(
        (&point.bucket_counts[..], point.sum),
        (&[1, 1, 1][..], Some(11.0))
    );
    assert_eq!((point.min, point.max), (Some(0.5), Some(9.0)));
    assert_eq!(point.explicit_bounds, [1.0, 2.0]);
}

#[test]
fn the_last_value_of_a_gauge_counts_whoever_set_it() {
    let mut world = World::new(&Settings::default());
    let load = world.meter().gauge::<f64>("load").expect("valid");
    let bound = load.bind(&[]);
    assert!(world.collect().is_empty(), "it was never set");
    load.set(1.0, &[]);
    std::thread::scope(|scope| scope.spawn(|| bound.set(-0.5)).join()).expect("it set it");
    let metrics = world.collect();
    assert_eq!(value(&metrics), -0.5);
    assert_eq!(numbers(&metrics[0])[0].start_time_unix_nano, 0);
    load.set(f64::NAN, &[]);
    assert_eq!(
        (value(&world.collect()), world.collector.dropped()),
        (-0.5, 1)
    );
}

#[test]
fn a_set_is_the_same_in_any_order_and_with_its_last_values() {
    let mut world = World::new(&Settings::default());
    let served: Counter<u64> = world.meter().counter("served").expect("valid");
    let (a, b) = (Key::new("a"), Key::new("b"));
    served.add(1, &[(&a, "1".into()), (&b, "2".into())]);
    served.add(1, &[(&b, "2".into()), (&a, "1".into())]);
    served.add(1, &[(&b, "x".into()), (&a, "1".into()), (&b, "2".into())]);
    let bound = served.bind(&[(&b, "2".into()), (&a, "1".into())]);
    bound.add(1);
    served.add(1, &[(&a, "1".into())]);
    served.add(1, &[(&a, 1.into())]);
    let found = values(&world.collect()[0]);
    let expected = [("a=1,b=2", 4.0), ("a=1", 1.0), ("a=IntValue(1)", 1.0)];
    let expected = expected.map(|(set, value)| (set.to_owned(), value));
    assert_eq!(found, HashMap::from(expected));
}

#[test]
fn beyond_the_limit_a_set_counts_as_overflow() {
    let mut world = World::new(&Settings::default());
    let instrument = Instrument {
        name: "served",
        cardinality_limit: Some(4),
        ..Instrument::default()
    };
    let served: Counter<u64> = world.meter().counter(instrument).expect("valid");
    let user = Key::new("user");
    for round in 0..3 {
        for at in 0..100 {
            served.add(1, &[(&user, format!("{at}").as_str().into())]);
        }
        let found = values(&world.collect()[0]);
        assert_eq!(found.len(), 4);
        assert_eq!(found["user=0"], f64::from(round + 1));
        let overflow = found["otel.metric.overflow=BoolValue(true)"];
        assert_eq!(overflow, 97.0 * f64::from(round + 1));
    }
}

/// A set that finds no memory counts as overflow; what a thread has no room for is counted as
/// dropped, and no measurement is lost without a count.
#[test]
fn the_limit_of_memory_holds_and_nothing_is_lost_silently() {
    let mut world = World::with_memory(&Settings::default(), 16 << 10);
    let meter = world.meter();
    let (served, user) = (
        meter.counter::<u64>("served").expect("valid"),
        Key::new("user"),
    );
    let duration = meter.histogram("duration").expect("valid");
    for at in 0..1000 {
        let text = format!("{at}");
        served.add(1, &[(&user, text.as_str().into())]);
        duration.record(1.0, &[(&user, text.as_str().into())]);
    }
    assert!(world.budget.usage().bytes <= 16 << 10);
    let metrics = world.collect();
    let sum: f64 = values(&metrics[0]).values().sum();
    let of_histograms = metrics.get(1).map_or(0, |metric| {
        histograms(metric)
            .iter()
            .map(|point| point.count)
            .sum::<u64>()
    });
    assert_eq!(sum as u64 + of_histograms + world.collector.dropped(), 2000);
    assert!(sum >= 1.0 && world.collector.dropped() > 0);
}

#[test]
fn what_is_no_number_and_what_would_shrink_a_counter_is_dropped() {
    let mut world = World::new(&Settings::default());
    let meter = world.meter();
    let sent = meter.counter::<f64>("sent").expect("valid");
    let change = meter.up_down_counter::<f64>("change").expect("valid");
    let duration = meter.histogram("duration").expect("valid");
    for value in [f64::NAN, f64::INFINITY, -1.0] {
        sent.add(value, &[]);
        change.add(value, &[]);
        duration.record(value, &[]);
    }
    let found = world.collect();
    assert_eq!(values(&found[0])[""], 0.0);
    assert_eq!(values(&found[1])[""], -1.0);
    assert_eq!(histograms(&found[2])[0].count, 1);
    assert_eq!(world.collector.dropped(), 3 + 2 + 2);
}

#[test]
fn one_name_is_one_instrument() {
    let mut world = World::new(&Settings::default());
    let [meter, other] = [world.meter(), world.meter()];
    let one = meter.counter::<u64>("served").expect("valid");
    let same = other.counter::<u64>("Served").expect("it is the same");
    one.add(1, &[]);
    same.add(1, &[]);
    let elsewhere = world
        .meter_of("elsewhere")
        .gauge::<i64>("served")
        .expect("another scope");
    elsewhere.set(9, &[]);
    let differs = |found| match found {
        Err(InstrumentError::Conflict { differs, .. }) => differs,
        other => panic!("{other:?}"),
    };
    let of_doubles = meter.counter::<f64>("served").map(|_| ());
    assert_eq!(differs(of_doubles), "kind, number or buckets");
    let seconds = Instrument {
        unit: "s",
        ..Instrument::from("served")
    };
    assert_eq!(differs(meter.counter::<u64>(seconds).map(|_| ())), "unit");
    for name in ["", "1x", "é", "a b", &"x".repeat(256)] {
        let found = meter.counter::<u64>(name).map(|_| ());
        assert!(matches!(found, Err(InstrumentError::Name { .. })), "{name}");
    }
    let requests = world.collect_requests();
    assert_eq!(requests.len(), 2, "one for each scope");
    assert_eq!(value(&requests[0]), 2.0);
    assert_eq!(value(&requests[1]), 9.0);
}

fn span(sampled: bool) -> SpanContext {
    let flags = TraceFlags(u8::from(sampled));
    SpanContext::remote(
        TraceId([7; 16]),
        SpanId([8; 8]),
        flags,
        TraceState::default(),
    )
}

#[test]
fn a_measurement_in_a_sampled_span_leads_to_it_once() {
    let mut world = World::new(&Settings::default());
    let meter = world.meter();
    let served = meter.counter::<u64>("served").expect("valid").bind(&[]);
    let duration = meter.histogram("duration").expect("valid");
    let load = meter.gauge::<i64>("load").expect("valid");
    served.add_in(1, &span(false));
    served.add_in(4, &span(true));
    served.add(1);
    for value in [1.0, 2.0, 30.0] {
        duration.record_in(value, &[], &span(true));
    }
    load.set_in(3, &[], &span(true));
    let metrics = world.collect();
    let [exemplar] = &numbers(&metrics[0])[0].exemplars[..] else {
        panic!("one of three was measured in a sampled span");
    };
    assert_eq!(
        (&exemplar.trace_id[..], &exemplar.span_id[..]),
        (&[7; 16][..], &[8; 8][..])
    );
    assert!(exemplar.time_unix_nano > 0);
    assert_eq!(
        histograms(&metrics[1])[0].exemplars.len(),
        2,
        "one for each bucket"
    );
    assert_eq!(numbers(&metrics[2])[0].exemplars.len(), 1);
    let again = world.collect();
    assert!(numbers(&again[0])[0].exemplars.is_empty());
    assert!(histograms(&again[1])[0].exemplars.is_empty());
}

#[test]
fn exemplars_are_kept_of_all_or_of_none() {
    for (filter, expected) in [
        (ExemplarFilter::AlwaysOn, 1),
        (ExemplarFilter::AlwaysOff, 0),
    ] {
        let mut settings = Settings::default();
        settings.instruments.exemplars = filter;
        let mut world = World::new(&settings);
        let served = world.meter().counter::<u64>("served").expect("valid");
        served.add(1, &[]);
        served.add_in(1, &[], &span(true));
        let metrics = world.collect();
        assert_eq!(numbers(&metrics[0])[0].exemplars.len(), expected);
    }
}

/// 20,000 points of 100 bytes and more, in pieces that a receiver takes.
#[test]
fn many_points_are_several_metrics_and_requests() {
    let mut settings = Settings::default();
    settings.instruments.cardinality_limit = 30_000;
    let mut world = World::with_memory(&settings, 64 << 20);
    let (served, user) = (world.meter().counter::<u64>("served"), Key::new("user"));
    let served = served.expect("valid");
    for at in 0..20_000 {
        served.add(1, &[(&user, format!("{at:0>100}").as_str().into())]);
    }
    let requests = world.collect_requests();
    assert!(requests.len() > 1);
    for request in &requests {
        let bytes: usize = request.iter().map(Message::encoded_len).sum();
        assert!(bytes < 2 << 20, "{bytes}");
    }
    let metrics = requests.iter().flatten();
    let points: Vec<_> = metrics.flat_map(values).collect();
    assert_eq!(points.len(), 20_000);
    assert!(points.iter().all(|(_, value)| *value == 1.0));
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Add(u8, u16),
    Record(u8, i16),
    ThreadEnds,
    Reclaim,
    Collect,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..70_u8, any::<u16>()).prop_map(|(set, value)| Step::Add(set, value)),
        4 => (0..4_u8, any::<i16>()).prop_map(|(set, value)| Step::Record(set, value)),
        1 => Just(Step::ThreadEnds),
        1 => Just(Step::Reclaim),
        1 => Just(Step::Collect),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever threads do and whenever it is collected, the deltas add up to what was measured, and
    /// so does the last cumulative point.
    #[test]
    fn nothing_is_lost_and_nothing_counted_twice(
        steps in prop::collection::vec(step(), 0..80),
        is_delta in any::<bool>(),
    ) {
        let mut world = if is_delta { World::delta() } else { World::new(&Settings::default()) };
        let meter = world.meter();
        let served = meter.counter::<u64>("served").expect("valid");
        let sizes = meter.histogram_with("sizes", &Buckets::exponential()).expect("valid");
        let key = Key::new("set");
        let (mut expected, mut found) = (HashMap::new(), HashMap::new());
        let (mut recorded, mut collected) = (0_u64, 0_u64);
        let ended = steps.iter().copied().chain([Step::ThreadEnds, Step::Collect]);
        let steps: Vec<_> = ended.collect();
        for of_thread in steps.split_inclusive(|step| matches!(step, Step::ThreadEnds)) {
            let world = &mut world;
            let (expected, found) = (&mut expected, &mut found);
            let (recorded, collected) = (&mut recorded, &mut collected);
            let (served, sizes, key) = (&served, &sizes, &key);
            std::thread::scope(|scope| scope.spawn(move || for step in of_thread {
                match *step {
                    Step::Add(set, value) => {
                        served.add(value.into(), &[(key, i64::from(set).into())]);
                        *expected.entry(set).or_insert(0) += u64::from(value);
                    }
                    Step::Record(set, value) => {
                        sizes.record(value.into(), &[(key, i64::from(set).into())]);
                        *recorded += 1;
                    }
                    Step::ThreadEnds => {}
                    Step::Reclaim => world.collector.reclaim(),
                    Step::Collect => {
                        if !is_delta {
                            found.clear();
                            *collected = 0;
                        }
                        for metric in world.collect() {
                            if let Some(Data::ExponentialHistogram(sizes)) = &metric.data {
                                let counts = sizes.data_points.iter().map(|point| point.count);
                                *collected += counts.sum::<u64>();
                                continue;
                            }
                            for (set, value) in values(&metric) {
                                *found.entry(set).or_insert(0) += value as u64;
                            }
                        }
                    }
                }
            }).join()).expect("no thread panicked");
        }
        for metric in world.collect() {
            match &metric.data {
                Some(Data::ExponentialHistogram(sizes)) => {
                    let counts = sizes.data_points.iter().map(|point| point.count).sum::<u64>();
                    collected = if is_delta { collected + counts } else { counts };
                }
                _ => for (set, value) in values(&metric) {
                    let before = if is_delta { found.get(&set).copied().unwrap_or(0) } else { 0 };
                    found.insert(set, before + value as u64);
                },
            }
        }
        prop_assert_eq!(collected, recorded);
        for (set, value) in expected {
            let set = format!("set=IntValue({set})");
            prop_assert_eq!(found.get(&set).copied().unwrap_or(0), value, "{}", set);
        }
        prop_assert_eq!(world.collector.dropped(), 0);
    }
}
