use super::*;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceResponse,
};
use proptest::prelude::*;
use prost::Message;

proptest! {
    #[test]
    fn prost_and_we_agree_both_ways(rejected in 0..i64::MAX, message: String) {
        let ours = PartialSuccess { rejected: clamp(rejected), message: message.clone() };
        let theirs = ExportTraceServiceResponse {
            partial_success: Some(ExportTracePartialSuccess {
                rejected_spans: rejected,
                error_message: message,
            }),
        };
        let encoded = Bytes::from(theirs.encode_to_vec());
        prop_assert_eq!(PartialSuccess::from_protobuf(&encoded), Ok(ours.clone()));
        let decoded = ExportTraceServiceResponse::decode(ours.to_protobuf()).unwrap();
        let partial = decoded.partial_success.unwrap_or_default();
        prop_assert_eq!(clamp(partial.rejected_spans), ours.rejected);
        prop_assert_eq!(partial.error_message, ours.message);
    }

    #[test]
    fn json_comes_back(rejected: u64, message: String) {
        let rejected = rejected >> 1;
        let partial = PartialSuccess { rejected, message };
        for signal in Signal::ALL {
            let json = partial.to_json(signal);
            prop_assert_eq!(PartialSuccess::from_json(&json, signal), Ok(partial.clone()));
        }
    }

    #[test]
    fn anything_is_read_without_panic(bytes: Vec<u8>) {
        let bytes = Bytes::from(bytes);
        let _ = PartialSuccess::from_protobuf(&bytes);
        let _ = PartialSuccess::from_json(&bytes, Signal::Logs);
        let _ = Status::from_protobuf(&bytes);
        let _ = Status::from_json(&bytes);
    }
}

#[test]
fn full_success_is_nothing() {
    assert_eq!(PartialSuccess::default().to_protobuf(), Bytes::new());
    assert_eq!(PartialSuccess::default().to_json(Signal::Traces), "{}");
    assert_eq!(
        PartialSuccess::from_protobuf(&Bytes::new()),
        Ok(PartialSuccess::default())
    );
}

#[test]
fn json_bodies_are_those_of_the_specification() {
    let partial = PartialSuccess {
        rejected: 3,
        message: "too \"old\"".into(),
    };
    let text = |signal| String::from_utf8(partial.to_json(signal).to_vec()).unwrap();
    assert_eq!(
        text(Signal::Metrics),
        r#"{"partialSuccess":{"rejectedDataPoints":"3","errorMessage":"too \"old\""}}"#
    );
    assert!(text(Signal::Traces).contains("rejectedSpans"));
    assert!(text(Signal::Logs).contains("rejectedLogRecords"));
    assert!(text(Signal::Profiles).contains("rejectedProfiles"));
}

#[test]
fn json_from_others_is_read() {
    let read = |text| PartialSuccess::from_json(&Bytes::from_static(text), Signal::Traces);
    assert_eq!(read(b"{}"), Ok(PartialSuccess::default()));
    assert_eq!(
        read(br#"{"partialSuccess":{}}"#),
        Ok(PartialSuccess::default())
    );
    assert_eq!(
        read(br#"{"partialSuccess":null}"#),
        Ok(PartialSuccess::default())
    );
    for four in [
        br#"{"partialSuccess":{"rejectedSpans":4}}"#.as_slice(),
        br#"{"partial_success":{"rejectedSpans":"4"}}"#,
    ] {
        assert_eq!(read(four).unwrap().rejected, 4);
    }
    assert!(read(b"<html>").is_err());
}

#[test]
fn a_long_message_is_cut() {
    let partial = PartialSuccess {
        rejected: 0,
        message: "\u{e9}".repeat(MESSAGE_BYTES_MAX),
    };
    let kept = "\u{e9}".repeat(MESSAGE_BYTES_MAX / 2);
    let read = PartialSuccess::from_protobuf(&partial.to_protobuf()).unwrap();
    assert_eq!(read.message, kept);
    let json = partial.to_json(Signal::Logs);
    assert_eq!(
        PartialSuccess::from_json(&json, Signal::Logs)
            .unwrap()
            .message,
        kept
    );
}
