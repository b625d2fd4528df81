//! Rounds of runs: each device once, the reference first and last.

use super::describe::Case;
use super::options::{Contender, Options};
use super::overload::overload;
use super::report::{CaseReport, Device, Report, Row};
use super::run::{Lab, Rig, Run};
use std::io::{self, Write};
use tailrace_bench::conditions::Conditions;
use tailrace_bench::paired::{Ratio, median};
use tailrace_bench::sink::script::Script;

/// Every case, one after the other.
pub fn compare(options: &Options, contenders: &[Contender], devices: Vec<Device>) -> Report {
    let mut report = Report {
        conditions: Conditions::begin(),
        rounds: options.rounds,
        seconds: options.lab.duration.as_secs_f64(),
        reference: options.reference.clone(),
        devices,
        cases: Vec::new(),
        overload: None,
    };
    for (index, case) in options.cases.iter().enumerate() {
        eprintln!("case {} of {}: {case}", index + 1, options.cases.len());
        report.cases.push(compare_case(options, contenders, case));
    }
    if options.overload {
        report.overload = Some(overload(options, contenders));
    }
    report.conditions.end();
    report
}

/// A contender in one case.
struct Entry<'a> {
    name: &'a str,
    rig: Result<Rig, String>,
    full: Vec<Run>,
    at_rate: Vec<Run>,
}

impl<'a> Entry<'a> {
    fn new(name: &'a str, rig: io::Result<Rig>) -> Self {
        Self {
            name,
            rig: rig.map_err(|error| error.to_string()),
            full: Vec::new(),
            at_rate: Vec::new(),
        }
    }

    /// Runs once; a failure ends its part in this case.
    fn run(&mut self, lab: &Lab, rate: Option<f64>) {
        let Ok(rig) = &mut self.rig else {
            return;
        };
        match rig.run(lab, rate) {
            Ok(run) if rate.is_none() => self.full.push(run),
            Ok(run) => self.at_rate.push(run),
            Err(error) => self.rig = Err(error.to_string()),
        }
    }

    fn latency(&self) -> [f64; 3] {
        [0, 1, 2].map(|place| {
            let runs = self.at_rate.iter();
            median(&mut runs.map(|run| run.latency_us[place]).collect::<Vec<_>>())
        })
    }
}

fn compare_case(options: &Options, contenders: &[Contender], case: &Case) -> CaseReport {
    let lab = &options.lab;
    let taking = contenders
        .iter()
        .filter(|contender| contender.description.takes(case));
    let start = |contender: &Contender| {
        let device = (&contender.description, &contender.program);
        Rig::start(lab, *case, Some(device), Script::default())
    };
    let mut entries: Vec<Entry<'_>> = taking
        .map(|contender| Entry::new(&contender.description.name, start(contender)))
        .collect();
    let rig = Rig::start(lab, *case, None, Script::default());
    let mut direct = Entry::new("direct", rig);
    for entry in &mut entries {
        // Not counted: caches, connections and just-in-time sizes.
        entry.run(lab, None);
        entry.full.clear();
    }
    // The reference again, at the end of each round.
    let mut again: Vec<Run> = Vec::new();
    for round in 0..options.rounds {
        entries[0].run(lab, None);
        if round % 2 == 0 {
            entries[1..]
                .iter_mut()
                .for_each(|entry| entry.run(lab, None));
        } else {
            entries[1..]
                .iter_mut()
                .rev()
                .for_each(|entry| entry.run(lab, None));
        }
        entries[0].run(lab, None);
        if entries[0].full.len() > round + 1 {
            again.extend(entries[0].full.pop());
        }
        progress(round + 1, options.rounds);
    }
    let rates = entries.iter().flat_map(|entry| &entry.full);
    let slowest = rates
        .map(|run| run.requests_per_second)
        .fold(f64::INFINITY, f64::min);
    let mut report = CaseReport::new(case);
    if slowest.is_finite() {
        report.requests_per_second = slowest / 2.0;
        for _ in 0..options.rounds.min(3) {
            direct.run(lab, Some(slowest / 2.0));
            entries
                .iter_mut()
                .for_each(|entry| entry.run(lab, Some(slowest / 2.0)));
        }
    }
    let costs = |runs: &[Run]| {
        runs.iter()
            .map(|run| run.cpu_ns_per_item)
            .collect::<Vec<_>>()
    };
    let first = costs(&entries[0].full);
    let both = first
        .iter()
        .zip(costs(&again))
        .map(|(first, again)| f64::midpoint(*first, again));
    let reference: Vec<f64> = both.collect();
    report.noise = Ratio::of(&costs(&again), &first);
    report.direct_latency_us = direct.latency();
    report.rows = entries
        .into_iter()
        .map(|entry| row(entry, &reference, report.direct_latency_us))
        .collect();
    report
}

fn row(entry: Entry<'_>, reference: &[f64], direct: [f64; 3]) -> Row {
    let latency = entry.latency();
    let Entry {
        name,
        rig,
        full,
        at_rate,
    } = entry;
    let rig = match rig {
        Ok(rig) => rig,
        Err(why) => return Row::failed(name, why),
    };
    let mut row = Row::of(name, &full, reference, rig.peak_bytes());
    row.added_latency_us = [0, 1, 2].map(|place| latency[place] - direct[place]);
    // What falls due with the end of a run is not late.
    let unsent = at_rate.iter().map(|run| run.unsent_requests);
    row.unsent_requests = unsent.map(|count| count.saturating_sub(1)).sum();
    match rig.finish() {
        Ok(duplicate_items) => Row {
            duplicate_items,
            ..row
        },
        Err(error) => Row::failed(name, error.to_string()),
    }
}

fn progress(round: usize, rounds: usize) {
    // Nobody reads it: the table at the end matters.
    let _ = writeln!(io::stderr(), "  round {round} of {rounds}");
}
