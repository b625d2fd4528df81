//! `tailrace load`: sends telemetry to any OTLP endpoint and says how fast and how late.

mod progress;

use crate::exit::Failure;
use crate::inspect::say;
use crate::instrument::{duration, ledger as ledger_of, read};
use crate::run::RuntimeArg;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tailrace_bench::ledger::Side;
use tailrace_bench::load::arrivals::Spacing;
use tailrace_bench::load::report::Report;
use tailrace_bench::load::settings::{COMPRESSIONS, Rate, SIGNALS, SPACINGS, Settings};
use tailrace_bench::load::{Load, Protocol, Version};
use tailrace_bench::workload::Mix;
use tailrace_codec::Signal;
use tailrace_codec::compress::Encoding;
use tailrace_engine::runtime::{choose, probe};

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct LoadArgs {
    /// A scenario file (YAML); flags win over what it says
    #[arg(value_name = "SCENARIO")]
    scenario: Option<PathBuf>,
    /// Where to: host:port, http://host:port/path, or unix:/path [port: 4317 for grpc, else 4318]
    #[arg(long, value_name = "ENDPOINT")]
    endpoint: Option<String>,
    /// grpc, http/protobuf or http/json [default: grpc]
    #[arg(long, value_parser = |text: &str| named(text, &Protocol::NAMES))]
    protocol: Option<Protocol>,
    /// HTTP version: 1.1 or 2; grpc is always 2 [default: 2]
    #[arg(long, value_name = "VERSION", value_parser = |text: &str| named(text, &Version::NAMES))]
    http: Option<Version>,
    /// none, gzip or zstd [default: none]
    #[arg(long, value_parser = |text: &str| named(text, &COMPRESSIONS))]
    compression: Option<Encoding>,
    /// traces, metrics or logs [default: traces]
    #[arg(long, value_parser = |text: &str| named(text, &SIGNALS))]
    signal: Option<Signal>,
    /// Spans, data points or log records in each request [default: 100]
    #[arg(long, value_name = "N", value_parser = count)]
    items: Option<usize>,
    /// Seed of what is sent and of when [default: 1]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// http, minimal, ten-attributes, conventions or realistic [default: http, for metrics and logs
    /// realistic]
    #[arg(long, value_parser = mix)]
    mix: Option<Mix>,
    /// Different requests, sent in turn [default: 8]
    #[arg(long, value_name = "N", value_parser = count, hide_short_help = true)]
    templates: Option<usize>,
    /// Of the realistic mix: services in a request [default: 4]
    #[arg(long, value_name = "N", value_parser = count, hide_short_help = true)]
    services: Option<usize>,
    /// Of the realistic mix: different values of what varies most [default: 100]
    #[arg(long, value_name = "N", value_parser = count, hide_short_help = true)]
    cardinality: Option<usize>,
    /// Of the realistic mix: attributes of each item besides its conventions' [default: 0]
    #[arg(long, value_name = "N", value_parser = count, hide_short_help = true)]
    extra_attributes: Option<usize>,
    /// Of the realistic mix: length of their values, in bytes [default: 24]
    #[arg(long, value_name = "BYTES", value_parser = count, hide_short_help = true)]
    value_bytes: Option<usize>,
    /// The longest DATA frame of HTTP/2, in bytes, from 1 to 1048576 [default: what the peer allows]
    #[arg(long, value_name = "BYTES", value_parser = count, hide_short_help = true)]
    frame_bytes_max: Option<usize>,
    /// 50000/s (items), 500req/s (requests), or max: a request for each answer [default: max]
    #[arg(long, value_parser = |text: &str| Rate::parse(text).ok_or_else(|| format!("expected {}", Rate::EXPECTED)))]
    rate: Option<Rate>,
    /// How requests of a rate lie in time: constant or poisson [default: constant]
    #[arg(long, value_parser = |text: &str| named(text, &SPACINGS))]
    arrivals: Option<Spacing>,
    /// How long to send: 30s, 1m30s [default: 10s]
    #[arg(long, value_parser = duration)]
    duration: Option<Duration>,
    /// Stop after so many requests, if that is sooner
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    requests: Option<u64>,
    /// Connections [default: 1]
    #[arg(long, value_name = "N", value_parser = count)]
    connections: Option<usize>,
    /// Requests in flight on each connection; 1 with HTTP/1.1 [default: 64]
    #[arg(long, value_name = "N", value_parser = count)]
    streams: Option<usize>,
    /// Without an answer for so long, a request has failed [default: 30s]
    #[arg(long, value_parser = duration)]
    timeout: Option<Duration>,
    /// Send refused requests again, after the delay that the server names, for so long. Without it
    /// a refusal is counted and the load goes on
    #[arg(long, value_name = "DURATION", num_args = 0..=1, default_missing_value = "1m", require_equals = true, value_parser = duration)]
    retry: Option<Duration>,
    /// Print the figures as JSON on standard output, instead of the summary
    #[arg(long)]
    json: bool,
    /// Write throughput and latency over time to FILE: .html or .svg
    #[arg(long, value_name = "FILE", value_parser = report_file)]
    report: Option<PathBuf>,
    /// Write each item to FILE once it has been acknowledged, for `tailrace ledger check`
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
    /// Stay on this processor
    #[arg(long, value_name = "N")]
    cpu: Option<usize>,
    /// Executor of the connections
    #[arg(long, value_enum, default_value_t = RuntimeArg::Auto)]
    runtime: RuntimeArg,
}

const EXAMPLES: &str = "Examples:
  tailrace load --endpoint 127.0.0.1:4317 --rate 50000/s --duration 30s
  tailrace load --endpoint 127.0.0.1:4317 --rate max --streams 16 --items 512 --json
  tailrace load --endpoint http://127.0.0.1:4318 --protocol http/json --http 1.1 --connections 8 \\
    --signal logs --rate 200req/s --arrivals poisson --compression gzip --report logs.html
  tailrace load scenario.yaml --endpoint collector:4317 --retry=30s --ledger sent.ledger

Exit code: 0; 1 nothing was acknowledged; 2 bad flags; 69 the endpoint cannot be reached;
78 the scenario has faults.";

/// Errors: the scenario's faults, settings that do not go together, an endpoint that cannot be
/// reached, a run of which nothing was acknowledged.
pub fn load(args: &LoadArgs) -> Result<(), Failure> {
    let scenario = match &args.scenario {
        Some(path) => read(path, Settings::read)?,
        None => Settings::default(),
    };
    let mut plan = args
        .settings()
        .or(scenario)
        .plan()
        .map_err(Failure::usage)?;
    plan.cpu = args.cpu;
    plan.spec.run = new_run();
    let (kind, _) = choose(args.runtime.requested(), probe()).map_err(Failure::blocked)?;
    let ledger = args.ledger.as_deref();
    let ledger = ledger.map(|path| ledger_of(path, Side::Sent)).transpose()?;
    let load = Load::start(kind, plan.clone(), ledger).map_err(Failure::load)?;
    progress::watch(&load, &plan);
    let sent = load.wait().map_err(Failure::load)?;
    let report = Report::new(&plan, &sent);
    if let Some(path) = &args.report {
        write(path, &report)?;
    }
    if args.json {
        let json = serde_json::to_string(&report).map_err(Failure::system)?;
        say(format_args!("{json}\n"));
    } else {
        say(&report);
    }
    if report.requests.acknowledged == 0 {
        return Err(Failure::nothing_acknowledged(&report));
    }
    Ok(())
}

impl LoadArgs {
    fn settings(&self) -> Settings {
        Settings {
            endpoint: self.endpoint.clone(),
            protocol: self.protocol,
            http: self.http,
            compression: self.compression,
            connections: self.connections,
            streams: self.streams,
            frame_bytes_max: self.frame_bytes_max,
            signal: self.signal,
            items: self.items,
            seed: self.seed,
            mix: self.mix,
            templates: self.templates,
            services: self.services,
            cardinality: self.cardinality,
            extra_attributes: self.extra_attributes,
            value_bytes: self.value_bytes,
            timeout: self.timeout,
            retry: self.retry,
            requests: self.requests,
            rate: self.rate,
            arrivals: self.arrivals,
            duration: self.duration,
            phases: None,
        }
    }
}

fn write(path: &Path, report: &Report) -> Result<(), Failure> {
    let text = match path.extension().and_then(|extension| extension.to_str()) {
        Some("svg") => report.svg(),
        _ => report.html(),
    };
    std::fs::write(path, text)
        .map_err(|error| Failure::system(format!("{}: {error}", path.display())))
}

/// A number that no other run has: the standard library's keys for hashes come from the system.
fn new_run() -> u64 {
    RandomState::new().hash_one(std::process::id())
}

fn named<T: Copy>(text: &str, names: &[(&'static str, T)]) -> Result<T, String> {
    let value = names.iter().find(|(name, _)| *name == text);
    value.map(|(_, value)| *value).ok_or_else(|| {
        let valid: Vec<_> = names.iter().map(|(name, _)| *name).collect();
        format!("expected one of {}", valid.join(", "))
    })
}

fn mix(text: &str) -> Result<Mix, String> {
    named(text, &Mix::ALL.map(|mix| (mix.name(), mix)))
}

fn count(text: &str) -> Result<usize, String> {
    let count = text
        .parse()
        .ok()
        .filter(|count| (1..=1 << 20).contains(count));
    count.ok_or_else(|| "expected a number from 1 to 1048576".to_owned())
}

fn report_file(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("html" | "svg") => Ok(path),
        _ => Err("expected a name that ends in .html or .svg".to_owned()),
    }
}
