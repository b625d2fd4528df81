//! What a lane has sized by itself, and why: for the debug page and the metrics.

use super::Snapshot;
use super::text::{Kind, Page};
use std::fmt::Write;

/// One size of one lane in one shard.
#[derive(Debug, Clone, PartialEq)]
pub struct LaneSize {
    /// Its key in the configuration.
    pub what: &'static str,
    pub unit: &'static str,
    pub value: f64,
    /// How often it has changed.
    pub changes: u64,
    /// The formula with its numbers.
    pub why: String,
}

impl Snapshot {
    /// Each size with its reason, as text for people.
    pub fn sizing_page(&self) -> String {
        let mut text = String::new();
        for (shard, lane, size) in &self.sizes {
            let labels = &self.labels.lanes[*lane];
            let LaneSize {
                what,
                unit,
                value,
                changes,
                why,
            } = size;
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "{} {} shard {shard}: {what} = {} {unit}, changed {changes} times\n  {why}",
                labels.exporter,
                labels.signal.name(),
                short(*value),
            );
        }
        if text.is_empty() {
            text.push_str("nothing is sized automatically: no key is `auto`\n");
        }
        text
    }

    /// Only of lanes with a key that is `auto`.
    pub(super) fn sizings(&self, page: &mut Page) {
        type Field = fn(&LaneSize) -> f64;
        let families: [(&str, &str, Kind, Field); 2] = [
            (
                "otelcol_exporter_auto_size",
                "What a key that is `auto` stands at: batches, bytes, seconds.",
                Kind::Gauge,
                |size| size.value,
            ),
            (
                "otelcol_exporter_auto_changes",
                "How often it was changed.",
                Kind::Counter,
                |size| size.changes as f64,
            ),
        ];
        for (name, help, kind, field) in families {
            let mut family = page.family(name, help, kind);
            for (shard, lane, size) in &self.sizes {
                let labels = &self.labels.lanes[*lane];
                let labels: &[(&str, &str)] = &[
                    ("data_type", labels.signal.name()),
                    ("exporter", &labels.exporter),
                    ("key", size.what),
                    ("shard", &shard.to_string()),
                ];
                family.sample(labels, field(size));
            }
        }
    }
}

/// Whole where it is, else to the tenth of a millisecond.
fn short(value: f64) -> String {
    match value.fract() == 0.0 {
        true => value.to_string(),
        false => format!("{value:.4}"),
    }
}
