//! `tailrace plan`: what to configure for a load and a destination, and why.

mod chart;
mod configuration;
mod quantity;
mod running;
mod table;

use crate::exit::Failure;
use crate::inspect::say;
use crate::instrument::duration;
use quantity::{bytes, coefficient, items_per_second, share};
use running::Running;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;
use tailrace_bench::page::PageUrl;
use tailrace_engine::flow::sizing::{Capacity, Decision, Sizing, Targets, Workload};

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct PlanArgs {
    /// What arrives, in items: 200k/s, 5000/s
    #[arg(long, required_unless_present = "from_metrics", value_parser = items_per_second)]
    rate: Option<f64>,
    /// Take what arrives and how it is answered from a running engine: http://localhost:8888/metrics.
    /// Flags beside it win
    #[arg(long, value_name = "URL", value_parser = PageUrl::parse)]
    from_metrics: Option<PageUrl>,
    /// Which exporter of the running engine: otlp_grpc, otlp_grpc/name
    #[arg(long, value_name = "NAME", requires = "from_metrics")]
    exporter: Option<String>,
    /// Which signal of the running engine
    #[arg(long, requires = "from_metrics", value_parser = ["traces", "metrics", "logs", "profiles"])]
    signal: Option<String>,
    /// Size of an item on the wire: 360, 1.5KiB [default: 360]
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    item_bytes: Option<f64>,
    /// Items in a request that comes in [default: 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    request_items: Option<u32>,
    /// Coefficient of variation of the time between requests: 0 for a clock, 1 for many independent
    /// senders, more for bursts [default: 1]
    #[arg(long, value_name = "CV", value_parser = coefficient)]
    arrival_cv: Option<f64>,
    /// From a batch's first byte to its answer, on average: 80ms
    #[arg(long, required_unless_present = "from_metrics", value_parser = positive)]
    rtt: Option<Duration>,
    /// Its coefficient of variation: standard deviation over mean [default: 1]
    #[arg(long, value_name = "CV", value_parser = coefficient)]
    rtt_cv: Option<f64>,
    /// Share of packets that the path to the destination loses
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = share)]
    packet_loss: f64,
    /// How long the destination may be away without loss: 30m
    #[arg(long, default_value = "5m", value_parser = duration)]
    outage: Duration,
    /// How long the backlog of an outage may take to drain [default: four times the outage]
    #[arg(long, value_parser = positive)]
    catch_up: Option<Duration>,
    /// Share of batches that may be refused while the destination works
    #[arg(long, value_name = "SHARE", default_value = "1e-6", value_parser = loss)]
    loss: f64,
    /// The 99th percentile from arrival to answer that is wanted
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = positive)]
    latency: Duration,
    /// What the queue may hold in memory: 512MiB
    #[arg(long, value_name = "BYTES", default_value = "512MiB", value_parser = bytes)]
    memory: f64,
    /// Largest message that the destination takes
    #[arg(long, value_name = "BYTES", default_value = "2MiB", value_parser = bytes, hide_short_help = true)]
    message_bytes_max: f64,
    /// Requests at once that the destination allows on one connection
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..), hide_short_help = true)]
    streams_max: u32,
    /// What one connection may have under way
    #[arg(long, value_name = "BYTES", default_value = "4MiB", value_parser = bytes, hide_short_help = true)]
    window: f64,
    /// Draw delay over load into FILE, an SVG
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Print a configuration with these values, and nothing else
    #[arg(long, conflicts_with = "json")]
    emit_config: bool,
    /// Print everything as JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "Examples:
  tailrace plan --rate 200k/s --item-bytes 360 --rtt 80ms --rtt-cv 1.2 --outage 30m --loss 1e-6
  tailrace plan --rate 5000/s --rtt 20ms --latency 250ms --plot delay.svg
  tailrace plan --rate 50k/s --rtt 40ms --outage 10s --emit-config > tailrace.yaml
  tailrace plan --from-metrics http://localhost:8888/metrics --outage 30m

Exit code: 0; 2 bad flags; 65 the page of metrics has no exporter at work; 69 nobody answers there;
71 the picture cannot be written.";

/// Errors: a picture that cannot be written, a page that cannot be had or has nothing to plan with.
pub fn plan(args: &PlanArgs) -> Result<(), Failure> {
    let running = args.running()?;
    let workload = args.workload(running.as_ref());
    let sizing = Sizing::new(&workload, &args.targets(), &args.capacity());
    if let Some(path) = &args.plot {
        let svg = chart::svg(&sizing.curve(), workload.item_rate);
        std::fs::write(path, svg).map_err(|error| Failure::unwritten("--plot", path, error))?;
    }
    if args.emit_config {
        say(configuration::yaml(&sizing, args.memory));
    } else if args.json {
        say(format_args!("{:#}\n", json(&sizing, running.as_ref())));
    } else {
        if let Some(running) = &running {
            say(table::running(running, &workload));
        }
        say(table::decisions(&sizing));
        say(table::forecast(&sizing.forecast()));
        say(chart::text(&sizing.curve(), workload.item_rate));
    }
    Ok(())
}

impl PlanArgs {
    fn running(&self) -> Result<Option<Running>, Failure> {
        let Some(url) = &self.from_metrics else {
            return Ok(None);
        };
        let (exporter, signal) = (self.exporter.as_deref(), self.signal.as_deref());
        let page = url
            .fetch()
            .map_err(|error| Failure::unavailable(format!("--from-metrics: {url}: {error}")))?;
        Running::choose(&page, exporter, signal).map(Some)
    }

    /// What the flags say, then what runs, then what is usual.
    fn workload(&self, running: Option<&Running>) -> Workload {
        let usual = Workload {
            item_rate: 0.0,
            item_bytes: 360.0,
            request_items: 100.0,
            arrival_scv: 1.0,
            rtt_seconds: 0.0,
            rtt_scv: 1.0,
            packet_loss: 0.0,
        };
        let base = running.map_or(usual, Running::workload);
        let square = |cv: f64| cv.powi(2);
        Workload {
            item_rate: self.rate.unwrap_or(base.item_rate),
            item_bytes: self.item_bytes.unwrap_or(base.item_bytes),
            request_items: self.request_items.map_or(base.request_items, f64::from),
            arrival_scv: self.arrival_cv.map_or(base.arrival_scv, square),
            rtt_seconds: self.rtt.map_or(base.rtt_seconds, |rtt| rtt.as_secs_f64()),
            rtt_scv: self.rtt_cv.map_or(base.rtt_scv, square),
            packet_loss: self.packet_loss,
        }
    }

    fn targets(&self) -> Targets {
        let catch_up = self.catch_up.unwrap_or(self.outage.saturating_mul(4));
        Targets {
            outage_seconds: self.outage.as_secs_f64(),
            catch_up_seconds: catch_up.as_secs_f64(),
            loss: self.loss,
            latency_seconds: self.latency.as_secs_f64(),
        }
    }

    fn capacity(&self) -> Capacity {
        Capacity {
            memory_bytes: self.memory,
            message_bytes_max: self.message_bytes_max,
            streams_max: self.streams_max.into(),
            window_bytes: self.window,
            ..Capacity::default()
        }
    }
}

/// Infinite delays are null: JSON has no infinity.
fn json(sizing: &Sizing, running: Option<&Running>) -> Value {
    let decision = |decision: &Decision| {
        let Decision {
            what,
            key,
            value,
            unit,
            why,
        } = decision;
        json!({"what": what, "key": key, "value": value, "unit": unit, "why": why})
    };
    let decisions: Vec<_> = sizing.decisions().map(decision).into();
    let forecast = sizing.forecast();
    let curve: Vec<_> = sizing
        .curve()
        .iter()
        .map(|point| {
            json!({
                "items_per_second": point.item_rate,
                "utilisation": point.utilisation,
                "p50_seconds": point.p50_seconds,
                "p99_seconds": point.p99_seconds,
            })
        })
        .collect();
    let running = running.map(|running| {
        let compared = running.comparison().map(|compared| {
            let figures = json!({"measured": compared.measured, "expected": compared.expected});
            (compared.what.to_owned(), figures)
        });
        json!({
            "exporter": running.exporter,
            "signal": running.signal,
            "compared": Value::Object(compared.into_iter().collect()),
        })
    });
    json!({
        "running": running,
        "decisions": decisions,
        "forecast": {
            "utilisation": forecast.utilisation,
            "waiting_probability": forecast.waiting,
            "blocking_probability": forecast.blocking,
            "batches_in_system": forecast.in_system,
            "mean_seconds": forecast.mean_seconds,
            "p50_seconds": forecast.p50_seconds,
            "p90_seconds": forecast.p90_seconds,
            "p99_seconds": forecast.p99_seconds,
            "p999_seconds": forecast.p999_seconds,
        },
        "curve": curve,
    })
}

fn positive(text: &str) -> Result<Duration, String> {
    let found = duration(text)?;
    match found.is_zero() {
        true => Err("expected more than 0s".to_owned()),
        false => Ok(found),
    }
}

fn loss(text: &str) -> Result<f64, String> {
    let found = share(text)?;
    match found >= 1e-15 {
        true => Ok(found),
        false => Err("expected at least 1e-15: no queue that ends refuses nothing".to_owned()),
    }
}
