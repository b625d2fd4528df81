//! The one table of OTLP's messages: field numbers, names, kinds.
//!
//! An export request is the same Russian doll in every signal; the constants are the numbers on
//! the way in, the [`Message`] tables are the schema down to the leaves.
//!
//! ```text
//!   request 1-> resource entry 2-> scope entry 2-> span | log record | profile
//!                                              2-> metric 5,7,9,10,11-> data 1-> data point
//! ```
//!
//! Source: <https://github.com/open-telemetry/opentelemetry-proto/tree/main/opentelemetry/proto>

mod answers;
mod common;
mod logs;
mod metrics;
mod profiles;
mod traces;

pub use answers::JSON_STATUS;
pub use common::{ANY_VALUE, KEY_VALUE, RESOURCE, SCOPE};

use super::Signal;
use crate::field::WireType;

/// A message's name in the schema and its fields in the order of their numbers.
#[derive(Debug)]
pub struct Message {
    pub name: &'static str,
    pub fields: &'static [FieldSpec],
}

/// One field of a message.
#[derive(Debug)]
pub struct FieldSpec {
    pub number: u32,
    /// As OTLP/JSON spells it: lowerCamelCase.
    pub name: &'static str,
    pub kind: Kind,
    pub repeated: bool,
    /// Part of the message's oneof, of which the last on the wire counts. No message has two.
    pub choice: bool,
}

/// What a field holds, which is also how its payload is delimited.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    Int32,
    Int64,
    Uint32,
    Uint64,
    Sint32,
    Bool,
    /// The names of its values, from 0 on.
    Enum(&'static [&'static str]),
    Fixed64,
    Sfixed64,
    Double,
    Fixed32,
    String,
    Bytes,
    /// Bytes that OTLP/JSON spells in hexadecimal instead of base64.
    Id,
    Message(&'static Message),
}

impl Kind {
    /// The wire type of one value; several may also stand packed in a `Len` field.
    pub const fn wire_type(self) -> WireType {
        match self {
            Self::Int32
            | Self::Int64
            | Self::Uint32
            | Self::Uint64
            | Self::Sint32
            | Self::Bool
            | Self::Enum(_) => WireType::Varint,
            Self::Fixed64 | Self::Sfixed64 | Self::Double => WireType::I64,
            Self::Fixed32 => WireType::I32,
            Self::String | Self::Bytes | Self::Id | Self::Message(_) => WireType::Len,
        }
    }
}

impl Message {
    /// The field of a number, if the schema has one.
    pub fn field(&self, number: u32) -> Option<&'static FieldSpec> {
        // Numbers grow by at least one, so the field is at its number's place or before it.
        let last = self.fields.len().min(number as usize);
        let mut fields = self.fields[..last].iter().rev();
        fields
            .find(|field| field.number <= number)
            .filter(|field| field.number == number)
    }
}

pub(super) const fn one(number: u32, name: &'static str, kind: Kind) -> FieldSpec {
    FieldSpec {
        number,
        name,
        kind,
        repeated: false,
        choice: false,
    }
}

pub(super) const fn choice(number: u32, name: &'static str, kind: Kind) -> FieldSpec {
    FieldSpec {
        choice: true,
        ..one(number, name, kind)
    }
}

pub(super) const fn many(number: u32, name: &'static str, kind: Kind) -> FieldSpec {
    FieldSpec {
        repeated: true,
        ..one(number, name, kind)
    }
}

/// The schema of a signal's export request.
pub const fn request(signal: Signal) -> &'static Message {
    match signal {
        Signal::Traces => &traces::REQUEST,
        Signal::Metrics => &metrics::REQUEST,
        Signal::Logs => &logs::REQUEST,
        Signal::Profiles => &profiles::REQUEST,
    }
}

/// The schema of the answer to a signal's export request.
pub const fn response(signal: Signal) -> &'static Message {
    match signal {
        Signal::Traces => &answers::TRACES,
        Signal::Metrics => &answers::METRICS,
        Signal::Logs => &answers::LOGS,
        Signal::Profiles => &answers::PROFILES,
    }
}

/// In a request, the repeated resource entries.
pub const REQUEST_RESOURCES: u32 = 1;
/// In a profiles request, the dictionary that profiles point into.
pub const REQUEST_DICTIONARY: u32 = 2;
/// In a resource entry, the resource itself.
pub const ENTRY_RESOURCE: u32 = 1;
/// In a resource entry, the repeated scope entries.
pub const ENTRY_SCOPES: u32 = 2;
/// In a scope entry, the scope itself.
pub const SCOPE_ENTRY_SCOPE: u32 = 1;
/// In a scope entry, the repeated spans, log records, metrics or profiles.
pub const SCOPE_ENTRY_ITEMS: u32 = 2;
/// In a metric, the one message that holds the points: `gauge`, `sum`, `histogram`,
/// `exponential_histogram`, `summary`.
pub const METRIC_DATA: [u32; 5] = [5, 7, 9, 10, 11];
/// In a metric's data, the repeated points.
pub const DATA_POINTS: u32 = 1;
/// In a profile, the repeated samples.
pub const PROFILE_SAMPLES: u32 = 2;
/// In a dictionary, the repeated strings.
pub const DICTIONARY_STRINGS: u32 = 5;

pub const RESOURCE_ATTRIBUTES: u32 = 1;
pub const SCOPE_ATTRIBUTES: u32 = 3;
pub const SPAN_ATTRIBUTES: u32 = 9;
pub const SPAN_TRACE_ID: u32 = 1;
pub const SPAN_TRACE_STATE: u32 = 3;
pub const SPAN_STATUS: u32 = 15;
pub const SPAN_FLAGS: u32 = 16;
pub const STATUS_CODE: u32 = 3;
pub const LOG_ATTRIBUTES: u32 = 6;
pub const LOG_SEVERITY_NUMBER: u32 = 2;
pub const LOG_TRACE_ID: u32 = 9;
pub const EVENT_ATTRIBUTES: u32 = 3;
pub const LINK_ATTRIBUTES: u32 = 4;

/// The attributes of a data point, by the field of the metric that holds it.
pub const fn point_attributes(data: u32) -> u32 {
    match data {
        9 => 9,
        10 => 1,
        _ => 7,
    }
}

/// In an AnyValue, a text; the other fields are values of other kinds, of which the last counts.
pub const ANY_VALUE_STRING: u32 = 1;

pub const KEY_VALUE_KEY: u32 = 1;
pub const KEY_VALUE_VALUE: u32 = 2;
/// In profiles, the place of the key in the dictionary's strings.
pub const KEY_VALUE_KEY_INDEX: u32 = 3;

#[cfg(test)]
mod tests;
