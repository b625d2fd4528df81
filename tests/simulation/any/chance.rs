//! Drawing a world.

use crate::world::backend::{Capacity, Plan};
use crate::world::{Setup, Traffic, exporters, with_engine};
use std::fmt::Write;
use std::ops::Range;
use std::time::Duration;
use tailrace_bench::load::arrivals::{Phase, Shape, Spacing};
use tailrace_bench::random::Random;

/// For how long senders send at most: phases of up to a minute.
const PHASES_MAX: usize = 4;

/// The world of a seed.
pub fn setup(seed: u64) -> Setup {
    let mut random = Random::new(seed);
    let random = &mut random;
    let lanes = 1 + below(random, 3);
    // Who waits for room in one queue waits in all.
    let blocks = random.happens(0.2);
    let keys: Vec<_> = (0..lanes).map(|_| exporter(random, blocks)).collect();
    let limit = 18 + below(random, 30) as u32;
    let yaml = exporters(limit, keys.iter().map(String::as_str));
    Setup {
        seed,
        yaml: match random.happens(0.5) {
            true => with_engine(&yaml, &classes(random)),
            false => yaml,
        },
        backends: (0..lanes).map(|_| backend(random)).collect(),
        traffic: (0..1 + below(random, 3)).map(|_| traffic(random)).collect(),
    }
}

/// The first sender goes before the others, the second after them.
fn classes(random: &mut Random) -> String {
    let age = one(random, &["500ms", "10s"]);
    format!(
        "priority: {{max_age: {age}, rules: [{{resource_attributes: {{tailrace.run: \
         '0000000000000000'}}, priority: high}}, {{resource_attributes: {{tailrace.run: \
         '0000000000000001'}}, priority: low}}]}}"
    )
}

fn exporter(random: &mut Random, blocks: bool) -> String {
    let overflow = match blocks {
        true => "block",
        false => one(
            random,
            &[
                "reject",
                "reject",
                "drop_newest",
                "drop_oldest",
                "drop_lowest_priority",
                "sample",
            ],
        ),
    };
    let mut queue = format!(
        "queue_size: {}, num_consumers: {}, overflow: {overflow}",
        one(random, &[2, 10, 100, 10_000]),
        one(random, &[1, 2, 10])
    );
    // What a string is written to never fails.
    if random.happens(0.5) {
        let (min, timeout) = (one(random, &[1, 20, 200]), one(random, &["50ms", "1s"]));
        let max = min * one(random, &[1, 3]);
        let _ = write!(
            queue,
            ", batch: {{min_size: {min}, max_size: {max}, flush_timeout: {timeout}, sizer: items}}"
        );
    }
    if random.happens(0.2) {
        queue.push_str(", wait_for_result: true");
    }
    if random.happens(0.3) {
        let order = one(random, &["oldest_first", "newest_first", "interleave"]);
        let rate = one(random, &[0, 20, 1000]);
        let _ = write!(
            queue,
            ", catch_up: {{order: {order}, after: 2s, items_per_second: {rate}}}"
        );
    }
    let elapsed = one(random, &["0s", "5s", "60s"]);
    let timeout = one(random, &["500ms", "5s"]);
    let ours = match random.happens(0.3) {
        true => "degradation: {hold: 2s}, export_only_sampled: marked",
        false => "",
    };
    format!(
        "timeout: {timeout}, tailrace: {{{ours}}}, sending_queue: {{{queue}}}, \
         retry_on_failure: {{initial_interval: 200ms, max_interval: 5s, max_elapsed_time: {elapsed}}}"
    )
}

fn backend(random: &mut Random) -> Plan {
    let mut script = "phases:\n".to_owned();
    for _ in 0..below(random, 4) {
        let latency = one(
            random,
            &[
                "fixed: 5ms",
                "fixed: 700ms",
                "exponential: 50ms",
                "lognormal: {median: 20ms, sigma: 1.5}",
            ],
        );
        let _ = write!(
            script,
            "  - {{for: {}s, latency: {{{latency}}}, faults: [",
            1 + below(random, 60)
        );
        for _ in 0..below(random, 4) {
            let share = 0.3 * random.unit();
            let fault = one(random, &FAULTS);
            let _ = write!(script, "{{share: {share:.3}, {fault}}}, ");
        }
        script.push_str("]}\n");
    }
    // At least one, which ends at once.
    script.push_str("  - {for: 1ms}\n");
    let capacity = random.happens(0.5).then(|| Capacity {
        items_per_second: one(random, &[50.0, 500.0, 5000.0]),
        wait_max: Duration::from_millis(one(random, &[100, 2000, 20_000])),
        // A batch that is served for longer than its timeout would never end.
        until: Duration::from_secs(300),
    });
    Plan {
        script,
        outages: (0..below(random, 3)).map(|_| outage(random)).collect(),
        capacity,
    }
}

const FAULTS: [&str; 10] = [
    "refuse: {grpc: UNAVAILABLE}",
    "refuse: {grpc: UNAVAILABLE, retry_after: 2s}",
    "refuse: {grpc: RESOURCE_EXHAUSTED, retry_after: 1s}",
    "refuse: {grpc: INVALID_ARGUMENT}",
    "partial_success: {rejected: 1}",
    "reset_stream: REFUSED_STREAM",
    "reset_stream: CANCEL",
    "reset_connection: true",
    "silence: true",
    "garbage: 10",
];

fn outage(random: &mut Random) -> Range<Duration> {
    let from = Duration::from_secs(below(random, 120) as u64);
    from..from + Duration::from_secs(one(random, &[1, 10, 90]))
}

fn traffic(random: &mut Random) -> Traffic {
    let phases = 1 + below(random, PHASES_MAX);
    Traffic {
        phases: (0..phases).map(|_| phase(random)).collect(),
        items: one(random, &[1, 5, 30]),
        tenant: None,
    }
}

fn phase(random: &mut Random) -> Phase {
    let spacing = one(random, &[Spacing::Constant, Spacing::Poisson]);
    let mut rate = || one(random, &[0.5, 5.0, 20.0, 50.0]);
    let (from, to) = (rate(), rate());
    let shape = match below(random, 4) {
        0 => Shape::Pause,
        1 => Shape::Burst {
            requests: 50,
            every: Duration::from_secs(7),
        },
        _ => Shape::Ramp { from, to, spacing },
    };
    Phase {
        name: String::new(),
        duration: Duration::from_secs(1 + below(random, 60) as u64),
        shape,
    }
}

fn below(random: &mut Random, end: usize) -> usize {
    (random.unit() * end as f64) as usize
}

fn one<T: Copy>(random: &mut Random, choices: &[T]) -> T {
    choices[below(random, choices.len())]
}
