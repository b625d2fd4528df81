//! What a receiver answers: the export response with its partial success, and `google.rpc.Status`.
//!
//! Both come from hostile peers too: a text is cut at [`MESSAGE_BYTES_MAX`], and of a status's
//! details only `RetryInfo` is read.
//!
//! Source: <https://opentelemetry.io/docs/specs/otlp/#partial-success>,
//! <https://github.com/googleapis/googleapis/blob/master/google/rpc/status.proto>

mod json;
mod status;

pub use status::Status;

use super::Signal;
use crate::Malformed;
use crate::Rope;
use crate::field::{Field, Fields};
use crate::otlp::json::JsonError;
use crate::writer::Writer;
use bytes::Bytes;

/// What is kept of a peer's message (bytes): it goes to a log line, or on to the sender.
pub const MESSAGE_BYTES_MAX: usize = 4096;

/// The receiver took the request but for some items, or has something to say about it.
///
/// The default (nothing rejected, no message) is a full success.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartialSuccess {
    /// Items refused for good. Zero with a message: a warning.
    pub rejected: u64,
    pub message: String,
}

/// A response body that says nothing one can rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseError {
    Protobuf(Malformed),
    Json(JsonError),
}

impl From<Malformed> for ResponseError {
    fn from(malformed: Malformed) -> Self {
        Self::Protobuf(malformed)
    }
}

impl PartialSuccess {
    /// Reads an `Export*ServiceResponse`; a field that stands twice counts with its last value.
    pub fn from_protobuf(response: &Bytes) -> Result<Self, ResponseError> {
        let response = Rope::from(response.clone());
        let mut partial = Self::default();
        for field in Fields::new(response.cursor()) {
            let field = field?;
            if field.number != 1 {
                continue;
            }
            for field in field.message()? {
                let field = field?;
                match field.number {
                    // An int64: a negative count is nobody's items.
                    1 => partial.rejected = clamp(field.varint()?.cast_signed()),
                    2 => partial.message = text(&field)?,
                    _ => {}
                }
            }
        }
        Ok(partial)
    }

    /// Reads the JSON form of the response.
    pub fn from_json(response: &Bytes, signal: Signal) -> Result<Self, ResponseError> {
        json::partial_success(response, signal)
    }

    /// An `Export*ServiceResponse`; empty for a full success.
    pub fn to_protobuf(&self) -> Bytes {
        let mut response = Writer::new(Vec::new());
        if *self != Self::default() {
            let partial = response.open(1, self.message.len() + 16);
            if self.rejected > 0 {
                // int64 on the wire: a count above that is cut to what can be said.
                response.varint(1, self.rejected.min(i64::MAX.cast_unsigned()));
            }
            if !self.message.is_empty() {
                response.bytes(2, self.message.as_bytes());
            }
            response.close(partial);
        }
        response.finish()
    }

    /// The JSON form of the response: `{}` for a full success.
    pub fn to_json(&self, signal: Signal) -> Bytes {
        json::from_partial_success(self, signal)
    }
}

/// A count from the wire, where only what is above zero makes sense.
fn clamp(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

/// A peer's text, as much as is kept; what is not UTF-8 is replaced.
/// COPY: of at most [`MESSAGE_BYTES_MAX`].
fn text(field: &Field<'_>) -> Result<String, Malformed> {
    let mut content = field.content()?;
    let length = content.remaining().min(MESSAGE_BYTES_MAX);
    let kept = content.split_to(length).unwrap_or(content);
    let mut text = String::from_utf8_lossy(&kept.bytes()).into_owned();
    // A replacement character is longer than the byte it stands for.
    text.truncate(text.floor_char_boundary(MESSAGE_BYTES_MAX));
    Ok(text)
}

/// Whether a type name is that of a `RetryInfo`; only what follows the last slash counts.
fn is_retry_info(type_name: &Field<'_>) -> Result<bool, Malformed> {
    let mut content = type_name.content()?;
    let name = b"/google.rpc.RetryInfo";
    let before = content.remaining().checked_sub(name.len());
    Ok(before.is_some_and(|before| content.skip(before).is_ok() && content.is(name)))
}

#[cfg(test)]
mod tests;
