//! The table, printed and written.

use crate::{BURST, LOOP, PERIOD, ROUNDS, SPANS};
use std::fmt::Write;
use tailrace_bench::conditions::Conditions;

/// Where the record goes, if anywhere.
const RECORD: &str = "EMBED_RECORD";

pub struct Row {
    pub name: &'static str,
    pub thread_ns: f64,
    /// `None` where nothing is exported.
    pub process_ns: Option<f64>,
    pub allocations: f64,
    pub allocated_bytes: f64,
    pub p999_ns: f64,
    pub loop_ns: f64,
}

pub struct Page {
    conditions: Conditions,
    rows: Vec<Row>,
}

impl Page {
    pub fn begin() -> Self {
        Self {
            conditions: Conditions::begin(),
            rows: Vec::new(),
        }
    }

    pub fn add(&mut self, row: Row) {
        let Row {
            name,
            thread_ns,
            loop_ns,
            ..
        } = row;
        eprintln!("{name}: {thread_ns:.0} ns, in a loop {loop_ns:.0}");
        self.rows.push(row);
    }

    pub fn end(mut self) {
        self.conditions.end();
        let text = self.text();
        println!("{text}");
        if let Some(path) = std::env::var_os(RECORD) {
            std::fs::write(path, text).expect("the record is written");
        }
    }

    fn text(&self) -> String {
        let rate = BURST as f64 / PERIOD.as_secs_f64() / 1e3;
        let mut text = format!(
            "# Telemetry inside a service\n\nMade by `just embed`. {} Spans of eight attributes if \
             nothing else is said, {} thousand in bursts of {BURST}, {rate:.0} thousand a second, over \
             gRPC without compression to a backend in another process, which counted every one; the \
             median of {ROUNDS} rounds. The first figure is processor time of the thread that makes \
             the spans, the second of the whole process, export included, the last the wall time that one \
             span in a thousand exceeds, or one trace where the row is of traces; \"in a loop\" is the thread's time of a span among {} thousand \
             without a pause.\n\n| | thread, ns a span | process, ns a span | allocations on \
             the thread | allocated bytes | p99.9, ns | in a loop, ns |\n| --- | --- | --- | --- | --- | --- | --- |\n",
            self.conditions,
            SPANS / 1000,
            LOOP / 1000,
        );
        for row in &self.rows {
            let process = row
                .process_ns
                .map_or(String::new(), |ns| format!("{ns:.0}"));
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "| {} | {:.0} | {process} | {:.2} | {:.0} | {:.0} | {:.0} |",
                row.name,
                row.thread_ns,
                row.allocations,
                row.allocated_bytes,
                row.p999_ns,
                row.loop_ns
            );
        }
        text
    }
}
