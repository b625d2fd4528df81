//! An engine that runs, as its page of metrics has it: one exporter as a queue.

use crate::exit::Failure;
use std::collections::BTreeMap;
use tailrace_bench::page::Sample;
use tailrace_engine::flow::sizing::{Observed, Workload};

/// What an exporter's own gauges say, in the units of the page.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Gauges {
    arrival_rate: f64,
    arrival_requests_rate: f64,
    arrival_bytes_rate: f64,
    arrival_scv: f64,
    service_time: f64,
    service_scv: f64,
    consumers: f64,
    batch_items: f64,
    utilisation: f64,
    items_inside: f64,
    time_inside: f64,
    time_queued: f64,
}

impl Gauges {
    fn field(&mut self, name: &str) -> Option<&mut f64> {
        Some(match name {
            "arrival_rate" => &mut self.arrival_rate,
            "arrival_requests_rate" => &mut self.arrival_requests_rate,
            "arrival_bytes_rate" => &mut self.arrival_bytes_rate,
            "arrival_scv" => &mut self.arrival_scv,
            "service_time" => &mut self.service_time,
            "service_scv" => &mut self.service_scv,
            "consumers" => &mut self.consumers,
            "batch_items" => &mut self.batch_items,
            "utilisation" => &mut self.utilisation,
            "items_inside" => &mut self.items_inside,
            "time_inside" => &mut self.time_inside,
            "time_queued" => &mut self.time_queued,
            _ => return None,
        })
    }
}

/// One exporter and signal of a running engine, with something to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Running {
    pub exporter: String,
    pub signal: String,
    shards: f64,
    gauges: Gauges,
}

impl Running {
    /// The one exporter on the page that the words choose, or that alone has something to do.
    ///
    /// Errors: none or several, by name; nothing was answered of late.
    pub fn choose(
        page: &str,
        exporter: Option<&str>,
        signal: Option<&str>,
    ) -> Result<Self, Failure> {
        let all = all(page);
        if all.is_empty() {
            return Err(fault("no exporter of tailrace is on the page"));
        }
        let is_asked = |running: &&Self| {
            exporter.is_none_or(|name| name == running.exporter)
                && signal.is_none_or(|name| name == running.signal)
        };
        let asked: Vec<_> = all.iter().filter(is_asked).collect();
        let busy = |running: &&&Self| running.gauges.arrival_rate > 0.0;
        let busy: Vec<_> = asked.iter().filter(busy).collect();
        match busy.as_slice() {
            [one] if one.gauges.service_time > 0.0 => Ok((**one).clone()),
            [one] => Err(fault(&format!(
                "{}: no batch has ended of late: there is no round trip to plan with",
                one.words()
            ))),
            [] if asked.is_empty() => Err(Failure::usage(format!(
                "--from-metrics: no such exporter on the page, which has {}",
                listed(&mut all.iter())
            ))),
            [] => Err(fault(&format!(
                "nothing came of late to {}",
                listed(&mut asked.iter().copied())
            ))),
            several => Err(Failure::usage(format!(
                "--from-metrics: choose one with --exporter and --signal: {}",
                listed(&mut several.iter().map(|running| **running))
            ))),
        }
    }

    pub fn words(&self) -> String {
        format!("{} ({})", self.exporter, self.signal)
    }

    /// What arrives, and how the destination answers. Packets lost do not show on the page.
    pub fn workload(&self) -> Workload {
        let Gauges {
            arrival_rate,
            arrival_requests_rate,
            arrival_bytes_rate,
            ..
        } = self.gauges;
        Workload {
            item_rate: arrival_rate,
            item_bytes: (arrival_bytes_rate / arrival_rate).max(1.0),
            request_items: arrival_rate / arrival_requests_rate,
            arrival_scv: self.gauges.arrival_scv,
            rtt_seconds: self.gauges.service_time,
            rtt_scv: self.gauges.service_scv,
            packet_loss: 0.0,
        }
    }

    /// The queue as it is configured now.
    pub fn observed(&self) -> Observed {
        Observed {
            workload: self.workload(),
            consumers: self.gauges.consumers.max(1.0),
            shards: self.shards,
            batch_items: self.gauges.batch_items,
        }
    }

    /// Name, unit of seconds or none, measured, by the formulas.
    pub fn comparison(&self) -> [Compared; 4] {
        let (gauges, expected) = (self.gauges, self.observed().expected());
        let compared = |what, seconds, measured, expected| Compared {
            what,
            is_seconds: seconds,
            measured,
            expected,
        };
        [
            compared(
                "utilisation",
                false,
                gauges.utilisation,
                expected.utilisation,
            ),
            compared(
                "time_queued",
                true,
                gauges.time_queued,
                expected.queued_seconds,
            ),
            compared(
                "time_inside",
                true,
                gauges.time_inside,
                expected.inside_seconds,
            ),
            compared(
                "items_inside",
                false,
                gauges.items_inside,
                expected.items_inside,
            ),
        ]
    }
}

/// A figure as it was measured, and as theory has it for what arrives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Compared {
    pub what: &'static str,
    pub is_seconds: bool,
    pub measured: f64,
    pub expected: f64,
}

fn all(page: &str) -> Vec<Running> {
    let mut found: BTreeMap<(String, String), Gauges> = BTreeMap::new();
    let mut shards = 0.0_f64;
    for sample in page.lines().filter_map(Sample::parse) {
        if sample.name == "otelcol_shard_busy_ratio" {
            shards += 1.0;
        }
        let Some(name) = sample.name.strip_prefix("otelcol_exporter_") else {
            continue;
        };
        let (Some(exporter), Some(signal)) = (sample.label("exporter"), sample.label("data_type"))
        else {
            continue;
        };
        let mut gauges = Gauges::default();
        if gauges.field(name).is_none() || !sample.value.is_finite() {
            continue;
        }
        let key = (exporter.to_owned(), signal.to_owned());
        if let Some(field) = found.entry(key).or_default().field(name) {
            *field = sample.value;
        }
    }
    let running = |((exporter, signal), gauges)| Running {
        exporter,
        signal,
        shards: shards.max(1.0),
        gauges,
    };
    found.into_iter().map(running).collect()
}

fn listed(running: &mut dyn Iterator<Item = &Running>) -> String {
    running.map(Running::words).collect::<Vec<_>>().join(", ")
}

fn fault(what: &str) -> Failure {
    Failure::page(format!("--from-metrics: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(lanes: &[(&str, &str, f64)]) -> String {
        let mut page = String::from("# TYPE otelcol_exporter_arrival_rate gauge\nup 1\n");
        for (exporter, signal, rate) in lanes {
            let values = [
                ("arrival_rate", *rate),
                ("arrival_requests_rate", rate / 10.0),
                ("arrival_bytes_rate", rate * 360.0),
                ("arrival_scv", 1.0),
                ("service_time", 0.08),
                ("service_scv", 1.44),
                ("consumers", 10.0),
                ("batch_items", 10.0),
                ("utilisation", 0.79),
            ];
            for (name, value) in values {
                page += &format!(
                    "otelcol_exporter_{name}{{data_type=\"{signal}\",exporter=\"{exporter}\"}} \
                     {value}\n"
                );
            }
        }
        page
    }

    #[test]
    fn the_busy_one_is_chosen() {
        let page = page(&[("otlp", "traces", 1000.0), ("otlp", "logs", 0.0)]);
        let running = Running::choose(&page, None, None).expect("one");
        assert_eq!(running.words(), "otlp (traces)");
        let workload = running.workload();
        assert_eq!((workload.item_bytes, workload.request_items), (360.0, 10.0));
        assert_eq!((workload.rtt_seconds, workload.rtt_scv), (0.08, 1.44));
        let [utilisation, ..] = running.comparison();
        assert_eq!(utilisation.measured, 0.79);
        assert!((utilisation.expected - 0.8).abs() < 1e-9);
    }

    #[test]
    fn what_cannot_be_chosen_is_named() {
        let page = page(&[
            ("otlp", "traces", 5.0),
            ("otlp", "logs", 5.0),
            ("file", "logs", 0.0),
        ]);
        let choose = |exporter, signal| Running::choose(&page, exporter, signal);
        let error = choose(None, None).expect_err("two");
        assert_eq!(error.code(), 2);
        assert!(error.message().ends_with("otlp (logs), otlp (traces)"));
        assert!(choose(Some("otlp"), Some("logs")).is_ok());
        let error = choose(Some("file"), None).expect_err("idle");
        assert!(
            error
                .message()
                .ends_with("nothing came of late to file (logs)")
        );
        let error = choose(Some("kafka"), None).expect_err("no such exporter");
        assert!(
            error.message().contains("otlp (traces)"),
            "{}",
            error.message()
        );
        let error = Running::choose("up 1\n", None, None).expect_err("another page");
        assert_eq!(error.code(), 65);
    }
}
