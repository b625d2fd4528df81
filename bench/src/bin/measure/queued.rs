//! A backend that takes nothing: what waiting requests cost in memory.

use super::report::Figure;
use super::rig::{Build, Lab, Rig};
use std::io;
use std::thread;
use std::time::Duration;
use tailrace_bench::load::Plan;
use tailrace_engine::runtime::RuntimeKind;

pub const ABOUT: &str = "Ten spans a request, accepted and queued while the backend has ended, or \
takes requests and never answers. The growth of resident memory, and of the bytes the process itself \
says it holds, as a multiple of the export requests' bytes. A thousand spans are queued first. The \
first ten thousand after them also pay for what is built once, such as the buffers of sockets \
(about 0.4 MB); ten thousand and a hundred thousand more pay for themselves.";

/// Long enough for what the load's end let go of to be let go.
const SETTLE: Duration = Duration::from_millis(700);

pub fn measure(lab: &Lab) -> io::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for &runtime in &lab.runtimes {
        for fate in [Fate::Ended, Fate::Frozen] {
            figures.extend(queue(lab, runtime, fate)?);
        }
    }
    Ok(figures)
}

/// What becomes of the backend.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Ended,
    Frozen,
}

/// What is queued, one after the other, and whether it is held to the bound.
const FILLS: [(u64, &str, bool); 3] = [
    (10_000, "the first 10000 spans", false),
    (10_000, "10000 spans more", true),
    (100_000, "100000 spans more", true),
];

fn queue(lab: &Lab, runtime: RuntimeKind, fate: Fate) -> io::Result<Vec<Figure>> {
    let mut grown = FILLS.map(|_| (Vec::new(), Vec::new()));
    for _ in 0..lab.rounds.min(5) {
        let build = Build {
            runtime,
            shards: 1,
            core: Some(lab.core),
            frame: 1 << 20,
            compression: "none",
            limit_mib: None,
            sending_queue: "      queue_size: 100000",
            exporter: "",
            engine: "",
        };
        let mut rig = Rig::start(lab, &build)?;
        match fate {
            Fate::Ended => rig.end_backend()?,
            Fate::Frozen => rig.freeze_backend(),
        }
        fill(lab, &mut rig, 1_000)?;
        let mut before = memory(&rig)?;
        for ((spans, ..), (resident, held)) in FILLS.iter().zip(&mut grown) {
            let bytes = fill(lab, &mut rig, *spans)?;
            let after = memory(&rig)?;
            resident.push((after.0 - before.0) / bytes);
            held.push((after.1 - before.1) / bytes);
            before = after;
        }
    }
    let fate = match fate {
        Fate::Ended => "ended",
        Fate::Frozen => "frozen",
    };
    let mut figures = Vec::new();
    for ((_, what, bound), (resident, held)) in FILLS.into_iter().zip(grown) {
        for (measure, rounds) in [("resident", resident), ("credit", held)] {
            let what = format!("{what}, backend {fate}, {measure}");
            let figure = Figure::new(what, runtime.name(), "x wire bytes", rounds);
            figures.push(if bound { figure.at_most(1.1) } else { figure });
        }
    }
    Ok(figures)
}

/// Queues spans, and says how many bytes their requests have.
fn fill(lab: &Lab, rig: &mut Rig, spans: u64) -> io::Result<f64> {
    let run = rig.send(plan(lab, rig, spans))?;
    if run.items != spans {
        return Err(io::Error::other(format!("{} spans were taken", run.items)));
    }
    thread::sleep(SETTLE);
    Ok(run.payload_bytes as f64)
}

fn plan(lab: &Lab, rig: &Rig, spans: u64) -> Plan {
    let mut plan = rig.plan(lab, 10);
    plan.requests_max = spans / 10;
    plan.phases[0].duration = Duration::from_secs(60);
    plan
}

/// Resident bytes, and those that the process says it holds.
fn memory(rig: &Rig) -> io::Result<(f64, f64)> {
    let held = rig.device.metric("otelcol_shard_buffered_bytes")?;
    Ok((rig.device.resident_bytes() as f64, held))
}
