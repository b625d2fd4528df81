//! What telemetry costs the thread that makes it, and the process: tailrace's recorder, tailrace
//! behind OpenTelemetry's SDK, the SDK with its own batch processor and exporter, and fastrace.
//!
//! `just embed` runs it and writes the record. A span has eight attributes. Spans come in bursts, at
//! a rate that every variant carries without dropping any; the backend is a process of its own.

mod backend;
#[path = "../stages/counting.rs"]
mod counting;
mod fast;
mod record;
mod variants;

use backend::Backend;
use counting::{Allocations, Counting};
use record::{Page, Row};
use std::time::{Duration, Instant};
use tailrace_engine::runtime::{process_cpu_time, thread_cpu_time};
use variants::{Variant, all};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Spans of one burst, and how often one comes: 100 thousand spans a second.
const BURST: u64 = 400;
const PERIOD: Duration = Duration::from_millis(4);

/// Spans without a pause: as many as a recorder holds.
const LOOP: u64 = 20_000;

const SPANS: u64 = 200_000;
const ROUNDS: usize = 5;

fn main() {
    if std::env::args().any(|argument| argument == backend::FLAG) {
        return backend::serve();
    }
    // `cargo bench` adds an argument of its own.
    let wanted = std::env::args()
        .skip(1)
        .find(|argument| argument != "--bench");
    let mut page = Page::begin();
    for variant in all() {
        if wanted
            .as_ref()
            .is_some_and(|wanted| !variant.name.contains(wanted))
        {
            continue;
        }
        let mut runs: Vec<Run> = (0..ROUNDS).map(|_| run(variant)).collect();
        runs.sort_by(|a, b| a.thread_ns.total_cmp(&b.thread_ns));
        let middle = runs[ROUNDS / 2];
        let mut process: Vec<f64> = runs.iter().map(|run| run.process_ns).collect();
        process.sort_by(f64::total_cmp);
        let mut loops: Vec<f64> = runs.iter().map(|run| run.loop_ns).collect();
        loops.sort_by(f64::total_cmp);
        page.add(Row {
            name: variant.name,
            thread_ns: middle.thread_ns,
            process_ns: variant.exports.then_some(process[ROUNDS / 2]),
            allocations: middle.allocations,
            allocated_bytes: middle.allocated_bytes,
            p999_ns: middle.p999_ns,
            loop_ns: loops[ROUNDS / 2],
        });
    }
    page.end();
}

/// Nanoseconds and allocations of one span.
#[derive(Debug, Clone, Copy)]
struct Run {
    thread_ns: f64,
    process_ns: f64,
    allocations: f64,
    allocated_bytes: f64,
    /// Of single calls, by wall time, the clock's own cost taken off.
    p999_ns: f64,
    /// The thread's time of a span in a loop of [`LOOP`] of them after one sleep.
    loop_ns: f64,
}

fn run(variant: Variant) -> Run {
    let backend = Backend::start();
    let mut maker = (variant.start)(&backend);
    let (burst_calls, loop_calls) = (BURST / variant.spans, LOOP / variant.spans);
    // Connections, chunks and sizes that are found once.
    (0..burst_calls).for_each(|_| maker.span());
    let process = process_cpu_time(std::process::id()).expect("this process runs");
    let (mut thread, mut allocated) = (Duration::ZERO, Allocations::default());
    let mut slowest = Vec::new();
    let begin = Instant::now();
    for burst in 0..SPANS / BURST {
        let before = thread_cpu_time();
        let (allocations, ()) = Allocations::of(|| (0..burst_calls).for_each(|_| maker.span()));
        thread += thread_cpu_time() - before;
        allocated.calls += allocations.calls;
        allocated.bytes += allocations.bytes;
        let due = PERIOD * (burst as u32 + 1);
        std::thread::sleep(due.saturating_sub(begin.elapsed()));
    }
    maker.flush();
    let process = process_cpu_time(std::process::id()).expect("this process runs") - process;
    for _ in 0..SPANS / BURST {
        for _ in 0..burst_calls / 4 {
            let begin = Instant::now();
            maker.span();
            slowest.push(begin.elapsed());
        }
        std::thread::sleep(PERIOD / 4);
    }
    maker.flush();
    let before = thread_cpu_time();
    (0..loop_calls).for_each(|_| maker.span());
    let in_loop = thread_cpu_time() - before;
    maker.flush();
    drop(maker);
    let bursts = SPANS / BURST;
    let calls = burst_calls * (1 + bursts) + bursts * (burst_calls / 4) + loop_calls;
    let expected = calls * variant.spans;
    let arrived = backend.end();
    if variant.exports {
        assert_eq!(arrived, expected, "{}: spans were lost", variant.name);
    }
    let of_each = |sum: f64| sum / (bursts * burst_calls * variant.spans) as f64;
    Run {
        thread_ns: of_each(thread.as_nanos() as f64),
        process_ns: of_each(process.as_nanos() as f64),
        allocations: of_each(allocated.calls as f64),
        allocated_bytes: of_each(allocated.bytes as f64),
        p999_ns: p999(&mut slowest) - clock_ns(),
        loop_ns: in_loop.as_nanos() as f64 / (loop_calls * variant.spans) as f64,
    }
}

fn p999(times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    times[times.len() * 999 / 1000].as_nanos() as f64
}

/// What two looks at the clock take.
fn clock_ns() -> f64 {
    let mut times: Vec<_> = (0..1001).map(|_| Instant::now().elapsed()).collect();
    times.sort_unstable();
    times[500].as_nanos() as f64
}
