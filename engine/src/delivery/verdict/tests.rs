use super::limit::SizeLimit;
use super::*;
use crate::rpc_status::{Any, ProtoDuration, RetryInfo, RpcStatus};
use http::HeaderValue;
use http::header::RETRY_AFTER;
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceResponse,
};
use proptest::prelude::*;
use prost::Message;

fn details(code: Code, retry: Option<(i64, i32)>) -> Bytes {
    let retry = retry.map(|(seconds, nanos)| Any {
        type_url: "type.googleapis.com/google.rpc.RetryInfo".into(),
        value: RetryInfo {
            retry_delay: Some(ProtoDuration { seconds, nanos }),
        }
        .encode_to_vec(),
    });
    let details = retry.into_iter().collect();
    RpcStatus {
        code: code as i32,
        message: "m".into(),
        details,
    }
    .encode_to_vec()
    .into()
}

fn sent(framing: Framing) -> Sent {
    Sent {
        signal: Signal::Traces,
        items: 100,
        framing,
    }
}

fn grpc(code: Code, message: &str, details: Bytes) -> Verdict {
    let answer = Answer::Grpc {
        code,
        message: message.into(),
        details,
        body: Bytes::new(),
    };
    verdict(answer, sent(Framing::Grpc), SystemTime::UNIX_EPOCH)
}

fn http(status: u16, headers: &[(http::HeaderName, &'static str)], body: Bytes) -> Verdict {
    let headers = headers
        .iter()
        .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)))
        .collect();
    let answer = Answer::Http {
        status: StatusCode::from_u16(status).unwrap(),
        headers,
        body,
    };
    verdict(answer, sent(Framing::Plain), SystemTime::UNIX_EPOCH)
}

const PROTOBUF: (http::HeaderName, &str) = (CONTENT_TYPE, "application/x-protobuf");
const JSON: (http::HeaderName, &str) = (CONTENT_TYPE, "application/json; charset=utf-8");

const DELIVERED: Verdict = Verdict::Delivered { warning: None };

#[test]
fn all_seventeen_grpc_codes() {
    let retryable = [
        Code::Cancelled,
        Code::DeadlineExceeded,
        Code::Aborted,
        Code::OutOfRange,
        Code::Unavailable,
        Code::DataLoss,
    ];
    for code in Code::ALL {
        let cause = Cause::Grpc(code);
        let five = Some(Duration::from_secs(5));
        let (bare, with_retry_info) = match code {
            Code::Ok => (DELIVERED, DELIVERED),
            code if retryable.contains(&code) => (
                Verdict::Retry { after: None, cause },
                Verdict::Retry { after: five, cause },
            ),
            Code::ResourceExhausted => (
                Verdict::Refused {
                    cause,
                    message: "text".into(),
                },
                Verdict::Retry { after: five, cause },
            ),
            _ => {
                let refused = Verdict::Refused {
                    cause,
                    message: "text".into(),
                };
                (refused.clone(), refused)
            }
        };
        assert_eq!(grpc(code, "text", Bytes::new()), bare, "{code:?}");
        assert_eq!(
            grpc(code, "text", details(code, None)),
            bare,
            "{code:?} without RetryInfo"
        );
        assert_eq!(
            grpc(code, "text", details(code, Some((5, 0)))),
            with_retry_info,
            "{code:?}"
        );
    }
}

#[test]
fn every_http_status() {
    for status in 100..=999 {
        let cause = Cause::Http(StatusCode::from_u16(status).unwrap());
        let expected = match status {
            200..=299 => DELIVERED,
            429 | 502 | 503 | 504 => Verdict::Retry { after: None, cause },
            413 => Verdict::TooLarge(TooLarge { limit: None }),
            _ => Verdict::Refused {
                cause,
                message: "".into(),
            },
        };
        assert_eq!(http(status, &[], Bytes::new()), expected, "{status}");
    }
}

#[test]
fn retry_after_counts_where_the_answer_is_retryable() {
    for status in [429, 502, 503, 504] {
        let cause = Cause::Http(StatusCode::from_u16(status).unwrap());
        let after = Some(Duration::from_secs(30));
        assert_eq!(
            http(status, &[(RETRY_AFTER, "30")], Bytes::new()),
            Verdict::Retry { after, cause }
        );
        let date = (RETRY_AFTER, "Thu, 01 Jan 1970 00:00:30 GMT");
        assert_eq!(
            http(status, &[date], Bytes::new()),
            Verdict::Retry { after, cause }
        );
    }
    let refused = http(500, &[(RETRY_AFTER, "30")], Bytes::new());
    assert!(matches!(refused, Verdict::Refused { .. }));
}

#[test]
fn every_failure() {
    let retry = |failure| Verdict::Retry {
        after: None,
        cause: Cause::Failed(failure),
    };
    let refused = |failure| Verdict::Refused {
        cause: Cause::Failed(failure),
        message: "".into(),
    };
    for (failure, expected) in [
        (Failure::Unprocessed, Verdict::RetryNow),
        (Failure::ConnectionLost, retry(Failure::ConnectionLost)),
        (Failure::TimedOut, retry(Failure::TimedOut)),
        (
            Failure::ResponseTooLarge,
            refused(Failure::ResponseTooLarge),
        ),
        (Failure::Malformed, retry(Failure::Malformed)),
    ] {
        for framing in [Framing::Grpc, Framing::Plain] {
            let answer = Answer::Failed(failure);
            assert_eq!(
                verdict(answer, sent(framing), SystemTime::UNIX_EPOCH),
                expected
            );
        }
    }
}

fn partial_bodies(rejected: i64, message: &str) -> [(Signal, Vec<u8>); 3] {
    let error_message = message.to_owned();
    let traces = ExportTraceServiceResponse {
        partial_success: Some(ExportTracePartialSuccess {
            rejected_spans: rejected,
            error_message: error_message.clone(),
        }),
    };
    let metrics = ExportMetricsServiceResponse {
        partial_success: Some(ExportMetricsPartialSuccess {
            rejected_data_points: rejected,
            error_message: error_message.clone(),
        }),
    };
    let logs = ExportLogsServiceResponse {
        partial_success: Some(ExportLogsPartialSuccess {
            rejected_log_records: rejected,
            error_message,
        }),
    };
    [
        (Signal::Traces, traces.encode_to_vec()),
        (Signal::Metrics, metrics.encode_to_vec()),
        (Signal::Logs, logs.encode_to_vec()),
    ]
}

#[test]
fn partial_success_is_counted_and_never_sent_again() {
    let table = [
        (
            7,
            "bad",
            Verdict::Partial {
                rejected_items: 7,
                message: "bad".into(),
            },
        ),
        (
            7,
            "",
            Verdict::Partial {
                rejected_items: 7,
                message: "".into(),
            },
        ),
        (
            0,
            "deprecated",
            Verdict::Delivered {
                warning: Some("deprecated".into()),
            },
        ),
        (0, "", DELIVERED),
        (
            1 << 40,
            "",
            Verdict::Partial {
                rejected_items: 100,
                message: "".into(),
            },
        ),
        (
            -1,
            "odd",
            Verdict::Delivered {
                warning: Some("odd".into()),
            },
        ),
    ];
    for (rejected, message, expected) in table {
        for (signal, body) in partial_bodies(rejected, message) {
            let sent = |framing| Sent {
                signal,
                items: 100,
                framing,
            };
            let answer = Answer::Grpc {
                code: Code::Ok,
                message: String::new(),
                details: Bytes::new(),
                body: body.clone().into(),
            };
            let found = verdict(answer, sent(Framing::Grpc), SystemTime::UNIX_EPOCH);
            assert_eq!(found, expected, "{signal:?} {rejected}");
            let mut headers = HeaderMap::new();
            headers.insert(
                CONTENT_TYPE,
                HeaderValue::from_static("application/x-protobuf"),
            );
            let answer = Answer::Http {
                status: StatusCode::OK,
                headers,
                body: body.into(),
            };
            let found = verdict(answer, sent(Framing::Plain), SystemTime::UNIX_EPOCH);
            assert_eq!(found, expected, "{signal:?} {rejected}");
        }
    }
}

#[test]
fn partial_success_in_json() {
    let body = r#"{"partialSuccess":{"rejectedSpans":"7","errorMessage":"bad"}}"#;
    let expected = Verdict::Partial {
        rejected_items: 7,
        message: "bad".into(),
    };
    assert_eq!(
        http(200, &[JSON], Bytes::from_static(body.as_bytes())),
        expected
    );
    assert_eq!(http(200, &[JSON], Bytes::from_static(b"{}")), DELIVERED);
    assert_eq!(http(202, &[], Bytes::from_static(b"thanks")), DELIVERED);
}

#[test]
fn a_success_that_cannot_be_read_is_a_success() {
    for body in [&b"\xff\xff"[..], b"<html>"] {
        let verdict = http(200, &[PROTOBUF], Bytes::copy_from_slice(body));
        assert!(
            matches!(verdict, Verdict::Delivered { warning: Some(_) }),
            "{verdict:?}"
        );
    }
}

#[test]
fn a_web_page_is_no_answer_to_a_grpc_call() {
    let answer = Answer::Http {
        status: StatusCode::OK,
        headers: HeaderMap::new(),
        body: Bytes::from_static(b"<html>"),
    };
    let found = verdict(answer, sent(Framing::Grpc), SystemTime::UNIX_EPOCH);
    assert!(matches!(found, Verdict::Refused { .. }), "{found:?}");
}

#[test]
fn too_large_in_both_protocols() {
    let text = "grpc: received message larger than max (5000000 vs. 4194304)";
    let limit = Some(SizeLimit::Wire(4 << 20));
    let expected = Verdict::TooLarge(TooLarge { limit });
    // The text decides before the RetryInfo: the same bytes are too large tomorrow as well.
    let retry = details(Code::ResourceExhausted, Some((5, 0)));
    assert_eq!(grpc(Code::ResourceExhausted, text, retry), expected);
    let body = RpcStatus {
        code: 8,
        message: text.into(),
        details: vec![],
    }
    .encode_to_vec();
    assert_eq!(http(413, &[PROTOBUF], body.into()), expected);
    let nginx = Bytes::from_static(b"<html>413 Request Entity Too Large</html>");
    assert_eq!(
        http(413, &[], nginx),
        Verdict::TooLarge(TooLarge { limit: None })
    );
}

#[test]
fn the_destinations_words_are_kept_for_the_log() {
    let body = RpcStatus {
        code: 3,
        message: "bad\r\nid".into(),
        details: vec![],
    };
    let cause = Cause::Http(StatusCode::BAD_REQUEST);
    let expected = Verdict::Refused {
        cause,
        message: "bad  id".into(),
    };
    assert_eq!(
        http(400, &[PROTOBUF], body.encode_to_vec().into()),
        expected
    );
    let json = Bytes::from_static(br#"{"code":3,"message":"bad\r\nid"}"#);
    assert_eq!(http(400, &[JSON], json), expected);
    let Verdict::Refused { message, .. } =
        grpc(Code::InvalidArgument, &"\u{e9}".repeat(1_000), Bytes::new())
    else {
        panic!("not refused");
    };
    assert_eq!(message.len(), MESSAGE_MAX);
}

#[test]
fn delays_are_capped_and_hostile_ones_ignored() {
    let after = |seconds, nanos| {
        let info = details(Code::Unavailable, Some((seconds, nanos)));
        match grpc(Code::Unavailable, "", info) {
            Verdict::Retry { after, .. } => after,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(after(1, 500_000_000), Some(Duration::from_millis(1_500)));
    assert_eq!(after(i64::MAX, 999_999_999), Some(SERVER_DELAY_MAX));
    assert_eq!(after(0, 0), Some(Duration::ZERO));
    for (seconds, nanos) in [(-1, 0), (0, -1), (i64::MIN, i32::MIN)] {
        assert!(after(seconds, nanos).is_none_or(|delay| delay.is_zero()));
    }
}

#[test]
fn only_some_refusals_blame_the_data() {
    let blame = |code| Cause::Grpc(code).blames_data();
    assert!(blame(Code::InvalidArgument) && blame(Code::Internal) && blame(Code::Unknown));
    assert!(!blame(Code::Unauthenticated) && !blame(Code::PermissionDenied));
    assert!(!blame(Code::Unimplemented) && !blame(Code::ResourceExhausted));
    for (status, expected) in [
        (400, true),
        (422, true),
        (401, false),
        (403, false),
        (404, false),
    ] {
        let status = StatusCode::from_u16(status).unwrap();
        assert_eq!(Cause::Http(status).blames_data(), expected, "{status}");
    }
    assert!(!Cause::Failed(Failure::ResponseTooLarge).blames_data());
}

proptest! {
    #[test]
    fn no_answer_panics(
        code in 0..Code::ALL.len(),
        status in 100..1_000u16,
        message: String,
        details: Vec<u8>,
        body: Vec<u8>,
        content_type in prop::option::of("application/(json|x-protobuf)|.{0,20}"),
        retry_after in prop::option::of("[ -~]{0,30}"),
        grpc_framing: bool,
        items: u64,
    ) {
        let framing = if grpc_framing { Framing::Grpc } else { Framing::Plain };
        let sent = Sent { signal: Signal::Logs, items, framing };
        let mut headers = HeaderMap::new();
        for (name, value) in [(CONTENT_TYPE, content_type), (RETRY_AFTER, retry_after)] {
            if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
                headers.insert(name, value);
            }
        }
        let body = Bytes::from(body);
        let answers = [
            Answer::Grpc {
                code: Code::ALL[code],
                message,
                details: details.into(),
                body: body.clone(),
            },
            Answer::Http { status: StatusCode::from_u16(status).unwrap(), headers, body },
        ];
        for answer in answers {
            match verdict(answer, sent, SystemTime::now()) {
                Verdict::Partial { rejected_items, .. } => prop_assert!(rejected_items <= items),
                Verdict::Retry { after: Some(after), .. } => {
                    prop_assert!(after <= SERVER_DELAY_MAX);
                }
                _ => {}
            }
        }
    }
}
