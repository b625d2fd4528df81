//! Flow control: what all of it costs together.

use super::report::Figure;
use super::rig::{Build, Lab, Rig};
use std::io;
use tailrace_engine::runtime::RuntimeKind;

pub const ABOUT: &str = "A device without flow control; one with a circuit breaker, a retry budget, \
rates in and out, catch-up, degradation, tenants by a header with quotas and shares, and priority by \
signal, none of which has anything to hold back; one with tenants by resource and priority by span \
status and resource attribute instead, so that each item is looked at; and the second with adaptive \
concurrency besides. Uncompressed gRPC, 64 requests in flight on one connection, each answered when the \
sink has answered. Processor time of a request as a multiple of that of the first in the same round. \
Adaptive concurrency has no bound: it lets fewer requests be on their way to a sink this near, so that \
fewer of them share a system call, and what that costs is not work of its own.";

const SPANS: [usize; 3] = [1, 10, 512];

/// What stands beside the exporter's queue, and in `service`.
struct Variant {
    name: &'static str,
    exporter: &'static str,
    queue: &'static str,
    engine: &'static str,
    /// Of the first, at most so many times, where there is a bound.
    bound: Option<f64>,
}

const QUEUE: &str = "      wait_for_result: true\n      num_consumers: 64";

const CAUGHT_UP: &str = "      wait_for_result: true
      num_consumers: 64
      catch_up: {order: newest_first}";

const GUARDS: &str = "    tailrace:
      circuit_breaker: {}
      retry_budget: {}
      rate_limit: {requests_per_second: 1e9, items_per_second: 1e9, bytes_per_second: 1e12}
      degradation: {}
";

const ADAPTIVE: &str = "    tailrace:
      circuit_breaker: {}
      retry_budget: {}
      adaptive_concurrency: {initial_concurrency: 64}
      rate_limit: {requests_per_second: 1e9, items_per_second: 1e9, bytes_per_second: 1e12}
      degradation: {}
";

const BY_REQUEST: &str = "  tailrace:
    rate_limit: {requests_per_second: 1e9, items_per_second: 1e9, bytes_per_second: 1e12}
    priority: {rules: [{signal: metrics, priority: low}]}
    tenants:
      from_metadata: x-tenant
      default:
        queue_share_percent: 90
        rate_limit: {requests_per_second: 1e9, items_per_second: 1e9, bytes_per_second: 1e12}
";

const BY_ITEM: &str = "  tailrace:
    rate_limit: {requests_per_second: 1e9, items_per_second: 1e9, bytes_per_second: 1e12}
    priority:
      rules:
        - {span_status: error, priority: high}
        - {resource_attributes: {deployment.environment: dev}, priority: low}
    tenants:
      from_resource: service.name
      default:
        queue_share_percent: 90
        rate_limit: {requests_per_second: 1e9, items_per_second: 1e9, bytes_per_second: 1e12}
";

const VARIANTS: [Variant; 4] = [
    Variant {
        name: "without",
        exporter: "",
        queue: QUEUE,
        engine: "",
        bound: None,
    },
    Variant {
        name: "with all of it",
        exporter: GUARDS,
        queue: CAUGHT_UP,
        engine: BY_REQUEST,
        bound: Some(1.1),
    },
    Variant {
        name: "with all of it, by item",
        exporter: GUARDS,
        queue: CAUGHT_UP,
        engine: BY_ITEM,
        bound: Some(1.4),
    },
    Variant {
        name: "with adaptive concurrency too",
        exporter: ADAPTIVE,
        queue: CAUGHT_UP,
        engine: BY_REQUEST,
        bound: None,
    },
];

pub fn measure(lab: &Lab) -> io::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for &runtime in &lab.runtimes {
        for spans in SPANS {
            figures.extend(compared(lab, runtime, spans)?);
            eprintln!("flow: {} spans on {}", spans, runtime.name());
        }
    }
    Ok(figures)
}

fn compared(lab: &Lab, runtime: RuntimeKind, spans: usize) -> io::Result<Vec<Figure>> {
    let start = |variant: &Variant| {
        let build = Build {
            runtime,
            shards: 1,
            core: Some(lab.core),
            frame: 1 << 20,
            compression: "none",
            limit_mib: None,
            sending_queue: variant.queue,
            exporter: variant.exporter,
            engine: variant.engine,
        };
        Rig::start(lab, &build)
    };
    let mut rigs = VARIANTS.iter().map(start).collect::<io::Result<Vec<_>>>()?;
    let mut costs = VARIANTS.map(|_| Vec::new());
    // The first round warms up. Each begins with another, so that none always follows the same.
    for round in 0..=lab.rounds {
        for turn in 0..rigs.len() {
            let index = (round + turn) % rigs.len();
            let rig = &mut rigs[index];
            let plan = rig.plan(lab, spans);
            let run = rig.run(plan)?;
            if round > 0 {
                costs[index].push(run.cpu_ns as f64 / run.requests as f64);
            }
        }
    }
    for rig in rigs {
        rig.finish()?;
    }
    let [without, ..] = &costs;
    let mut figures = vec![Figure::new(
        format!("{spans} spans, {}", VARIANTS[0].name),
        runtime.name(),
        "ns a request",
        without.clone(),
    )];
    for (variant, costs) in VARIANTS.iter().zip(&costs).skip(1) {
        let ratios = costs
            .iter()
            .zip(without)
            .map(|(with, without)| with / without);
        let what = format!("{spans} spans, {}", variant.name);
        let figure = Figure::new(what, runtime.name(), "x without", ratios.collect());
        figures.push(match variant.bound {
            Some(bound) => figure.at_most(bound),
            None => figure,
        });
    }
    Ok(figures)
}
