use super::*;
use crate::ingress::Fault;
use crate::rpc_status::{RetryInfo, RpcStatus};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceResponse;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use tailrace_codec::{Malformed, MalformedKind};

fn retry_delay(status: &RpcStatus) -> Option<Duration> {
    let info = status.details.first()?;
    assert_eq!(info.type_url, "type.googleapis.com/google.rpc.RetryInfo");
    let delay = RetryInfo::decode(&info.value[..])
        .unwrap()
        .retry_delay
        .unwrap();
    Some(Duration::new(
        delay.seconds.try_into().unwrap(),
        delay.nanos.try_into().unwrap(),
    ))
}

fn grpc(reply: Reply) -> GrpcReply {
    match reply {
        Reply::Grpc(reply) => reply,
        reply => panic!("{reply:?}"),
    }
}

fn http(reply: Reply) -> HttpReply {
    match reply {
        Reply::Http(reply) => reply,
        reply => panic!("{reply:?}"),
    }
}

fn some_rejected(rejected_items: u64, message: &str) -> Outcome<'_> {
    Outcome::Partial {
        rejected_items,
        message,
    }
}

fn over_http(signal: Signal, content: Content) -> ReplyKind {
    ReplyKind::http(signal, content, None)
}

#[test]
fn delays_are_rounded_up() {
    for (millis, seconds) in [(0, 1), (1, 1), (1_000, 1), (1_001, 2), (59_999, 60)] {
        assert_eq!(retry_after_seconds(Duration::from_millis(millis)), seconds);
    }
    assert_eq!(retry_after_seconds(Duration::MAX), u64::MAX);
}

#[test]
fn success_is_the_empty_message() {
    for signal in Signal::ALL {
        let reply = grpc(ReplyKind::grpc(signal).success(Outcome::Accepted));
        assert_eq!((reply.code, &reply.body[..]), (Code::Ok, &[0; 5][..]));
        assert!(reply.message.is_empty() && reply.details.is_empty());

        for (content, media, body) in [
            (Content::Protobuf, "application/x-protobuf", ""),
            (Content::Json, "application/json", "{}"),
        ] {
            let reply = http(over_http(signal, content).success(Outcome::Accepted));
            assert_eq!(
                (reply.status, &reply.body[..]),
                (StatusCode::OK, body.as_bytes())
            );
            assert_eq!(reply.headers["content-type"], media);
        }
    }
}

#[test]
fn partial_success_is_handed_on() {
    let body = grpc(ReplyKind::grpc(Signal::Traces).success(some_rejected(3, "bad"))).body;
    assert_eq!(
        (body[0], u32::from_be_bytes(body[1..5].try_into().unwrap())),
        (0, body.len() as u32 - 5)
    );
    let partial = ExportTraceServiceResponse::decode(&body[5..])
        .unwrap()
        .partial_success
        .unwrap();
    assert_eq!(
        (partial.rejected_spans, &*partial.error_message),
        (3, "bad")
    );

    let body = http(over_http(Signal::Logs, Content::Protobuf).success(some_rejected(3, ""))).body;
    let partial = ExportLogsServiceResponse::decode(&body[..])
        .unwrap()
        .partial_success
        .unwrap();
    assert_eq!(partial.rejected_log_records, 3);

    let body =
        http(over_http(Signal::Metrics, Content::Json).success(some_rejected(3, "a\"b"))).body;
    let found: serde_json::Value = serde_json::from_slice(&body).unwrap();
    // 64-bit integers are strings in protobuf's JSON.
    let partial = serde_json::json!({ "rejectedDataPoints": "3", "errorMessage": "a\"b" });
    assert_eq!(found, serde_json::json!({ "partialSuccess": partial }));
}

const DELAY: Duration = Duration::from_millis(2_500);

fn refusals() -> Vec<(Refusal, Code, u16, Option<Duration>)> {
    let malformed = Malformed {
        offset: 7,
        kind: MalformedKind::Truncated,
    };
    vec![
        (
            Refusal::TooLarge { bytes: 9, limit: 4 },
            Code::ResourceExhausted,
            413,
            None,
        ),
        (
            Refusal::InflatesTooLarge { limit: 4 },
            Code::ResourceExhausted,
            413,
            None,
        ),
        (
            Refusal::Quota {
                tenant: Some("acme".into()),
                quota: crate::telemetry::Quota::Bytes,
                retry_after: DELAY,
            },
            Code::Unavailable,
            429,
            Some(DELAY),
        ),
        (
            Refusal::MemoryShare { retry_after: DELAY },
            Code::Unavailable,
            503,
            Some(DELAY),
        ),
        (Refusal::UnsupportedEncoding, Code::Unimplemented, 415, None),
        (
            Refusal::CompressedWithoutEncoding,
            Code::Internal,
            400,
            None,
        ),
        (
            Refusal::Malformed(Fault::Compression),
            Code::InvalidArgument,
            400,
            None,
        ),
        (
            Refusal::Malformed(Fault::Json { offset: 3 }),
            Code::InvalidArgument,
            400,
            None,
        ),
        (
            Refusal::Malformed(Fault::Protobuf(malformed)),
            Code::InvalidArgument,
            400,
            None,
        ),
        (
            Refusal::Full { retry_after: DELAY },
            Code::Unavailable,
            429,
            Some(DELAY),
        ),
        (
            Refusal::Memory { retry_after: DELAY },
            Code::Unavailable,
            503,
            Some(DELAY),
        ),
        (
            Refusal::ShuttingDown { retry_after: DELAY },
            Code::Unavailable,
            503,
            Some(DELAY),
        ),
        (Refusal::TimedOut, Code::DeadlineExceeded, 504, None),
        (
            Refusal::Undelivered { retry_after: None },
            Code::Unavailable,
            503,
            None,
        ),
        (
            Refusal::Undelivered {
                retry_after: Some(DELAY),
            },
            Code::Unavailable,
            503,
            Some(DELAY),
        ),
        (Refusal::RefusedUpstream, Code::InvalidArgument, 400, None),
    ]
}

#[test]
fn every_refusal_in_grpc() {
    for (refusal, code, _, delay) in refusals() {
        let reply = grpc(ReplyKind::grpc(Signal::Traces).refusal(&refusal));
        assert_eq!(reply.code, code, "{refusal:?}");
        assert_eq!(reply.message, refusal.to_string());
        assert!(reply.body.is_empty(), "trailers only");
        if delay.is_some() {
            let status = RpcStatus::decode(&reply.details[..]).unwrap();
            assert_eq!(
                (status.code, retry_delay(&status)),
                (code as i32, delay),
                "{refusal:?}"
            );
        } else {
            assert!(reply.details.is_empty(), "{refusal:?}");
        }
    }
}

#[test]
fn every_refusal_in_http() {
    for (refusal, code, status, delay) in refusals() {
        for content in [Content::Protobuf, Content::Json] {
            let reply = http(over_http(Signal::Logs, content).refusal(&refusal));
            assert_eq!(reply.status, status, "{refusal:?}");
            let retry_after = reply
                .headers
                .get("retry-after")
                .map(|value| value.to_str().unwrap());
            assert_eq!(retry_after, delay.map(|_| "3"), "{refusal:?}");
            let (found, message) = match content {
                Content::Protobuf => {
                    assert_eq!(reply.headers["content-type"], "application/x-protobuf");
                    let status = RpcStatus::decode(&reply.body[..]).unwrap();
                    assert_eq!(retry_delay(&status), delay);
                    (i64::from(status.code), status.message)
                }
                Content::Json => {
                    assert_eq!(reply.headers["content-type"], "application/json");
                    let status: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
                    let message = status["message"].as_str().unwrap().to_owned();
                    (status["code"].as_i64().unwrap(), message)
                }
            };
            assert_eq!(
                (found, message),
                (code as i64, refusal.to_string()),
                "{refusal:?}"
            );
        }
    }
}

#[test]
fn the_specification_retries_what_is_retryable_and_nothing_else() {
    for (refusal, code, status, _) in refusals() {
        let by_status = [429, 502, 503, 504].contains(&status);
        assert_eq!(by_status, refusal.is_retryable(), "{refusal:?}");
        let by_code = matches!(code, Code::Unavailable | Code::DeadlineExceeded);
        assert_eq!(by_code, refusal.is_retryable(), "{refusal:?}");
    }
}
