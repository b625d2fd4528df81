//! Every stage on the way of a request by itself: bytes a second, allocations and copied bytes,
//! beside prost where prost does the same work.
//!
//! `just stages` runs all of it and writes `bench/record/stages.md`; a part of it without a record:
//! `cargo bench -p tailrace-bench --bench stages -- scan`.

mod bench;
mod compress;
mod counting;
mod encode;
mod framing;
mod input;
mod json;
mod lane;
mod otlp;
mod processor;
mod product;
mod ring;
mod table;
mod workload;

use bench::Bench;
use std::process::ExitCode;
use table::Table;

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

/// Where the table is written, if anywhere.
const RECORD: &str = "STAGES_RECORD";

fn main() -> ExitCode {
    let table = Table::begin();
    let mut bench = Bench::new();
    framing::stages(&mut bench);
    otlp::stages(&mut bench);
    encode::stages(&mut bench);
    json::stages(&mut bench);
    compress::stages(&mut bench);
    workload::stages(&mut bench);
    ring::stages(&mut bench);
    lane::stages(&mut bench);
    bench.finish();
    let (lines, missing) = table.lines(&bench.rows);
    println!("{lines}");
    let Some(path) = std::env::var_os(RECORD) else {
        return ExitCode::SUCCESS;
    };
    if missing > 0 {
        eprintln!("no record: {missing} stages did not run");
        return ExitCode::FAILURE;
    }
    match std::fs::write(&path, table.page(&lines)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", path.display());
            ExitCode::FAILURE
        }
    }
}
