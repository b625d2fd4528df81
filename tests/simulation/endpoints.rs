//! Three backends behind one exporter, of which one is slow, dead, flapping or failing.

use crate::world::backend::Plan;
use crate::world::{Setup, Traffic, World, exporters};
use std::time::Duration;
use tailrace_bench::load::arrivals::{Shape, Spacing};

const MINUTES: Duration = Duration::from_secs(300);
const SECOND: Duration = Duration::from_secs(1);
const SPANS: usize = 10;
/// Requests in a second.
const RATE: f64 = 100.0;

fn backend(latency: &str) -> Plan {
    Plan {
        script: format!("phases: [{{latency: {{fixed: {latency}}}}}]"),
        ..Plan::default()
    }
}

/// The second of three backends is `odd`.
fn world(seed: u64, balancing: &str, odd: Plan) -> World {
    let keys = format!(
        "retry_on_failure: {{max_elapsed_time: 0s}}, tailrace: {{load_balancing: {{endpoints: \
         ['http://127.0.0.1:10000', 'http://127.0.0.1:10001', 'http://127.0.0.1:10002'], \
         {balancing}}}}}"
    );
    World::new(Setup {
        seed,
        yaml: exporters(64, [keys.as_str()]),
        backends: vec![backend("10ms"), odd, backend("10ms")],
        traffic: vec![Traffic::steady(
            Shape::steady(RATE, Spacing::Poisson),
            SPANS,
            MINUTES,
        )],
    })
}

/// Requests that each backend was offered in these seconds.
fn offered(world: &World, seconds: std::ops::Range<usize>) -> [u64; 3] {
    [0, 1, 2].map(|index| {
        let offered = &world.backend(index).offered;
        let end = seconds.end.min(offered.len());
        let items: u64 = offered[seconds.start.min(end)..end].iter().sum();
        items / SPANS as u64
    })
}

fn connects_per_second(world: &World) -> f64 {
    world.backend(1).connects.len() as f64 / MINUTES.as_secs_f64()
}

/// Lets it run, and looks for all of it.
fn run(world: &mut World) {
    world.pass(MINUTES);
    assert!(world.settle(MINUTES), "{:?}", world.lane(0));
    assert_eq!(world.lost_by_all(), 0);
}

#[test]
fn one_that_slows_down_loses_its_share_within_two_seconds() {
    let slow = Plan {
        script: "phases: [{for: 60s, latency: {fixed: 10ms}}, {latency: {fixed: 2s}}]".to_owned(),
        ..Plan::default()
    };
    let mut world = world(1, "policy: least_request", slow);
    run(&mut world);
    let [first, odd, last] = offered(&world, 0..60);
    let mean = (first + odd + last) / 3;
    assert!(
        odd.abs_diff(mean) < mean / 3,
        "alike while it is: {first} {odd} {last}"
    );
    let [first, odd, last] = offered(&world, 62..300);
    assert!(
        odd * 20 < first + last,
        "at most a twentieth: {first} {odd} {last}"
    );
    assert!(odd > 0, "it is asked now and then");
}

#[test]
fn with_a_dead_one_nothing_is_lost_and_it_is_hardly_asked() {
    for (seed, policy) in [(2, "policy: round_robin"), (3, "policy: least_request")] {
        let dead = Plan {
            outages: vec![60 * SECOND..MINUTES + MINUTES],
            ..backend("10ms")
        };
        let mut world = world(seed, policy, dead);
        run(&mut world);
        let per_second = connects_per_second(&world);
        assert!(
            per_second < 0.5,
            "{per_second} connection attempts a second"
        );
        assert_eq!(offered(&world, 61..300)[1], 0);
        // What was on its way when it died is tried again, and nothing else is.
        let failed = world.lane(0).send_failed;
        assert!(failed < 200, "{failed} items");
    }
}

#[test]
fn a_flapping_one_is_not_stormed_and_nothing_is_lost() {
    let flaps = (0..300).step_by(2).map(|second| {
        let from = Duration::from_secs(second + 1);
        from..from + SECOND
    });
    let flapping = Plan {
        outages: flaps.collect(),
        ..backend("10ms")
    };
    let mut world = world(4, "outlier_detection: {}", flapping);
    run(&mut world);
    let per_second = connects_per_second(&world);
    assert!(
        per_second < 2.0,
        "{per_second} connection attempts a second"
    );
}

#[test]
fn one_that_answers_with_failures_gets_five_requests_and_probes() {
    let failing = Plan {
        script:
            "phases: [{latency: {fixed: 10ms}, faults: [{share: 1, refuse: {grpc: UNAVAILABLE}}]}]"
                .to_owned(),
        ..Plan::default()
    };
    let mut world = world(5, "outlier_detection: {base_ejection_time: 10s}", failing);
    run(&mut world);
    let asked = offered(&world, 0..300)[1];
    // Five in a row, what is on its way meanwhile, and probes after 10 s, 20 s, 30 s and so on.
    assert!((5..20).contains(&asked), "{asked} requests");
}

#[test]
fn another_level_takes_what_the_first_cannot_and_gives_it_back() {
    let levels = "retry_on_failure: {max_elapsed_time: 0s}, tailrace: {load_balancing: \
                  {failback_after: 20s, priority_levels: [['http://127.0.0.1:10000'], \
                  ['http://127.0.0.1:10001']]}}";
    let mut world = World::new(Setup {
        seed: 6,
        yaml: exporters(64, [levels]),
        backends: vec![
            Plan {
                outages: vec![60 * SECOND..120 * SECOND],
                ..backend("10ms")
            },
            backend("10ms"),
        ],
        traffic: vec![Traffic::steady(
            Shape::steady(RATE, Spacing::Poisson),
            SPANS,
            MINUTES,
        )],
    });
    run(&mut world);
    let of = |backend: usize, seconds: std::ops::Range<usize>| {
        let offered = &world.backend(backend).offered;
        offered
            .get(seconds)
            .map_or(0, |items| items.iter().sum::<u64>())
    };
    assert_eq!(of(1, 0..59), 0);
    assert!(of(1, 62..120) > 50_000);
    // Ten seconds of hold-off at most, then twenty of proof.
    assert_eq!(of(1, 152..300), 0);
    assert!(of(0, 152..300) > 130_000);
}
