//! Forwarders beside each other: the same load, one after the other on the same processor, each
//! run verified item by item.
//!
//! ```text
//!   load (core 1) -> device (core 0) -> sink (core 1)
//! ```
//!
//! In a round each device runs once, the reference first and last; every other round goes the other
//! way. `compare --help` says how to choose devices and cases.

mod contest;
mod describe;
mod options;
mod overload;
mod relay;
mod report;
mod run;

use options::Options;
use report::Report;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

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
        println!("{}", options::HELP);
        return ExitCode::SUCCESS;
    }
    let prepared = Options::parse(arguments).and_then(|options| {
        let (contenders, devices) = options::contenders(&options)?;
        Ok((options, contenders, devices))
    });
    let (options, contenders, devices) = match prepared {
        Ok(prepared) => prepared,
        Err(what) => return fail(2, &what),
    };
    let report = contest::compare(&options, &contenders, devices);
    match publish(&options, &report) {
        Err(error) => fail(1, &error.to_string()),
        Ok(()) if report.has_failed() => fail(1, "a device failed: see the table"),
        Ok(()) => ExitCode::SUCCESS,
    }
}

fn fail(code: u8, what: &str) -> ExitCode {
    for line in what.lines() {
        eprintln!("compare: {line}");
    }
    ExitCode::from(code)
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
        // The newest beside the page; one of each day stays.
        let day = report.conditions.date.split(' ').next().unwrap_or_default();
        write(&format!("comparison-{day}.json"), &json)?;
        write("comparison.svg", &report.picture())?;
    }
    let text = if options.json { json } else { page };
    io::stdout().write_all(text.as_bytes())
}
