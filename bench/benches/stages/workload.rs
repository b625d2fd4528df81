//! What it costs to make a request of the load, and to check one at the sink: it must be less than
//! to send it.

use crate::bench::Bench;
use crate::input::{NOW, Request, SPANS};
use crate::product::Given;
use std::hint::black_box;
use tailrace_bench::workload::{self, Mix, Spec, Workload};
use tailrace_codec::{Rope, Signal};

pub fn stages(bench: &mut Bench) {
    for signal in [Signal::Traces, Signal::Metrics, Signal::Logs] {
        for mix in [Mix::Http, Mix::Realistic] {
            if mix.is_of(signal) {
                workload(bench, signal, mix);
            }
        }
    }
}

fn workload(bench: &mut Bench, signal: Signal, mix: Mix) {
    let workload = Workload::new(&Spec {
        mix,
        ..Spec::standard(signal, SPANS)
    });
    let request = Request::from_bytes(SPANS, workload.protobuf(0, NOW));
    let input = request.input(&format!("load_of_512_{}_{}", mix.name(), signal.name()));
    let mut first = 0;
    let mut next = || {
        first += SPANS as u64;
        black_box(first)
    };
    let (whole, sliced) = (&request.whole, &request.sliced);
    bench
        .stages(input, Given::default())
        .stage("load_make_protobuf", || workload.protobuf(next(), NOW))
        .stage("sink_check_one_slice", || intact(signal, whole))
        .stage("sink_check_16_KiB_slices", || intact(signal, sliced));
}

fn intact(signal: Signal, request: &Rope) -> u64 {
    let mut intact = 0;
    workload::items(signal, black_box(request), |item| {
        intact += u64::from(item.intact);
    })
    .expect("a request");
    intact
}
