//! The API's attributes and values as OTLP, written from where they are.

use crate::embed::span::cut_text;
use opentelemetry::logs::AnyValue;
use opentelemetry::{Array, KeyValue, Value as ApiValue};
use tailrace_codec::otlp::encode::{Value, array, attribute, attribute_with, map};
use tailrace_codec::writer::Writer;

/// Each as field `number` of what it describes.
pub(super) fn attributes<'a>(
    out: &mut Writer,
    number: u32,
    attributes: impl IntoIterator<Item = &'a KeyValue>,
) {
    for KeyValue { key, value, .. } in attributes {
        let key = key.as_str();
        match scalar(value) {
            Some(value) => attribute(out, number, key, value),
            None => attribute_with(out, number, key, |out| compound(out, value)),
        }
    }
}

/// As [`attributes`], of a log record.
pub(super) fn any_attribute(
    out: &mut Writer,
    number: u32,
    key: &str,
    value: &AnyValue,
    len: Option<usize>,
) {
    match any_scalar(value, len) {
        Some(value) => attribute(out, number, key, value),
        None => attribute_with(out, number, key, |out| any(out, value, len)),
    }
}

fn scalar(value: &ApiValue) -> Option<Value<'_>> {
    Some(match value {
        ApiValue::Bool(bool) => Value::Bool(*bool),
        ApiValue::I64(int) => Value::Int(*int),
        ApiValue::F64(double) => Value::Double(*double),
        ApiValue::String(text) => Value::String(text.as_str()),
        _ => return None,
    })
}

fn compound(out: &mut Writer, value: &ApiValue) {
    match value {
        ApiValue::Array(Array::Bool(values)) => {
            array(out, values, |out, bool| Value::Bool(*bool).write(out));
        }
        ApiValue::Array(Array::I64(values)) => {
            array(out, values, |out, int| Value::Int(*int).write(out));
        }
        ApiValue::Array(Array::F64(values)) => {
            array(out, values, |out, double| Value::Double(*double).write(out));
        }
        ApiValue::Array(Array::String(values)) => {
            array(out, values, |out, text| {
                Value::String(text.as_str()).write(out);
            });
        }
        // A kind that this version of the API does not have: as text, nothing of it is lost.
        other => Value::String(&other.as_str()).write(out),
    }
}

fn any_scalar(value: &AnyValue, len: Option<usize>) -> Option<Value<'_>> {
    let len = len.unwrap_or(usize::MAX);
    Some(match value {
        AnyValue::Int(int) => Value::Int(*int),
        AnyValue::Double(double) => Value::Double(*double),
        AnyValue::String(text) => Value::String(cut_text(text.as_str(), len)),
        AnyValue::Boolean(bool) => Value::Bool(*bool),
        AnyValue::Bytes(bytes) => Value::Bytes(&bytes[..len.min(bytes.len())]),
        _ => return None,
    })
}

/// The content of a value, whatever it holds; its texts are cut to `len`, where there is one.
pub(super) fn any(out: &mut Writer, value: &AnyValue, len: Option<usize>) {
    if let Some(value) = any_scalar(value, len) {
        return value.write(out);
    }
    match value {
        AnyValue::ListAny(values) => array(out, values.iter(), |out, value| any(out, value, len)),
        AnyValue::Map(entries) => {
            let entries = entries.iter().map(|(key, value)| (key.as_str(), value));
            map(out, entries, |out, value| any(out, value, len));
        }
        // As above.
        other => Value::String(&format!("{other:?}")).write(out),
    }
}
