//! Large requests, one to one: the cost of a byte, as a multiple of a relay's.

use super::report::Figure;
use super::rig::{Build, Lab, Rig, Run};
use std::io;
use std::time::Duration;
use tailrace_bench::relay::{self, BUFFER_SIZES, Pace, Via};
use tailrace_engine::runtime::RuntimeKind;

pub const ABOUT: &str = "512 spans of 362 bytes a request, uncompressed gRPC, 64 requests in \
flight on one connection, each answered when the sink has answered. Processor time per payload \
byte as a multiple of what a blocking relay of one connection needed in the same round, with the \
best of its buffer sizes from 64 KiB to 1 MiB. `64 in flight` is as fast as answers come, and so \
is its relay. `half rate` is half of the rate that this gave in the same round; its relay gets \
writes as long as a request at that rate. Frames of both sides are up to the length named.";

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
    /// The relay at half rate.
    half_relay: Relay,
}

pub fn measure(lab: &Lab) -> io::Result<Vec<Figure>> {
    let mut variants = Vec::new();
    for &runtime in &lab.runtimes {
        for frame in FRAMES {
            let mut variant = Variant::start(lab, runtime, frame)?;
            variant.run(lab, None)?;
            variants.push(variant);
        }
    }
    let mut relay = Relay::default();
    for round in 0..lab.rounds {
        relay.round(lab, RELAY_BYTES, None)?;
        for variant in &mut variants {
            variant.round(lab)?;
        }
        variants.reverse();
        eprintln!("forward: round {} of {}", round + 1, lab.rounds);
    }
    variants.sort_by_key(|variant| (variant.runtime.name(), std::cmp::Reverse(variant.frame.0)));
    let mut figures = relay.figures();
    let full = relay.best();
    for variant in variants {
        figures.extend(variant.figures(full));
        variant.rig.finish()?;
    }
    Ok(figures)
}

/// What relays have cost in each round, by buffer size.
#[derive(Default)]
struct Relay {
    costs: [Vec<f64>; BUFFER_SIZES.len()],
}

impl Relay {
    fn round(&mut self, lab: &Lab, bytes: u64, pace: Option<Pace>) -> io::Result<()> {
        for (buffer_bytes, costs) in BUFFER_SIZES.into_iter().zip(&mut self.costs) {
            costs.push(relay_cost(lab, buffer_bytes, bytes, pace)?);
        }
        Ok(())
    }

    fn figures(&self) -> Vec<Figure> {
        let figure = |(costs, bytes): (&Vec<f64>, usize)| {
            let what = format!("relay, {} KiB buffer", bytes >> 10);
            Figure::new(what, "blocking", "ns/B", costs.clone())
        };
        self.costs.iter().zip(BUFFER_SIZES).map(figure).collect()
    }

    /// The costs of the buffer with the least median.
    fn best(&self) -> &[f64] {
        let figures = self.figures();
        let by_median = |a: &usize, b: &usize| figures[*a].median.total_cmp(&figures[*b].median);
        &self.costs[(0..figures.len()).min_by(by_median).unwrap_or(0)]
    }
}

fn relay_cost(lab: &Lab, buffer_bytes: usize, bytes: u64, pace: Option<Pace>) -> io::Result<f64> {
    let run = relay::run(relay::Plan {
        via: Via::Blocking,
        buffer_bytes,
        bytes,
        pace,
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
            compression: "none",
            limit_mib: None,
            sending_queue: "      wait_for_result: true\n      num_consumers: 64",
            exporter: "",
            engine: "",
        };
        Ok(Self {
            runtime,
            frame,
            rig: Rig::start(lab, &build)?,
            full: Vec::new(),
            half: Vec::new(),
            half_relay: Relay::default(),
        })
    }

    /// Both operating points, one after the other, and the relay at the second.
    fn round(&mut self, lab: &Lab) -> io::Result<()> {
        let full = self.run(lab, None)?;
        let rate = full.requests as f64 / full.elapsed.as_secs_f64() / 2.0;
        let half = self.run(lab, Some(rate))?;
        let pace = Pace {
            write_bytes: usize::try_from(half.payload_bytes / half.requests).unwrap_or(usize::MAX),
            interval: Duration::from_secs_f64(1.0 / rate),
        };
        // As much as the device got, by all buffers together.
        let bytes = half.payload_bytes / BUFFER_SIZES.len() as u64;
        self.half_relay.round(lab, bytes, Some(pace))?;
        self.full.push(full);
        self.half.push(half);
        Ok(())
    }

    fn run(&mut self, lab: &Lab, rate: Option<f64>) -> io::Result<Run> {
        let mut plan = self.rig.plan(lab, SPANS);
        plan.wire.frame_bytes_max = self.frame.0 as usize;
        self.rig.run(match rate {
            Some(rate) => plan.at_rate(rate),
            None => plan,
        })
    }

    fn figures(&self, full_relay: &[f64]) -> Vec<Figure> {
        let points = [
            ("64 in flight", &self.full, full_relay),
            ("half rate", &self.half, self.half_relay.best()),
        ];
        points
            .into_iter()
            .flat_map(|(point, runs, relay)| self.point(point, runs, relay))
            .collect()
    }

    fn point(&self, point: &str, runs: &[Run], relay: &[f64]) -> [Figure; 4] {
        let (_, frame, bound) = self.frame;
        let costs: Vec<f64> = runs.iter().map(Run::ns_per_byte).collect();
        let ratios = costs.iter().zip(relay).map(|(cost, relay)| cost / relay);
        let figure = |what: &str, unit, rounds| {
            let what = format!("{frame} frames, {point}{what}");
            Figure::new(what, self.runtime.name(), unit, rounds)
        };
        let p99 = runs.iter().map(|run| run.p99_us as f64).collect();
        [
            figure("", "x relay", ratios.collect()).at_most(bound),
            figure(", cost", "ns/B", costs),
            figure(", cost of its relay", "ns/B", relay.to_vec()),
            figure(", answered in (p99)", "us", p99),
        ]
    }
}
