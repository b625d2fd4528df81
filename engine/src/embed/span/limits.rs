//! What a span may hold. What goes beyond is dropped, and the span says how much that was.

use tailrace_codec::otlp::encode::{AttributeKey, Value, array, attribute, attribute_with};
use tailrace_codec::writer::Writer;

/// `OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT` and its like.
///
/// Source: <https://opentelemetry.io/docs/specs/otel/trace/sdk/#span-limits>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanLimits {
    pub attributes: u32,
    /// Longer texts are cut, in characters, and byte strings in bytes; also within arrays. `None`:
    /// nothing is cut.
    pub attribute_value_len: Option<u32>,
    pub events: u32,
    pub links: u32,
    pub event_attributes: u32,
    pub link_attributes: u32,
}

impl Default for SpanLimits {
    fn default() -> Self {
        Self {
            attributes: 128,
            attribute_value_len: None,
            events: 128,
            links: 128,
            event_attributes: 128,
            link_attributes: 128,
        }
    }
}

impl SpanLimits {
    /// Writes an attribute, its value cut where it is too long.
    #[inline]
    pub(super) fn write(
        &self,
        out: &mut Writer,
        number: u32,
        key: impl AttributeKey,
        value: Value<'_>,
    ) {
        match self.attribute_value_len {
            None => attribute(out, number, key, value),
            Some(len) => write_cut(out, number, key, value, len as usize),
        }
    }

    /// Writes the first `max` of the attributes.
    pub(super) fn write_all<K: AttributeKey>(
        &self,
        out: &mut Writer,
        number: u32,
        attributes: &[(K, Value<'_>)],
        max: u32,
    ) {
        for (key, value) in attributes.iter().take(max as usize) {
            self.write(out, number, key, *value);
        }
    }
}

/// Writes an attribute, its value cut.
pub(in crate::embed) fn write_cut(
    out: &mut Writer,
    number: u32,
    key: impl AttributeKey,
    value: Value<'_>,
    len: usize,
) {
    match value {
        Value::Array(_) => attribute_with(out, number, key, |out| write_value_cut(out, value, len)),
        value => attribute(out, number, key, cut(value, len)),
    }
}

fn write_value_cut(out: &mut Writer, value: Value<'_>, len: usize) {
    match value {
        Value::Array(values) => array(out, values, |out, value| write_value_cut(out, *value, len)),
        value => cut(value, len).write(out),
    }
}

/// Of values that are no arrays.
fn cut(value: Value<'_>, len: usize) -> Value<'_> {
    match value {
        Value::String(text) => Value::String(cut_text(text, len)),
        Value::Bytes(bytes) => Value::Bytes(&bytes[..len.min(bytes.len())]),
        other => other,
    }
}

/// The first `len` characters.
pub(in crate::embed) fn cut_text(text: &str, len: usize) -> &str {
    if text.len() <= len {
        return text;
    }
    match text.char_indices().nth(len) {
        Some((at, _)) => &text[..at],
        None => text,
    }
}

/// How many of `count` are over `max`.
pub(super) fn over(count: usize, max: u32) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX).saturating_sub(max)
}
