//! What the engine says of its own queue, against the queues whose theory is exact.

use crate::world::backend::Plan;
use crate::world::{Setup, Traffic, World, exporters};
use std::time::Duration;
use tailrace_bench::load::arrivals::{Shape, Spacing};
use tailrace_engine::flow::sizing::{Observed, Workload};

const TIME: Duration = Duration::from_secs(3000);

/// Averages of the gauges over all of the time, after the first minute.
#[derive(Debug, Default)]
struct Seen {
    rate: f64,
    utilisation: f64,
    inside: f64,
    queued_seconds: f64,
    service_seconds: f64,
    arrival_scv: f64,
    service_scv: f64,
    little: f64,
}

/// Poisson requests of one span, so many consumers, a backend of this latency.
fn run(rate: f64, consumers: u32, latency: &str) -> Seen {
    let keys = format!("sending_queue: {{queue_size: 100000, num_consumers: {consumers}}}");
    let mut world = World::new(Setup {
        seed: 11,
        yaml: exporters(256, [keys.as_str()]),
        backends: vec![Plan {
            script: format!("phases: [{{latency: {{{latency}}}}}]"),
            ..Plan::default()
        }],
        traffic: vec![Traffic::steady(
            Shape::steady(rate, Spacing::Poisson),
            1,
            TIME,
        )],
    });
    world.pass(Duration::from_secs(60));
    let (mut seen, mut samples) = (Seen::default(), 0.0);
    while world.elapsed() < TIME {
        world.pass(Duration::from_secs(10));
        let flow = world.lane(0).queue;
        seen.rate += flow.items_per_second;
        seen.utilisation += flow.utilisation();
        seen.inside += flow.items_inside;
        seen.queued_seconds += flow.seconds_waiting();
        seen.service_seconds += flow.service_seconds();
        seen.arrival_scv += flow.arrival_scv();
        seen.service_scv += flow.service_scv();
        seen.little += flow.little_deviation();
        samples += 1.0;
    }
    for sum in [
        &mut seen.rate,
        &mut seen.utilisation,
        &mut seen.inside,
        &mut seen.queued_seconds,
        &mut seen.service_seconds,
        &mut seen.arrival_scv,
        &mut seen.service_scv,
        &mut seen.little,
    ] {
        *sum /= samples;
    }
    seen
}

fn assert_is(seen: &Seen, rate: f64, consumers: u32, service_scv: f64, service_seconds: f64) {
    // Of what came in this run: three thousand seconds have their own mean, and a queue's length
    // follows it several times over.
    let observed = Observed {
        workload: Workload {
            item_rate: seen.rate,
            item_bytes: 1.0,
            request_items: 1.0,
            arrival_scv: seen.arrival_scv,
            rtt_seconds: seen.service_seconds,
            rtt_scv: seen.service_scv,
            packet_loss: 0.0,
        },
        consumers: consumers.into(),
        shards: 1.0,
        batch_items: 1.0,
    };
    let theory = observed.expected();
    let near = |what: &str, found: f64, wanted: f64| {
        let near = (found - wanted).abs() <= 0.05 * wanted;
        assert!(near, "{what}: {found}, by theory {wanted}; {seen:?}");
    };
    near("lambda", seen.rate, rate);
    near("service", seen.service_seconds, service_seconds);
    near("rho", seen.utilisation, theory.utilisation);
    near("L", seen.inside, theory.items_inside);
    near("W_q", seen.queued_seconds, theory.queued_seconds);
    near("c_a^2", 1.0 + seen.arrival_scv, 2.0);
    near("c_s^2", 1.0 + seen.service_scv, 1.0 + service_scv);
    assert!(seen.little < 0.02, "{seen:?}");
}

#[test]
fn one_consumer_of_exponential_times_is_m_m_1() {
    let seen = run(35.0, 1, "exponential: 20ms");
    assert_is(&seen, 35.0, 1, 1.0, 0.02);
}

#[test]
fn one_consumer_of_fixed_time_is_m_d_1() {
    let seen = run(35.0, 1, "fixed: 20ms");
    assert_is(&seen, 35.0, 1, 0.0, 0.02);
}

#[test]
fn several_consumers_are_m_m_c() {
    let seen = run(35.0, 4, "exponential: 80ms");
    assert_is(&seen, 35.0, 4, 1.0, 0.08);
}
