//! What a sink has seen.

use crate::ids::{IdSet, Verdict};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::AddAssign;
use tailrace_codec::Signal;

/// Everything, at the end.
#[derive(Debug, Clone, Default)]
pub struct Received {
    /// The numbers that arrived, by run. Items of a load without a run stand under 0.
    pub runs: BTreeMap<u64, IdSet>,
    pub counts: Counts,
}

/// What can be looked at while a sink runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// In the order of [`Signal::ALL`].
    pub signals: [SignalCounts; Signal::ALL.len()],
    /// How often each fault of the script has fired, by its name.
    pub faults: BTreeMap<&'static str, u64>,
    /// The phase of the script that is played; empty after the last and without a script.
    pub phase: String,
}

/// Of one signal, or of all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct SignalCounts {
    /// Those that were read, whatever they were answered.
    pub requests: u64,
    /// Of taken requests, repeated ones included.
    pub items: u64,
    /// Of the same, uncompressed, as protobuf.
    pub bytes: u64,
    pub distinct_items: u64,
    pub duplicate_items: u64,
    /// Numbered, with content that the check value does not belong to.
    pub corrupt_items: u64,
    /// Without a number: of no load of ours, or altered beyond that.
    pub foreign_items: u64,
    /// That were on their way for longer than allowed.
    pub late_items: u64,
}

impl Received {
    /// What it proves of a run: everything else that arrived counts as corrupt.
    pub fn verdict(&self, run: u64, acknowledged: &IdSet) -> Verdict {
        let total = self.counts.total();
        let none = IdSet::default();
        let of_run = self.runs.get(&run).unwrap_or(&none);
        let of_others = total.distinct_items - of_run.len();
        let corrupt = total.corrupt_items + total.foreign_items + of_others;
        Verdict::new(acknowledged, of_run, total.duplicate_items, corrupt)
    }
}

impl Counts {
    pub fn total(&self) -> SignalCounts {
        let mut total = SignalCounts::default();
        for signal in self.signals {
            total += signal;
        }
        total
    }

    /// How many faults have fired.
    pub fn fired(&self) -> u64 {
        self.faults.values().sum()
    }

    /// The page that Prometheus reads.
    pub fn exposition(&self) -> String {
        let mut page = String::new();
        for (name, help, value) in SERIES {
            // Writing to a String does not fail.
            let _ = writeln!(page, "# HELP tailrace_sink_{name} {help}");
            let _ = writeln!(page, "# TYPE tailrace_sink_{name} counter");
            for (signal, counts) in Signal::ALL.into_iter().zip(&self.signals) {
                let (signal, value) = (signal.name(), value(counts));
                let _ = writeln!(page, "tailrace_sink_{name}{{signal=\"{signal}\"}} {value}");
            }
        }
        let _ = writeln!(
            page,
            "# HELP tailrace_sink_faults Misbehaviours of the script."
        );
        let _ = writeln!(page, "# TYPE tailrace_sink_faults counter");
        for (kind, count) in &self.faults {
            let _ = writeln!(page, "tailrace_sink_faults{{kind=\"{kind}\"}} {count}");
        }
        page
    }
}

type Series = (&'static str, &'static str, fn(&SignalCounts) -> u64);

const SERIES: [Series; 8] = [
    ("requests", "Requests that were read.", |c| c.requests),
    ("items", "Items of taken requests.", |c| c.items),
    ("bytes", "Bytes of taken requests.", |c| c.bytes),
    ("distinct_items", "Items, repeated ones once.", |c| {
        c.distinct_items
    }),
    ("duplicate_items", "Arrivals beyond the first.", |c| {
        c.duplicate_items
    }),
    ("corrupt_items", "Items that were altered.", |c| {
        c.corrupt_items
    }),
    ("foreign_items", "Items without a number.", |c| {
        c.foreign_items
    }),
    ("late_items", "Items that took too long.", |c| c.late_items),
];

impl AddAssign for SignalCounts {
    fn add_assign(&mut self, other: Self) {
        self.requests += other.requests;
        self.items += other.items;
        self.bytes += other.bytes;
        self.distinct_items += other.distinct_items;
        self.duplicate_items += other.duplicate_items;
        self.corrupt_items += other.corrupt_items;
        self.foreign_items += other.foreign_items;
        self.late_items += other.late_items;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_sums_and_every_count_has_its_series() {
        let one = SignalCounts {
            requests: 1,
            items: 2,
            bytes: 3,
            distinct_items: 4,
            duplicate_items: 5,
            corrupt_items: 6,
            foreign_items: 7,
            late_items: 8,
        };
        let mut counts = Counts::default();
        counts.signals[Signal::Traces as usize] = one;
        counts.signals[Signal::Logs as usize] = one;
        counts.faults.insert("silence", 9);
        assert_eq!(counts.total().late_items, 16);
        let page = counts.exposition();
        for (value, (name, ..)) in (1..).zip(SERIES) {
            let line = format!("tailrace_sink_{name}{{signal=\"logs\"}} {value}\n");
            assert!(page.contains(&line), "{line} in {page}");
        }
        assert!(page.contains("tailrace_sink_faults{kind=\"silence\"} 9\n"));
    }
}
