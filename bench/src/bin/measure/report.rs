//! Figures with their bounds: their median, their spread, as a table, as JSON and as a record.

use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;
use tailrace_bench::conditions::Conditions;

/// One measured quantity.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Figure {
    pub what: String,
    pub runtime: String,
    pub unit: String,
    /// What it must not exceed, or must reach. A figure without either is there to be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_most: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_least: Option<f64>,
    pub median: f64,
    /// The quarters of the rounds below and above.
    pub lower_quartile: f64,
    pub upper_quartile: f64,
    pub rounds: Vec<f64>,
}

/// What was measured in one go.
#[derive(Debug, Serialize, Deserialize)]
pub struct Record {
    pub case: String,
    #[serde(flatten)]
    pub conditions: Conditions,
    pub figures: Vec<Figure>,
}

impl Figure {
    pub fn new(what: impl Into<String>, runtime: &str, unit: &str, rounds: Vec<f64>) -> Self {
        let mut sorted = rounds.clone();
        sorted.sort_by(f64::total_cmp);
        Self {
            what: what.into(),
            runtime: runtime.into(),
            unit: unit.into(),
            at_most: None,
            at_least: None,
            median: quantile(&sorted, 0.5),
            lower_quartile: quantile(&sorted, 0.25),
            upper_quartile: quantile(&sorted, 0.75),
            rounds,
        }
    }

    pub fn at_most(self, bound: f64) -> Self {
        Self {
            at_most: Some(bound),
            ..self
        }
    }

    pub fn at_least(self, bound: f64) -> Self {
        Self {
            at_least: Some(bound),
            ..self
        }
    }

    fn bound(&self) -> (String, &'static str) {
        let verdict = |holds| if holds { "reached" } else { "missed" };
        match (self.at_most, self.at_least) {
            (Some(most), _) => (format!("<= {most}"), verdict(self.median <= most)),
            (_, Some(least)) => (format!(">= {least}"), verdict(self.median >= least)),
            _ => (String::new(), ""),
        }
    }
}

impl Record {
    pub fn begin(case: &str) -> Self {
        Self {
            case: case.into(),
            conditions: Conditions::begin(),
            figures: Vec::new(),
        }
    }

    pub fn end(mut self, figures: Vec<Figure>) -> Self {
        self.conditions.end();
        self.figures = figures;
        self
    }

    /// The figures as a table in Markdown.
    pub fn table(&self) -> String {
        let mut table = String::from(
            "| what | executor | median | middle half of the rounds | unit | bound | |\n\
             | --- | --- | --- | --- | --- | --- | --- |\n",
        );
        for figure in &self.figures {
            let (bound, verdict) = figure.bound();
            let Figure {
                what,
                runtime,
                unit,
                median,
                lower_quartile,
                upper_quartile,
                ..
            } = figure;
            let (median, lower, upper) = (
                short(*median),
                short(*lower_quartile),
                short(*upper_quartile),
            );
            // Writing to a string does not fail.
            let _ = writeln!(
                table,
                "| {what} | {runtime} | {median} | {lower} to {upper} | {unit} | {bound} | {verdict} |",
            );
        }
        table
    }

    /// Writes the record into a directory, and the directory's table anew.
    pub fn save(&self, directory: &Path) -> io::Result<()> {
        fs::create_dir_all(directory)?;
        let json = serde_json::to_string_pretty(self)?;
        fs::write(directory.join(format!("{}.json", self.case)), json + "\n")?;
        fs::write(directory.join("README.md"), overview(directory)?)
    }
}

/// All records of a directory on one page.
fn overview(directory: &Path) -> io::Result<String> {
    let mut page = String::from(HEAD);
    for case in crate::CASES {
        let Ok(text) = fs::read_to_string(directory.join(format!("{case}.json"))) else {
            continue;
        };
        let record: Record = serde_json::from_str(&text)?;
        let about = crate::about(case);
        let _ = write!(
            page,
            "\n## {case}\n\n{about}\n\n{}\n\n{}",
            record.conditions,
            record.table()
        );
    }
    Ok(page)
}

const HEAD: &str = "# Recorded figures

Made by `just measure`, which also writes this page. Processor time is that of all threads of the
process under test, user and system, as the kernel counts it; never wall time, because the machine is
shared. Each round runs every variant once, in turns; a figure is the median of its rounds.
";

fn quantile(sorted: &[f64], q: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return f64::NAN;
    };
    let at = q * last as f64;
    let (low, high) = (at.floor() as usize, at.ceil() as usize);
    (sorted[high] - sorted[low]).mul_add(at.fract(), sorted[low])
}

/// Three digits that matter.
fn short(value: f64) -> String {
    match value.abs() {
        magnitude if magnitude >= 100.0 => format!("{value:.0}"),
        magnitude if magnitude >= 10.0 => format!("{value:.1}"),
        magnitude if magnitude >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}
