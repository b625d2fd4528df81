//! Nothing to do: memory and processor time of a process at rest.

use super::report::Figure;
use super::rig::{Build, Lab, Rig};
use std::io;
use std::thread;
use std::time::Duration;

pub const ABOUT: &str = "Two shards, one receiver, one exporter, metrics served, no connection: \
resident memory after, and processor time over, 30 seconds.";

const REST: Duration = Duration::from_secs(30);

pub fn measure(lab: &Lab) -> io::Result<Vec<Figure>> {
    let mut rigs = Vec::new();
    for &runtime in &lab.runtimes {
        let build = Build {
            runtime,
            shards: 2,
            core: None,
            frame: 1 << 20,
            compression: "none",
            limit_mib: None,
            sending_queue: "      queue_size: 1000",
            exporter: "",
            engine: "",
        };
        let rig = Rig::start(lab, &build)?;
        rigs.push((runtime, rig));
    }
    thread::sleep(Duration::from_secs(1));
    let cpu = |rigs: &[(_, Rig)]| -> Vec<u64> {
        rigs.iter().map(|(_, rig)| rig.device.cpu_nanos()).collect()
    };
    let before = cpu(&rigs);
    thread::sleep(REST);
    let after = cpu(&rigs);
    let mut figures = Vec::new();
    for ((runtime, rig), (before, after)) in rigs.iter().zip(before.into_iter().zip(after)) {
        let mib = rig.device.resident_bytes() as f64 / f64::from(1 << 20);
        figures.push(Figure::new("resident", runtime.name(), "MiB", vec![mib]).at_most(15.0));
        let percent = (after - before) as f64 / REST.as_nanos() as f64 * 100.0;
        let figure = Figure::new(
            "processor time",
            runtime.name(),
            "% of a core",
            vec![percent],
        );
        figures.push(figure.at_most(0.5));
    }
    Ok(figures)
}
