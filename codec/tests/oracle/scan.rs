use crate::generate::{cut, cuts, request, scrambled};
use crate::wire;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use proptest::prelude::*;
use prost::Message;
use std::collections::BTreeSet;
use tailrace_codec::otlp::fields::{self, Kind};
use tailrace_codec::otlp::{NESTING_MAX, Scan, scan, scan_deep};
use tailrace_codec::{MalformedKind, Rope, Signal, varint};

/// A change to some bytes.
#[derive(Debug, Clone)]
enum Mutation {
    Truncate(prop::sample::Index),
    Set(prop::sample::Index, u8),
    Insert(prop::sample::Index, Vec<u8>),
    Remove(prop::sample::Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    use Mutation::*;
    let index = any::<prop::sample::Index>;
    let byte = prop_oneof![0..0x20u8, any::<u8>()];
    prop_oneof![
        1 => index().prop_map(Truncate),
        4 => (index(), byte).prop_map(|(at, byte)| Set(at, byte)),
        2 => (index(), prop::collection::vec(any::<u8>(), 1..4))
            .prop_map(|(at, bytes)| Insert(at, bytes)),
        1 => index().prop_map(Remove),
    ]
}

fn mutate(bytes: &mut Vec<u8>, mutation: &Mutation) {
    let len = bytes.len();
    match mutation {
        Mutation::Truncate(at) => bytes.truncate(at.index(len + 1)),
        Mutation::Insert(at, new) => {
            let at = at.index(len + 1);
            bytes.splice(at..at, new.iter().copied());
        }
        Mutation::Set(at, byte) if len > 0 => bytes[at.index(len)] = *byte,
        Mutation::Remove(at) if len > 0 => drop(bytes.remove(at.index(len))),
        Mutation::Set(..) | Mutation::Remove(..) => {}
    }
}

proptest! {
    #[test]
    fn items_are_those_that_prost_decodes((signal, bytes) in scrambled(), cuts in cuts()) {
        let items = wire::items(signal, &bytes).unwrap();
        let rope = cut(&bytes, &cuts);
        prop_assert_eq!(scan(signal, &rope), Ok(Scan { items }));
        prop_assert_eq!(scan_deep(signal, &rope), Ok(Scan { items }));
    }

    /// Where one refuses and the other does not, the reason is one of those documented.
    #[test]
    fn what_is_accepted_to_the_leaves_is_what_prost_decodes(
        (signal, mut bytes) in scrambled(),
        mutations in prop::collection::vec(mutation(), 1..4),
        cuts in cuts(),
    ) {
        for mutation in &mutations {
            mutate(&mut bytes, mutation);
        }
        let rope = cut(&bytes, &cuts);
        let shallow = scan(signal, &rope);
        match (scan_deep(signal, &rope), wire::items(signal, &bytes)) {
            (Ok(scan), Ok(items)) => {
                prop_assert_eq!(scan.items, items);
                prop_assert_eq!(shallow, Ok(scan));
            }
            (Ok(scan), Err(refused)) => {
                prop_assert_eq!(shallow, Ok(scan));
                let reason = refused.to_string();
                prop_assert!(reason.contains("UTF-8") || reason.contains("recursion"), "{reason}");
            }
            (Err(malformed), Ok(_)) => {
                let is_group = matches!(malformed.kind, MalformedKind::WireType(3 | 4));
                prop_assert!(is_group, "{malformed}");
                prop_assert!(malformed.offset < bytes.len());
            }
            (Err(malformed), Err(_)) => prop_assert!(malformed.offset <= bytes.len()),
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        bytes in prop::collection::vec(prop_oneof![0..0x20u8, any::<u8>()], 0..100),
        cuts in cuts(),
    ) {
        for signal in Signal::ALL {
            let rope = cut(&bytes, &cuts);
            if let Ok(scanned) = scan_deep(signal, &rope) {
                prop_assert_eq!(scan(signal, &rope), Ok(scanned));
            }
        }
    }
}

/// Notes each field of a message that the schema knows, and panics where it does not.
fn visit(schema: &'static fields::Message, bytes: &[u8], seen: &mut BTreeSet<(&'static str, u32)>) {
    for (number, wire_type, payload) in wire::fields(bytes) {
        let spec = schema.field(number);
        let spec = spec.unwrap_or_else(|| panic!("{} {number} is not in the table", schema.name));
        seen.insert((schema.name, number));
        let packed = spec.repeated && wire_type as u8 == 2;
        assert!(
            packed || spec.kind.wire_type() as u8 == wire_type as u8,
            "{}",
            spec.name
        );
        if let Kind::Message(inner) = spec.kind {
            visit(inner, &payload, seen);
        }
    }
}

/// The table of fields is the one that `opentelemetry-proto` was generated from: every field that
/// prost writes is in it, and every field that is in it prost has written.
#[test]
fn the_table_of_fields_is_the_schema() {
    use proptest::strategy::ValueTree;
    let mut seen = BTreeSet::new();
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for _ in 0..2000 {
        let (signal, bytes) = request().new_tree(&mut runner).unwrap().current();
        visit(fields::request(signal), &bytes, &mut seen);
    }
    let mut messages = Signal::ALL.map(fields::request).to_vec();
    let mut done = BTreeSet::new();
    let mut unseen = BTreeSet::new();
    while let Some(message) = messages.pop() {
        if !done.insert(message.name) {
            continue;
        }
        for field in message.fields {
            if !seen.contains(&(message.name, field.number)) {
                unseen.insert((message.name, field.name));
            }
            if let Kind::Message(inner) = field.kind {
                messages.push(inner);
            }
        }
    }
    // The generator leaves out what only profiles may use.
    let expected = [
        ("AnyValue", "stringValueStrindex"),
        ("KeyValue", "keyStrindex"),
    ];
    assert_eq!(unseen, BTreeSet::from(expected));
}

fn request_with_body(body: Option<AnyValue>) -> Vec<u8> {
    let record = LogRecord {
        body,
        ..LogRecord::default()
    };
    let scope_logs = vec![ScopeLogs {
        log_records: vec![record],
        ..ScopeLogs::default()
    }];
    let resource_logs = vec![ResourceLogs {
        scope_logs,
        ..ResourceLogs::default()
    }];
    ExportLogsServiceRequest { resource_logs }.encode_to_vec()
}

fn nested(depth: usize) -> AnyValue {
    (1..depth).fold(
        AnyValue {
            value: Some(Value::IntValue(1)),
        },
        |inner, _| AnyValue {
            value: Some(Value::ArrayValue(ArrayValue {
                values: vec![inner],
            })),
        },
    )
}

#[test]
fn values_nest_up_to_the_limit() {
    let deepest = Rope::from(request_with_body(Some(nested(NESTING_MAX))));
    assert_eq!(scan_deep(Signal::Logs, &deepest), Ok(Scan { items: 1 }));
    let deeper = Rope::from(request_with_body(Some(nested(NESTING_MAX + 1))));
    let refused = scan_deep(Signal::Logs, &deeper).unwrap_err();
    assert_eq!(refused.kind, MalformedKind::TooDeep);
    assert_eq!(scan(Signal::Logs, &deeper), Ok(Scan { items: 1 }));
}

/// A million levels cost no stack, and no more memory than the limit allows.
#[test]
fn a_million_levels_are_refused_without_recursion() {
    // Built from the inside out, so backwards: each level is a field of all that is inside it.
    let mut backwards = Vec::new();
    let wrap = |backwards: &mut Vec<u8>, number: u8| {
        let (length, width) = varint::encode(backwards.len() as u64);
        backwards.extend(length[..width].iter().rev());
        backwards.push(number << 3 | 2);
    };
    for _ in 0..1_000_000 {
        wrap(&mut backwards, 1);
        wrap(&mut backwards, 5);
    }
    for number in [5, 2, 2, 1] {
        wrap(&mut backwards, number);
    }
    backwards.reverse();
    let rope = Rope::from(backwards);
    assert_eq!(scan(Signal::Logs, &rope), Ok(Scan { items: 1 }));
    assert_eq!(
        scan_deep(Signal::Logs, &rope).unwrap_err().kind,
        MalformedKind::TooDeep
    );
}

#[test]
fn the_last_kind_of_data_in_a_metric_counts() {
    // gauge { point } gauge { point point } is three points; then sum { point } is one.
    let gauge_one = [5 << 3 | 2, 2, 0x0a, 0];
    let gauge_two = [5 << 3 | 2, 4, 0x0a, 0, 0x0a, 0];
    let sum_one = [7 << 3 | 2, 2, 0x0a, 0];
    let request = |metric: &[u8]| {
        let mut bytes = metric.to_vec();
        for number in [2, 2, 1] {
            bytes.splice(0..0, [number << 3 | 2, bytes.len() as u8]);
        }
        bytes
    };
    let merged = request(&[&gauge_one[..], &gauge_two].concat());
    let replaced = request(&[&gauge_one[..], &gauge_two, &sum_one].concat());
    for (bytes, items) in [(merged, 3), (replaced, 1)] {
        assert_eq!(wire::items(Signal::Metrics, &bytes).unwrap(), items);
        assert_eq!(
            scan(Signal::Metrics, &Rope::from(bytes)),
            Ok(Scan { items })
        );
    }
}
