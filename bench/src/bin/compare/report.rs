//! What a comparison has found: a table, JSON, a picture.

use super::describe::Case;
use super::overload::Overload;
use super::run::Run;
use serde::Serialize;
use std::fmt::Write;
use tailrace_bench::conditions::Conditions;
use tailrace_bench::paired::{Ratio, median};

/// What is asked of a comparison and not in it, with the reason.
const ABSENT_CASES: [(&str, &str); 1] = [(
    "one resource attribute inserted",
    "tailrace's configuration has no processor that edits yet",
)];

/// One comparison.
#[derive(Debug, Serialize)]
pub struct Report {
    #[serde(flatten)]
    pub conditions: Conditions,
    pub rounds: usize,
    pub seconds: f64,
    /// What the others are compared with.
    pub reference: String,
    pub devices: Vec<Device>,
    pub cases: Vec<CaseReport>,
    pub overload: Option<Overload>,
}

#[derive(Debug, Serialize)]
pub struct Device {
    pub name: String,
    pub about: String,
    pub version: String,
    /// Why it takes no part.
    pub absent: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct CaseReport {
    pub case: String,
    /// The fixed rate of the latencies: half of what the slowest device reached.
    pub requests_per_second: f64,
    /// The reference against itself: what a difference must exceed to be one.
    pub noise: Option<Ratio>,
    /// Without a device between: what load and sink do by themselves.
    pub direct_latency_us: [f64; 3],
    pub rows: Vec<Row>,
}

/// One device in one case: medians of its rounds.
#[derive(Debug, Serialize)]
pub struct Row {
    pub device: String,
    /// Why there are no figures.
    pub failed: Option<String>,
    pub cpu_ns_per_item: f64,
    pub cpu_ns_per_byte: f64,
    pub requests_per_cpu_second: f64,
    pub load_ns_per_request: f64,
    pub failed_requests: u64,
    /// Due at the fixed rate, and never sent: the device left no stream free.
    pub unsent_requests: u64,
    /// Items that arrived more than once.
    pub duplicate_items: u64,
    /// Processor time per item as a multiple of the reference's in the same round.
    pub against_reference: Option<Ratio>,
    /// p50, p99 and p99.9 beyond those without a device, at the fixed rate.
    pub added_latency_us: [f64; 3],
    pub peak_bytes: u64,
}

impl Row {
    pub fn failed(device: &str, why: String) -> Self {
        Self {
            device: device.to_owned(),
            failed: Some(why),
            cpu_ns_per_item: f64::NAN,
            cpu_ns_per_byte: f64::NAN,
            requests_per_cpu_second: f64::NAN,
            load_ns_per_request: f64::NAN,
            failed_requests: 0,
            unsent_requests: 0,
            duplicate_items: 0,
            against_reference: None,
            added_latency_us: [f64::NAN; 3],
            peak_bytes: 0,
        }
    }

    pub fn of(device: &str, full: &[Run], reference: &[f64], peak_bytes: u64) -> Self {
        let middle = |value: fn(&Run) -> f64| {
            let mut values: Vec<f64> = full.iter().map(value).collect();
            median(&mut values)
        };
        let costs: Vec<f64> = full.iter().map(|run| run.cpu_ns_per_item).collect();
        Self {
            device: device.to_owned(),
            failed: None,
            cpu_ns_per_item: middle(|run| run.cpu_ns_per_item),
            cpu_ns_per_byte: middle(|run| run.cpu_ns_per_byte),
            requests_per_cpu_second: middle(|run| run.requests_per_cpu_second),
            load_ns_per_request: middle(|run| run.load_ns_per_request),
            failed_requests: full.iter().map(|run| run.failed_requests).sum(),
            unsent_requests: 0,
            duplicate_items: 0,
            against_reference: Ratio::of(&costs, reference),
            added_latency_us: [f64::NAN; 3],
            peak_bytes,
        }
    }
}

impl Report {
    /// Whether some device has no figures where it should.
    pub fn has_failed(&self) -> bool {
        let mut rows = self.cases.iter().flat_map(|case| &case.rows);
        let mut overloaded = self.overload.iter().flat_map(|overload| &overload.rows);
        rows.any(|row| row.failed.is_some()) || overloaded.any(|row| row.failed.is_some())
    }

    /// As Markdown.
    pub fn page(&self) -> String {
        let mut page = String::new();
        // Writing to a string does not fail.
        let _ = writeln!(
            page,
            "{} {} rounds of {} s. Processor time is the device's alone, user and system; a ratio is \
             the median of its rounds, with the middle 95 % of resampled medians.\n",
            self.conditions, self.rounds, self.seconds,
        );
        for device in &self.devices {
            let Device {
                name,
                about,
                version,
                absent,
            } = device;
            let _ = match absent {
                Some(why) => writeln!(page, "- {name}: **absent** ({why}). {about}"),
                None if version.is_empty() => writeln!(page, "- {name}: {about}"),
                None => writeln!(page, "- {name}: {about}. `{version}`"),
            };
        }
        for (case, why) in ABSENT_CASES {
            let _ = writeln!(page, "- {case}: **absent** ({why}).");
        }
        for case in &self.cases {
            case.write(&mut page, &self.reference);
        }
        if let Some(overload) = &self.overload {
            overload.write(&mut page);
        }
        page
    }

    /// Spans per CPU-second, case by case, as bars.
    pub fn picture(&self) -> String {
        const WIDTH: f64 = 760.0;
        const LEFT: f64 = 130.0;
        const BAR: f64 = 18.0;
        let mut body = String::new();
        let mut y = 30.0;
        for case in &self.cases {
            y += 14.0;
            let _ = writeln!(
                body,
                "<text x='0' y='{y}' font-weight='bold'>{}</text>",
                case.case
            );
            let rows = case.rows.iter().filter(|row| row.failed.is_none());
            let rate = |row: &Row| 1e9 / row.cpu_ns_per_item;
            let most = rows.clone().map(rate).fold(1.0, f64::max);
            for row in rows {
                let width = (WIDTH - LEFT - 110.0) * rate(row) / most;
                let colour = match row.device.starts_with("tailrace") {
                    true => "#0b7285",
                    false => "#adb5bd",
                };
                let middle = y + 18.0;
                let _ = writeln!(
                    body,
                    "<text x='{}' y='{middle}' text-anchor='end'>{}</text>\
                     <rect x='{LEFT}' y='{}' width='{width:.1}' height='{}' fill='{colour}'/>\
                     <text x='{:.1}' y='{middle}'>{}</text>",
                    LEFT - 6.0,
                    row.device,
                    y + 5.0,
                    BAR - 3.0,
                    LEFT + width + 6.0,
                    short(rate(row)),
                );
                y += BAR;
            }
            y += 12.0;
        }
        format!(
            "<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' height='{y}' \
             font-family='sans-serif' font-size='12'>\n<rect width='100%' height='100%' \
             fill='white'/>\n<text x='0' y='16' font-size='14'>spans per CPU-second of the \
             forwarder, {}</text>\n{body}</svg>\n",
            self.conditions.date
        )
    }
}

impl CaseReport {
    pub fn new(case: &Case) -> Self {
        Self {
            case: case.to_string(),
            requests_per_second: f64::NAN,
            noise: None,
            direct_latency_us: [f64::NAN; 3],
            rows: Vec::new(),
        }
    }

    fn write(&self, page: &mut String, reference: &str) {
        let noise = self.noise.map_or_else(String::new, |noise| {
            format!(
                " {reference} against itself: {:.2} ({:.2} to {:.2}).",
                noise.median, noise.low, noise.high
            )
        });
        let [p50, p99, p99_9] = self.direct_latency_us.map(short);
        let _ = writeln!(
            page,
            "\n### {}\n\n{noise} Latency at {} requests a second; without a device p50 {p50}, p99 \
             {p99}, p99.9 {p99_9} us.\n\n| device | CPU ns a span | ns a byte | requests per \
             CPU-second | CPU a span, times {reference} | added p50, p99, p99.9 us | peak MiB | \
             load's own ns a request |\n| --- | --- | --- | --- | --- | --- | --- | --- |",
            self.case,
            short(self.requests_per_second),
        );
        for row in &self.rows {
            if let Some(why) = &row.failed {
                let _ = writeln!(page, "| {} | {why} | | | | | | |", row.device);
                continue;
            }
            let ratio = row.against_reference.map_or_else(String::new, |ratio| {
                let (low, high) = (short(ratio.low), short(ratio.high));
                format!("{} ({low} to {high})", short(ratio.median))
            });
            let [p50, p99, p99_9] = row.added_latency_us.map(short);
            let besides = [
                (row.failed_requests, "refused"),
                (row.unsent_requests, "never sent at the rate"),
                (row.duplicate_items, "duplicates"),
            ];
            let besides = besides.into_iter().filter(|(count, _)| *count > 0);
            let refused: String = besides
                .map(|(count, what)| format!(", {count} {what}"))
                .collect();
            let _ = writeln!(
                page,
                "| {} | {} | {} | {}{refused} | {ratio} | {p50}, {p99}, {p99_9} | {:.0} | {} |",
                row.device,
                short(row.cpu_ns_per_item),
                short(row.cpu_ns_per_byte),
                short(row.requests_per_cpu_second),
                row.peak_bytes as f64 / f64::from(1 << 20),
                short(row.load_ns_per_request),
            );
        }
    }
}

impl Overload {
    fn write(&self, page: &mut String) {
        let _ = writeln!(
            page,
            "\n### Overload: {}\n\nA backend that takes {} spans a second and refuses the rest as \
             unavailable, with the time until it has room; offered 1, 4 and 10 times as much for {} \
             s. The limit of memory is {} MiB where the device has such a setting. A request \
             without an answer was neither taken nor refused with a status; one not sent found no \
             stream free.\n\n| device | offered | peak MiB | times the limit | refused | without an \
             answer | not sent |\n| --- | --- | --- | --- | --- | --- | --- |",
            self.case,
            short(self.capacity_items_per_second as f64),
            self.seconds,
            self.limit_bytes >> 20,
        );
        for row in &self.rows {
            if let Some(why) = &row.failed {
                let _ = writeln!(page, "| {} | {why} | | | | | |", row.device);
            }
            for offered in &row.offered {
                let limit = match row.is_limited {
                    true => short(offered.peak_bytes as f64 / self.limit_bytes as f64),
                    false => "no limit".to_owned(),
                };
                let _ = writeln!(
                    page,
                    "| {} | {}x, {} requests | {:.0} | {limit} | {} | {} | {} |",
                    row.device,
                    offered.factor,
                    offered.requests,
                    offered.peak_bytes as f64 / f64::from(1 << 20),
                    offered.refused_requests,
                    offered.unanswered_requests,
                    offered.unsent_requests,
                );
            }
        }
    }
}

/// Three digits that matter.
fn short(value: f64) -> String {
    match value.abs() {
        magnitude if magnitude >= 1e6 => format!("{:.2} M", value / 1e6),
        magnitude if magnitude >= 1e4 => format!("{:.0} k", value / 1e3),
        magnitude if magnitude >= 100.0 => format!("{value:.0}"),
        magnitude if magnitude >= 10.0 => format!("{value:.1}"),
        magnitude if magnitude >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}
