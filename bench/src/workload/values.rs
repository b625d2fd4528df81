//! Attributes and other values in the canonical encoding: fields ascending, defaults absent.

use super::layout::ITEM_PREFIX;
use tailrace_codec::otlp::fields::{KEY_VALUE_KEY, KEY_VALUE_VALUE};
use tailrace_codec::writer::Writer;

/// What an AnyValue holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Any {
    Text(String),
    Bool(bool),
    Int(i64),
    Double(f64),
    Bytes(Vec<u8>),
    Array(Vec<Self>),
    Map(Vec<(&'static str, Self)>),
}

impl From<&str> for Any {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Any {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Any {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<bool> for Any {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

/// Writes an AnyValue as the field `number`.
///
/// Source: <https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/common/v1/common.proto>
pub fn any(out: &mut Writer, number: u32, value: &Any) {
    let open = out.open(number, 16);
    match value {
        Any::Text(text) => out.bytes(1, text.as_bytes()),
        Any::Bool(value) => out.varint(2, u64::from(*value)),
        Any::Int(value) => out.varint(3, *value as u64),
        Any::Double(value) => out.fixed64(4, value.to_bits()),
        Any::Array(values) => {
            let array = out.open(5, 64);
            for value in values {
                any(out, 1, value);
            }
            out.close(array);
        }
        Any::Map(entries) => {
            let map = out.open(6, 64);
            for (key, value) in entries {
                attribute(out, 1, key, value);
            }
            out.close(map);
        }
        Any::Bytes(bytes) => out.bytes(7, bytes),
    }
    out.close(open);
}

/// Writes a KeyValue as the field `number`.
pub fn attribute(out: &mut Writer, number: u32, key: &str, value: &Any) {
    let open = out.open(number, 32);
    out.bytes(KEY_VALUE_KEY, key.as_bytes());
    any(out, KEY_VALUE_VALUE, value);
    out.close(open);
}

/// Writes KeyValues as fields `number`.
pub fn attributes(out: &mut Writer, number: u32, entries: &[(&str, Any)]) {
    for (key, value) in entries {
        attribute(out, number, key, value);
    }
}

/// Writes the identity as the last attribute of an item, to be filled in.
pub fn identity(out: &mut Writer, number: u32) {
    out.bytes(number, &[&ITEM_PREFIX[..], &[b'0'; 32]].concat());
}

/// A trace id or span id that says a place in the request.
pub fn place<const N: usize>(out: &mut Writer, number: u32, place: usize) {
    let mut id = [0; N];
    id[N - 8..].copy_from_slice(&(place as u64).to_be_bytes());
    out.bytes(number, &id);
}

/// Writes a resource entry's or scope entry's own message, then what `inside` writes.
pub fn entry(
    out: &mut Writer,
    number: u32,
    about: impl FnOnce(&mut Writer),
    inside: impl FnOnce(&mut Writer),
) {
    let open = out.open(number, 1 << 14);
    let subject = out.open(1, 100);
    about(out);
    out.close(subject);
    inside(out);
    out.close(open);
}
