use super::*;
use proptest::prelude::*;
use prost::Message;

#[derive(Clone, PartialEq, Message)]
struct TheirStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<TheirAny>,
}

#[derive(Clone, PartialEq, Message)]
struct TheirAny {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct TheirRetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<TheirDuration>,
}

#[derive(Clone, PartialEq, Message)]
struct TheirDuration {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

fn any(info: &TheirRetryInfo) -> TheirAny {
    TheirAny {
        type_url: "type.googleapis.com/google.rpc.RetryInfo".into(),
        value: info.encode_to_vec(),
    }
}

proptest! {
    #[test]
    fn prost_and_we_agree_both_ways(
        code in -1..20i32,
        message in ".{0,200}",
        delay in proptest::option::of((-2..1000i64, -2..1_000_000_000i32)),
    ) {
        let other = TheirAny { type_url: "type.googleapis.com/other".into(), value: vec![1; 9] };
        let info = |(seconds, nanos)| TheirRetryInfo {
            retry_delay: Some(TheirDuration { seconds, nanos }),
        };
        let details = std::iter::once(other).chain(delay.map(|delay| any(&info(delay))));
        let theirs = TheirStatus { code, message: message.clone(), details: details.collect() };
        let ours = Status::from_protobuf(&theirs.encode_to_vec().into()).unwrap();
        let retry_delay = delay.map(|(seconds, nanos)| {
            let nanos = u32::try_from(nanos).unwrap_or(0);
            Duration::new(u64::try_from(seconds).unwrap_or(0), nanos)
        });
        let known = u64::try_from(code).map_or(Code::Unknown, Code::from_number);
        prop_assert_eq!(&ours, &Status { code: known, message, retry_delay });

        let read = TheirStatus::decode(ours.to_protobuf()).unwrap();
        prop_assert_eq!(read.code, ours.code as i32);
        prop_assert_eq!(read.message, ours.message);
        let expected = retry_delay.map(|delay| any(&info((delay.as_secs() as i64, delay.subsec_nanos() as i32))));
        if retry_delay.is_some_and(|delay| !delay.is_zero()) {
            prop_assert_eq!(read.details, Vec::from_iter(expected));
        }
    }

    #[test]
    fn a_status_comes_back_in_both_forms(
        number in 0..17_u64,
        message: String,
        delay in proptest::option::of((0..1_000_000_u64, 0..1_000_000_000_u32)),
    ) {
        let retry_delay = delay.map(|(seconds, nanos)| Duration::new(seconds, nanos));
        let status = Status { code: Code::from_number(number), message, retry_delay };
        prop_assert_eq!(Status::from_protobuf(&status.to_protobuf()), Ok(status.clone()));
        prop_assert_eq!(Status::from_json(&status.to_json()), Ok(status));
    }
}

#[test]
fn other_details_and_hostile_durations_are_harmless() {
    let mut writer = Writer::new(Vec::new());
    let any = writer.open(3, 8);
    writer.bytes(1, b"type.googleapis.com/google.rpc.Help");
    writer.bytes(2, &[0xff; 9]);
    writer.close(any);
    let any = writer.open(3, 8);
    writer.bytes(1, RETRY_INFO.as_bytes());
    let retry_info = writer.open(2, 8);
    let duration = writer.open(1, 8);
    writer.varint(1, (-5_i64).cast_unsigned());
    writer.varint(2, u64::MAX);
    writer.close(duration);
    writer.close(retry_info);
    writer.close(any);
    let status = Status::from_protobuf(&writer.finish()).expect("it is well formed");
    assert_eq!(status.retry_delay, Some(Duration::ZERO));
}

#[test]
fn a_retry_info_without_a_delay_still_says_to_retry() {
    let status = TheirStatus {
        code: 8,
        message: String::new(),
        details: vec![any(&TheirRetryInfo { retry_delay: None })],
    };
    let read = Status::from_protobuf(&status.encode_to_vec().into()).unwrap();
    assert_eq!(read.retry_delay, Some(Duration::ZERO));
}

#[test]
fn json_is_that_of_the_mapping() {
    let status = Status {
        code: Code::Unavailable,
        message: "queue is full".into(),
        retry_delay: Some(Duration::from_millis(1500)),
    };
    let expected = r#"{"code":14,"message":"queue is full","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"1.500000000s"}]}"#;
    assert_eq!(status.to_json(), expected);
    let other = r#"{"code":8,"message":"slow","details":[{"@type":"x","retryDelay":"9s","a":[1]},{"@type":"y/google.rpc.RetryInfo","retryDelay":"-3s"}]}"#;
    let read = Status::from_json(&Bytes::from_static(other.as_bytes())).unwrap();
    assert_eq!(read.code, Code::ResourceExhausted);
    assert_eq!(read.message, "slow");
    assert_eq!(read.retry_delay, Some(Duration::ZERO));
}
