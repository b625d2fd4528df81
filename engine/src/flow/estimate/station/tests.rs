//! Queues that theory knows, served by a small simulation; and what is forgotten.

use super::*;
use crate::flow::Random;
use crate::flow::queueing::GeneralQueue;

const CUSTOMERS: u32 = 400_000;

/// Nothing is forgotten within the test.
const FOREVER: Duration = Duration::from_secs(1 << 30);

fn at(seconds: f64) -> Instant {
    Instant((seconds * 1e9) as u64)
}

fn exponential(random: &mut Random, rate: f64) -> f64 {
    -(1.0 - random.unit()).ln() / rate
}

/// What happens to one customer, by time.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Event {
    End { arrived: f64, started: f64 },
    Start { arrived: f64 },
    Arrival,
}

/// Customers in order of arrival, each served by the server that is free first.
fn watch(rho: f64, servers: u32, mut service: impl FnMut(&mut Random) -> f64) -> View {
    let mut random = Random::new(17);
    let mut free = vec![0.0_f64; servers as usize];
    let mut events = Vec::new();
    let mut arrived = 0.0;
    for _ in 0..CUSTOMERS {
        arrived += exponential(&mut random, rho * f64::from(servers));
        let server = free.iter_mut().min_by(|a, b| a.total_cmp(b));
        let server = server.expect("a server");
        let started = server.max(arrived);
        *server = started + service(&mut random);
        events.push((arrived, Event::Arrival));
        events.push((started, Event::Start { arrived }));
        events.push((*server, Event::End { arrived, started }));
    }
    // Who came and found a server free started after coming.
    let rank = |event: &Event| match event {
        Event::End { .. } => 0,
        Event::Arrival => 1,
        Event::Start { .. } => 2,
    };
    events.sort_by(|a, b| a.0.total_cmp(&b.0).then(rank(&a.1).cmp(&rank(&b.1))));
    let mut station = Station::new(FOREVER);
    for (time, event) in events {
        station.advance(at(time));
        match event {
            Event::Arrival => station.handle_arrival(1, 360),
            Event::Start { arrived } => {
                station.handle_start();
                station.handle_started(1, at(arrived));
            }
            Event::End { arrived, started } => {
                station.handle_end(1, at(started));
                station.handle_departure(1, at(arrived));
            }
        }
    }
    station.view(station.now)
}

fn assert_near(name: &str, found: f64, wanted: f64) {
    let near = (found - wanted).abs() <= 0.05 * wanted.abs();
    assert!(near, "{name}: {found}, by theory {wanted}");
}

fn assert_is(view: &View, rho: f64, servers: u32, service_scv: f64) {
    let theory = GeneralQueue {
        arrival_rate: rho * f64::from(servers),
        service_seconds: 1.0,
        servers,
        arrival_scv: 1.0,
        service_scv,
    };
    assert_near("lambda", view.items_per_second, theory.arrival_rate);
    assert_near(
        "bytes",
        view.bytes_per_second,
        360.0 * view.items_per_second,
    );
    assert_near("1 / mu", view.service_seconds, theory.service_seconds);
    assert_near("rho", view.busy / f64::from(servers), theory.utilisation());
    assert_near("L", view.items_inside, theory.in_system());
    assert_near("W", view.seconds_inside, theory.system_seconds());
    assert_near("W_q", view.seconds_waiting, theory.queueing_seconds());
    // Of a variation of 0, five percent are none.
    assert_near("c_a^2", 1.0 + view.arrival_scv, 2.0);
    assert_near("c_s^2", 1.0 + view.service_scv, 1.0 + service_scv);
    let little = view.items_per_second * view.seconds_inside;
    assert!(
        (little / view.items_inside - 1.0).abs() < 0.01,
        "Little's law"
    );
}

#[test]
fn one_exponential_server() {
    let view = watch(0.7, 1, |random| exponential(random, 1.0));
    assert_is(&view, 0.7, 1, 1.0);
}

#[test]
fn one_server_of_fixed_time() {
    let view = watch(0.7, 1, |_| 1.0);
    assert_is(&view, 0.7, 1, 0.0);
}

#[test]
fn four_exponential_servers() {
    let view = watch(0.8, 4, |random| exponential(random, 1.0));
    assert_is(&view, 0.8, 4, 1.0);
}

/// `count` requests, one every `step` seconds, each served at once for half of it.
fn feed(station: &mut Station, from: f64, step: f64, count: u32) {
    for n in 0..count {
        let now = from + f64::from(n) * step;
        station.advance(at(now));
        station.handle_arrival(10, 3600);
        station.handle_start();
        station.advance(at(now + step / 2.0));
        station.handle_end(10, at(now));
        station.handle_departure(10, at(now));
    }
}

#[test]
fn what_is_past_is_forgotten() {
    let mut station = Station::new(Duration::from_secs(10));
    feed(&mut station, 0.0, 0.01, 10_000);
    let view = station.view(station.now);
    assert_near("requests", view.requests_per_second, 100.0);
    assert_near("items", view.items_per_second, 1000.0);
    feed(&mut station, 100.0, 1.0, 200);
    let view = station.view(station.now);
    assert_near("requests", view.requests_per_second, 1.0);
    assert_near("service", view.service_seconds, 0.5);
}

#[test]
fn who_is_inside_counts_before_leaving() {
    let mut station = Station::new(FOREVER);
    assert_eq!(station.view(at(5.0)), View::default());
    station.advance(at(10.0));
    station.handle_arrival(100, 1);
    station.handle_start();
    let view = station.view(at(20.0));
    assert_near("L", view.items_inside, 50.0);
    assert_near("busy", view.busy, 0.5);
    assert_eq!(view.items_out_per_second, 0.0);
}

#[test]
fn a_clock_that_goes_back_changes_nothing() {
    let mut station = Station::new(FOREVER);
    feed(&mut station, 0.0, 1.0, 10);
    let before = station.view(station.now);
    station.advance(at(3.0));
    assert_eq!(station.view(station.now), before);
}
