//! A tenant that sends a hundred times its quota, and what its neighbours feel of it.

use crate::world::backend::{Capacity, Plan};
use crate::world::film::Film;
use crate::world::{Setup, Traffic, World, exporters, with_engine};
use std::time::Duration;
use tailrace_bench::chart::Colour;
use tailrace_bench::load::arrivals::{Shape, Spacing};

const SPANS: usize = 10;
const MINUTES: Duration = Duration::from_secs(300);

/// Of each tenant, in spans a second. The backend takes four times as much.
const QUOTA: f64 = 100.0;

/// Three tenants, of which the first sends `noise` times its quota, the others nine tenths of it.
fn world(noise: f64, tenants: &str) -> World {
    let keys = "sending_queue: {queue_size: 1000, num_consumers: 2}, \
                retry_on_failure: {max_elapsed_time: 0s}";
    let traffic = |times: f64, tenant| {
        let shape = Shape::steady(times * QUOTA / SPANS as f64, Spacing::Poisson);
        Traffic::steady(shape, SPANS, MINUTES).of(tenant)
    };
    World::new(Setup {
        seed: 5,
        yaml: with_engine(&exporters(64, [keys]), tenants),
        backends: vec![Plan {
            capacity: Some(Capacity {
                items_per_second: 4.0 * QUOTA,
                wait_max: MINUTES,
                until: Duration::MAX,
            }),
            ..Plan::default()
        }],
        traffic: vec![
            traffic(noise, "noisy"),
            traffic(0.9, "b"),
            traffic(0.9, "c"),
        ],
    })
}

const QUOTAS: &str = "tenants: {from_metadata: x-tenant, default: {queue_share_percent: 25, \
                      rate_limit: {items_per_second: 100, burst: 10s}}}";

#[test]
fn a_hundred_times_the_quota_costs_the_others_nothing() {
    let mut quiet = world(0.9, QUOTAS);
    quiet.pass(MINUTES);
    let mut noisy = world(100.0, QUOTAS);
    let mut film = Film::new(0, Duration::from_secs(5));
    film.pass(&mut noisy, MINUTES);
    film.save(
        "tenant.svg",
        &[
            vec![
                film.rate("requests of all tenants / s", Colour::Grey, |it| it.sent),
                film.rate("refused / s", Colour::Red, |it| it.refused),
            ],
            vec![
                film.rate("spans taken of all / s", Colour::Blue, |it| it.taken),
                film.mark("three quotas", 3.0 * QUOTA),
            ],
        ],
    );
    assert!(noisy.settle(MINUTES), "{:?}", noisy.lane(0));
    assert_eq!(noisy.lost(0), 0);
    let backend = noisy.backend(0);
    let quota = QUOTA * (MINUTES.as_secs_f64() + 10.0) + SPANS as f64;
    let passed = noisy.senders[0].accepted.len() as f64;
    assert!(
        passed <= quota && passed > 0.95 * quota,
        "{passed} of {quota}"
    );
    assert!(noisy.senders[0].refused_without_delay.is_empty());
    for neighbour in [1, 2] {
        let sender = &noisy.senders[neighbour];
        assert_eq!(sender.refusals(), 0, "{:?}", sender.refused);
        assert_eq!(sender.accepted.missing_from(&backend.arrived), 0);
        let [before, after] = [&quiet, &noisy].map(|world| world.delay(0, neighbour, 0.99));
        let more = after.as_secs_f64() / before.as_secs_f64();
        assert!(more < 1.1, "{after:?}, without noise {before:?}");
    }
}

#[test]
fn turns_alone_keep_a_tenant_without_quota_from_the_others() {
    // Nobody is refused for a quota: the noisy one fills its share of the queue, and waits in it.
    let shares = "tenants: {from_metadata: x-tenant, default: {queue_share_percent: 25}}";
    let mut world = world(100.0, shares);
    world.pass(MINUTES);
    for neighbour in [1, 2] {
        let sender = &world.senders[neighbour];
        assert_eq!(sender.refusals(), 0, "{:?}", sender.refused);
        let delay = world.delay(0, neighbour, 0.99);
        assert!(delay < Duration::from_millis(500), "{delay:?}");
    }
    assert!(world.delay(0, 0, 0.5) > Duration::from_secs(2));
}

#[test]
fn without_tenants_all_suffer_alike() {
    let mut world = world(100.0, "");
    world.pass(MINUTES);
    assert!(world.senders[1].refusals() > 1000);
}

#[test]
fn what_all_send_together_is_limited_too() {
    let mut world = world(1.0, "rate_limit: {items_per_second: 150}");
    world.pass(MINUTES);
    let accepted: u64 = world
        .senders
        .iter()
        .map(|sender| sender.accepted.len())
        .sum();
    let limit = 150.0 * (MINUTES.as_secs_f64() + 1.0) + SPANS as f64;
    assert!(
        accepted as f64 <= limit && accepted as f64 > 0.95 * limit,
        "{accepted} of {limit}"
    );
    assert!(
        world
            .senders
            .iter()
            .all(|sender| sender.refused_without_delay.is_empty())
    );
}
