//! What a figure was measured under: when, of which version, on what machine, beside whom.

use serde::{Deserialize, Serialize};
use std::fs;
use std::process::Command;

/// Stands in every record.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Conditions {
    pub date: String,
    pub commit: String,
    pub machine: String,
    pub kernel: String,
    /// How many others wanted the processors when it began and ended: `/proc/loadavg`.
    pub load_before: String,
    pub load_after: String,
}

impl Conditions {
    /// Those of now: a measurement begins.
    pub fn begin() -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpuinfo
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
            .map_or("unknown", |(_, model)| model);
        let processors = cpuinfo.matches("processor\t").count();
        Self {
            date: output("date", &["-u", "+%Y-%m-%d %H:%M UTC"]),
            commit: commit(),
            machine: format!("{processors} processors, {model}"),
            kernel: text("/proc/sys/kernel/osrelease"),
            load_before: text("/proc/loadavg"),
            load_after: String::new(),
        }
    }

    /// The measurement has ended.
    pub fn end(&mut self) {
        self.load_after = text("/proc/loadavg");
    }
}

impl std::fmt::Display for Conditions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            date,
            commit,
            machine,
            kernel,
            load_before,
            load_after,
        } = self;
        write!(
            f,
            "{date}, commit {commit}, {machine}, Linux {kernel}. Load average before: {load_before}; \
             after: {load_after}."
        )
    }
}

fn commit() -> String {
    let commit = output("git", &["rev-parse", "--short", "HEAD"]);
    let changes = output(
        "git",
        &["status", "--porcelain", "--", "engine", "codec", "tools"],
    );
    match changes.is_empty() {
        true => commit,
        false => format!("{commit} with changes"),
    }
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    text.unwrap_or_default()
}

fn text(path: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.trim().to_owned()
}
