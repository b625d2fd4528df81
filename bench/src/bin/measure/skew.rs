//! One connection's load on two shards: what giving work away costs, and whether it is given.

use super::report::Figure;
use super::rig::{Build, Lab, Rig, Run};
use std::io;
use tailrace_engine::runtime::RuntimeKind;

pub const ABOUT: &str = "512 spans of 362 bytes a request over one connection, 64 requests in \
flight, sent on with gzip, which is more than one shard can do, and uncompressed, which is not: load \
and sink need more time than it, so there is no reason to give much away. Processor time per span of two \
shards as a multiple of one shard's in the same round, how busy that one was, and the part of the \
two shards' time that the less busy one had. Two shards use both processors, so load and sink \
compete with the second one; where that is the shard with the connection, uncompressed spans cost \
it more even if it gives nothing away.";

/// What is sent on, and whether it is more than one shard can do.
const LOADS: [(&str, bool); 2] = [("gzip", true), ("none", false)];

struct Variant {
    runtime: RuntimeKind,
    compression: &'static str,
    saturates: bool,
    one: Rig,
    two: Rig,
    /// By round: of one shard, the share of the time it worked.
    busy: Vec<f64>,
    ratios: Vec<f64>,
    parts: Vec<f64>,
}

pub fn measure(lab: &Lab) -> io::Result<Vec<Figure>> {
    let mut variants = Vec::new();
    for &runtime in &lab.runtimes {
        for (compression, saturates) in LOADS {
            variants.push(Variant {
                runtime,
                compression,
                saturates,
                one: start(lab, runtime, 1, compression)?,
                two: start(lab, runtime, 2, compression)?,
                busy: Vec::new(),
                ratios: Vec::new(),
                parts: Vec::new(),
            });
        }
    }
    for round in 0..lab.rounds {
        for variant in &mut variants {
            variant.round(lab)?;
        }
        eprintln!("skew: round {} of {}", round + 1, lab.rounds);
    }
    let mut figures = Vec::new();
    for variant in variants {
        figures.extend(variant.finish()?);
    }
    Ok(figures)
}

fn start(
    lab: &Lab,
    runtime: RuntimeKind,
    shards: usize,
    compression: &'static str,
) -> io::Result<Rig> {
    let build = Build {
        runtime,
        shards,
        core: (shards == 1).then_some(lab.core),
        frame: 1 << 20,
        compression,
        limit_mib: None,
        sending_queue: "      wait_for_result: true\n      num_consumers: 64",
        exporter: "",
        engine: "",
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
        self.busy
            .push(one.cpu_ns as f64 / one.elapsed.as_nanos() as f64);
        self.ratios.push(two.ns_per_byte() / one.ns_per_byte());
        self.parts.push(first.min(second) / (first + second));
        Ok(())
    }

    fn finish(self) -> io::Result<Vec<Figure>> {
        let runtime = self.runtime.name();
        let figure = |what: &str, unit, values| {
            let what = format!("{}: {what}", self.compression);
            Figure::new(what, runtime, unit, values)
        };
        let busy = figure("how busy one shard is", "of the time", self.busy);
        let ratio = figure("processor time per span", "x one shard", self.ratios);
        let part = figure("part of the less busy shard", "of the time", self.parts);
        let figures = match self.saturates {
            true => vec![busy, ratio.at_most(1.1), part.at_least(0.1)],
            false => vec![busy, ratio, part],
        };
        self.one.finish()?;
        self.two.finish()?;
        Ok(figures)
    }
}

fn run(lab: &Lab, rig: &mut Rig) -> io::Result<Run> {
    let plan = rig.plan(lab, 512);
    rig.run(plan)
}
