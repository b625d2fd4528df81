//! What an answer means: the OTLP specification's tables, and nothing besides.
//!
//! Source: <https://opentelemetry.io/docs/specs/otlp/#otlpgrpc-response>,
//! <https://opentelemetry.io/docs/specs/otlp/#otlphttp-response>.

mod limit;
mod retry_after;

pub use limit::TooLarge;

use crate::exchange::{Answer, Failure, Framing};
use crate::units::ItemCount;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use std::time::{Duration, SystemTime};
use tailrace_codec::Signal;
use tailrace_codec::grpc::Code;
use tailrace_codec::otlp::response::{PartialSuccess, Status};

/// The longest pause a destination can ask for. Beyond it a wrong unit or a wrong clock is
/// likelier than a wish, and a lane that never wakes is worse than one try an hour.
pub const SERVER_DELAY_MAX: Duration = Duration::from_secs(3600);

/// How much of a destination's text is kept for the log.
const MESSAGE_MAX: usize = 512;

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Taken whole. A warning is the destination's advice, to be logged and not acted upon.
    Delivered { warning: Option<Box<str>> },
    /// Taken but for some items, which are refused for good: nothing is sent again.
    Partial {
        rejected_items: ItemCount,
        message: Box<str>,
    },
    /// Send again, after the pause the destination asked for if it did.
    Retry {
        after: Option<Duration>,
        cause: Cause,
    },
    /// Not processed for certain: send again at once, on another connection.
    RetryNow,
    /// Send it in smaller pieces.
    TooLarge(TooLarge),
    /// Never send it again.
    Refused { cause: Cause, message: Box<str> },
}

/// Who said so: the value of an `error.type` label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    Grpc(Code),
    Http(StatusCode),
    Failed(Failure),
}

impl Cause {
    /// Whether the batch's contents may be to blame, so that part of it may be welcome.
    ///
    /// Not so where the destination objects to the sender, the path or the method, and not where
    /// the answer itself was the trouble: the batch was probably taken then.
    pub const fn blames_data(self) -> bool {
        match self {
            Self::Grpc(code) => matches!(
                code,
                Code::InvalidArgument
                    | Code::Unknown
                    | Code::Internal
                    | Code::AlreadyExists
                    | Code::FailedPrecondition
            ),
            Self::Http(status) => matches!(status.as_u16(), 400 | 409 | 422 | 500),
            Self::Failed(_) => false,
        }
    }
}

/// What was sent, as far as the answer's meaning depends on it.
#[derive(Debug, Clone, Copy)]
pub struct Sent {
    pub signal: Signal,
    pub items: ItemCount,
    pub framing: Framing,
}

/// Reads an answer.
///
/// `wall_clock` is for a Retry-After that is a date. Cost: no allocation for a plain success.
pub fn verdict(answer: Answer, sent: Sent, wall_clock: SystemTime) -> Verdict {
    match answer {
        Answer::Grpc {
            code: Code::Ok,
            body,
            ..
        } => success(&body, Form::Protobuf, sent),
        Answer::Grpc {
            code,
            message,
            details,
            ..
        } => grpc_failure(code, &message, &details),
        Answer::Http { status, .. } if status.is_success() && sent.framing == Framing::Grpc => {
            // A web page where a gRPC answer should be: it has no grpc-status to believe.
            refused(Cause::Http(status), "")
        }
        Answer::Http {
            status,
            headers,
            body,
        } if status.is_success() => success(&body, Form::of(&headers), sent),
        Answer::Http {
            status,
            headers,
            body,
        } => http_failure(status, &headers, &body, wall_clock),
        Answer::Failed(failure) => failed(failure),
    }
}

/// How a body says it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Protobuf,
    Json,
    Other,
}

impl Form {
    fn of(headers: &HeaderMap) -> Self {
        let media = headers
            .get(CONTENT_TYPE)
            .map_or(&b""[..], |value| value.as_bytes());
        let media = media
            .split(|&byte| byte == b';')
            .next()
            .unwrap_or_default()
            .trim_ascii();
        if media.eq_ignore_ascii_case(b"application/x-protobuf") {
            Self::Protobuf
        } else if media.eq_ignore_ascii_case(b"application/json") {
            Self::Json
        } else {
            Self::Other
        }
    }
}

/// A success whose body cannot be read is a success: what was acknowledged is not sent again.
fn success(body: &Bytes, form: Form, sent: Sent) -> Verdict {
    if body.is_empty() {
        return Verdict::Delivered { warning: None };
    }
    let partial = match form {
        Form::Protobuf => PartialSuccess::from_protobuf(body).ok(),
        Form::Json => PartialSuccess::from_json(body, sent.signal).ok(),
        Form::Other => Some(PartialSuccess::default()),
    };
    let Some(partial) = partial else {
        return Verdict::Delivered {
            warning: Some("the success response cannot be read".into()),
        };
    };
    let message = kept(&partial.message);
    if partial.rejected == 0 {
        return Verdict::Delivered {
            warning: (!message.is_empty()).then_some(message),
        };
    }
    // More than was sent cannot have been rejected; the ledger must add up whatever is claimed.
    Verdict::Partial {
        rejected_items: partial.rejected.min(sent.items),
        message,
    }
}

fn grpc_failure(code: Code, message: &str, details: &Bytes) -> Verdict {
    if let Some(too_large) = limit::from_grpc(code, message) {
        return Verdict::TooLarge(too_large);
    }
    let delay = retry_info(details);
    let cause = Cause::Grpc(code);
    match code {
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => Verdict::Retry {
            after: delay,
            cause,
        },
        // Only a server that says when to come back can be expected to recover.
        Code::ResourceExhausted if delay.is_some() => Verdict::Retry {
            after: delay,
            cause,
        },
        Code::ResourceExhausted
        | Code::Ok
        | Code::Unknown
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::Unimplemented
        | Code::Internal
        | Code::Unauthenticated => refused(cause, message),
    }
}

fn http_failure(
    status: StatusCode,
    headers: &HeaderMap,
    body: &Bytes,
    wall_clock: SystemTime,
) -> Verdict {
    let cause = Cause::Http(status);
    match status.as_u16() {
        429 | 502 | 503 | 504 => Verdict::Retry {
            after: retry_after::delay(headers, wall_clock),
            cause,
        },
        413 => Verdict::TooLarge(limit::from_text(&status_message(headers, body))),
        _ => refused(cause, &status_message(headers, body)),
    }
}

fn failed(failure: Failure) -> Verdict {
    let cause = Cause::Failed(failure);
    match failure {
        Failure::Unprocessed => Verdict::RetryNow,
        // What is not HTTP is no answer: as little is known as when the connection is lost.
        Failure::ConnectionLost | Failure::TimedOut | Failure::Malformed => {
            Verdict::Retry { after: None, cause }
        }
        // By the specification, and because whoever answers at length has read the request.
        Failure::ResponseTooLarge => refused(cause, ""),
    }
}

fn retry_info(details: &Bytes) -> Option<Duration> {
    if details.is_empty() {
        return None;
    }
    let status = Status::from_protobuf(details).ok()?;
    status.retry_delay.map(|delay| delay.min(SERVER_DELAY_MAX))
}

/// The text of an error's `google.rpc.Status`, or the body itself where it is plain text.
fn status_message(headers: &HeaderMap, body: &Bytes) -> String {
    let status = match Form::of(headers) {
        Form::Protobuf => Status::from_protobuf(body).ok(),
        Form::Json => Status::from_json(body).ok(),
        Form::Other => {
            let text = &body[..body.len().min(MESSAGE_MAX)];
            return String::from_utf8_lossy(text).into_owned();
        }
    };
    status.map(|status| status.message).unwrap_or_default()
}

fn refused(cause: Cause, message: &str) -> Verdict {
    Verdict::Refused {
        cause,
        message: kept(message),
    }
}

/// At most [`MESSAGE_MAX`] bytes, without control characters: it goes into a line of a log.
fn kept(message: &str) -> Box<str> {
    let end = message.floor_char_boundary(MESSAGE_MAX);
    message[..end]
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests;
