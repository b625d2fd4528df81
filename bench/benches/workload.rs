//! What it costs to make a request and to check one: it must be less than to send it.
//!
//! One element is one item: `cargo bench -p tailrace-bench --bench workload`.

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use tailrace_bench::workload::{self, Mix, Spec, Workload};
use tailrace_codec::{Rope, Signal};

const ITEMS: usize = 512;
const NOW: u64 = 1_790_000_000_123_456_789;

fn workloads(c: &mut Criterion) {
    for signal in [Signal::Traces, Signal::Metrics, Signal::Logs] {
        for mix in Mix::ALL.into_iter().filter(|mix| mix.is_of(signal)) {
            workload(c, signal, mix);
        }
    }
}

fn workload(c: &mut Criterion, signal: Signal, mix: Mix) {
    let spec = Spec {
        mix,
        ..Spec::standard(signal, ITEMS)
    };
    let workload = Workload::new(&spec);
    let name = format!("{}_{}", signal.name(), mix.name());
    let mut group = c.benchmark_group(name);
    group.throughput(Throughput::Elements(ITEMS as u64));
    let mut first = 0;
    let mut next = || {
        first += ITEMS as u64;
        first
    };
    group.bench_function("protobuf", |b| {
        b.iter(|| workload.protobuf(black_box(next()), NOW));
    });
    group.bench_function("json", |b| {
        b.iter(|| workload.json(black_box(next()), NOW));
    });
    let body = workload.protobuf(0, NOW);
    let whole = Rope::from(body.clone());
    let sliced: Rope = body.chunks(16 << 10).map(Bytes::copy_from_slice).collect();
    for (name, request) in [("check", &whole), ("check_in_16_KiB_slices", &sliced)] {
        group.bench_function(name, |b| {
            b.iter(|| {
                let mut intact = 0_u32;
                let read = workload::items(signal, black_box(request), |item| {
                    intact += u32::from(item.intact);
                });
                (read.is_ok(), intact)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, workloads);
criterion_main!(benches);
