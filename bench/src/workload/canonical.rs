//! An item as it was sent, from one that was decoded and encoded again by somebody else.
//!
//! Protobuf leaves the order of fields to who writes them, and whether an empty message is written
//! at all. The Collector, in its later releases, writes fields from the last to the first; so what
//! arrives is sorted, message by message, before it is called altered.

use super::layout::Kind;
use tailrace_codec::field::{Field, Fields, WireType};
use tailrace_codec::rope::Cursor;
use tailrace_codec::writer::Writer;
use tailrace_codec::{Malformed, Rope};

/// The messages that an item is made of, as far as they hold others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Span,
    Event,
    Link,
    Log,
    /// A data point in this field of its metric.
    Point(u32),
    Exemplar,
    KeyValue,
    AnyValue,
    ArrayValue,
    KeyValueList,
    /// Holds no messages.
    Leaf,
}

/// Deeper values than this come from nobody's workload.
const NESTING_MAX: usize = 16;

/// The item with the fields of every message in the order of their numbers, without empty messages
/// and strings where these mean nothing. Repeated fields keep their order.
///
/// `None`: it is no such item, or nested too deep.
pub fn canonical(kind: Kind, item: Cursor<'_>) -> Option<Rope> {
    let shape = match kind {
        Kind::Span => Shape::Span,
        Kind::Log => Shape::Log,
        Kind::Point(number) => Shape::Point(number),
    };
    sorted(shape, item, NESTING_MAX).ok()?.map(Rope::from)
}

impl Shape {
    /// What stands in a field, where that is a message. Source:
    /// <https://github.com/open-telemetry/opentelemetry-proto/tree/main/opentelemetry/proto>
    const fn of(self, number: u32) -> Option<Self> {
        match (self, number) {
            (Self::Span, 9)
            | (Self::Event, 3)
            | (Self::Link, 4)
            | (Self::Log, 6)
            | (Self::Point(9), 9)
            | (Self::Point(10), 1)
            | (Self::Point(5 | 7 | 11), 7)
            | (Self::Exemplar, 7)
            | (Self::KeyValueList, 1) => Some(Self::KeyValue),
            (Self::Span, 11) => Some(Self::Event),
            (Self::Span, 13) => Some(Self::Link),
            (Self::Span, 15) | (Self::Point(10), 8 | 9) | (Self::Point(11), 6) => Some(Self::Leaf),
            (Self::Log, 5) | (Self::KeyValue, 2) | (Self::ArrayValue, 1) => Some(Self::AnyValue),
            (Self::Point(5 | 7), 5) | (Self::Point(9), 8) | (Self::Point(10), 11) => {
                Some(Self::Exemplar)
            }
            (Self::AnyValue, 5) => Some(Self::ArrayValue),
            (Self::AnyValue, 6) => Some(Self::KeyValueList),
            _ => None,
        }
    }

    /// Whether an empty string or message in it is the same as none: not where it is one of several
    /// kinds of value, or an element.
    const fn drops_empty(self) -> bool {
        !matches!(
            self,
            Self::AnyValue | Self::ArrayValue | Self::KeyValue | Self::KeyValueList
        )
    }
}

/// `Ok(None)`: nested too deep.
fn sorted(shape: Shape, message: Cursor<'_>, depth: usize) -> Result<Option<Vec<u8>>, Malformed> {
    let Some(depth) = depth.checked_sub(1) else {
        return Ok(None);
    };
    let fields: Result<Vec<Field<'_>>, Malformed> = Fields::new(message).collect();
    let mut fields = fields?;
    fields.sort_by_key(|field| field.number);
    let mut out = Writer::new(Vec::new());
    for field in fields {
        let payload = field.payload();
        let is_len = field.wire_type == WireType::Len;
        let is_message = shape.of(field.number);
        if is_len && payload.remaining() == 0 && shape.drops_empty() {
            continue;
        }
        match is_message {
            Some(inner) if is_len => {
                let Some(inner) = sorted(inner, payload, depth)? else {
                    return Ok(None);
                };
                if !inner.is_empty() || !shape.drops_empty() {
                    out.bytes(field.number, &inner);
                }
            }
            _ => out.raw(&field.whole.bytes()),
        }
    }
    Ok(Some(out.into_buffer()))
}
