//! The rows as a table, and as a page of the record.

use crate::bench::Row;
use serde::Deserialize;
use std::fmt::Write;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use tailrace_bench::conditions::Conditions;

/// What stands above the table.
const ABOUT: &str = "\
# Stages

Made by `just stages`, which runs `bench/benches/stages`. Processor time of all threads, the median of
criterion's samples; between two threads it is also that of waiting for each other. A line that begins
with `~` does the work of the line above it by other means, and `x` is how many times as long it takes.
Allocations, their bytes and copied bytes are those of one request once everything that is reused has
grown; growing counts as allocating the new size. Copied bytes are those of what the stage gives back
that do not lie in the buffers it was given: copies, conversions, new headers and lengths.
";

const HEAD: &str = "\
| input | stage | us a request | GB/s | ns an item | x | allocations | allocated bytes | copied bytes |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
";

/// A part of criterion's `estimates.json`, in nanoseconds.
#[derive(Deserialize)]
struct Estimates {
    median: Estimate,
}

#[derive(Deserialize)]
struct Estimate {
    point_estimate: f64,
}

/// Where criterion keeps its figures.
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("stages")
}

/// A run, from before its first stage.
pub struct Table {
    conditions: Conditions,
    begun: SystemTime,
}

impl Table {
    pub fn begin() -> Self {
        Self {
            conditions: Conditions::begin(),
            begun: SystemTime::now(),
        }
    }

    /// The lines of the rows that ran, and how many did not.
    pub fn lines(&self, rows: &[Row]) -> (String, usize) {
        let mut lines = HEAD.to_owned();
        let (mut missing, mut above) = (0, None);
        for row in rows {
            let Some(ns) = self.nanoseconds(row) else {
                missing += 1;
                continue;
            };
            if !row.is_other {
                above = Some(ns);
            }
            line(&mut lines, row, ns, above);
        }
        (lines, missing)
    }

    pub fn page(mut self, lines: &str) -> String {
        self.conditions.end();
        format!("{ABOUT}\n{}\n\n{lines}", self.conditions)
    }

    /// The median of a call, if it was measured in this run: what stands there may be older.
    fn nanoseconds(&self, row: &Row) -> Option<f64> {
        let stage = directory().join(&row.input.name).join(&row.stage);
        let path = stage.join("new/estimates.json");
        let modified = fs::metadata(&path).and_then(|file| file.modified());
        if modified.ok()? < self.begun {
            return None;
        }
        let estimates: Estimates = serde_json::from_reader(File::open(path).ok()?).ok()?;
        Some(estimates.median.point_estimate)
    }
}

fn line(lines: &mut String, row: &Row, ns: f64, above: Option<f64>) {
    let Row {
        input,
        stage,
        allocations,
        copied_bytes,
        ..
    } = row;
    let (other, ratio) = match above {
        Some(above) if row.is_other => ("~ ", figure(ns / above)),
        _ => ("", String::new()),
    };
    let item_ns = ns / input.items as f64;
    let bound = match row.item_ns_max {
        Some(max) if item_ns <= max => format!(" (<= {max}: reached)"),
        Some(max) => format!(" (<= {max}: missed)"),
        None => String::new(),
    };
    let requests = input.requests as f64;
    let count = |total: u64| counted(total as f64 / requests);
    let (us, gb) = (
        figure(ns / 1000.0 / requests),
        figure(input.bytes as f64 / ns),
    );
    let item_ns = figure(item_ns);
    // What a string is written to never fails.
    let _ = writeln!(
        lines,
        "| {} | {other}{stage} | {us} | {gb} | {item_ns}{bound} | {ratio} | {} | {} | {} |",
        input.name,
        count(allocations.calls),
        count(allocations.bytes),
        count(*copied_bytes),
    );
}

/// Whole, but for what happens less than ten times a request.
fn counted(value: f64) -> String {
    match value {
        _ if value.fract() == 0.0 || value >= 10.0 => format!("{value:.0}"),
        _ => format!("{value:.2}"),
    }
}

/// Three digits that count.
fn figure(value: f64) -> String {
    match value {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        1.0.. => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}
