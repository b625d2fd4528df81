//! Throughput and latency over time, as SVG written plainly: two panels over one axis.

use super::statistics::Second;
use std::fmt::Write;

const WIDTH: f64 = 900.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 20.0;
const PANEL: f64 = 200.0;
const TOP: f64 = 40.0;
const GAP: f64 = 60.0;
const HEIGHT: f64 = TOP + 2.0 * PANEL + GAP + 40.0;

/// A line of a panel: a value for each second.
struct Line {
    name: &'static str,
    colour: &'static str,
    values: Vec<f64>,
}

/// Draws the seconds of a run; a run without any is an empty frame.
pub fn svg(seconds: &[Second]) -> String {
    let line = |name, colour, value: fn(&Second) -> f64| Line {
        name,
        colour,
        values: seconds.iter().map(value).collect(),
    };
    let throughput = [
        line("items acknowledged / s", "#1f77b4", |second| {
            second.items as f64
        }),
        line("requests refused / s", "#d62728", |second| {
            second.refused as f64
        }),
    ];
    let latency = [
        line("p50 ms", "#2ca02c", |second| second.p50_us / 1e3),
        line("p99 ms", "#ff7f0e", |second| second.p99_us / 1e3),
        line("max ms", "#9467bd", |second| second.max_us / 1e3),
    ];
    let mut svg = String::new();
    // Writing to a string cannot fail.
    let _ = write!(
        svg,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" "#
    );
    svg.push_str(r#"font-family="sans-serif" font-size="12">"#);
    let _ = write!(
        svg,
        r##"<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>"##
    );
    panel(&mut svg, TOP, &throughput);
    panel(&mut svg, TOP + PANEL + GAP, &latency);
    let (x, y) = (LEFT + (WIDTH - LEFT - RIGHT) / 2.0, HEIGHT - 8.0);
    let _ = write!(
        svg,
        r#"<text x="{x}" y="{y}" text-anchor="middle">seconds, of {}</text></svg>"#,
        seconds.len()
    );
    svg
}

fn panel(svg: &mut String, top: f64, lines: &[Line]) {
    let values = lines.iter().flat_map(|line| &line.values);
    let max = round_up(values.fold(0.0, |max: f64, value| max.max(*value)));
    let (right, bottom) = (WIDTH - RIGHT, top + PANEL);
    for step in 0..=4 {
        let share = f64::from(step) / 4.0;
        let y = bottom - share * PANEL;
        let _ = write!(
            svg,
            r##"<line x1="{LEFT}" x2="{right}" y1="{y}" y2="{y}" stroke="#ddd"/>"##
        );
        let (x, y) = (LEFT - 8.0, y + 4.0);
        let label = short(max * share);
        let _ = write!(
            svg,
            r#"<text x="{x}" y="{y}" text-anchor="end">{label}</text>"#
        );
    }
    for (index, line) in lines.iter().enumerate() {
        let (x, y) = (LEFT + 200.0 * index as f64, top - 10.0);
        let Line {
            name,
            colour,
            values,
        } = line;
        let _ = write!(
            svg,
            r#"<text x="{x}" y="{y}" fill="{colour}">{name}</text>"#
        );
        let _ = write!(
            svg,
            r#"<polyline fill="none" stroke="{colour}" stroke-width="1.5" "#
        );
        svg.push_str("points=\"");
        let steps = values.len().saturating_sub(1).max(1) as f64;
        for (second, value) in values.iter().enumerate() {
            let x = LEFT + second as f64 / steps * (right - LEFT);
            let y = bottom - value / max * PANEL;
            let _ = write!(svg, "{x:.1},{y:.1} ");
        }
        svg.push_str("\"/>");
    }
}

/// The next of 1, 2, 5, 10, 20, ... that is at least `value`.
fn round_up(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    let fits = steps.into_iter().find(|step| value <= *step * (1.0 + 1e-9));
    fits.unwrap_or(10.0 * power)
}

/// `2.5k`, `1M`, `0.25`.
fn short(value: f64) -> String {
    let (value, unit) = match value {
        value if value >= 1e9 => (value / 1e9, "G"),
        value if value >= 1e6 => (value / 1e6, "M"),
        value if value >= 1e3 => (value / 1e3, "k"),
        value => (value, ""),
    };
    let digits = format!("{value:.3}");
    let digits = digits.trim_end_matches('0').trim_end_matches('.');
    format!("{digits}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_have_round_ends_and_short_labels() {
        for (value, end) in [
            (0.0, 1.0),
            (0.3, 0.5),
            (1.0, 1.0),
            (11.0, 20.0),
            (99_000.0, 1e5),
        ] {
            assert!((round_up(value) - end).abs() < end * 1e-6, "{value}");
        }
        assert_eq!(short(2500.0), "2.5k");
        assert_eq!(short(1e6), "1M");
        assert_eq!(short(0.25), "0.25");
    }

    #[test]
    fn every_second_is_a_point_within_the_frame() {
        let second = |n: u64| Second {
            second: n,
            items: n * 1000,
            p99_us: n as f64,
            ..Second::default()
        };
        let seconds: Vec<_> = (0..5).map(second).collect();
        let svg = svg(&seconds);
        let first = svg.split("points=\"").nth(1).expect("a line");
        let points = first.split('"').next().expect("its end").split_whitespace();
        let points: Vec<(f64, f64)> = points
            .map(|point| {
                let (x, y) = point.split_once(',').expect("a pair");
                (x.parse().expect("x"), y.parse().expect("y"))
            })
            .collect();
        assert_eq!(points.len(), 5);
        assert_eq!(points[0], (LEFT, TOP + PANEL));
        assert!((points[4].0 - (WIDTH - RIGHT)).abs() < 0.1);
        assert!(
            (points[4].1 - (TOP + PANEL * 0.2)).abs() < 0.1,
            "4000 of 5000"
        );
    }

    #[test]
    fn nothing_and_one_second_are_drawn_too() {
        assert!(!svg(&[]).contains("NaN"));
        assert!(!svg(&[Second::default()]).contains("NaN"));
    }
}
