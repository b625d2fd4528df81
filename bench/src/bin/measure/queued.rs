//! A backend that takes nothing: what waiting requests cost in memory.

use super::report::Figure;
use super::rig::{Build, Lab, Rig};
use std::io;
use std::thread;
use std::time::Duration;
use tailrace_bench::load::Plan;
use tailrace_engine::runtime::RuntimeKind;

pub const ABOUT: &str = "Ten spans a request, accepted and queued after the backend has ended, or \
has stopped to answer. The growth of resident memory, and of the bytes the process itself says it \
holds, over the spans named, as a multiple of their export requests' bytes. Fifty thousand spans \
were delivered before, so that what is built once, such as the buffers of sockets, is not counted.";

/// Long enough for what the load's end let go of to be let go.
const SETTLE: Duration = Duration::from_millis(700);

pub fn measure(lab: &Lab) -> io::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for &runtime in &lab.runtimes {
        for fate in [Fate::Ended, Fate::Frozen] {
            for spans in [10_000, 100_000] {
                figures.extend(queue(lab, runtime, fate, spans)?);
            }
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

fn queue(lab: &Lab, runtime: RuntimeKind, fate: Fate, spans: u64) -> io::Result<Vec<Figure>> {
    let (mut resident, mut held) = (Vec::new(), Vec::new());
    for _ in 0..lab.rounds.min(5) {
        let build = Build {
            runtime,
            shards: 1,
            core: Some(lab.core),
            frame: 1 << 20,
            sending_queue: "      queue_size: 100000",
        };
        let mut rig = Rig::start(lab, &build)?;
        rig.run(plan(lab, &rig, 50_000))?;
        match fate {
            Fate::Ended => rig.end_backend()?,
            Fate::Frozen => rig.freeze_backend(),
        }
        thread::sleep(SETTLE);
        let before = memory(&rig)?;
        let bytes = fill(lab, &mut rig, spans)?;
        let after = memory(&rig)?;
        resident.push((after.0 - before.0) / bytes);
        held.push((after.1 - before.1) / bytes);
    }
    let figure = |what, rounds| {
        let fate = match fate {
            Fate::Ended => "ended",
            Fate::Frozen => "frozen",
        };
        let what = format!("{spans} spans, backend {fate}, {what}");
        Figure::new(what, runtime.name(), "x wire bytes", rounds).at_most(1.1)
    };
    Ok(vec![figure("resident", resident), figure("credit", held)])
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
