//! Small requests, merged on the way: requests for a second of processor time.

use super::report::Figure;
use super::rig::{Build, Lab, Rig, Run};
use std::io;
use tailrace_engine::runtime::RuntimeKind;

pub const ABOUT: &str = "10 spans of 362 bytes a request, uncompressed gRPC, 64 requests in \
flight on one connection, answered when accepted; sent on in batches of 8192 spans or after 200 \
ms.";

pub fn measure(lab: &Lab) -> io::Result<Vec<Figure>> {
    let mut rigs = Vec::new();
    for &runtime in &lab.runtimes {
        let mut rig = start(lab, runtime)?;
        run(lab, &mut rig)?;
        rigs.push((runtime, rig, Vec::new()));
    }
    for round in 0..lab.rounds {
        for (_, rig, runs) in &mut rigs {
            runs.push(run(lab, rig)?);
        }
        rigs.reverse();
        eprintln!("small: round {} of {}", round + 1, lab.rounds);
    }
    let mut figures = Vec::new();
    for (runtime, rig, runs) in rigs {
        rig.finish()?;
        let rates = runs.iter().map(Run::requests_per_cpu_second).collect();
        let what = "10 spans, 64 in flight, batched";
        let unit = "requests per CPU-second";
        figures.push(Figure::new(what, runtime.name(), unit, rates).at_least(80_000.0));
        let p99 = runs.iter().map(|run| run.p99_us as f64).collect();
        figures.push(Figure::new("answered in (p99)", runtime.name(), "us", p99));
        let failed = runs.iter().map(|run| run.failed_requests as f64).collect();
        figures.push(Figure::new("refused", runtime.name(), "requests", failed));
    }
    Ok(figures)
}

fn start(lab: &Lab, runtime: RuntimeKind) -> io::Result<Rig> {
    let build = Build {
        runtime,
        shards: 1,
        core: Some(lab.core),
        frame: 1 << 20,
        compression: "none",
        limit_mib: None,
        sending_queue: "      queue_size: 100000\n      batch:\n        min_size: 8192\n        \
                        flush_timeout: 200ms",
        exporter: "",
        engine: "",
    };
    Rig::start(lab, &build)
}

fn run(lab: &Lab, rig: &mut Rig) -> io::Result<Run> {
    let plan = rig.plan(lab, 10);
    rig.run(plan)
}
