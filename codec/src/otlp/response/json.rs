//! The JSON forms of answers, through the table that requests go through.

use super::status::RETRY_INFO;
use super::{PartialSuccess, ResponseError, Status, is_retry_info, text};
use crate::Rope;
use crate::field::{Field, Fields, Malformed};
use crate::grpc::Code;
use crate::otlp::fields::{JSON_STATUS, Message, response};
use crate::otlp::{Signal, json};
use crate::writer::Writer;
use bytes::Bytes;
use std::time::Duration;

pub(super) fn partial_success(
    answer: &Bytes,
    signal: Signal,
) -> Result<PartialSuccess, ResponseError> {
    PartialSuccess::from_protobuf(&decode(response(signal), answer)?)
}

pub(super) fn from_partial_success(partial: &PartialSuccess, signal: Signal) -> Bytes {
    encode(response(signal), partial.to_protobuf())
}

pub(super) fn status(answer: &Bytes) -> Result<Status, ResponseError> {
    let answer = Rope::from(decode(&JSON_STATUS, answer)?);
    let mut status = Status {
        code: Code::Ok,
        message: String::new(),
        retry_delay: None,
    };
    for field in Fields::from(&answer) {
        let field = field?;
        match field.number {
            1 => status.code = Code::from_number(field.varint()?),
            2 => status.message = text(&field)?,
            3 => status.retry_delay = retry_delay(&field)?.or(status.retry_delay),
            _ => {}
        }
    }
    Ok(status)
}

pub(super) fn from_status(status: &Status) -> Bytes {
    let mut writer = Writer::default();
    writer.varint(1, u64::from(status.code as u8));
    writer.bytes(2, status.message.as_bytes());
    if let Some(delay) = status.retry_delay {
        let detail = writer.open(3, 64);
        writer.bytes(1, RETRY_INFO.as_bytes());
        let text = format!("{}.{:09}s", delay.as_secs(), delay.subsec_nanos());
        writer.bytes(2, text.as_bytes());
        writer.close(detail);
    }
    encode(&JSON_STATUS, writer.finish())
}

fn decode(message: &'static Message, answer: &Bytes) -> Result<Bytes, ResponseError> {
    // No answer is longer as protobuf than as JSON: it has no array of numbers.
    let bytes = json::decode_message(message, &Rope::from(answer.clone()), answer.len());
    bytes.map(Bytes::from).map_err(ResponseError::Json)
}

fn encode(message: &'static Message, answer: Bytes) -> Bytes {
    let json = json::encode_message(message, &Rope::from(answer));
    debug_assert!(json.is_ok(), "what was just written is well-formed");
    json.map_or_else(|_| Bytes::from_static(b"{}"), Bytes::from)
}

/// The delay of a detail, if it is a `RetryInfo`; zero if that has none that can be read.
fn retry_delay(detail: &Field<'_>) -> Result<Option<Duration>, Malformed> {
    let (mut is_retry, mut delay) = (false, Duration::ZERO);
    for field in detail.message()? {
        let field = field?;
        match field.number {
            1 => is_retry = is_retry_info(&field)?,
            2 => delay = duration(&text(&field)?).unwrap_or_default(),
            _ => {}
        }
    }
    Ok(is_retry.then_some(delay))
}

/// `1.5s`, the JSON form of a `google.protobuf.Duration`. A negative one is no delay.
fn duration(text: &str) -> Option<Duration> {
    let number = text.strip_suffix('s')?;
    let (seconds, fraction) = number.split_once('.').unwrap_or((number, ""));
    let nanos = if fraction.is_empty() {
        0
    } else {
        format!("{fraction:0<9.9}").parse().ok()?
    };
    // Signs are not digits, but `parse` takes them.
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_plain = is_digits(seconds) && is_digits(fraction);
    Some(Duration::new(seconds.parse().ok()?, nanos)).filter(|_| is_plain)
}
