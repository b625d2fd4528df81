mod realistic;

use super::*;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use proptest::prelude::*;
use prost::Message;
use tailrace_codec::otlp::{self, SplitLimit, json};
use tailrace_codec::{Rope, Signal};

const NOW: u64 = 1_790_000_000_123_456_789;

const SIGNALS: [Signal; 3] = [Signal::Traces, Signal::Metrics, Signal::Logs];

/// Every mix of every signal.
fn specs() -> impl Iterator<Item = Spec> {
    SIGNALS.into_iter().flat_map(|signal| {
        let mixes = Mix::ALL.into_iter().filter(move |mix| mix.is_of(signal));
        mixes.map(move |mix| Spec {
            mix,
            run: 0xfeed,
            ..Spec::standard(signal, 60)
        })
    })
}

fn seen(signal: Signal, request: &Rope) -> Vec<Item> {
    let mut seen = Vec::new();
    items(signal, request, |item| seen.push(item)).expect("a request");
    seen
}

fn reencoded(signal: Signal, request: Bytes) -> Bytes {
    fn by<M: Message + Default>(bytes: Bytes) -> Bytes {
        M::decode(bytes).expect("a request").encode_to_vec().into()
    }
    match signal {
        Signal::Traces => by::<ExportTraceServiceRequest>(request),
        Signal::Metrics => by::<ExportMetricsServiceRequest>(request),
        Signal::Logs | Signal::Profiles => by::<ExportLogsServiceRequest>(request),
    }
}

/// That the items of `request` are those from `first`, in whatever order.
fn assert_intact(spec: &Spec, request: &Rope, first: u64) {
    let seen = seen(spec.signal, request);
    assert!(
        seen.iter()
            .all(|item| item.intact && item.sent_unix_nanos == NOW && item.run == Some(spec.run)),
        "{spec:?}: {:?}",
        seen.iter().find(|item| !item.intact)
    );
    let mut ids: Vec<_> = seen.iter().filter_map(|item| item.id).collect();
    ids.sort_unstable();
    let sent: Vec<_> = (first..first + spec.items as u64).collect();
    assert_eq!(ids, sent, "{spec:?}");
    let mut arrived: Vec<_> = seen.iter().map(|item| (item.id, item.check)).collect();
    arrived.sort_unstable();
    let workload = Workload::new(spec);
    let known = workload.identities(first);
    let known: Vec<_> = known.map(|(id, check)| (Some(id), check)).collect();
    assert_eq!(arrived, known, "{spec:?}");
}

#[test]
fn what_prost_decodes_and_encodes_again_is_intact() {
    for spec in specs() {
        let workload = Workload::new(&spec);
        for request in 0..spec.templates as u64 {
            let first = request * spec.items as u64;
            let body = workload.protobuf(first, NOW);
            assert_intact(&spec, &body.clone().into(), first);
            let again = reencoded(spec.signal, body.clone());
            assert_intact(&spec, &again.clone().into(), first);
            if spec.signal != Signal::Metrics {
                assert!(again == body, "the canonical encoding: {spec:?}");
            } else {
                // Prost writes an integer's point out of the order of numbers.
                assert_eq!(again.len(), body.len());
            }
        }
    }
}

/// Every field of every message from the last to the first, repeated ones in their order, and an
/// empty message where there was none: as the Collector's own encoder writes.
fn backwards(message: &mut Vec<u8>, is_message: &dyn Fn(&[u32]) -> bool, path: &mut Vec<u32>) {
    use tailrace_codec::field::{Fields, WireType};
    use tailrace_codec::writer::Writer;
    let rope = Rope::from(message.clone());
    let fields = Fields::new(rope.cursor()).map(|field| field.expect("a message"));
    let mut fields: Vec<_> = fields.collect();
    fields.sort_by_key(|field| std::cmp::Reverse(field.number));
    let mut out = Writer::new(Vec::new());
    for field in fields {
        path.push(field.number);
        if field.wire_type == WireType::Len && is_message(path) {
            let mut inner = field.payload().bytes().to_vec();
            backwards(&mut inner, is_message, path);
            out.bytes(field.number, &inner);
        } else {
            out.raw(&field.whole.bytes());
        }
        path.pop();
    }
    *message = out.into_buffer();
}

#[test]
fn what_is_written_backwards_is_intact_and_an_altered_byte_is_not() {
    // Spans of the realistic mix: attributes, events and links with theirs, a status.
    let spec = Spec {
        mix: Mix::Realistic,
        run: 0xfeed,
        ..Spec::standard(Signal::Traces, 60)
    };
    let is_message = |path: &[u32]| {
        matches!(
            path,
            [1] | [1, 1 | 2]
                | [1, 2, 1 | 2]
                | [1, 1, 1]
                | [1, 1, 1, 2]
                | [1, 2, 2, 9 | 11 | 13 | 15]
                | [1, 2, 2, 9, 2]
                | [1, 2, 2, 11, 3]
                | [1, 2, 2, 11, 3, 2]
                | [1, 2, 2, 13, 4]
                | [1, 2, 2, 13, 4, 2]
        )
    };
    let mut request = Workload::new(&spec).protobuf(600, NOW).to_vec();
    let canonical = request.clone();
    backwards(&mut request, &is_message, &mut Vec::new());
    assert_ne!(request, canonical);
    assert_intact(&spec, &request.clone().into(), 600);
    let text = b"GET /";
    let at = request.windows(text.len()).position(|found| found == text);
    request[at.expect("an HTTP span")] = b'S';
    let damaged = seen(Signal::Traces, &request.into());
    assert_eq!(damaged.iter().filter(|item| !item.intact).count(), 1);
}

#[test]
fn json_is_the_same_request_and_intact_both_ways() {
    for spec in specs() {
        let workload = Workload::new(&spec);
        for first in [0, 60, 6_000_000] {
            let text = workload.json(first, NOW);
            let decoded = json::decode(spec.signal, &text.clone().into(), usize::MAX, vec![]);
            let decoded = Rope::from(decoded.expect("JSON of a request"));
            assert_intact(&spec, &decoded, first);
            let by_codec = json::encode(
                spec.signal,
                &workload.protobuf(first, NOW).into(),
                usize::MAX,
                vec![],
            );
            assert!(by_codec.expect("a request") == text, "{spec:?}");
        }
    }
}

#[test]
fn a_spec_makes_the_same_requests_and_another_seed_makes_others() {
    for spec in specs() {
        let body = |spec: &Spec| Workload::new(spec).protobuf(600, NOW);
        assert_eq!(body(&spec), body(&spec));
        let other = Spec {
            seed: 2,
            ..spec.clone()
        };
        let differs = body(&spec) != body(&other);
        assert_eq!(differs, spec.mix == Mix::Realistic, "{spec:?}");
    }
}

#[test]
fn fields_of_an_item_in_another_order_are_intact() {
    let spec = Spec::standard(Signal::Traces, 1);
    let body = Workload::new(&spec).protobuf(9, NOW);
    let mut request = ExportTraceServiceRequest::decode(body).expect("a request");
    request.resource_spans[0].scope_spans[0].spans[0]
        .attributes
        .reverse();
    assert_intact(&spec, &request.encode_to_vec().into(), 9);
}

#[test]
fn an_added_a_removed_and_a_doubled_attribute_are_not_intact() {
    let spec = Spec::standard(Signal::Traces, 1);
    let body = Workload::new(&spec).protobuf(9, NOW);
    let sent = ExportTraceServiceRequest::decode(body).expect("a request");
    let changed = |change: fn(&mut Vec<_>)| {
        let mut request = sent.clone();
        change(&mut request.resource_spans[0].scope_spans[0].spans[0].attributes);
        seen(spec.signal, &request.encode_to_vec().into())[0]
    };
    for item in [
        changed(|attributes| attributes.push(attributes[0].clone())),
        changed(|attributes| drop(attributes.remove(0))),
        changed(|attributes| attributes.push(attributes[7].clone())),
    ] {
        assert_eq!((item.id, item.intact), (Some(9), false));
    }
    let foreign = changed(|attributes| drop(attributes.pop()));
    assert_eq!((foreign.id, foreign.intact), (None, false));
}

#[test]
fn a_flipped_byte_of_content_is_never_intact() {
    for spec in specs() {
        let spec = Spec { items: 3, ..spec };
        let body = Workload::new(&spec).protobuf(0, NOW);
        let rope = Rope::from(body.clone());
        let mut content = Vec::new();
        layout::each_item(spec.signal, rope.cursor(), |kind, item| {
            for field in tailrace_codec::field::Fields::new(item) {
                let field = field?;
                let role = kind.role(field.number);
                if matches!(role, layout::Role::Content | layout::Role::Attribute) {
                    let payload = field.payload();
                    content.extend(payload.offset()..payload.end());
                }
            }
            Ok(())
        })
        .expect("a request");
        assert!(content.len() > 100);
        for at in content {
            let mut flipped = body.to_vec();
            flipped[at] ^= 1 << (at % 8);
            let mut intact = 0;
            let read = items(spec.signal, &flipped.into(), |item| {
                intact += usize::from(item.intact);
            });
            assert!(read.is_err() || intact == 2, "byte {at} of {spec:?}");
        }
    }
}

#[test]
fn lengths_are_those_of_the_published_figures() {
    let length = |mix| {
        let spec = Spec {
            mix,
            ..Spec::standard(Signal::Traces, 1)
        };
        let body = Workload::new(&spec).protobuf(0, NOW);
        let request = ExportTraceServiceRequest::decode(body).expect("a request");
        request.resource_spans[0].scope_spans[0].spans[0].encoded_len()
    };
    assert_eq!(length(Mix::Http), 362);
    assert_eq!(length(Mix::Conventions), 805);
}

#[test]
fn items_of_others_have_no_number() {
    let mut request = ExportTraceServiceRequest::default();
    request.resource_spans.push(Default::default());
    request.resource_spans[0]
        .scope_spans
        .push(Default::default());
    request.resource_spans[0].scope_spans[0].spans = vec![Default::default(); 2];
    let rope = Rope::from(request.encode_to_vec());
    let foreign = Item {
        id: None,
        check: 0,
        intact: false,
        sent_unix_nanos: 0,
        run: None,
    };
    assert_eq!(seen(Signal::Traces, &rope), [foreign; 2]);
}

proptest! {
    #[test]
    fn splits_and_merges_keep_every_item(
        which in 0_usize..7,
        limit in 1_u64..80,
        slice in 1_usize..5000,
        rotate in 0_usize..50,
    ) {
        let spec = specs().nth(which).expect("there are seven");
        let body = Workload::new(&spec).protobuf(120, NOW);
        let sliced: Rope = body.chunks(slice).map(Bytes::copy_from_slice).collect();
        assert_intact(&spec, &sliced, 120);
        let limit = SplitLimit { items: Some(limit), bytes: None };
        let mut pieces = otlp::split(spec.signal, &sliced, limit).expect("a request");
        let len = pieces.len();
        pieces.rotate_left(rotate % len);
        let mut merged = Rope::new();
        for piece in pieces {
            prop_assert!(otlp::merge(spec.signal, &mut merged, piece.body).is_ok());
        }
        assert_intact(&spec, &merged, 120);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for signal in SIGNALS {
            let _ = items(signal, &bytes.clone().into(), |_| ());
        }
    }
}
