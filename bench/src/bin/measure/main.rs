//! Measures a forwarder against the bounds that it is to keep, and records what it found.
//!
//! ```text
//!   load (core B) --OTLP/gRPC--> `tailrace run` (core A) --OTLP/gRPC--> sink (core B)
//! ```
//!
//! ```text
//!   measure [CASE ..] [--runtime uring|epoll] [--rounds N] [--seconds S] [--core A]
//!           [--peers-core B] [--device PATH] [--json] [--record DIR]
//! ```
//!
//! Without a case all are measured. The device is the `tailrace` beside this program unless one is
//! named. Every span is numbered, and a case fails unless all that was accepted arrived once.

mod flow;
mod forward;
mod idle;
mod overload;
mod queued;
mod report;
mod rig;
mod skew;
mod small;

use report::{Figure, Record};
use rig::Lab;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use tailrace_engine::runtime::RuntimeKind;

pub const CASES: [&str; 7] = [
    "forward", "small", "idle", "queued", "overload", "skew", "flow",
];

/// What a case is, for the record.
pub fn about(case: &str) -> &'static str {
    match case {
        "forward" => forward::ABOUT,
        "small" => small::ABOUT,
        "idle" => idle::ABOUT,
        "queued" => queued::ABOUT,
        "overload" => overload::ABOUT,
        "skew" => skew::ABOUT,
        "flow" => flow::ABOUT,
        _ => "",
    }
}

fn measure(case: &str, lab: &Lab) -> io::Result<Vec<Figure>> {
    match case {
        "forward" => forward::measure(lab),
        "small" => small::measure(lab),
        "idle" => idle::measure(lab),
        "queued" => queued::measure(lab),
        "overload" => overload::measure(lab),
        "skew" => skew::measure(lab),
        "flow" => flow::measure(lab),
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(what) => {
            eprintln!("measure: {what}");
            return ExitCode::from(2);
        }
    };
    for case in &options.cases {
        if let Err(error) = run(case, &options) {
            eprintln!("measure: {case}: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn run(case: &str, options: &Options) -> io::Result<()> {
    let record = Record::begin(case);
    let record = record.end(measure(case, &options.lab)?);
    if options.json {
        println!("{}", serde_json::to_string(&record)?);
    } else {
        println!("{case}\n\n{}", record.table());
    }
    match &options.record {
        Some(directory) => record.save(directory),
        None => Ok(()),
    }
}

#[derive(Debug)]
struct Options {
    cases: Vec<String>,
    lab: Lab,
    json: bool,
    record: Option<PathBuf>,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            cases: Vec::new(),
            lab: Lab {
                program: beside_this()?,
                core: 0,
                peers_core: 1,
                rounds: 7,
                seconds: 3.0,
                runtimes: RuntimeKind::ALL.to_vec(),
            },
            json: false,
            record: None,
        };
        while let Some(key) = arguments.next() {
            if CASES.contains(&key.as_str()) {
                options.cases.push(key);
                continue;
            }
            if key == "--json" {
                options.json = true;
                continue;
            }
            let value = arguments.next();
            let value = value.ok_or(format!("{key} is no case, or needs a value"))?;
            let lab = &mut options.lab;
            match key.as_str() {
                "--runtime" => lab.runtimes = vec![runtime(&value)?],
                "--rounds" => lab.rounds = number(&key, &value)?,
                "--seconds" => lab.seconds = number(&key, &value)?,
                "--core" => lab.core = number(&key, &value)?,
                "--peers-core" => lab.peers_core = number(&key, &value)?,
                "--device" => lab.program = value.into(),
                "--record" => options.record = Some(value.into()),
                _ => return Err(format!("unknown argument {key}")),
            }
        }
        if options.cases.is_empty() {
            options.cases = CASES.map(str::to_owned).to_vec();
        }
        if !options.lab.program.is_file() {
            let program = options.lab.program.display();
            return Err(format!(
                "{program} is not there: cargo build --release -p tailrace"
            ));
        }
        Ok(options)
    }
}

fn beside_this() -> Result<PathBuf, String> {
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    Ok(this.with_file_name("tailrace"))
}

fn runtime(name: &str) -> Result<RuntimeKind, String> {
    let mut kinds = RuntimeKind::ALL.into_iter();
    kinds
        .find(|kind| kind.name() == name)
        .ok_or(format!("--runtime is uring or epoll, not {name}"))
}

fn number<T: std::str::FromStr>(key: &str, value: &str) -> Result<T, String> {
    let number = value.parse();
    number.map_err(|_| format!("{key} is a number, not {value}"))
}
