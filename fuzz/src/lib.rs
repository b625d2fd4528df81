//! What each fuzz target does with its input, and what must hold whatever the input is.
//!
//! `cargo fuzz run scan` and so on run these; `codec/tests/corpus.rs` replays the corpus through
//! them. The first two bytes of an input say how the rest is taken: as which signal, encoding or
//! limit, and into which slices it is cut.

use bytes::Bytes;
use tailrace_codec::compress::{Compressor, Decompressor, Encoding, Level};
use tailrace_codec::grpc::{self, Frame};
use tailrace_codec::otlp::edit::{Action, Edit, Edits, Target, Value};
use tailrace_codec::otlp::response::{PartialSuccess, Status};
use tailrace_codec::otlp::sampling::{
    Mode, Precision, Randomness, Rule, Threshold, TraceState, Unsampled, sample as sample_by,
};
use tailrace_codec::otlp::{self, SplitLimit, json};
use tailrace_codec::{Rope, Signal};

/// What no target may go beyond (bytes).
const CAP: usize = 1 << 20;

/// An input taken apart.
struct Input<'a> {
    choice: u8,
    rest: &'a [u8],
    /// The rest, cut into slices.
    rope: Rope,
}

impl<'a> Input<'a> {
    fn new(bytes: &'a [u8]) -> Option<Self> {
        let (&[choice, cut], rest) = bytes.split_first_chunk()?;
        let slice_len = match cut {
            0 => rest.len().max(1),
            cut => usize::from(cut),
        };
        let rope = rest.chunks(slice_len).map(Bytes::copy_from_slice).collect();
        Some(Self { choice, rest, rope })
    }

    fn signal(&self) -> Signal {
        Signal::ALL[usize::from(self.choice) % Signal::ALL.len()]
    }
}

/// Counting, checking, splitting, partitioning and editing an export request.
pub fn scan(bytes: &[u8]) {
    let Some(input) = Input::new(bytes) else {
        return;
    };
    let (signal, request) = (input.signal(), &input.rope);
    let shallow = otlp::scan(signal, request);
    if let Ok(deep) = otlp::scan_deep(signal, request) {
        assert_eq!(shallow.map(|scan| scan.items), Ok(deep.items));
    }
    let limit = SplitLimit {
        items: Some(u64::from(input.choice >> 4) + 1),
        bytes: None,
    };
    if let Ok(pieces) = otlp::split(signal, request, limit) {
        let items: u64 = pieces.iter().map(|piece| piece.items).sum();
        assert_eq!(shallow.map(|scan| scan.items), Ok(items));
        for piece in &pieces {
            assert!(otlp::scan(signal, &piece.body).is_ok_and(|scan| scan.items == piece.items));
        }
    }
    if let Ok(groups) = otlp::partition(signal, request, |_| 0) {
        let items: u64 = groups.iter().map(|(_, piece)| piece.items).sum();
        assert_eq!(shallow.map(|scan| scan.items), Ok(items));
    }
    let edits = [Target::Resource, Target::Item].map(|target| Edit {
        target,
        key: "k".to_owned(),
        action: Action::Upsert(Value::Int(1)),
    });
    if let Ok(edited) = Edits::new(signal, &edits).map(|edits| edits.apply(request))
        && let Ok(edited) = edited
    {
        let items = otlp::scan(signal, &edited).map(|scan| scan.items);
        assert_eq!(items, shallow.map(|scan| scan.items));
    }
}

/// Sampling an export request, once and again; the input also as a tracestate.
pub fn sample(bytes: &[u8]) {
    let Some(input) = Input::new(bytes) else {
        return;
    };
    let mut state = TraceState::parse(input.rest);
    let first = input
        .rest
        .first()
        .copied()
        .map(u64::from)
        .unwrap_or_default();
    state.threshold = Some(Threshold::from_probability(
        1.0 / (first as f64 + 1.0),
        Precision::FULL,
    ));
    let mut written = Vec::new();
    state.write(&mut written);
    let read = TraceState::parse(&written);
    assert_eq!(
        (read.threshold, read.randomness),
        (state.threshold, state.randomness)
    );
    assert!(
        state
            .threshold
            .is_some_and(|t| t.keeps(Randomness::from_hash(u64::MAX)))
    );

    let (signal, request) = (input.signal(), &input.rope);
    let ratio = f64::from(input.choice >> 4) / 15.0;
    let precision = Precision::default();
    let (mode, unsampled) = match input.choice & 4 {
        0 => (
            Mode::Proportional { ratio, precision },
            Unsampled::DropMarked,
        ),
        _ => {
            let threshold = Threshold::from_probability(ratio, precision);
            (Mode::Equalizing(threshold), Unsampled::Drop)
        }
    };
    let rule = Rule {
        mode,
        unsampled,
        fail_closed: input.choice & 8 == 0,
        seed: first,
    };
    let Ok(Some(once)) = sample_by(signal, request, &rule) else {
        return;
    };
    // Sampling looks at the items, and at nothing beside them: other faults are for others to find.
    let kept = otlp::scan(signal, &once.body).map(|scan| scan.items);
    assert_eq!(kept, Ok(once.kept));
    let items = otlp::scan(signal, request).map(|scan| scan.items);
    assert_eq!(items, Ok(once.kept + once.dropped.total()));
    // What was kept is consistent, and an equalizing stage has nothing left to do.
    let again = sample_by(signal, &once.body, &rule).expect("what was written is read");
    if let (Some(again), true) = (&again, rule.fail_closed) {
        assert_eq!(again.dropped.inconsistent, 0);
        assert!(matches!(mode, Mode::Proportional { .. }));
    }
}

/// A unary call's body and the text of its headers.
pub fn grpc_frame(bytes: &[u8]) {
    let Some(input) = Input::new(bytes) else {
        return;
    };
    if let Ok(frame) = Frame::read(&input.rope, CAP) {
        assert_eq!(frame.message.len() + grpc::PREFIX_BYTES, input.rope.len());
    }
    grpc::Code::from_header(input.rest);
    let message = grpc::decode_message(input.rest);
    assert_eq!(
        grpc::decode_message(grpc::encode_message(&message).as_bytes()),
        message
    );
    if let Some(timeout) = grpc::parse_timeout(input.rest) {
        let written = grpc::format_timeout(timeout);
        assert_eq!(grpc::parse_timeout(written.as_bytes()), Some(timeout));
    }
    if let Ok(details) = grpc::decode_details(input.rest) {
        let written = grpc::encode_details(&details);
        assert_eq!(grpc::decode_details(written.as_bytes()), Ok(details));
    }
}

/// What a receiver answers, in both forms.
pub fn response(bytes: &[u8]) {
    let Some(input) = Input::new(bytes) else {
        return;
    };
    let (signal, answer) = (input.signal(), Bytes::copy_from_slice(input.rest));
    // What was read once, and cut, is read the same again.
    let partial = PartialSuccess::from_protobuf(&answer);
    for partial in [partial, PartialSuccess::from_json(&answer, signal)] {
        let Ok(partial) = partial else { continue };
        let protobuf = partial.to_protobuf();
        assert_eq!(
            PartialSuccess::from_protobuf(&protobuf).as_ref(),
            Ok(&partial)
        );
        let json = partial.to_json(signal);
        assert_eq!(PartialSuccess::from_json(&json, signal), Ok(partial));
    }
    for status in [Status::from_protobuf(&answer), Status::from_json(&answer)] {
        let Ok(status) = status else { continue };
        // A delay may be longer than the protocol can say.
        let same = |read: Status| read.code == status.code && read.message == status.message;
        assert!(Status::from_protobuf(&status.to_protobuf()).is_ok_and(same));
        assert!(Status::from_json(&status.to_json()).is_ok_and(same));
    }
}

/// OTLP/JSON to protobuf and back; the input also as protobuf.
pub fn json(bytes: &[u8]) {
    let Some(input) = Input::new(bytes) else {
        return;
    };
    let signal = input.signal();
    for text in [
        Some(input.rope.clone()),
        json::encode(signal, &input.rope, CAP, Vec::new())
            .ok()
            .map(Rope::from),
    ] {
        let Some(text) = text else { continue };
        let Ok(protobuf) = json::decode(signal, &text, CAP, Vec::new()) else {
            continue;
        };
        let protobuf = Rope::from(protobuf);
        assert!(otlp::scan_deep(signal, &protobuf).is_ok());
        // What we write we read as the same; a message in too many parts is not written.
        let Ok(json) = json::encode(signal, &protobuf, CAP, Vec::new()) else {
            continue;
        };
        let back = json::decode(signal, &Rope::from(json.clone()), CAP, Vec::new());
        let back = Rope::from(back.expect("what was written is read"));
        let again = json::encode(signal, &back, CAP, Vec::new());
        assert_eq!(again.as_ref(), Ok(&json));
    }
}

/// Every decoder within its cap, and every encoder against its decoder.
pub fn decompress(bytes: &[u8]) {
    let Some(input) = Input::new(bytes) else {
        return;
    };
    let encoding = Encoding::ALL[usize::from(input.choice) % Encoding::ALL.len()];
    let mut decompressor = Decompressor::new();
    let mut reserved = 0;
    let result = decompressor.inflate(encoding, &input.rope, CAP, |bytes| {
        reserved += bytes;
        true
    });
    assert!(reserved <= CAP + 1);
    assert!(result.is_err() || result.is_ok_and(|plain| plain.len() <= CAP));

    let compressed = Compressor::new().compress(encoding, Level::DEFAULT, &input.rope);
    let compressed = compressed.expect("the input is small");
    let plain = decompressor.inflate(encoding, &compressed, input.rope.len(), |_| true);
    assert_eq!(plain.as_ref(), Ok(&input.rope));
}
