//! OTLP/JSON both ways, beside serde_json with `opentelemetry-proto` and prost. Throughput is of
//! JSON bytes in both directions.

use crate::bench::{Bench, Input};
use crate::input::{Request, SPANS};
use crate::product::{Given, Written};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::hint::black_box;
use tailrace_codec::otlp::json;
use tailrace_codec::{Rope, Signal};

pub fn stages(bench: &mut Bench) {
    of::<ExportTraceServiceRequest>(bench, Signal::Traces, "json_of_512_spans");
    of::<ExportMetricsServiceRequest>(bench, Signal::Metrics, "json_of_512_data_points");
    of::<ExportLogsServiceRequest>(bench, Signal::Logs, "json_of_512_log_records");
}

fn of<M: Message + Default + Serialize + DeserializeOwned>(
    bench: &mut Bench,
    signal: Signal,
    name: &str,
) {
    let request = Request::of(signal, SPANS);
    let protobuf = request.bytes.clone();
    let text = encode(signal, &request.sliced, Vec::new());
    let text = Request::from_bytes(SPANS, text.into());
    let input = Input {
        name: name.to_owned(),
        bytes: text.bytes.len(),
        items: SPANS,
        requests: 1,
    };
    // Buffers are used again, as the forwarder does.
    let (mut decoded, mut encoded) = (Vec::new(), Vec::new());
    bench
        .stages(input, Given::default())
        .stage("json_decode", || {
            decoded.clear();
            decoded = decode(signal, &text.sliced, std::mem::take(&mut decoded));
            Written(decoded.len())
        })
        .other("serde_and_prost_decode", || {
            let message: M = serde_json::from_slice(black_box(&text.bytes)).expect("it is OTLP");
            message.encode_to_vec()
        })
        .stage("json_encode", || {
            encoded.clear();
            encoded = encode(signal, &request.sliced, std::mem::take(&mut encoded));
            Written(encoded.len())
        })
        .other("serde_and_prost_encode", || {
            let message = M::decode(black_box(protobuf.clone())).expect("a request");
            serde_json::to_vec(&message).expect("a Vec takes all")
        });
}

fn decode(signal: Signal, text: &Rope, out: Vec<u8>) -> Vec<u8> {
    json::decode(signal, black_box(text), usize::MAX, out).expect("it was just written")
}

fn encode(signal: Signal, request: &Rope, out: Vec<u8>) -> Vec<u8> {
    json::encode(signal, black_box(request), usize::MAX, out).expect("it is OTLP")
}
