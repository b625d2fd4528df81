//! What is not changed is not copied: results refer to the buffers of the request.

use crate::wire;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::AnyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as ProstValue;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use prost::Message;
use std::ops::Range;
use tailrace_codec::otlp::edit::{Action, Edit, Edits, Target, Value};
use tailrace_codec::otlp::sampling::{Mode, Rule, Threshold, Unsampled, sample};
use tailrace_codec::otlp::{SplitLimit, cut, partition, split};
use tailrace_codec::{Rope, Signal};

/// Longer than what is copied rather than referred to.
const BODY_LEN: usize = 400;

/// A request in one slice, with a record of about 400 bytes for each severity.
fn request(severities: &[i32]) -> Rope {
    let record = |&severity_number: &i32| LogRecord {
        severity_number,
        body: Some(AnyValue {
            value: Some(ProstValue::BytesValue(vec![b'x'; BODY_LEN])),
        }),
        ..LogRecord::default()
    };
    let log_records = severities.iter().map(record).collect();
    let scope_logs = vec![ScopeLogs {
        log_records,
        ..ScopeLogs::default()
    }];
    let resource_logs = vec![ResourceLogs {
        scope_logs,
        ..ResourceLogs::default()
    }];
    Rope::from(ExportLogsServiceRequest { resource_logs }.encode_to_vec())
}

fn severity(item: &[u8]) -> u64 {
    wire::fields(item)
        .iter()
        .find(|field| field.0 == 2)
        .map_or(0, |field| u64::from(field.2[0]))
}

fn addresses(bytes: &[u8]) -> Range<usize> {
    let range = bytes.as_ptr_range();
    range.start as usize..range.end as usize
}

/// The lengths of a result's slices that are part of the request's one slice, and the number of
/// bytes that are not.
fn referred_and_new(request: &Rope, result: &Rope) -> (Vec<usize>, usize) {
    let whole = addresses(&request.slices()[0]);
    let (mut referred, mut new) = (Vec::new(), 0);
    for slice in result.slices() {
        let part = addresses(slice);
        if whole.start <= part.start && part.end <= whole.end {
            referred.push(slice.len());
        } else {
            new += slice.len();
        }
    }
    (referred, new)
}

#[test]
fn neighbours_of_one_key_stay_one_slice() {
    let request = request(&[9, 9, 9, 17, 17, 9]);
    let by_severity = |item: &tailrace_codec::otlp::ItemView<'_>| severity(&item.item().bytes());
    let pieces = partition(Signal::Logs, &request, by_severity).unwrap();
    let keys: Vec<(u64, u64)> = pieces
        .iter()
        .map(|(key, piece)| (*key, piece.items))
        .collect();
    assert_eq!(keys, [(9, 4), (17, 2)]);

    let record = (request.len() - 6) / 6;
    let (referred, new) = referred_and_new(&request, &pieces[0].1.body);
    assert_eq!(referred, [3 * record, record]);
    assert!(
        new <= 6,
        "tag and length of the entries only, not {new} bytes"
    );
    let (referred, _) = referred_and_new(&request, &pieces[1].1.body);
    assert_eq!(referred, [2 * record]);
}

#[test]
fn one_key_is_the_request_itself() {
    let request = request(&[9; 5]);
    let pieces = partition(Signal::Logs, &request, |_| ()).unwrap();
    assert_eq!(
        referred_and_new(&request, &pieces[0].1.body),
        (vec![request.len()], 0)
    );
    assert_eq!(pieces.len(), 1);
}

#[test]
fn pieces_of_a_split_refer_to_their_items() {
    let request = request(&[9; 6]);
    let limit = SplitLimit {
        items: Some(4),
        bytes: None,
    };
    let record = (request.len() - 6) / 6;
    let pieces = split(Signal::Logs, &request, limit).unwrap();
    let (head, tail) = cut(Signal::Logs, &request, 6, limit).unwrap().unwrap();
    for (piece, items) in pieces.iter().chain([&head, &tail]).zip([4, 2, 4, 2]) {
        let (referred, new) = referred_and_new(&request, &piece.body);
        assert_eq!(referred, [items * record]);
        assert!(new <= 6);
    }
}

#[test]
fn an_edit_refers_to_what_it_leaves() {
    let request = request(&[9; 3]);
    let edit = Edit {
        target: Target::Item,
        key: "key".to_owned(),
        action: Action::Insert(Value::Int(1)),
    };
    let edited = Edits::new(Signal::Logs, &[edit])
        .unwrap()
        .apply(&request)
        .unwrap();
    let (referred, new) = referred_and_new(&request, &edited);
    assert_eq!(referred.len(), 3);
    assert!(referred.iter().all(|len| *len >= BODY_LEN));
    assert!(new < 3 * 24, "{new} new bytes for three attributes of 11");
}

#[test]
fn small_parts_are_gathered_into_one_slice() {
    let record = |severity_number| LogRecord {
        severity_number,
        ..LogRecord::default()
    };
    let log_records = (0..100).map(|n| record(1 + n % 2)).collect();
    let scope_logs = vec![ScopeLogs {
        log_records,
        ..ScopeLogs::default()
    }];
    let resource_logs = vec![ResourceLogs {
        scope_logs,
        ..ResourceLogs::default()
    }];
    let request = Rope::from(ExportLogsServiceRequest { resource_logs }.encode_to_vec());
    let by_severity = |item: &tailrace_codec::otlp::ItemView<'_>| severity(&item.item().bytes());
    for (_, piece) in partition(Signal::Logs, &request, by_severity).unwrap() {
        assert_eq!((piece.items, piece.body.slices().len()), (50, 1));
    }
}

/// The smallest items there are, each followed by an unknown field of its scope: the results hold
/// no more slices than their bytes justify.
#[test]
fn tiny_items_between_unknown_fields_cost_no_slice_each() {
    const ITEMS: usize = 50_000;
    let scope = [0x12, 0, 0x78, 1].repeat(ITEMS);
    let mut bytes = Vec::new();
    prost::encoding::bytes::encode(2, &scope, &mut bytes);
    let entry = std::mem::take(&mut bytes);
    prost::encoding::bytes::encode(1, &entry, &mut bytes);
    let request = Rope::from(bytes);

    let mut turn = 0;
    let pieces = partition(Signal::Logs, &request, |_| {
        turn += 1;
        turn % 2
    })
    .unwrap();
    for (_, piece) in &pieces {
        assert_eq!(piece.items, ITEMS as u64 / 2);
        assert!(piece.body.slices().len() <= 3);
    }
    let limit = SplitLimit {
        items: Some(ITEMS as u64 / 10),
        bytes: None,
    };
    let pieces = split(Signal::Logs, &request, limit).unwrap();
    assert_eq!(pieces.len(), 10);
    for piece in &pieces {
        assert!(piece.body.slices().len() <= 3);
    }
    let edit = Edit {
        target: Target::Item,
        key: "key".to_owned(),
        action: Action::Upsert(Value::Bool(true)),
    };
    let edited = Edits::new(Signal::Logs, &[edit])
        .unwrap()
        .apply(&request)
        .unwrap();
    assert_eq!(edited.slices().len(), 1);
}

/// Each record gets two attributes and a longer length, and stays where it is.
#[test]
fn a_sampled_record_is_not_copied() {
    const ATTRIBUTES: usize = 70;
    let request = request(&[9; 5]);
    let rule = Rule {
        mode: Mode::Equalizing(Threshold::ALWAYS),
        unsampled: Unsampled::Keep,
        fail_closed: true,
        seed: 0,
    };
    let sampled = sample(Signal::Logs, &request, &rule).unwrap().unwrap();
    assert_eq!((sampled.kept, sampled.dropped.total()), (5, 0));
    let (referred, new) = referred_and_new(&request, &sampled.body);
    assert_eq!(referred.len(), 5);
    assert!(referred.iter().all(|len| *len >= BODY_LEN));
    assert!(new <= 5 * ATTRIBUTES + 16, "{new} new bytes");
}
