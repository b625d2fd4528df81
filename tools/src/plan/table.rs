//! Decisions and forecast as text for a terminal.

use super::running::{Compared, Running};
use std::fmt::Write;
use tailrace_engine::config::format_duration;
use tailrace_engine::flow::sizing::{Decision, Forecast, Sizing, Workload};
use tailrace_engine::units::ByteCount;

/// What runs, beside what the formulas make of its arrivals and round trips.
pub fn running(running: &Running, workload: &Workload) -> String {
    let mut text = format!(
        "running        {}: {:.0} items/s of {:.0} B, {:.0} a request, round trip {}\n\
         {:14} {:>12} {:>12}\n",
        running.words(),
        workload.item_rate,
        workload.item_bytes,
        workload.request_items,
        seconds(workload.rtt_seconds),
        "",
        "measured",
        "by formula",
    );
    for Compared {
        what,
        is_seconds,
        measured,
        expected,
    } in running.comparison()
    {
        let show = |value: f64| match is_seconds {
            true => seconds(value),
            false => format!("{value:.3}"),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{what:<14} {:>12} {:>12}",
            show(measured),
            show(expected)
        );
    }
    text.push('\n');
    text
}

/// Two lines a decision: what, to what and where; below it, why.
pub fn decisions(sizing: &Sizing) -> String {
    let mut text = String::new();
    for decision in sizing.decisions() {
        let Decision { what, key, why, .. } = decision;
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{what:<14} {:<28} {key}", value(decision));
        let _ = writeln!(text, "               {why}");
    }
    text
}

/// What is expected while the destination works.
pub fn forecast(forecast: &Forecast) -> String {
    format!(
        "\nexpected       {:.1} % of consumers busy, {:.2} batches inside, {:.2} % wait for one\n\
         blocking       {} of the batches\n\
         delay          mean {}, p50 {}, p90 {}, p99 {}, p99.9 {}\n",
        forecast.utilisation * 100.0,
        forecast.in_system,
        forecast.waiting * 100.0,
        blocking(forecast.blocking),
        seconds(forecast.mean_seconds),
        seconds(forecast.p50_seconds),
        seconds(forecast.p90_seconds),
        seconds(forecast.p99_seconds),
        seconds(forecast.p999_seconds),
    )
}

/// Smaller than the model can tell is not told.
fn blocking(share: f64) -> String {
    match share < 1e-12 {
        true => "less than 1e-12".to_owned(),
        false => format!("{share:.1e}"),
    }
}

fn value(decision: &Decision) -> String {
    let Decision { value, unit, .. } = decision;
    match unit.split_once(' ') {
        Some(("bytes", rest)) => format!("{} {rest}", ByteCount(*value as u64)),
        _ if unit.starts_with('s') => seconds(*value),
        _ => format!("{value:.0} {unit}"),
    }
}

/// To the millisecond above a second, to the microsecond below.
pub fn seconds(seconds: f64) -> String {
    let step: f64 = if seconds >= 1.0 { 1e3 } else { 1e6 };
    let rounded = (seconds * step).round() / step;
    match std::time::Duration::try_from_secs_f64(rounded) {
        Ok(duration) => format_duration(duration),
        Err(_) => "for ever".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_rounded_and_infinite_ones_said() {
        assert_eq!(seconds(0.080_000_4), "80ms");
        assert_eq!(seconds(1.234_56), "1.235s");
        assert_eq!(seconds(f64::INFINITY), "for ever");
    }
}
