//! Throughput and latency over the seconds of a run.

use super::statistics::Second;
use crate::chart::{self, Colour, Line};

/// Draws the seconds of a run; a run without any is an empty frame.
pub fn svg(seconds: &[Second]) -> String {
    let line = |name, colour, value: fn(&Second) -> f64| Line {
        name,
        colour,
        values: seconds.iter().map(value).collect(),
    };
    let throughput = vec![
        line("items acknowledged / s", Colour::Blue, |second| {
            second.items as f64
        }),
        line("requests refused / s", Colour::Red, |second| {
            second.refused as f64
        }),
    ];
    let latency = vec![
        line("p50 ms", Colour::Green, |second| second.p50_us / 1e3),
        line("p99 ms", Colour::Orange, |second| second.p99_us / 1e3),
        line("max ms", Colour::Violet, |second| second.max_us / 1e3),
    ];
    let axis = format!("seconds, of {}", seconds.len());
    chart::svg(&[throughput, latency], &axis)
}
