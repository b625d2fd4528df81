//! What an answer means to whoever sends a load.
//!
//! Source: <https://opentelemetry.io/docs/specs/otlp/#otlpgrpc-response>,
//! <https://opentelemetry.io/docs/specs/otlp/#otlphttp-response>.

use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use std::fmt;
use std::time::{Duration, SystemTime};
use tailrace_codec::Signal;
use tailrace_codec::grpc::Code;
use tailrace_codec::otlp::response::{PartialSuccess, Status};
use tailrace_engine::exchange::{Answer, Failure};

/// An answer, read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply {
    pub code: ReplyCode,
    pub verdict: Verdict,
}

/// What an answer is counted under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyCode {
    Grpc(Code),
    Http(StatusCode),
    Failed(Failure),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Acknowledged, but for so many items that were rejected for good.
    Taken { rejected_items: u64 },
    /// Not taken; it may be sent again, after the pause that the server asks for.
    Again { after: Option<Duration> },
    /// Not taken, for good.
    Refused,
}

impl fmt::Display for ReplyCode {
    /// `OK`, `RESOURCE_EXHAUSTED`, `200`, `timed out`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Grpc(code) => f.write_str(code.name()),
            Self::Http(status) => write!(f, "{}", status.as_u16()),
            Self::Failed(failure) => f.write_str(match failure {
                Failure::Unprocessed => "not processed",
                Failure::ConnectionLost => "connection lost",
                Failure::TimedOut => "timed out",
                Failure::ResponseTooLarge => "response too large",
                Failure::Malformed => "malformed response",
            }),
        }
    }
}

/// Reads an answer. `wall_clock` is for a Retry-After that is a date.
///
/// A success whose body cannot be read is a success: what was acknowledged is acknowledged.
pub fn read(answer: &Answer, signal: Signal, wall_clock: impl FnOnce() -> SystemTime) -> Reply {
    match answer {
        Answer::Grpc {
            code,
            details,
            body,
            ..
        } => {
            let delay = || Status::from_protobuf(details).ok()?.retry_delay;
            let verdict = match code {
                Code::Ok => taken(PartialSuccess::from_protobuf(body).ok()),
                Code::Cancelled
                | Code::DeadlineExceeded
                | Code::Aborted
                | Code::OutOfRange
                | Code::Unavailable
                | Code::DataLoss => Verdict::Again { after: delay() },
                // Only with a delay does it say that the server can recover.
                Code::ResourceExhausted => match delay() {
                    None => Verdict::Refused,
                    after => Verdict::Again { after },
                },
                _ => Verdict::Refused,
            };
            let code = ReplyCode::Grpc(*code);
            Reply { code, verdict }
        }
        Answer::Http {
            status,
            headers,
            body,
        } => {
            let verdict = match status.as_u16() {
                200..=299 if is_json(headers) => {
                    taken(PartialSuccess::from_json(body, signal).ok())
                }
                200..=299 => taken(PartialSuccess::from_protobuf(body).ok()),
                429 | 502 | 503 | 504 => Verdict::Again {
                    after: retry_after(headers, wall_clock),
                },
                _ => Verdict::Refused,
            };
            let code = ReplyCode::Http(*status);
            Reply { code, verdict }
        }
        Answer::Failed(failure) => Reply {
            code: ReplyCode::Failed(*failure),
            verdict: match failure {
                Failure::Unprocessed | Failure::ConnectionLost | Failure::TimedOut => {
                    Verdict::Again { after: None }
                }
                Failure::ResponseTooLarge | Failure::Malformed => Verdict::Refused,
            },
        },
    }
}

fn taken(partial: Option<PartialSuccess>) -> Verdict {
    Verdict::Taken {
        rejected_items: partial.map_or(0, |partial| partial.rejected),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let media = headers.get(CONTENT_TYPE).map(|value| value.as_bytes());
    media.is_some_and(|media| media.starts_with(b"application/json"))
}

/// Seconds, or a date (RFC 9110, 10.2.3).
fn retry_after(headers: &HeaderMap, wall_clock: impl FnOnce() -> SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(wall_clock()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http::HeaderValue;

    fn http(status: u16, retry_after: Option<&'static str>) -> Reply {
        let mut headers = HeaderMap::new();
        if let Some(value) = retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from_static(value));
        }
        let answer = Answer::Http {
            status: StatusCode::from_u16(status).expect("a status"),
            headers,
            body: Bytes::new(),
        };
        let date = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_770);
        read(&answer, Signal::Traces, || date)
    }

    fn grpc(code: Code, details: &'static [u8], body: &'static [u8]) -> Reply {
        let answer = Answer::Grpc {
            code,
            message: String::new(),
            details: Bytes::from_static(details),
            body: Bytes::from_static(body),
        };
        read(&answer, Signal::Logs, || SystemTime::UNIX_EPOCH)
    }

    #[test]
    fn http_answers() {
        let again = |seconds| Verdict::Again {
            after: Some(Duration::from_secs(seconds)),
        };
        assert_eq!(http(200, None).verdict, taken(None));
        assert_eq!(http(503, Some("7")).verdict, again(7));
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(http(429, Some(date)).verdict, again(7));
        assert_eq!(http(502, None).verdict, Verdict::Again { after: None });
        assert_eq!(http(400, Some("7")).verdict, Verdict::Refused);
        assert_eq!(http(404, None).code.to_string(), "404");
    }

    #[test]
    fn grpc_answers() {
        assert_eq!(grpc(Code::Ok, b"", b"").verdict, taken(None));
        let partial = b"\x0a\x02\x08\x05";
        let rejected_items = 5;
        assert_eq!(
            grpc(Code::Ok, b"", partial).verdict,
            Verdict::Taken { rejected_items }
        );
        assert_eq!(
            grpc(Code::Unavailable, b"", b"").verdict,
            Verdict::Again { after: None }
        );
        let exhausted = grpc(Code::ResourceExhausted, b"", b"");
        assert_eq!(exhausted.verdict, Verdict::Refused);
        assert_eq!(exhausted.code.to_string(), "RESOURCE_EXHAUSTED");
        let info = b"\x08\x08\x1a\x30\x0a\x28type.googleapis.com/google.rpc.RetryInfo\x12\x04\x0a\x02\x08\x03";
        let after = Some(Duration::from_secs(3));
        assert_eq!(
            grpc(Code::ResourceExhausted, info, b"").verdict,
            Verdict::Again { after }
        );
    }
}
