//! What an exporter gives up while more comes than goes.

use crate::config::OnlySampled;
use crate::config::field::{choice, section};
use std::time::Duration;

section! {
    /// `degradation`: steps that are taken one after the other while the queue fills, and left in the
    /// opposite order. Each mark is a fill of the queue in percent, 1 to 100; 0 leaves the step out.
    /// Each shard looks at its own.
    Degradation {
        /// gzip 7 and zstd 6, or the configured level where it is higher.
        compress_harder: u32 = "50",
        /// What is of low priority goes when nothing else waits, or when it has waited for `max_age`.
        defer_low: u32 = "60",
        /// Of spans and log records of low priority `sample_low_ratio` is taken.
        sample_low: u32 = "70",
        /// Of those of medium priority `sample_medium_ratio` is taken.
        sample_medium: u32 = "85",
        /// What is not of high priority is refused, or dropped where `overflow` drops.
        reject: u32 = "95",
        /// The share that is kept, by the trace id and with its threshold in the tracestate.
        sample_low_ratio: f64 = "0.1",
        /// The share that is kept.
        sample_medium_ratio: f64 = "0.5",
        /// How long the queue must be a tenth below a mark before its step is left.
        hold: Duration = "10s",
    }
}

choice!(OnlySampled {
    "off" => Self::Off,
    "marked" => Self::Marked,
    "strict" => Self::Strict,
});
