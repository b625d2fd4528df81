//! More than the backend takes, and more than memory holds: the limit is kept, and who is turned away
//! is told so.

use super::report::Figure;
use super::rig::{Build, Lab, Rig};
use std::io;
use tailrace_bench::load::Plan;

pub const ABOUT: &str = "A backend that takes requests and never answers, a memory limit of 64 MiB, 100 \
spans of 362 bytes a request as fast as they are answered, 64 in flight on each of 1, 4 and 10 \
connections. The peak of resident memory as a multiple of the limit, the requests that were \
refused, and those that were neither taken nor refused with a status.";

const LIMIT_MIB: u32 = 64;
const CONNECTIONS: [usize; 3] = [1, 4, 10];

pub fn measure(lab: &Lab) -> io::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for &runtime in &lab.runtimes {
        for connections in CONNECTIONS {
            let (mut peak, mut refused, mut lost) = (Vec::new(), Vec::new(), Vec::new());
            for _ in 0..lab.rounds.min(3) {
                let mut rig = Rig::start(
                    lab,
                    &Build {
                        runtime,
                        shards: 1,
                        core: Some(lab.core),
                        frame: 1 << 20,
                        compression: "none",
                        limit_mib: Some(LIMIT_MIB),
                        sending_queue: "      queue_size: 1000000000",
                        exporter: "",
                        engine: "",
                    },
                )?;
                rig.freeze_backend();
                let run = rig.send(plan(lab, &rig, connections))?;
                let limit = f64::from(LIMIT_MIB << 20);
                peak.push(rig.device.resident_peak_bytes() as f64 / limit);
                refused.push(run.failed_requests as f64);
                lost.push(run.lost_requests as f64);
            }
            let figure = |what: &str, unit, rounds| {
                let what = format!("{connections} connections: {what}");
                Figure::new(what, runtime.name(), unit, rounds)
            };
            figures.extend([
                figure("peak of memory", "x limit", peak).at_most(1.05),
                figure("not taken", "requests", refused).at_least(1.0),
                figure("without an answer", "requests", lost).at_most(0.0),
            ]);
        }
        eprintln!("overload: {runtime} done");
    }
    Ok(figures)
}

fn plan(lab: &Lab, rig: &Rig, connections: usize) -> Plan {
    Plan {
        connections,
        ..rig.plan(lab, 100)
    }
}
