//! `tailrace sink`: a backend that counts and checks what arrives, and misbehaves by a script.

use crate::exit::Failure;
use crate::inspect::say;
use crate::instrument::{duration, ledger as ledger_of, read};
use crate::run::RuntimeArg;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Map, Value, json};
use signal_hook::consts::{SIGINT, SIGTERM};
use std::fmt;
use std::io::{IsTerminal, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tailrace_bench::cpu;
use tailrace_bench::ledger::Side;
use tailrace_bench::sink::script::Script;
use tailrace_bench::sink::{Counts, Received, Settings, SignalCounts, Sink};
use tailrace_codec::Signal;
use tailrace_engine::exchange::Address;
use tailrace_engine::runtime::{choose, probe};

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct SinkArgs {
    /// Where to listen, for OTLP over gRPC and HTTP alike: host:port, or unix:/path
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4317")]
    listen: String,
    /// How to misbehave: a YAML file of phases
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
    /// Write each item that arrives to FILE, for `tailrace ledger check`
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
    /// An item that was on its way for longer is late: 500ms, 5s
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    late_after: Option<Duration>,
    /// End when so many different items have arrived
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    items: Option<u64>,
    /// End after this time
    #[arg(long, value_parser = duration)]
    duration: Option<Duration>,
    /// Print the figures as JSON on standard output, instead of the summary
    #[arg(long)]
    json: bool,
    /// Stay on this processor
    #[arg(long, value_name = "N")]
    cpu: Option<usize>,
    /// Executor of the connections
    #[arg(long, value_enum, default_value_t = RuntimeArg::Auto)]
    runtime: RuntimeArg,
}

const EXAMPLES: &str =
    "Ends on SIGINT or SIGTERM, and says then what arrived. GET /metrics on the same port is for
Prometheus.

Examples:
  tailrace sink --listen 127.0.0.1:4317
  tailrace sink --listen 127.0.0.1:4317 --script flaky.yaml --ledger received.ledger
  tailrace sink --items 100000 --late-after 1s --json

Exit code: 0; 1 altered items arrived; 2 bad flags; 69 the address cannot be had; 78 the script has
faults.";

/// How often it is looked at whether to end.
const LOOK: Duration = Duration::from_millis(20);

/// Errors: an address, a file or a script that cannot be used; items that were altered.
pub fn sink(args: &SinkArgs) -> Result<(), Failure> {
    let address = address(&args.listen)?;
    let script = match &args.script {
        Some(path) => read(path, Script::read)?,
        None => Script::default(),
    };
    let ledger = args.ledger.as_deref();
    let settings = Settings {
        cpu: args.cpu,
        script,
        late_after: args.late_after,
        ledger: ledger
            .map(|path| ledger_of(path, Side::Received))
            .transpose()?,
        ..Settings::default()
    };
    let (kind, _) = choose(args.runtime.requested(), probe()).map_err(Failure::blocked)?;
    let asked_to_end = asked_to_end()?;
    let sink = Sink::start(kind, &address, settings).map_err(|error| {
        Failure::unavailable(format!("cannot listen on {}: {error}", args.listen))
    })?;
    let start = Instant::now();
    match sink.address() {
        Address::Tcp(address) => eprintln!("listening on {address}"),
        Address::Unix(path) => eprintln!("listening on unix:{}", path.display()),
    }
    let mut live = Live::new();
    while !sink.is_finished()
        && !asked_to_end.load(Ordering::Relaxed)
        && args.items.is_none_or(|items| sink.distinct_items() < items)
        && args
            .duration
            .is_none_or(|duration| start.elapsed() < duration)
    {
        std::thread::sleep(LOOK);
        live.show(&sink);
    }
    live.end();
    let cpu = Duration::from_nanos(cpu::thread_nanos("sink"));
    let received = sink.stop().map_err(Failure::system)?;
    let figures = Figures {
        received: &received,
        elapsed: start.elapsed(),
        cpu,
    };
    match args.json {
        true => say(format_args!("{}\n", figures.json())),
        false => say(&figures),
    }
    match received.counts.total().corrupt_items {
        0 => Ok(()),
        corrupt => Err(Failure::lost(format!("{corrupt} items arrived altered"))),
    }
}

/// What arrived, for people and for machines.
struct Figures<'a> {
    received: &'a Received,
    elapsed: Duration,
    /// Of the sink's thread.
    cpu: Duration,
}

impl Figures<'_> {
    fn json(&self) -> Value {
        let counts = &self.received.counts;
        let total = counts.total();
        let seen = Signal::ALL.into_iter().zip(&counts.signals);
        let seen = seen.filter(|(_, counts)| counts.requests > 0);
        let signals: Map<_, _> = seen
            .map(|(signal, counts)| (signal.name().to_owned(), json!(counts)))
            .collect();
        let runs = self.received.runs.iter();
        let runs: Map<_, _> = runs
            .map(|(run, ids)| (format!("{run:016x}"), json!(ids.len())))
            .collect();
        json!({
            "total": total,
            "signals": signals,
            "runs": runs,
            "faults": counts.faults,
            "elapsed_seconds": self.elapsed.as_secs_f64(),
            "cpu_seconds": self.cpu.as_secs_f64(),
        })
    }
}

impl fmt::Display for Figures<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = &self.received.counts;
        let SignalCounts {
            requests,
            items,
            bytes,
            distinct_items,
            duplicate_items,
            corrupt_items,
            foreign_items,
            late_items,
        } = counts.total();
        for (name, value, meaning) in [
            ("requests", requests, "read, whatever they were answered"),
            ("items", items, "of those that were taken"),
            ("bytes", bytes, "of the same, uncompressed"),
            ("distinct", distinct_items, ""),
            ("duplicate", duplicate_items, "arrivals beyond the first"),
            ("corrupt", corrupt_items, "altered on their way"),
            ("foreign", foreign_items, "of no load of tailrace's"),
            ("late", late_items, ""),
        ] {
            let line = format!("{name:<12} {value:>14}   {meaning}");
            writeln!(f, "{}", line.trim_end())?;
        }
        for (fault, count) in &counts.faults {
            writeln!(f, "{:<12} {count:>14}   {fault}", "fault")?;
        }
        Ok(())
    }
}

/// The live line: in place on a terminal, once a second elsewhere, and nothing while nothing comes.
struct Live {
    bar: Option<ProgressBar>,
    since: Instant,
    items: u64,
}

/// How long a line of the live figures stands.
const SECOND: Duration = Duration::from_secs(1);

impl Live {
    fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("{elapsed_precise}  {msg}");
            bar.set_style(style.expect("the template is valid"));
            bar
        });
        Self {
            bar,
            since: Instant::now(),
            items: 0,
        }
    }

    fn show(&mut self, sink: &Sink) {
        let elapsed = self.since.elapsed();
        if elapsed < SECOND {
            return;
        }
        let counts = sink.counts();
        let total = counts.total();
        let rate = (total.items - self.items) as f64 / elapsed.as_secs_f64();
        let moved = total.items != self.items;
        (self.since, self.items) = (Instant::now(), total.items);
        let line = line(&counts, &total, rate);
        match &self.bar {
            Some(bar) => bar.set_message(line),
            None if moved => {
                // Nobody reads it: the figures at the end matter.
                let _ = writeln!(std::io::stderr(), "{line}");
            }
            None => {}
        }
    }

    fn end(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

fn line(counts: &Counts, total: &SignalCounts, rate: f64) -> String {
    let mut line = format!(
        "{rate:>10.0} items/s  {} items, {} distinct, {} duplicate, {} corrupt",
        total.items, total.distinct_items, total.duplicate_items, total.corrupt_items,
    );
    if !counts.phase.is_empty() {
        line += &format!("  phase {}, {} faults", counts.phase, counts.fired());
    }
    line
}

/// Becomes true with the first SIGINT or SIGTERM; a second one ends the process at once.
fn asked_to_end() -> Result<Arc<AtomicBool>, Failure> {
    let asked = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        let second = Arc::clone(&asked);
        signal_hook::flag::register_conditional_shutdown(signal, 130, second)
            .map_err(Failure::system)?;
        signal_hook::flag::register(signal, Arc::clone(&asked)).map_err(Failure::system)?;
    }
    Ok(asked)
}

fn address(text: &str) -> Result<Address, Failure> {
    if let Some(path) = text.strip_prefix("unix:") {
        return Ok(Address::Unix(path.into()));
    }
    let mut addresses = text
        .to_socket_addrs()
        .map_err(|error| Failure::usage(format!("--listen {text}: {error}; expected host:port")))?;
    let first: Option<SocketAddr> = addresses.next();
    let first = first.ok_or_else(|| Failure::usage(format!("--listen {text}: no address")))?;
    Ok(Address::Tcp(first))
}
