//! A stage measured: its time by criterion, its allocations and copied bytes by counting one call.

use crate::counting::Allocations;
use crate::processor::ProcessorTime;
use crate::product::{Given, Product};
use criterion::{BatchSize, Criterion, Throughput};
use std::hint::black_box;
use std::time::Duration;

/// Criterion, and the rows it filled.
pub struct Bench {
    criterion: Criterion<ProcessorTime>,
    pub rows: Vec<Row>,
}

/// One line of the table. Counts are of one call.
#[derive(Debug, Clone)]
pub struct Row {
    pub input: Input,
    pub stage: String,
    pub allocations: Allocations,
    pub copied_bytes: u64,
    /// What does the same work by other means, for the row above.
    pub is_other: bool,
    /// The most that one item may take.
    pub item_ns_max: Option<f64>,
}

/// What the stages of one group are given in one call.
#[derive(Debug, Clone)]
pub struct Input {
    /// Also the criterion group: no spaces.
    pub name: String,
    /// What the throughput is of.
    pub bytes: usize,
    pub items: usize,
    /// What the counts are divided by.
    pub requests: usize,
}

/// The stages of one input.
pub struct Stages<'a> {
    bench: &'a mut Bench,
    input: Input,
    given: Given,
}

impl Bench {
    pub fn new() -> Self {
        // Many stages on a shared machine: enough to see a tenth, in a few minutes.
        let criterion = Criterion::default()
            .with_measurement(ProcessorTime)
            .sample_size(30)
            .warm_up_time(Duration::from_millis(300))
            .measurement_time(Duration::from_millis(1200))
            .output_directory(&crate::table::directory())
            .configure_from_args();
        Self {
            criterion,
            rows: Vec::new(),
        }
    }

    pub fn stages(&mut self, input: Input, given: Given) -> Stages<'_> {
        Stages {
            bench: self,
            input,
            given,
        }
    }

    pub fn finish(&mut self) {
        self.criterion.final_summary();
    }
}

impl Stages<'_> {
    pub fn stage<O: Product>(&mut self, name: &str, run: impl FnMut() -> O) -> &mut Self {
        self.row(name, false, run)
    }

    /// The same work as the stage before, done otherwise.
    pub fn other<O: Product>(&mut self, name: &str, run: impl FnMut() -> O) -> &mut Self {
        self.row(name, true, run)
    }

    /// As [`stage`](Self::stage), of something that is made anew for each call and used up by it.
    pub fn stage_of<I, O: Product>(
        &mut self,
        name: &str,
        make: impl FnMut() -> I,
        run: impl FnMut(I) -> O,
    ) -> &mut Self {
        self.row_of(name, false, make, run)
    }

    /// As [`other`](Self::other), of something that is made anew for each call and used up by it.
    pub fn other_of<I, O: Product>(
        &mut self,
        name: &str,
        make: impl FnMut() -> I,
        run: impl FnMut(I) -> O,
    ) -> &mut Self {
        self.row_of(name, true, make, run)
    }

    fn row_of<I, O: Product>(
        &mut self,
        name: &str,
        is_other: bool,
        mut make: impl FnMut() -> I,
        mut run: impl FnMut(I) -> O,
    ) -> &mut Self {
        run(make());
        let made = make();
        let (allocations, output) = Allocations::of(|| run(made));
        self.push(name, is_other, allocations, &output);
        drop(output);
        let mut group = self.bench.criterion.benchmark_group(&self.input.name);
        group.throughput(Throughput::Bytes(self.input.bytes as u64));
        group.bench_function(name, |b| {
            // What was made is dropped within the time, as it is for `iter`.
            let run = |made| drop(black_box(run(made)));
            b.iter_batched(&mut make, run, BatchSize::SmallInput);
        });
        group.finish();
        self
    }

    /// The stage just added is to take at most so many nanoseconds an item.
    pub fn within(&mut self, item_ns_max: f64) -> &mut Self {
        if let Some(row) = self.bench.rows.last_mut() {
            row.item_ns_max = Some(item_ns_max);
        }
        self
    }

    fn row<O: Product>(
        &mut self,
        name: &str,
        is_other: bool,
        mut run: impl FnMut() -> O,
    ) -> &mut Self {
        // What is built once is built.
        drop(run());
        let (allocations, output) = Allocations::of(&mut run);
        self.push(name, is_other, allocations, &output);
        drop(output);
        let mut group = self.bench.criterion.benchmark_group(&self.input.name);
        group.throughput(Throughput::Bytes(self.input.bytes as u64));
        group.bench_function(name, |b| b.iter(&mut run));
        group.finish();
        self
    }

    fn push(
        &mut self,
        stage: &str,
        is_other: bool,
        allocations: Allocations,
        output: &impl Product,
    ) {
        self.bench.rows.push(Row {
            input: self.input.clone(),
            stage: stage.to_owned(),
            allocations,
            copied_bytes: self.given.copied(output),
            is_other,
            item_ns_max: None,
        });
    }
}
