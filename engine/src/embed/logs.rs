//! What a log record may hold. What goes beyond is dropped, and the record says how much that was.

use super::Embedded;
use super::span::write_cut;
use tailrace_codec::otlp::encode::{AttributeKey, LogRecord, Value, attribute};
use tailrace_codec::otlp::fields::LOG_ATTRIBUTES;
use tailrace_codec::writer::Writer;

/// `OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT` and its like.
///
/// Source: <https://opentelemetry.io/docs/specs/otel/logs/sdk/#logrecord-limits>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLimits {
    pub attributes: u32,
    /// Longer texts are cut, in characters, and byte strings in bytes; also within arrays and maps.
    /// `None`: nothing is cut. The body never is.
    pub attribute_value_len: Option<u32>,
}

impl Default for LogLimits {
    fn default() -> Self {
        Self {
            attributes: 128,
            attribute_value_len: None,
        }
    }
}

/// The attributes of one record, written behind what else it has.
#[derive(Debug)]
pub struct LogAttributes<'a> {
    limits: LogLimits,
    out: &'a mut Writer,
    kept: u32,
    dropped: u32,
}

impl<'a> LogAttributes<'a> {
    pub const fn new(limits: LogLimits, out: &'a mut Writer) -> Self {
        Self {
            limits,
            out,
            kept: 0,
            dropped: 0,
        }
    }

    /// Writes one more, where there is room. Cost: no allocation of its own.
    pub fn write(&mut self, key: impl AttributeKey, value: Value<'_>) {
        self.write_with(|out, len| match len {
            None => attribute(out, LOG_ATTRIBUTES, key, value),
            Some(len) => write_cut(out, LOG_ATTRIBUTES, key, value, len),
        });
    }

    /// As [`write`](Self::write), by who is told how long a text may be.
    pub(super) fn write_with(&mut self, write: impl FnOnce(&mut Writer, Option<usize>)) {
        if self.kept == self.limits.attributes {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        self.kept += 1;
        let len = self.limits.attribute_value_len;
        write(self.out, len.map(|len| len as usize));
    }

    /// Says how many had no room.
    pub fn finish(self) {
        LogRecord::dropped_attributes(self.out, self.dropped);
    }
}

impl Embedded {
    /// What a log record may hold, for who writes one into a recorder.
    pub const fn log_limits(&self) -> LogLimits {
        self.settings().log_limits
    }
}
