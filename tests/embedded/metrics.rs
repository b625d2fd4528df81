//! What instruments measure arrives: when it is time, before a flush, and at the end.

use crate::{SCOPE, settings};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;
use tailrace_engine::embed::metrics::{Counter, Observable, Observer};
use tailrace_engine::embed::{Embedded, Protocol, Settings, TemporalityPreference};
use tailrace_tests::backend::Backend;
use tailrace_tests::item::Export;
use tailrace_tests::wait::{self, PATIENCE};

/// Deltas add up to what was measured, however often they were sent.
fn deltas(backend: &Backend, protocol: Protocol) -> Settings {
    Settings {
        temporality: TemporalityPreference::Delta,
        ..settings(backend, protocol)
    }
}

/// The sum of all points, and the resource and scope they came in.
fn arrived(backend: &Backend) -> i64 {
    let mut sum = 0;
    for call in backend.calls().iter() {
        let Export::Metrics(request) = &call.export else {
            panic!("only metrics were measured");
        };
        for entry in &request.resource_metrics {
            let resource = entry.resource.as_ref().expect("a resource");
            assert_eq!(resource.attributes[0].key, "service.name");
            for scope in &entry.scope_metrics {
                assert_eq!(scope.scope.as_ref().expect("a scope").name, "cart");
                for metric in &scope.metrics {
                    let Some(Data::Sum(data)) = &metric.data else {
                        panic!("a counter is a sum");
                    };
                    sum += data
                        .data_points
                        .iter()
                        .map(|point| match point.value {
                            Some(Value::AsInt(int)) => int,
                            other => panic!("integers were added: {other:?}"),
                        })
                        .sum::<i64>();
                }
            }
        }
    }
    sum
}

fn counter(engine: &Embedded) -> Counter<u64> {
    engine.meter(&SCOPE).counter("served").expect("valid")
}

#[test]
fn a_flush_delivers_what_all_threads_measured() {
    for protocol in [Protocol::Grpc, Protocol::HttpProtobuf] {
        let backend = Backend::start();
        let engine = Embedded::start(&deltas(&backend, protocol)).expect("it starts");
        let served = counter(&engine);
        for round in 1..=3 {
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| (0..1000).for_each(|_| served.add(1, &[])));
                }
            });
            engine.flush(PATIENCE).expect("delivered");
            assert_eq!(arrived(&backend), round * 4000);
        }
        served.add(1, &[]);
        engine.shutdown(PATIENCE).expect("delivered");
        assert_eq!(arrived(&backend), 12_001);
    }
}

#[test]
fn what_was_measured_leaves_at_the_export_interval() {
    let backend = Backend::start();
    let mut settings = deltas(&backend, Protocol::HttpProtobuf);
    settings.instruments.export_interval = Duration::from_millis(20);
    settings.metrics.schedule_delay = Some(Duration::from_millis(1));
    let engine = Embedded::start(&settings).expect("it starts");
    let served = counter(&engine).bind(&[]);
    for expected in 1..=3 {
        served.add(1);
        wait::until_true("it arrived", || arrived(&backend) == expected);
    }
}

#[test]
fn an_engine_that_is_dropped_delivers_what_was_measured() {
    let backend = Backend::start();
    let engine = Embedded::start(&deltas(&backend, Protocol::Grpc)).expect("it starts");
    counter(&engine).add(7, &[]);
    drop(engine);
    wait::until_true("it arrived", || arrived(&backend) == 7);
}

#[test]
fn a_flush_says_what_was_no_number() {
    let backend = Backend::start();
    let engine = Embedded::start(&deltas(&backend, Protocol::Grpc)).expect("it starts");
    let durations = engine.meter(&SCOPE).histogram("duration").expect("valid");
    durations.record(f64::NAN, &[]);
    let report = engine.flush(PATIENCE).expect("there is nothing to deliver");
    assert_eq!(report.dropped_items, 1);
}

fn observed(engine: &Embedded, total: &Arc<AtomicU64>) -> Observable {
    let total = Arc::clone(total);
    let callback = move |observer: &Observer<'_, u64>| {
        observer.observe(total.load(Ordering::Relaxed), &[]);
    };
    let meter = engine.meter(&SCOPE);
    meter.observable_counter("cpu", callback).expect("valid")
}

#[test]
fn callbacks_are_asked_at_the_interval_by_a_flush_and_at_the_end() {
    let backend = Backend::start();
    let mut settings = deltas(&backend, Protocol::Grpc);
    let total = Arc::new(AtomicU64::new(3));
    let engine = Embedded::start(&settings).expect("it starts");
    let held = observed(&engine, &total);
    engine.flush(PATIENCE).expect("delivered");
    assert_eq!(arrived(&backend), 3);
    total.store(5, Ordering::Relaxed);
    engine.shutdown(PATIENCE).expect("delivered");
    assert_eq!(arrived(&backend), 5);
    drop(held);

    settings.instruments.export_interval = Duration::from_millis(20);
    settings.metrics.schedule_delay = Some(Duration::from_millis(1));
    let engine = Embedded::start(&settings).expect("it starts");
    let held = observed(&engine, &total);
    wait::until_true("it arrived", || arrived(&backend) == 10);
    drop((engine, held));
}

#[test]
fn an_engine_that_is_dropped_asks_its_callbacks_once_more() {
    let backend = Backend::start();
    let engine = Embedded::start(&deltas(&backend, Protocol::Grpc)).expect("it starts");
    let held = observed(&engine, &Arc::new(AtomicU64::new(7)));
    drop(engine);
    wait::until_true("it arrived", || arrived(&backend) == 7);
    drop(held);
}

#[test]
fn a_callback_that_hangs_keeps_neither_a_flush_nor_the_end() {
    let backend = Backend::start();
    let mut settings = deltas(&backend, Protocol::Grpc);
    // Long enough for another thread to go on behind it, however busy the machine is.
    settings.instruments.observation_timeout = Duration::from_secs(1);
    let engine = Embedded::start(&settings).expect("it starts");
    let (let_go, told) = channel::<()>();
    let hangs = move |_: &Observer<'_, u64>| {
        let _ = told.recv();
    };
    let meter = engine.meter(&SCOPE);
    let hangs = meter.observable_counter("hangs", hangs).expect("valid");
    // Behind the one that hangs.
    let total = Arc::new(AtomicU64::new(3));
    let held = observed(&engine, &total);
    counter(&engine).add(1, &[]);
    engine.flush(PATIENCE).expect("delivered");
    assert_eq!(arrived(&backend), 4);
    total.store(5, Ordering::Relaxed);
    engine.shutdown(PATIENCE).expect("delivered");
    assert_eq!(arrived(&backend), 6);
    drop((hangs, held, let_go));
}
