//! Lines over time as SVG, written plainly: panels one above the other over one axis.

use std::fmt::Write;

const WIDTH: f64 = 900.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 20.0;
const PANEL: f64 = 200.0;
const TOP: f64 = 40.0;
const GAP: f64 = 60.0;
const BOTTOM: f64 = 40.0;

/// Legend entries stand this far apart.
const LEGEND: f64 = 200.0;

/// A value for each step of the axis.
#[derive(Debug, Clone)]
pub struct Line {
    pub name: &'static str,
    pub colour: Colour,
    pub values: Vec<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    Blue,
    Red,
    Green,
    Orange,
    Violet,
    Grey,
}

impl Colour {
    const fn code(self) -> &'static str {
        match self {
            Self::Blue => "#1f77b4",
            Self::Red => "#d62728",
            Self::Green => "#2ca02c",
            Self::Orange => "#ff7f0e",
            Self::Violet => "#9467bd",
            Self::Grey => "#888888",
        }
    }
}

/// Draws one panel for each group of lines; `axis` is what stands below. One SVG that loads
/// nothing. No values are an empty frame.
pub fn svg(panels: &[Vec<Line>], axis: &str) -> String {
    let count = panels.len() as f64;
    let height = TOP + count * PANEL + (count - 1.0).max(0.0) * GAP + BOTTOM;
    let mut svg = String::new();
    // Writing to a string cannot fail.
    let _ = write!(
        svg,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" "#
    );
    svg.push_str(r#"font-family="sans-serif" font-size="12">"#);
    let _ = write!(
        svg,
        r##"<rect width="{WIDTH}" height="{height}" fill="#fff"/>"##
    );
    let mut top = TOP;
    for lines in panels {
        panel(&mut svg, top, lines);
        top += PANEL + GAP;
    }
    let (x, y) = (LEFT + (WIDTH - LEFT - RIGHT) / 2.0, height - 8.0);
    let _ = write!(
        svg,
        r#"<text x="{x}" y="{y}" text-anchor="middle">{axis}</text></svg>"#
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
        let (x, y) = (LEFT + LEGEND * index as f64, top - 10.0);
        let (name, colour) = (line.name, line.colour.code());
        let _ = write!(
            svg,
            r#"<text x="{x}" y="{y}" fill="{colour}">{name}</text>"#
        );
        let _ = write!(
            svg,
            r#"<polyline fill="none" stroke="{colour}" stroke-width="1.5" "#
        );
        svg.push_str("points=\"");
        let steps = line.values.len().saturating_sub(1).max(1) as f64;
        for (step, value) in line.values.iter().enumerate() {
            let x = LEFT + step as f64 / steps * (right - LEFT);
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

    fn line(values: Vec<f64>) -> Vec<Line> {
        let (name, colour) = ("values", Colour::Blue);
        vec![Line {
            name,
            colour,
            values,
        }]
    }

    fn points(text: &str) -> Vec<(f64, f64)> {
        let points = text.split('"').next().expect("its end").split_whitespace();
        let number = |text: &str| text.parse::<f64>().expect("a number");
        points
            .filter_map(|point| point.split_once(','))
            .map(|(x, y)| (number(x), number(y)))
            .collect()
    }

    #[test]
    fn every_step_is_a_point_within_the_panel() {
        let values: Vec<f64> = (0..5).map(|step| f64::from(step) * 1000.0).collect();
        let svg = svg(&[line(vec![1.0]), line(values)], "seconds");
        let lower = points(svg.split("points=\"").nth(2).expect("two lines"));
        let bottom = TOP + 2.0 * PANEL + GAP;
        assert_eq!(lower.len(), 5);
        assert_eq!(lower[0], (LEFT, bottom));
        assert!((lower[4].0 - (WIDTH - RIGHT)).abs() < 0.1);
        let fourth = bottom - PANEL * 0.8;
        assert!((lower[4].1 - fourth).abs() < 0.1, "4000 of 5000");
    }

    #[test]
    fn nothing_and_one_value_are_drawn_too() {
        assert!(!svg(&[], "").contains("NaN"));
        assert!(!svg(&[line(Vec::new()), line(vec![0.0])], "").contains("NaN"));
    }
}
