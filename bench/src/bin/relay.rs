//! The relay that forwarders are compared with, by itself.
//!
//! ```text
//!   relay [--via blocking|uring|epoll] [--buffer BYTES] [--bytes BYTES]
//!         [--core A] [--peers-core B] [--json]
//! ```
//!
//! Without `--buffer` each size from 64 KiB to 1 MiB is tried and the best is named.

use serde::Serialize;
use std::io;
use std::process::ExitCode;
use tailrace_bench::relay::{self, BUFFER_SIZES, Plan, Run, Via};

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(what) => {
            eprintln!("relay: {what}");
            return ExitCode::from(2);
        }
    };
    match measure(&options) {
        Ok(report) => {
            print(&report, options.json);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("relay: {error}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Debug)]
struct Options {
    via: Via,
    buffers: Vec<usize>,
    bytes: u64,
    core: Option<usize>,
    peers_core: Option<usize>,
    json: bool,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            via: Via::Blocking,
            buffers: BUFFER_SIZES.to_vec(),
            bytes: 4 << 30,
            core: None,
            peers_core: None,
            json: false,
        };
        while let Some(key) = arguments.next() {
            if key == "--json" {
                options.json = true;
                continue;
            }
            let value = arguments.next().ok_or(format!("{key} needs a value"))?;
            let number = || {
                let number = value.parse::<usize>().ok().filter(|number| *number > 0);
                number.ok_or(format!("{key} is a positive number, not {value}"))
            };
            match key.as_str() {
                "--via" => options.via = Via::parse(&value)?,
                "--buffer" => options.buffers = vec![number()?],
                "--bytes" => options.bytes = number()? as u64,
                "--core" => options.core = Some(core(&key, &value)?),
                "--peers-core" => options.peers_core = Some(core(&key, &value)?),
                _ => return Err(format!("unknown argument {key}")),
            }
        }
        Ok(options)
    }
}

fn core(key: &str, value: &str) -> Result<usize, String> {
    value
        .parse()
        .map_err(|_| format!("{key} is a processor's number, not {value}"))
}

#[derive(Debug, Serialize)]
struct Report {
    via: &'static str,
    bytes: u64,
    /// The run that cost the least.
    best: Run,
    runs: Vec<Run>,
}

fn measure(options: &Options) -> io::Result<Report> {
    let mut runs = Vec::new();
    for &buffer_bytes in &options.buffers {
        runs.push(relay::run(Plan {
            via: options.via,
            buffer_bytes,
            bytes: options.bytes,
            pace: None,
            core: options.core,
            peers_core: options.peers_core,
        })?);
    }
    let best = runs.iter().copied().min_by_key(|run| run.cpu_ns);
    Ok(Report {
        via: options.via.name(),
        bytes: options.bytes,
        best: best.ok_or(io::ErrorKind::InvalidInput)?,
        runs,
    })
}

fn print(report: &Report, json: bool) {
    if json {
        let text = serde_json::to_string(report).unwrap_or_default();
        return println!("{text}");
    }
    println!("{} relay of {} MiB", report.via, report.bytes >> 20);
    for run in &report.runs {
        let mark = if run.buffer_bytes == report.best.buffer_bytes {
            "  best"
        } else {
            ""
        };
        println!(
            "  {:>4} KiB buffer: {:.3} ns/B of processor time, {:.2} GB per CPU-second{mark}",
            run.buffer_bytes >> 10,
            run.cpu_ns_per_byte,
            1.0 / run.cpu_ns_per_byte,
        );
    }
}
