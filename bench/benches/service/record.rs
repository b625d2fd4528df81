//! The record: a table, and a picture of the percentiles.

use crate::load::{CONNECTIONS, DURATION, RATE};
use crate::{ROUNDS, Run, Variant};
use hdrhistogram::Histogram;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use tailrace_bench::chart::{self, Colour, Line};
use tailrace_bench::conditions::Conditions;
use tailrace_bench::paired::{Ratio, median};

/// The folder of the record, if there is to be one.
const RECORD: &str = "SERVICE_RECORD";

/// What the picture shows, from left to right.
const PERCENTILES: [f64; 9] = [10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 99.9];

pub struct Record {
    conditions: Conditions,
    runs: [Vec<Run>; Variant::ALL.len()],
}

impl Record {
    pub fn begin() -> Self {
        Self {
            conditions: Conditions::begin(),
            runs: Default::default(),
        }
    }

    pub fn add(&mut self, variant: Variant, run: Run) {
        eprintln!(
            "{}: p50 {:.0} us, p99 {:.0} us, {:.1} us of processor time a request",
            variant.name(),
            micros(&run.latencies, 50.0),
            micros(&run.latencies, 99.0),
            run.cpu_ns_a_request / 1e3
        );
        self.runs[variant as usize].push(run);
    }

    pub fn end(mut self) {
        self.conditions.end();
        let text = self.text();
        println!("{text}");
        if let Some(folder) = std::env::var_os(RECORD) {
            let folder = Path::new(&folder);
            fs::write(folder.join("service.md"), text).expect("the record is written");
            fs::write(folder.join("service.svg"), self.picture()).expect("its picture is written");
        }
    }

    fn each(&self, variant: Variant, value: impl Fn(&Run) -> f64) -> Vec<f64> {
        self.runs[variant as usize].iter().map(value).collect()
    }

    /// Of the rounds.
    fn median(&self, variant: Variant, value: impl Fn(&Run) -> f64) -> f64 {
        median(&mut self.each(variant, value))
    }

    /// Against the service without telemetry in the same round.
    fn ratio(&self, variant: Variant, value: impl Fn(&Run) -> f64) -> Ratio {
        let ratio = Ratio::of(
            &self.each(variant, &value),
            &self.each(Variant::Off, &value),
        );
        ratio.expect("rounds")
    }

    fn text(&self) -> String {
        let mut text = format!(
            "# A service with and without telemetry\n\nMade by `just service`. {} A small HTTP service \
             (hyper on tokio, one thread) answers {RATE} requests a second over {CONNECTIONS} \
             connections, at random times, {} s in each of {ROUNDS} rounds; each request has a \
             `traceparent`, three spans with nine attributes together, and a measurement of a \
             histogram, exported over gRPC with the default settings. The service and its exporter \
             share one processor, callers and backend the other. Medians of the rounds; ratios are to \
             the service without telemetry in the same round, with the middle 95 % of resampled \
             medians. What the second row says is chance.\n\n![Percentiles](service.svg)\n\n\
             | | p50, us | p99, us | p99.9, us | p99 against off | processor time a request, us | for \
             telemetry, us | spans lost |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n",
            self.conditions,
            DURATION.as_secs(),
        );
        let cpu = |variant| self.median(variant, |run| run.cpu_ns_a_request / 1e3);
        for variant in Variant::ALL {
            let [p50, p99, p999] =
                [50.0, 99.0, 99.9].map(|p| self.median(variant, |run| micros(&run.latencies, p)));
            let ratio = self.ratio(variant, |run| micros(&run.latencies, 99.0));
            let lost: u64 = self.runs[variant as usize]
                .iter()
                .map(|run| run.items_lost)
                .sum();
            let own = self.each(variant, |run| run.cpu_ns_a_request / 1e3);
            let off = self.each(Variant::Off, |run| run.cpu_ns_a_request / 1e3);
            let mut more: Vec<f64> = own.iter().zip(off).map(|(own, off)| own - off).collect();
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "| {} | {p50:.0} | {p99:.0} | {p999:.0} | {:.3} ({:.3} to {:.3}) | {:.1} | \
                 {:.1} | {lost} |",
                variant.name(),
                ratio.median,
                ratio.low,
                ratio.high,
                cpu(variant),
                median(&mut more),
            );
        }
        text
    }

    /// The percentiles of all rounds together.
    fn picture(&self) -> String {
        let colours = [
            Colour::Grey,
            Colour::Grey,
            Colour::Red,
            Colour::Blue,
            Colour::Green,
            Colour::Orange,
        ];
        let line = |(variant, colour): (Variant, Colour)| {
            let mut all = self.runs[variant as usize][0].latencies.clone();
            for run in &self.runs[variant as usize][1..] {
                all.add(&run.latencies).expect("of one kind");
            }
            Line {
                name: variant.name(),
                colour,
                values: PERCENTILES.map(|p| micros(&all, p)).into(),
            }
        };
        let lines = Variant::ALL.into_iter().zip(colours);
        let lines = lines.filter(|(variant, _)| *variant != Variant::OffAgain);
        let names = PERCENTILES.map(|percentile| format!("p{percentile}"));
        let axis = format!("latency in microseconds: {}", names.join(", "));
        chart::svg(&[lines.map(line).collect()], &axis)
    }
}

fn micros(latencies: &Histogram<u64>, percentile: f64) -> f64 {
    latencies.value_at_percentile(percentile) as f64 / 1e3
}
