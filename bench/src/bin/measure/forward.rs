//! Large requests, one to one: the cost of a byte, as a multiple of a relay's.

use super::report::Figure;
use super::rig::{Backend, Build, Lab, Rig, Run};
use std::io;
use tailrace_bench::load;
use tailrace_bench::relay::{self, BUFFER_SIZES, Via};
use tailrace_engine::runtime::RuntimeKind;

pub const ABOUT: &str = "512 spans of 362 bytes a request, uncompressed gRPC, 64 requests in \
flight on one connection, each answered when the sink has answered. Processor time per payload \
byte as a multiple of what a blocking relay of one connection needed in the same round, with the \
best of its buffer sizes from 64 KiB to 1 MiB. `64 in flight` is as fast as answers come; `half \
rate` is half of the rate that this gave in the same round. Frames of both sides are up to the \
length named.";

const SPANS: usize = 512;

/// Bytes that one relay moves.
const RELAY_BYTES: u64 = 512 << 20;

/// The frames of load and sink, in bytes, and the bound for each.
const FRAMES: [(u32, &str, f64); 2] = [(1 << 20, "1 MiB", 1.8), (16 << 10, "16 KiB", 3.5)];

struct Variant {
    runtime: RuntimeKind,
    frame: (u32, &'static str, f64),
    rig: Rig,
    full: Vec<Run>,
    half: Vec<Run>,
}

pub fn measure(lab: &Lab) -> io::Result<Vec<Figure>> {
    let mut variants = Vec::new();
    for &runtime in &lab.runtimes {
        for frame in FRAMES {
            let mut variant = Variant::start(lab, runtime, frame)?;
            variant.round(lab)?;
            (variant.full, variant.half) = (Vec::new(), Vec::new());
            variants.push(variant);
        }
    }
    let mut relays = vec![Vec::new(); BUFFER_SIZES.len()];
    for round in 0..lab.rounds {
        for (buffer_bytes, costs) in BUFFER_SIZES.into_iter().zip(&mut relays) {
            costs.push(relay_cost(lab, buffer_bytes)?);
        }
        for variant in &mut variants {
            variant.round(lab)?;
        }
        variants.reverse();
        eprintln!("forward: round {} of {}", round + 1, lab.rounds);
    }
    variants.sort_by_key(|variant| (variant.runtime.name(), std::cmp::Reverse(variant.frame.0)));
    let mut figures: Vec<Figure> = relays
        .iter()
        .zip(BUFFER_SIZES)
        .map(|(costs, bytes)| {
            let what = format!("relay, {} KiB buffer", bytes >> 10);
            Figure::new(what, "blocking", "ns/B", costs.clone())
        })
        .collect();
    let best = (0..relays.len()).min_by(|a, b| figures[*a].median.total_cmp(&figures[*b].median));
    let relay = &relays[best.unwrap_or(0)];
    for variant in variants {
        figures.extend(variant.figures(relay));
        variant.rig.finish()?;
    }
    Ok(figures)
}

fn relay_cost(lab: &Lab, buffer_bytes: usize) -> io::Result<f64> {
    let run = relay::run(relay::Plan {
        via: Via::Blocking,
        buffer_bytes,
        bytes: RELAY_BYTES,
        core: Some(lab.core),
        peers_core: Some(lab.peers_core),
    })?;
    Ok(run.cpu_ns_per_byte)
}

impl Variant {
    fn start(lab: &Lab, runtime: RuntimeKind, frame: (u32, &'static str, f64)) -> io::Result<Self> {
        let build = Build {
            runtime,
            shards: 1,
            core: Some(lab.core),
            frame: frame.0,
            backend: Backend::Answers,
            sending_queue: "      wait_for_result: true\n      num_consumers: 64",
        };
        Ok(Self {
            runtime,
            frame,
            rig: Rig::start(lab, &build)?,
            full: Vec::new(),
            half: Vec::new(),
        })
    }

    /// Both operating points, one after the other.
    fn round(&mut self, lab: &Lab) -> io::Result<()> {
        let plan = load::Plan {
            spans_per_request: SPANS,
            frame_max: self.frame.0 as usize,
            ..self.rig.plan(lab)
        };
        let full = self.rig.run(plan)?;
        let rate = full.requests as f64 / full.elapsed.as_secs_f64() / 2.0;
        let plan = load::Plan {
            spans_per_request: SPANS,
            frame_max: self.frame.0 as usize,
            rate: Some(rate),
            ..self.rig.plan(lab)
        };
        let half = self.rig.run(plan)?;
        self.full.push(full);
        self.half.push(half);
        Ok(())
    }

    fn figures(&self, relay: &[f64]) -> Vec<Figure> {
        let (_, frame, bound) = self.frame;
        let mut figures = Vec::new();
        for (point, runs) in [("64 in flight", &self.full), ("half rate", &self.half)] {
            let costs: Vec<f64> = runs.iter().map(Run::ns_per_byte).collect();
            let ratios = costs.iter().zip(relay).map(|(cost, relay)| cost / relay);
            let figure = |what: &str, unit, rounds| {
                let what = format!("{frame} frames, {point}{what}");
                Figure::new(what, self.runtime.name(), unit, rounds)
            };
            figures.push(figure("", "x relay", ratios.collect()).at_most(bound));
            figures.push(figure(", cost", "ns/B", costs));
            let p99 = runs.iter().map(|run| run.p99_us as f64).collect();
            figures.push(figure(", answered in (p99)", "us", p99));
        }
        figures
    }
}
