//! What a run has measured, for people and for machines.

use super::plan::{Plan, Version};
use super::statistics::{CodeCount, Requests, Second, Tally, micros};
use super::{Sent, chart};
use hdrhistogram::Histogram;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// The figures of a run; its JSON is what `--json` prints.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub plan: PlanFigures,
    pub elapsed_seconds: f64,
    pub requests: Requests,
    pub items: Items,
    pub bytes: ByteFigures,
    pub rate: Rates,
    /// From when a request was due.
    pub latency_us: Quantiles,
    /// From when its first try was sent.
    pub service_us: Quantiles,
    pub codes: BTreeMap<String, CodeCount>,
    pub phases: Vec<PhaseFigures>,
    pub seconds: Vec<Second>,
    /// Of the load generator itself.
    pub cpu: CpuFigures,
}

#[derive(Debug, Clone, Serialize)]
pub struct PlanFigures {
    pub endpoint: String,
    pub protocol: &'static str,
    pub http: &'static str,
    pub compression: &'static str,
    pub signal: &'static str,
    pub items_per_request: usize,
    pub connections: usize,
    pub streams: usize,
    pub seed: u64,
    /// As the resource attribute `tailrace.run` and the ledgers have it.
    pub run: String,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub struct Items {
    pub acknowledged: u64,
    pub rejected: u64,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub struct ByteFigures {
    /// Of acknowledged requests, before compression and framing.
    pub acknowledged: u64,
    /// Of all bodies sent.
    pub wire: u64,
}

/// Each a second, of what was acknowledged.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Rates {
    pub requests: f64,
    pub items: f64,
    pub bytes: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Quantiles {
    pub mean: f64,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    #[serde(rename = "p99.9")]
    pub p99_9: f64,
    #[serde(rename = "p99.99")]
    pub p99_99: f64,
    pub max: f64,
}

#[derive(Debug, Clone, Serialize)]
pub struct PhaseFigures {
    pub name: String,
    pub seconds: f64,
    pub requests: Requests,
    pub acknowledged_items: u64,
    pub latency_us: Quantiles,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub struct CpuFigures {
    pub seconds: f64,
    /// Of one processor, while the run lasted.
    pub share: f64,
    /// For each acknowledged request, and each item; zero where there was none.
    pub ns_per_request: f64,
    pub ns_per_item: f64,
}

impl Quantiles {
    /// In microseconds, of nanoseconds. All zero for an empty histogram.
    fn of(histogram: &Histogram<u64>) -> Self {
        Self {
            mean: histogram.mean() / 1e3,
            p50: micros(histogram, 0.5),
            p90: micros(histogram, 0.9),
            p99: micros(histogram, 0.99),
            p99_9: micros(histogram, 0.999),
            p99_99: micros(histogram, 0.9999),
            max: histogram.max() as f64 / 1e3,
        }
    }
}

impl Report {
    pub fn new(plan: &Plan, sent: &Sent) -> Self {
        let statistics = &sent.statistics;
        let Tally {
            requests,
            acknowledged_items,
            rejected_items,
            latency_ns,
            service_ns,
        } = &statistics.total;
        let seconds = sent.elapsed.as_secs_f64();
        let phase = |(phase, tally): (&super::arrivals::Phase, &Tally)| PhaseFigures {
            name: phase.name.clone(),
            seconds: phase.duration.as_secs_f64(),
            requests: tally.requests,
            acknowledged_items: tally.acknowledged_items,
            latency_us: Quantiles::of(&tally.latency_ns),
        };
        let codes = statistics.codes.iter();
        Self {
            plan: PlanFigures::of(plan),
            elapsed_seconds: seconds,
            requests: *requests,
            items: Items {
                acknowledged: *acknowledged_items,
                rejected: *rejected_items,
            },
            bytes: ByteFigures {
                acknowledged: sent.message_bytes,
                wire: sent.wire_bytes,
            },
            rate: Rates {
                requests: ratio(requests.acknowledged, seconds),
                items: ratio(*acknowledged_items, seconds),
                bytes: ratio(sent.message_bytes, seconds),
            },
            latency_us: Quantiles::of(latency_ns),
            service_us: Quantiles::of(service_ns),
            codes: codes
                .map(|(code, count)| (code.to_string(), *count))
                .collect(),
            phases: plan
                .phases
                .iter()
                .zip(&statistics.phases)
                .map(phase)
                .collect(),
            seconds: statistics.seconds.clone(),
            cpu: CpuFigures::new(
                sent.cpu,
                seconds,
                requests.acknowledged,
                *acknowledged_items,
            ),
        }
    }

    /// Throughput and latency over time, as an image.
    pub fn svg(&self) -> String {
        chart::svg(&self.seconds)
    }
}

impl CpuFigures {
    fn new(cpu: Duration, elapsed: f64, requests: u64, items: u64) -> Self {
        let seconds = cpu.as_secs_f64();
        let nanos = |count: u64| {
            if count == 0 {
                0.0
            } else {
                seconds * 1e9 / count as f64
            }
        };
        Self {
            seconds,
            share: if elapsed > 0.0 {
                seconds / elapsed
            } else {
                0.0
            },
            ns_per_request: nanos(requests),
            ns_per_item: nanos(items),
        }
    }
}

fn ratio(count: u64, seconds: f64) -> f64 {
    if seconds > 0.0 {
        count as f64 / seconds
    } else {
        0.0
    }
}

impl PlanFigures {
    fn of(plan: &Plan) -> Self {
        Self {
            endpoint: format!("{}{}", plan.target.authority, plan.target.path),
            protocol: plan.wire.protocol.name(),
            http: match plan.wire.version {
                Version::Http1 => "1.1",
                Version::Http2 => "2",
            },
            compression: plan.wire.encoding.content_encoding(),
            signal: plan.spec.signal.name(),
            items_per_request: plan.spec.items,
            connections: plan.connections,
            streams: plan.streams,
            seed: plan.seed(),
            run: format!("{:016x}", plan.spec.run),
        }
    }
}

/// The summary at the end of a run.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Requests {
            sent,
            acknowledged,
            failed,
            retried,
            unsent,
        } = self.requests;
        writeln!(f, "requests       {sent:>14} sent")?;
        writeln!(f, "               {acknowledged:>14} acknowledged")?;
        for (count, what) in [
            (failed, "refused or unanswered"),
            (retried, "tries after the first"),
            (unsent, "due and never sent: the load could not keep up"),
        ] {
            if count > 0 {
                writeln!(f, "               {count:>14} {what}")?;
            }
        }
        writeln!(
            f,
            "items          {:>14} acknowledged",
            self.items.acknowledged
        )?;
        if self.items.rejected > 0 {
            writeln!(f, "               {:>14} rejected", self.items.rejected)?;
        }
        writeln!(f, "rate           {:>14.0} items/s", self.rate.items)?;
        writeln!(f, "               {:>14.1} requests/s", self.rate.requests)?;
        writeln!(
            f,
            "               {:>14.1} MB/s before compression",
            self.rate.bytes / 1e6
        )?;
        let Quantiles {
            p50,
            p90,
            p99,
            p99_9,
            p99_99,
            max,
            ..
        } = self.latency_us;
        for (name, micros) in [
            ("latency p50", p50),
            ("        p90", p90),
            ("        p99", p99),
            ("        p99.9", p99_9),
            ("        p99.99", p99_99),
            ("        max", max),
        ] {
            writeln!(f, "{name:<15}{:>14.3} ms", micros / 1e3)?;
        }
        for (code, CodeCount { answers, retries }) in &self.codes {
            write!(f, "answers        {answers:>14} {code}")?;
            if *retries > 0 {
                write!(f, ", {retries} of them sent again")?;
            }
            writeln!(f)?;
        }
        let CpuFigures {
            share,
            ns_per_request,
            ..
        } = self.cpu;
        writeln!(
            f,
            "own CPU        {:>14.1} us a request, {:.0} % of one processor",
            ns_per_request / 1e3,
            share * 100.0
        )
    }
}
