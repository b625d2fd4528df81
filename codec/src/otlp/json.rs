//! OTLP/JSON, in and out: one pass between JSON and protobuf, no tree in between.
//!
//! The one table of messages ([`super::fields`]) drives both directions. Nesting is
//! an explicit stack, so that no input can exhaust the thread's.
//!
//! What is written is what the specification says: lowerCamelCase keys, hex `traceId`, `spanId`,
//! `parentSpanId` and `profileId`, integer enums, 64-bit integers as strings, other bytes as
//! base64, `NaN`, `Infinity` and `-Infinity` as strings.
//!
//! What is read is all that, and what the Collector reads besides: enum names, original field
//! names (`trace_id`), 32-bit integers as strings, 64-bit integers as numbers. Further:
//!
//! - Unknown fields are ignored; `null` is a field that is absent. In an array of messages `null`
//!   is an empty message, so that the elements of an attribute keep their places.
//! - Of a key that comes twice the last value counts; arrays are joined, messages merged.
//! - Half of a surrogate pair becomes U+FFFD: JavaScript cuts strings there, and a batch is not
//!   lost for it. So does, on the way out, a byte that is not UTF-8.
//! - What follows the one object, unless it is white space, is an error.
//!
//! Source: <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>,
//! <https://protobuf.dev/programming-guides/json/>

mod decode;
mod encode;
mod lookup;
mod number;
mod plain;
mod reader;
mod text;

use super::Signal;
use super::fields::{self, Message};
use crate::Rope;
use crate::field::Malformed;
use std::fmt;

/// Why a text is not the JSON of a request, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonError {
    /// Of the token at fault, counted from the beginning of the rope.
    pub offset: usize,
    pub kind: JsonErrorKind,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonErrorKind {
    /// The text ends too early.
    Truncated,
    /// Not JSON: this byte cannot stand here.
    Unexpected(u8),
    /// A value of another type than the field's.
    WrongType {
        expected: &'static str,
    },
    /// Not a number as JSON or the field's type wants it.
    Number,
    /// A number that the field's type cannot hold.
    OutOfRange,
    /// Not pairs of hexadecimal digits.
    Hex,
    Base64,
    /// Not one of the enum's names.
    EnumName,
    /// A string that is not UTF-8.
    Utf8,
    /// `\` and something that is no escape.
    Escape,
    /// Attribute values nested deeper than [`super::NESTING_MAX`], or an ignored field nested
    /// deeper than 128.
    TooDeep,
    /// The protobuf of it is longer than the cap (bytes).
    TooLarge {
        cap: usize,
    },
}

/// Why a message cannot be written as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncodeError {
    Malformed(Malformed),
    /// One message in more than [`encode::PARTS_MAX`] parts to be merged, ending here.
    TooManyParts {
        offset: usize,
    },
    /// The JSON of it is longer than the cap (bytes).
    TooLarge {
        cap: usize,
    },
}

/// Reads an export request and appends it to `out` as protobuf, at most `cap` bytes of it.
///
/// Cost: one pass; copies each string once. Numbers in arrays take up to four times the room that
/// they have in the JSON, everything else less.
/// On error `out` holds a part of the message.
pub fn decode(signal: Signal, json: &Rope, cap: usize, out: Vec<u8>) -> Result<Vec<u8>, JsonError> {
    decode::decode(fields::request(signal), json, cap, out)
}

/// Reads an export request and appends it to `out` as JSON, at most `cap` bytes of it.
///
/// Fields that are unknown are left out: they have no name. A field is written if it is on the
/// wire, be it zero.
/// Cost: two passes over the tags of each message, one over the rest. JSON takes two to four times
/// the room of the protobuf, and up to twenty times that of a hostile one.
/// On error `out` holds a part of the text.
pub fn encode(
    signal: Signal,
    request: &Rope,
    cap: usize,
    out: Vec<u8>,
) -> Result<Vec<u8>, EncodeError> {
    encode::encode(fields::request(signal), request, cap, out)
}

/// As [`decode()`], of any message.
pub(super) fn decode_message(
    message: &'static Message,
    json: &Rope,
    cap: usize,
) -> Result<Vec<u8>, JsonError> {
    decode::decode(message, json, cap, Vec::new())
}

/// As [`encode()`], of any message.
pub(super) fn encode_message(
    message: &'static Message,
    bytes: &Rope,
) -> Result<Vec<u8>, EncodeError> {
    encode::encode(message, bytes, usize::MAX, Vec::new())
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            JsonErrorKind::Truncated => f.write_str("JSON ends too early")?,
            JsonErrorKind::Unexpected(byte) => {
                write!(f, "unexpected '{}'", byte.escape_ascii())?;
            }
            JsonErrorKind::WrongType { expected } => write!(f, "expected {expected}")?,
            JsonErrorKind::Number => f.write_str("not a number of the field's type")?,
            JsonErrorKind::OutOfRange => f.write_str("number out of the field's range")?,
            JsonErrorKind::Hex => f.write_str("not hexadecimal")?,
            JsonErrorKind::Base64 => f.write_str("not base64")?,
            JsonErrorKind::EnumName => f.write_str("not a value of the enum")?,
            JsonErrorKind::Utf8 => f.write_str("string that is not UTF-8")?,
            JsonErrorKind::Escape => f.write_str("unknown escape in a string")?,
            JsonErrorKind::TooDeep => f.write_str("values nested too deep")?,
            JsonErrorKind::TooLarge { cap } => write!(f, "message of more than {cap} bytes")?,
        }
        write!(f, " at byte {}", self.offset)
    }
}

impl std::error::Error for JsonError {}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(malformed) => malformed.fmt(f),
            Self::TooManyParts { offset } => {
                write!(f, "message in too many parts at byte {offset}")
            }
            Self::TooLarge { cap } => write!(f, "JSON of more than {cap} bytes"),
        }
    }
}

impl std::error::Error for EncodeError {}

impl From<Malformed> for EncodeError {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}
