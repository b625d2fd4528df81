//! Spans, log records and data points written as OTLP while they happen, for a process that makes
//! its own telemetry.
//!
//! ```text
//!   resource entry | resource | scope entry | scope |   item | item | item ...
//!   <----------- Envelope, encoded once ------------>   <- [`item`], contents by the parts below
//! ```
//!
//! A content is a sequence of protobuf fields: [`SpanStart`] first, then attributes, events and
//! links in any order, [`SpanEnd`] last. Nothing is built in memory before it is written, and keys
//! that are known ahead are encoded ahead ([`Key`]). Fields at their default are left out.
//!
//! Source: <https://github.com/open-telemetry/opentelemetry-proto/tree/main/opentelemetry/proto>

mod attribute;
mod distribution;
mod envelope;
mod log;
mod metric;
mod point;
mod span;

pub use attribute::{AttributeKey, Key, Value, array, attribute, attribute_with, map};
pub use distribution::{ExplicitBuckets, ExponentialBuckets, ExponentialRange, Summary};
pub use envelope::{Envelope, Resource, Scope};
pub use log::LogRecord;
pub use metric::{Metric, MetricKind, OpenMetric, Temporality};
pub use point::{Exemplar, Number, Point};
pub use span::{
    EndTime, Event, Link, SpanEnd, SpanHead, SpanKind, SpanStart, StatusCode, span_kind, span_name,
};

use super::fields::SCOPE_ENTRY_ITEMS;
use crate::writer::Writer;

/// One finished span, log record or metric: its content as an entry of the scope's items.
pub fn item(out: &mut Writer, content: &[u8]) {
    out.bytes(SCOPE_ENTRY_ITEMS, content);
}

/// How many bytes [`item`] writes for a content of `len` bytes.
pub const fn item_len(len: usize) -> usize {
    1 + crate::varint::len(len as u64) + len
}

/// The tag of a length-delimited field with a number below 16.
const fn tag(number: u32) -> u8 {
    (number << 3 | 2) as u8
}

/// A string or bytes field, unless it is empty.
fn text(out: &mut Writer, number: u32, text: &[u8]) {
    if !text.is_empty() {
        out.bytes(number, text);
    }
}

/// A varint field, unless it is 0.
fn count(out: &mut Writer, number: u32, value: u64) {
    if value != 0 {
        out.varint(number, value);
    }
}

/// A fixed64 field, unless it is 0.
fn time(out: &mut Writer, number: u32, nanos: u64) {
    if nanos != 0 {
        out.fixed64(number, nanos);
    }
}
