//! `tailrace demo`: backend, forwarder and load in one process over loopback, and a verified count.

use crate::exit::Failure;
use crate::run::RuntimeArg;
use serde_json::json;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};
use tailrace_bench::load::{Load, Plan, Sent};
use tailrace_bench::sink::{Received, Settings, Sink};
use tailrace_bench::workload::Spec;
use tailrace_bench::{Verdict, cpu};
use tailrace_codec::Signal;
use tailrace_engine::exchange::Address;
use tailrace_engine::runtime::{choose, probe};
use tailrace_engine::{Engine, Options, Outcome};

#[derive(Debug, clap::Args)]
pub struct DemoArgs {
    /// How long to send, in seconds
    #[arg(long, default_value_t = 5, value_name = "SECONDS")]
    duration: u64,
    /// Spans in each request
    #[arg(long, default_value = "100", value_name = "N")]
    spans: std::num::NonZeroU16,
    /// Requests in flight
    #[arg(long, default_value = "64", value_name = "N")]
    in_flight: std::num::NonZeroU16,
    /// Executor of the shards
    #[arg(long, value_enum, default_value_t = RuntimeArg::Auto)]
    runtime: RuntimeArg,
    /// Number of shards
    #[arg(long, default_value_t = 1, value_name = "N")]
    shards: usize,
    /// Print the figures as JSON, and nothing else
    #[arg(long)]
    json: bool,
}

/// How long the forwarder may take to deliver what is inside when the load has ended.
const DRAIN: Duration = Duration::from_secs(30);

/// How often the live figures are drawn.
const REDRAW: Duration = Duration::from_millis(500);

/// The forwarder of the demo, as anybody could write it.
fn yaml(backend: &str) -> String {
    format!(
        "receivers:
  otlp:
    protocols:
      grpc:
        endpoint: 127.0.0.1:0
exporters:
  otlp_grpc:
    endpoint: http://{backend}
    compression: none
    sending_queue:
      queue_size: 10000
      batch:
        min_size: 8192
        flush_timeout: 200ms
service:
  telemetry:
    metrics:
      level: none
  pipelines:
    traces:
      receivers: [otlp]
      exporters: [otlp_grpc]
"
    )
}

/// Runs all three, compares what the load had acknowledged with what the backend received, and
/// fails unless everything accepted arrived once and whole.
pub fn demo(args: &DemoArgs) -> Result<(), Failure> {
    let (kind, _) = choose(args.runtime.requested(), probe()).map_err(Failure::blocked)?;
    let anywhere = Address::Tcp(([127, 0, 0, 1], 0).into());
    let sink = Sink::start(kind, &anywhere, Settings::default()).map_err(Failure::system)?;
    let Address::Tcp(backend) = *sink.address() else {
        unreachable!("asked for TCP")
    };
    let config = crate::config::parse(&yaml(&backend.to_string()))?;
    let options = Options {
        runtime: args.runtime.requested(),
        shards: Some(args.shards),
        pinned: false,
        admin: false,
    };
    let engine = Engine::start(&config, &options).map_err(Failure::start)?;
    let address = engine.listening()[0].address.clone();
    let spec = Spec::standard(Signal::Traces, usize::from(args.spans.get()));
    let duration = Duration::from_secs(args.duration);
    // At least one request on each connection, and each connection to a shard.
    let connections = args.shards.max(1);
    let streams = usize::from(args.in_flight.get()).div_ceil(connections);
    let plan = Plan {
        connections,
        ..Plan::closed(address, spec, streams, duration)
    };
    let load = Load::start(kind, plan, None).map_err(Failure::load)?;
    if !args.json {
        watch(&load, &sink);
    }
    let sent = load.wait().map_err(Failure::load)?;
    let cpu_nanos = cpu::thread_nanos("tailrace-");
    let outcome = engine.stop(DRAIN);
    let received = sink.stop().map_err(Failure::system)?;
    if let Outcome::ShardDied { shard, cause } = outcome {
        return Err(Failure::died(shard, &cause));
    }
    let figures = Figures::new(&sent, &received, cpu_nanos);
    figures.print(args.json).map_err(Failure::system)?;
    proven(figures.verdict)
}

fn proven(verdict: Verdict) -> Result<(), Failure> {
    if verdict.holds() {
        Ok(())
    } else {
        Err(Failure::unproven(verdict))
    }
}

/// Live figures until the load has ended: on a terminal in place, else a line a second.
fn watch(load: &Load, sink: &Sink) {
    let terminal = std::io::stderr().is_terminal();
    let start = Instant::now();
    let (mut last, mut last_items) = (start, 0);
    while !load.is_finished() {
        std::thread::sleep(REDRAW);
        if !terminal && last.elapsed() < Duration::from_secs(1) {
            continue;
        }
        let (accepted, arrived) = (load.items(), sink.items());
        let rate = (accepted - last_items) as f64 / last.elapsed().as_secs_f64();
        (last, last_items) = (Instant::now(), accepted);
        let line = format!(
            "{:5.1} s   accepted {accepted:>12}   arrived {arrived:>12}   {rate:>12.0} spans/s",
            start.elapsed().as_secs_f64(),
        );
        let end = if terminal { "\r" } else { "\n" };
        let _ = write!(std::io::stderr(), "{line}{end}");
    }
    if terminal {
        eprintln!();
    }
}

#[derive(Debug)]
struct Figures {
    verdict: Verdict,
    refused_requests: u64,
    spans_per_second: f64,
    cpu_ns_per_span: f64,
    p50_us: u64,
    p99_us: u64,
    rss_peak_bytes: u64,
}

impl Figures {
    fn new(sent: &Sent, received: &Received, cpu_nanos: u64) -> Self {
        let verdict = received.verdict(0, &sent.acknowledged);
        let total = &sent.statistics.total;
        let micros = |quantile| total.latency_ns.value_at_quantile(quantile) / 1000;
        let accepted = verdict.accepted_items as f64;
        Self {
            verdict,
            refused_requests: total.requests.failed,
            spans_per_second: accepted / sent.elapsed.as_secs_f64(),
            cpu_ns_per_span: cpu_nanos as f64 / accepted.max(1.0),
            p50_us: micros(0.5),
            p99_us: micros(0.99),
            rss_peak_bytes: cpu::resident_peak_bytes(),
        }
    }

    fn print(&self, as_json: bool) -> std::io::Result<()> {
        let Verdict {
            accepted_items,
            delivered_items,
            duplicate_items,
            corrupt_items,
        } = self.verdict;
        let mut out = std::io::stdout().lock();
        if as_json {
            let figures = json!({
                "accepted_items": accepted_items,
                "delivered_items": delivered_items,
                "duplicate_items": duplicate_items,
                "corrupt_items": corrupt_items,
                "refused_requests": self.refused_requests,
                "spans_per_second": self.spans_per_second.round(),
                "cpu_ns_per_span": self.cpu_ns_per_span.round(),
                "p50_us": self.p50_us,
                "p99_us": self.p99_us,
                "rss_peak_bytes": self.rss_peak_bytes,
            });
            return writeln!(out, "{figures}");
        }
        writeln!(out, "accepted          {accepted_items:>14} spans")?;
        writeln!(out, "delivered         {delivered_items:>14}")?;
        writeln!(out, "duplicate         {duplicate_items:>14}")?;
        writeln!(out, "corrupt           {corrupt_items:>14}")?;
        writeln!(
            out,
            "refused           {:>14} requests",
            self.refused_requests
        )?;
        writeln!(
            out,
            "rate              {:>14.0} spans/s",
            self.spans_per_second
        )?;
        writeln!(
            out,
            "forwarder's CPU   {:>14.0} ns a span",
            self.cpu_ns_per_span
        )?;
        writeln!(out, "answered in       {:>14} us (p50)", self.p50_us)?;
        writeln!(out, "                  {:>14} us (p99)", self.p99_us)?;
        let mib = self.rss_peak_bytes as f64 / f64::from(1 << 20);
        writeln!(out, "memory, at most   {mib:>14.1} MiB for all three")?;
        let word = if self.verdict.holds() {
            "verified"
        } else {
            "FAILED"
        };
        writeln!(
            out,
            "{word}: accepted {accepted_items} = delivered {delivered_items}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELD: Verdict = Verdict {
        accepted_items: 100,
        delivered_items: 100,
        duplicate_items: 0,
        corrupt_items: 0,
    };

    #[test]
    fn anything_but_once_and_whole_fails() {
        assert!(proven(HELD).is_ok());
        let broken = [
            Verdict {
                delivered_items: 99,
                ..HELD
            },
            Verdict {
                duplicate_items: 1,
                ..HELD
            },
            Verdict {
                corrupt_items: 1,
                ..HELD
            },
            // A run of nothing proves nothing.
            Verdict {
                accepted_items: 0,
                delivered_items: 0,
                ..HELD
            },
        ];
        for verdict in broken {
            let failure = proven(verdict).expect_err("it does not hold");
            assert_eq!(failure.code(), 1, "{verdict:?}");
            let Verdict {
                accepted_items,
                delivered_items,
                ..
            } = verdict;
            let counts = format!("accepted {accepted_items}, delivered {delivered_items}");
            assert!(failure.message().starts_with(&counts), "{failure:?}");
        }
    }
}
