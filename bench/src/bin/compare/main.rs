//! Forwarders beside each other: the same load, one after the other on the same processor, each
//! run verified item by item.
//!
//! ```text
//!   load (core 1) -> device (core 0) -> sink (core 1)
//! ```
//!
//! In a round each device runs once, the reference first and last; every other round goes the other
//! way. `compare --help` says how to choose devices and cases.

mod describe;
mod relay;
mod report;
mod run;

use describe::{Case, Description};
use report::{CaseReport, Device, Report, Row};
use run::{Lab, Rig, Run};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;
use tailrace_bench::paired::{Ratio, median};

const HELP: &str = "Compares forwarders: processor time, latency and memory under the same load

Usage: compare [OPTIONS]

Options:
  --devices DIR      Descriptions of devices: every .yaml of it [default: bench/devices]
  --device FILE      One more description; may be repeated
  --program NAME=P   Where a device's program is, if neither beside this one nor in the PATH
  --only NAMES       Take part, with commas between [default: all that are on this machine]
  --reference NAME   What the others are compared with [default: tailrace]
  --case CASE        PROTOCOL,COMPRESSION,SPANS,batched|unbatched[,STREAMS]; may be repeated
                     [default: nine cases, about fifteen minutes with six devices]
  --rounds N         [default: 4]
  --seconds S        Of each run [default: 2]
  --core N           The device's processor [default: 0]
  --peers-core N     Of load and sink [default: 1]
  --record DIR       Write comparison.md, .json and .svg
  --json             Print JSON instead of the table

Examples:
  compare
  compare --only tailrace,relay --case grpc,none,512,unbatched --rounds 8
  compare --device my-gateway.yaml --program otelcol=/opt/otelcol --record bench/record

Exit code: 0; 1 a device failed or lost something; 2 bad flags or descriptions.";

const CASES: [&str; 9] = [
    "grpc,none,1,batched",
    "grpc,none,10,unbatched",
    "grpc,none,10,batched",
    "grpc,none,100,unbatched",
    "grpc,none,512,unbatched",
    "grpc,none,512,unbatched,1",
    "grpc,none,8192,unbatched",
    "grpc,gzip,100,batched",
    "http/protobuf,none,100,unbatched",
];

struct Options {
    files: Vec<PathBuf>,
    programs: BTreeMap<String, PathBuf>,
    only: Vec<String>,
    reference: String,
    cases: Vec<Case>,
    rounds: usize,
    lab: Lab,
    record: Option<PathBuf>,
    json: bool,
}

/// A device that takes part.
struct Contender {
    description: Description,
    program: PathBuf,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [name, listen, backend] = arguments.as_slice()
        && name == "relay"
    {
        return match relay::relay(listen, backend) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(1, &error.to_string()),
        };
    }
    if arguments
        .iter()
        .any(|argument| argument == "--help" || argument == "-h")
    {
        println!("{HELP}");
        return ExitCode::SUCCESS;
    }
    let prepared = Options::parse(arguments).and_then(|options| {
        let (contenders, devices) = contenders(&options)?;
        Ok((options, contenders, devices))
    });
    let (options, contenders, devices) = match prepared {
        Ok(prepared) => prepared,
        Err(what) => return fail(2, &what),
    };
    let report = compare(&options, &contenders, devices);
    match publish(&options, &report) {
        Err(error) => fail(1, &error.to_string()),
        Ok(())
            if report
                .cases
                .iter()
                .flat_map(|case| &case.rows)
                .any(|row| row.failed.is_some()) =>
        {
            fail(1, "a device failed: see the table")
        }
        Ok(()) => ExitCode::SUCCESS,
    }
}

fn fail(code: u8, what: &str) -> ExitCode {
    for line in what.lines() {
        eprintln!("compare: {line}");
    }
    ExitCode::from(code)
}

impl Options {
    fn parse(arguments: Vec<String>) -> Result<Self, String> {
        let mut options = Self {
            files: Vec::new(),
            programs: BTreeMap::new(),
            only: Vec::new(),
            reference: "tailrace".to_owned(),
            cases: Vec::new(),
            rounds: 4,
            lab: Lab {
                core: 0,
                peers_core: 1,
                duration: Duration::from_secs(2),
            },
            record: None,
            json: false,
        };
        let mut folder = PathBuf::from("bench/devices");
        let mut arguments = arguments.into_iter();
        while let Some(key) = arguments.next() {
            if key == "--json" {
                options.json = true;
                continue;
            }
            let value = arguments
                .next()
                .ok_or(format!("{key} is no option, or needs a value"))?;
            let number = || {
                value
                    .parse::<usize>()
                    .map_err(|_| format!("{key}: {value} is no number"))
            };
            match key.as_str() {
                "--devices" => folder = value.into(),
                "--device" => options.files.push(value.into()),
                "--program" => {
                    let (name, path) = value.split_once('=').ok_or("--program is NAME=PATH")?;
                    options.programs.insert(name.to_owned(), path.into());
                }
                "--only" => options.only = value.split(',').map(str::to_owned).collect(),
                "--reference" => options.reference = value,
                "--case" => {
                    let case = Case::parse(&value);
                    options
                        .cases
                        .push(case.ok_or(format!("{value} is no case: try --help"))?);
                }
                "--rounds" => options.rounds = number()?.max(1),
                "--seconds" => {
                    let seconds: f64 =
                        value.parse().map_err(|_| format!("{value} is no number"))?;
                    let duration = Duration::try_from_secs_f64(seconds);
                    options.lab.duration =
                        duration.map_err(|_| format!("{value} is no duration"))?;
                }
                "--core" => options.lab.core = number()?,
                "--peers-core" => options.lab.peers_core = number()?,
                "--record" => options.record = Some(value.into()),
                _ => return Err(format!("{key} is no option: try --help")),
            }
        }
        let entries =
            std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let yaml = |path: &PathBuf| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        };
        let mut files: Vec<PathBuf> = paths.filter(yaml).collect();
        files.sort();
        files.append(&mut options.files);
        options.files = files;
        if options.cases.is_empty() {
            options.cases = CASES.iter().filter_map(|case| Case::parse(case)).collect();
        }
        Ok(options)
    }
}

/// Those that take part, the reference first, and what is to be said of all.
fn contenders(options: &Options) -> Result<(Vec<Contender>, Vec<Device>), String> {
    let (mut contenders, mut devices) = (Vec::new(), Vec::new());
    for file in &options.files {
        let source = file.display().to_string();
        let text = std::fs::read_to_string(file).map_err(|error| format!("{source}: {error}"))?;
        let description = Description::read(&text, &source).map_err(|faults| faults.to_string())?;
        let name = description.name.clone();
        let is_asked = options.only.is_empty() || options.only.contains(&name);
        let given = options.programs.get(&name).cloned();
        let found = given
            .filter(|path| path.is_file())
            .or_else(|| description.find());
        let absent = match &found {
            _ if !is_asked => Some("not asked for".to_owned()),
            None => Some(format!(
                "no program {} on this machine",
                description.program
            )),
            Some(_) => None,
        };
        devices.push(Device {
            version: match (&absent, &found) {
                (None, Some(program)) => description.version(program),
                _ => String::new(),
            },
            about: description.about.clone(),
            name,
            absent: absent.clone(),
        });
        if let (None, Some(program)) = (absent, found) {
            contenders.push(Contender {
                description,
                program,
            });
        }
    }
    let is_reference = |contender: &Contender| contender.description.name == options.reference;
    let reference = contenders.iter().position(is_reference);
    let reference = reference.ok_or(format!("{} does not take part", options.reference))?;
    contenders[..=reference].rotate_right(1);
    for name in &options.only {
        if !devices.iter().any(|device| device.name == *name) {
            return Err(format!("no device is named {name}"));
        }
    }
    Ok((contenders, devices))
}

fn compare(options: &Options, contenders: &[Contender], devices: Vec<Device>) -> Report {
    let mut report = Report {
        date: output("date", &["-u", "+%Y-%m-%d %H:%M UTC"]),
        commit: output("git", &["rev-parse", "--short", "HEAD"]),
        machine: machine(),
        kernel: text("/proc/sys/kernel/osrelease"),
        load_before: text("/proc/loadavg"),
        load_after: String::new(),
        rounds: options.rounds,
        seconds: options.lab.duration.as_secs_f64(),
        reference: options.reference.clone(),
        devices,
        cases: Vec::new(),
    };
    for (index, case) in options.cases.iter().enumerate() {
        eprintln!("case {} of {}: {case}", index + 1, options.cases.len());
        report.cases.push(compare_case(options, contenders, case));
    }
    report.load_after = text("/proc/loadavg");
    report
}

/// A contender in one case.
struct Entry<'a> {
    name: &'a str,
    rig: Result<Rig, String>,
    full: Vec<Run>,
    at_rate: Vec<Run>,
}

impl<'a> Entry<'a> {
    fn new(name: &'a str, rig: io::Result<Rig>) -> Self {
        Self {
            name,
            rig: rig.map_err(|error| error.to_string()),
            full: Vec::new(),
            at_rate: Vec::new(),
        }
    }

    /// Runs once; a failure ends its part in this case.
    fn run(&mut self, lab: &Lab, rate: Option<f64>) {
        let Ok(rig) = &mut self.rig else {
            return;
        };
        match rig.run(lab, rate) {
            Ok(run) if rate.is_none() => self.full.push(run),
            Ok(run) => self.at_rate.push(run),
            Err(error) => self.rig = Err(error.to_string()),
        }
    }

    fn latency(&self) -> [f64; 3] {
        [0, 1, 2].map(|place| {
            let runs = self.at_rate.iter();
            median(&mut runs.map(|run| run.latency_us[place]).collect::<Vec<_>>())
        })
    }
}

fn compare_case(options: &Options, contenders: &[Contender], case: &Case) -> CaseReport {
    let lab = &options.lab;
    let taking = contenders
        .iter()
        .filter(|contender| contender.description.takes(case));
    let start = |contender: &Contender| {
        let device = (&contender.description, &contender.program);
        Rig::start(lab, *case, Some(device))
    };
    let mut entries: Vec<Entry<'_>> = taking
        .map(|contender| Entry::new(&contender.description.name, start(contender)))
        .collect();
    let mut direct = Entry::new("direct", Rig::start(lab, *case, None));
    for entry in &mut entries {
        // Not counted: caches, connections and just-in-time sizes.
        entry.run(lab, None);
        entry.full.clear();
    }
    // The reference again, at the end of each round.
    let mut again: Vec<Run> = Vec::new();
    for round in 0..options.rounds {
        entries[0].run(lab, None);
        if round % 2 == 0 {
            entries[1..]
                .iter_mut()
                .for_each(|entry| entry.run(lab, None));
        } else {
            entries[1..]
                .iter_mut()
                .rev()
                .for_each(|entry| entry.run(lab, None));
        }
        entries[0].run(lab, None);
        if entries[0].full.len() > round + 1 {
            again.extend(entries[0].full.pop());
        }
        progress(round + 1, options.rounds);
    }
    let rates = entries.iter().flat_map(|entry| &entry.full);
    let slowest = rates
        .map(|run| run.requests_per_second)
        .fold(f64::INFINITY, f64::min);
    let mut report = CaseReport::new(case);
    if slowest.is_finite() {
        report.requests_per_second = slowest / 2.0;
        for _ in 0..options.rounds.min(3) {
            direct.run(lab, Some(slowest / 2.0));
            entries
                .iter_mut()
                .for_each(|entry| entry.run(lab, Some(slowest / 2.0)));
        }
    }
    let costs = |runs: &[Run]| {
        runs.iter()
            .map(|run| run.cpu_ns_per_item)
            .collect::<Vec<_>>()
    };
    let first = costs(&entries[0].full);
    let both = first
        .iter()
        .zip(costs(&again))
        .map(|(first, again)| f64::midpoint(*first, again));
    let reference: Vec<f64> = both.collect();
    report.noise = Ratio::of(&costs(&again), &first);
    report.direct_latency_us = direct.latency();
    report.rows = entries
        .into_iter()
        .map(|entry| row(entry, &reference, report.direct_latency_us))
        .collect();
    report
}

fn row(entry: Entry<'_>, reference: &[f64], direct: [f64; 3]) -> Row {
    let latency = entry.latency();
    let Entry {
        name, rig, full, ..
    } = entry;
    let rig = match rig {
        Ok(rig) => rig,
        Err(why) => return Row::failed(name, why),
    };
    let mut row = Row::of(name, &full, reference, rig.peak_bytes());
    row.added_latency_us = [0, 1, 2].map(|place| latency[place] - direct[place]);
    match rig.finish() {
        Ok(()) => row,
        Err(error) => Row::failed(name, error.to_string()),
    }
}

fn progress(round: usize, rounds: usize) {
    // Nobody reads it: the table at the end matters.
    let _ = writeln!(io::stderr(), "  round {round} of {rounds}");
}

fn publish(options: &Options, report: &Report) -> io::Result<()> {
    let json = serde_json::to_string_pretty(report)? + "\n";
    let page = report.page();
    if let Some(folder) = &options.record {
        std::fs::create_dir_all(folder)?;
        let write = |name: &str, text: &str| std::fs::write(Path::new(folder).join(name), text);
        let head = "# Forwarders beside each other\n\n![spans per CPU-second](comparison.svg)\n\n";
        write(
            "comparison.md",
            &format!("{head}Made by `just compare`. {page}"),
        )?;
        write("comparison.json", &json)?;
        write("comparison.svg", &report.picture())?;
    }
    let text = if options.json { json } else { page };
    io::stdout().write_all(text.as_bytes())
}

fn machine() -> String {
    let cpuinfo = text("/proc/cpuinfo");
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let processors = cpuinfo.matches("processor\t").count();
    format!(
        "{processors} processors, {}",
        model.map_or("unknown", |(_, model)| model)
    )
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    text.unwrap_or_default()
}

fn text(path: &str) -> String {
    std::fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_owned()
}
