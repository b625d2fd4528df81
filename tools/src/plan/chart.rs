//! Delay over load: a picture, and the same in a terminal.

use std::fmt::Write;
use tailrace_engine::flow::sizing::LoadPoint;

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 30.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 60.0;
/// Columns of the longest bar in a terminal.
const BAR: f64 = 40.0;

/// One SVG that loads nothing: both percentiles over load, delay on a logarithmic axis, the
/// planned rate as a line down.
pub fn svg(points: &[LoadPoint], planned: f64) -> String {
    let points = finite(points);
    let load_max = points.iter().map(|point| point.item_rate);
    let load_max = load_max.fold(planned, f64::max);
    let delays = points.iter().flat_map(|p| [p.p50_seconds, p.p99_seconds]);
    let (low, high) = decades(delays);
    let x = |load: f64| LEFT + load / load_max * (WIDTH - LEFT - RIGHT);
    let y = |delay: f64| {
        let share = (delay.log10() - low) / (high - low);
        HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
    };
    let mut svg = String::new();
    // Writing to a string cannot fail, here and below.
    let _ = write!(
        svg,
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12"><rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>"##
    );
    for decade in low as i32..=high as i32 {
        let (at, left, right) = (y(10f64.powi(decade)), LEFT, WIDTH - RIGHT);
        let _ = write!(
            svg,
            r##"<line x1="{left}" x2="{right}" y1="{at:.1}" y2="{at:.1}" stroke="#ddd"/><text x="{}" y="{:.1}" text-anchor="end">{}</text>"##,
            LEFT - 8.0,
            at + 4.0,
            super::table::seconds(10f64.powi(decade))
        );
    }
    for step in 0..=5 {
        let load = load_max * f64::from(step) / 5.0;
        let _ = write!(
            svg,
            r#"<text x="{:.1}" y="{}" text-anchor="middle">{}</text>"#,
            x(load),
            HEIGHT - BOTTOM + 20.0,
            rate(load)
        );
    }
    let at = x(planned);
    let _ = write!(
        svg,
        r##"<line x1="{at:.1}" x2="{at:.1}" y1="{TOP}" y2="{}" stroke="#888" stroke-dasharray="4 4"/><text x="{at:.1}" y="{}" text-anchor="end" fill="#666">planned</text>"##,
        HEIGHT - BOTTOM,
        TOP - 6.0
    );
    let line = |svg: &mut String, name, colour, delay: fn(&LoadPoint) -> f64, column: f64| {
        let _ = write!(
            svg,
            r#"<text x="{}" y="20" fill="{colour}">{name}</text><polyline fill="none" stroke="{colour}" stroke-width="1.5" points=""#,
            LEFT + column
        );
        for point in &points {
            let _ = write!(svg, "{:.1},{:.1} ", x(point.item_rate), y(delay(point)));
        }
        svg.push_str("\"/>");
    };
    line(&mut svg, "p50", "#2ca02c", |point| point.p50_seconds, 0.0);
    line(&mut svg, "p99", "#ff7f0e", |point| point.p99_seconds, 60.0);
    let _ = write!(
        svg,
        r#"<text x="{}" y="{}" text-anchor="middle">items / s; delay from arrival to answer</text></svg>"#,
        WIDTH / 2.0,
        HEIGHT - 12.0
    );
    svg
}

/// A bar for each load: dots up to the median, `#` up to the 99th percentile.
pub fn text(points: &[LoadPoint], planned: f64) -> String {
    let points = finite(points);
    let max = points.iter().map(|point| point.p99_seconds);
    let max = max.fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    let mut text = "\nload, items/s   busy   delay: median ....  p99 ####\n".to_owned();
    let mut marked = false;
    for point in &points {
        let mark = match !marked && point.item_rate >= planned {
            true => " <- planned",
            false => "",
        };
        marked |= point.item_rate >= planned;
        let columns = |delay: f64| (delay / max * BAR).round() as usize;
        let (half, most) = (columns(point.p50_seconds), columns(point.p99_seconds));
        let _ = writeln!(
            text,
            "{:>13} {:>5.1}%   {}{} {}{mark}",
            rate(point.item_rate),
            point.utilisation * 100.0,
            ".".repeat(half),
            "#".repeat(most.saturating_sub(half)),
            super::table::seconds(point.p99_seconds),
        );
    }
    text
}

fn finite(points: &[LoadPoint]) -> Vec<LoadPoint> {
    let drawn = |point: &&LoadPoint| point.p99_seconds.is_finite();
    points.iter().filter(drawn).copied().collect()
}

/// The powers of ten around all delays.
fn decades(delays: impl Iterator<Item = f64>) -> (f64, f64) {
    let (mut low, mut high) = (f64::MAX, f64::MIN);
    for delay in delays.filter(|delay| *delay > 0.0) {
        low = low.min(delay.log10().floor());
        high = high.max(delay.log10().ceil());
    }
    match low < high {
        true => (low, high),
        false => (-3.0, 0.0),
    }
}

fn rate(rate: f64) -> String {
    match rate {
        rate if rate >= 1e6 => format!("{:.2}M", rate / 1e6),
        rate if rate >= 1e4 => format!("{:.1}k", rate / 1e3),
        rate => format!("{rate:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(load: f64, p99_seconds: f64) -> LoadPoint {
        LoadPoint {
            item_rate: load * 1e5,
            utilisation: load,
            p50_seconds: 0.1,
            p99_seconds,
        }
    }

    #[test]
    fn every_finite_point_is_drawn_within_the_frame() {
        let points = [point(0.1, 0.2), point(0.5, 0.5), point(0.9, f64::INFINITY)];
        let svg = svg(&points, 3e4);
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
        let lines: Vec<_> = svg.split("points=\"").skip(1).collect();
        assert_eq!(lines.len(), 2);
        for line in lines {
            let coordinates = line.split('"').next().expect("its end");
            assert_eq!(coordinates.split_whitespace().count(), 2);
            for pair in coordinates.split_whitespace() {
                let (x, y) = pair.split_once(',').expect("a pair");
                let (x, y): (f64, f64) = (x.parse().expect("x"), y.parse().expect("y"));
                assert!((LEFT..=WIDTH).contains(&x) && (0.0..=HEIGHT).contains(&y));
            }
        }
    }

    #[test]
    fn the_planned_load_is_marked_once() {
        let text = text(&[point(0.1, 0.2), point(0.5, 0.5), point(0.9, 1.0)], 3e4);
        assert_eq!(text.matches("planned").count(), 1);
        let longest = text.lines().last().expect("a bar");
        // The two others are decimal points.
        assert_eq!(longest.matches(['.', '#']).count(), 40 + 2);
    }

    #[test]
    fn nothing_to_draw_is_an_empty_frame() {
        assert!(!svg(&[], 1.0).contains("NaN"));
        assert!(!text(&[], 1.0).contains("NaN"));
    }
}
