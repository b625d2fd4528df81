//! One connection's load on two shards: what giving work away costs.

use super::report::Figure;
use super::rig::{Build, Lab, Rig, Run};
use std::io;
use tailrace_engine::runtime::RuntimeKind;

pub const ABOUT: &str = "512 spans of 362 bytes a request over one connection, 64 requests in \
flight, sent on uncompressed. Processor time per span of two shards as a multiple \
of one shard's in the same round, and the part of the shards' time that the less busy one had. \
Two shards use both processors, so load and sink compete with the second one.";

struct Variant {
    runtime: RuntimeKind,
    one: Rig,
    two: Rig,
    ratios: Vec<f64>,
    shares: Vec<f64>,
}

pub fn measure(lab: &Lab) -> io::Result<Vec<Figure>> {
    let mut variants = Vec::new();
    for &runtime in &lab.runtimes {
        variants.push(Variant {
            runtime,
            one: start(lab, runtime, 1)?,
            two: start(lab, runtime, 2)?,
            ratios: Vec::new(),
            shares: Vec::new(),
        });
    }
    for round in 0..lab.rounds {
        for variant in &mut variants {
            variant.round(lab)?;
        }
        eprintln!("skew: round {} of {}", round + 1, lab.rounds);
    }
    let mut figures = Vec::new();
    for variant in variants {
        let runtime = variant.runtime.name();
        let what = "processor time per span";
        figures.push(Figure::new(what, runtime, "x one shard", variant.ratios).at_most(1.1));
        let what = "part of the less busy shard";
        figures.push(Figure::new(what, runtime, "of the time", variant.shares).at_least(0.1));
        variant.one.finish()?;
        variant.two.finish()?;
    }
    Ok(figures)
}

fn start(lab: &Lab, runtime: RuntimeKind, shards: usize) -> io::Result<Rig> {
    let build = Build {
        runtime,
        shards,
        core: (shards == 1).then_some(lab.core),
        frame: 1 << 20,
        sending_queue: "      wait_for_result: true\n      num_consumers: 64",
    };
    Rig::start(lab, &build)
}

impl Variant {
    fn round(&mut self, lab: &Lab) -> io::Result<()> {
        let one = run(lab, &mut self.one)?;
        let shard = |rig: &Rig, shard: usize| rig.device.thread_nanos(&format!("tailrace-{shard}"));
        let before = [shard(&self.two, 0), shard(&self.two, 1)];
        let two = run(lab, &mut self.two)?;
        let first = (shard(&self.two, 0) - before[0]) as f64;
        let second = (shard(&self.two, 1) - before[1]) as f64;
        self.ratios.push(two.ns_per_byte() / one.ns_per_byte());
        self.shares.push(first.min(second) / (first + second));
        Ok(())
    }
}

fn run(lab: &Lab, rig: &mut Rig) -> io::Result<Run> {
    let plan = rig.plan(lab, 512);
    rig.run(plan)
}
