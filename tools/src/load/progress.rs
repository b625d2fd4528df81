//! What a load looks like while it runs: a bar on a terminal, a line a second elsewhere.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::fmt;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};
use tailrace_bench::load::statistics::Second;
use tailrace_bench::load::{Load, Plan};

/// How often the load is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Returns when the load has ended. Everything goes to standard error.
pub fn watch(load: &Load, plan: &Plan) {
    let end: Duration = plan.phases.iter().map(|phase| phase.duration).sum();
    let bar = std::io::stderr().is_terminal().then(|| bar(end));
    let start = Instant::now();
    let mut shown = 0;
    while !load.is_finished() {
        std::thread::sleep(LOOK);
        let seconds = load.seconds(shown);
        shown += seconds.len();
        match &bar {
            Some(bar) => {
                let millis = start.elapsed().min(end).as_millis();
                bar.set_position(u64::try_from(millis).unwrap_or(u64::MAX));
                if let Some(last) = seconds.last() {
                    bar.set_message(Line(last).to_string());
                }
            }
            None => print(&seconds),
        }
    }
    match bar {
        Some(bar) => bar.finish_and_clear(),
        None => print(&load.seconds(shown)),
    }
}

fn print(seconds: &[Second]) {
    let mut out = std::io::stderr().lock();
    for second in seconds {
        // Nobody reads it: the figures at the end matter, and the run goes on.
        let _ = writeln!(out, "{:>5} s  {}", second.second + 1, Line(second));
    }
}

fn bar(end: Duration) -> ProgressBar {
    let millis = u64::try_from(end.as_millis()).unwrap_or(u64::MAX);
    let bar = ProgressBar::with_draw_target(Some(millis), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{elapsed_precise} {bar:24} {percent:>3}%  {msg}");
    bar.set_style(style.expect("the template is valid"));
    bar
}

/// One second in a line.
struct Line<'a>(&'a Second);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Second {
            acknowledged,
            refused,
            items,
            p50_us,
            p99_us,
            max_us,
            ..
        } = self.0;
        let [p50, p99, max] = [p50_us, p99_us, max_us].map(|micros| micros / 1e3);
        write!(
            f,
            "{items:>9} items/s {acknowledged:>7} req/s  p50 {p50:.2}  p99 {p99:.2}  max {max:.2} ms"
        )?;
        if *refused > 0 {
            write!(f, "  {refused} refused")?;
        }
        Ok(())
    }
}
