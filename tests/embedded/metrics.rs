//! What instruments measure arrives: when it is time, before a flush, and at the end.

use crate::{SCOPE, settings};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use std::time::Duration;
use tailrace_engine::embed::metrics::Counter;
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
