//! `google.rpc.Status` with `RetryInfo`: how an OTLP receiver says no.

use super::{ResponseError, is_retry_info, json, text};
use crate::Rope;
use crate::field::{Field, Fields};
use crate::grpc::Code;
use crate::writer::Writer;
use bytes::Bytes;
use std::time::Duration;

/// The type that `RetryInfo` has in an `Any`; only what follows the last slash counts.
pub(super) const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";

/// The end of a `google.protobuf.Duration`: ten thousand years.
const SECONDS_MAX: u64 = 315_576_000_000;

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    pub code: Code,
    pub message: String,
    /// `RetryInfo.retry_delay`: when to come back. Zero where a `RetryInfo` has none, or a negative
    /// one: it still says that the request may come again.
    pub retry_delay: Option<Duration>,
}

impl Status {
    /// Reads a `google.rpc.Status`; details other than `RetryInfo` are passed over.
    pub fn from_protobuf(status: &Bytes) -> Result<Self, ResponseError> {
        let rope = Rope::from(status.clone());
        let mut read = Self {
            code: Code::Ok,
            message: String::new(),
            retry_delay: None,
        };
        for field in Fields::new(rope.cursor()) {
            let field = field?;
            match field.number {
                1 => read.code = Code::from_number(field.varint()?),
                2 => read.message = text(&field)?,
                3 => read.retry_delay = retry_delay(&field)?.or(read.retry_delay),
                _ => {}
            }
        }
        Ok(read)
    }

    /// Reads the JSON form.
    pub fn from_json(status: &Bytes) -> Result<Self, ResponseError> {
        json::status(status)
    }

    pub fn to_protobuf(&self) -> Bytes {
        let mut status = Writer::new(Vec::new());
        status.varint(1, u64::from(self.code as u8));
        if !self.message.is_empty() {
            status.bytes(2, self.message.as_bytes());
        }
        if let Some(delay) = self.retry_delay {
            let any = status.open(3, RETRY_INFO.len() + 24);
            status.bytes(1, RETRY_INFO.as_bytes());
            let retry_info = status.open(2, 16);
            let duration = status.open(1, 12);
            let seconds = delay.as_secs().min(SECONDS_MAX);
            if seconds > 0 {
                status.varint(1, seconds);
            }
            if delay.subsec_nanos() > 0 {
                status.varint(2, u64::from(delay.subsec_nanos()));
            }
            status.close(duration);
            status.close(retry_info);
            status.close(any);
        }
        status.finish()
    }

    /// The JSON form, as an OTLP/HTTP receiver answers a JSON request.
    pub fn to_json(&self) -> Bytes {
        json::from_status(self)
    }
}

/// The delay of an `Any`, if it is a `RetryInfo`.
fn retry_delay(any: &Field<'_>) -> Result<Option<Duration>, ResponseError> {
    let (mut is_retry, mut info) = (false, None);
    for field in any.message()? {
        let field = field?;
        match field.number {
            1 => is_retry = is_retry_info(&field)?,
            2 => info = Some(field.message()?),
            _ => {}
        }
    }
    if !is_retry {
        return Ok(None);
    }
    let mut delay = Duration::ZERO;
    for field in info.into_iter().flatten() {
        let field = field?;
        if field.number == 1 {
            delay = duration(field.message()?)?;
        }
    }
    Ok(Some(delay))
}

/// A `google.protobuf.Duration`; a negative one is no delay.
fn duration(fields: Fields<'_>) -> Result<Duration, ResponseError> {
    let (mut seconds, mut nanos) = (0_i64, 0_i64);
    for field in fields {
        let field = field?;
        match field.number {
            1 => seconds = field.varint()?.cast_signed(),
            2 => nanos = field.varint()?.cast_signed(),
            _ => {}
        }
    }
    let seconds = u64::try_from(seconds).unwrap_or(0);
    let nanos = u32::try_from(nanos).unwrap_or(0).min(999_999_999);
    Ok(Duration::new(seconds, nanos))
}

#[cfg(test)]
mod tests;
