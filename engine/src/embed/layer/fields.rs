//! Fields of `tracing` as values of OTLP.

use std::error::Error;
use std::fmt::{self, Write};
use tailrace_codec::otlp::encode::{SpanKind, StatusCode, Value};
use tracing::Level;
use tracing::field::{Field, Visit};

/// The field in which an event has its text.
pub(super) const MESSAGE: &str = "message";

/// Gives each field to `each`, with its value as OTLP has it.
pub(super) struct Values<'a, F> {
    /// What a value is formatted into.
    scratch: &'a mut String,
    each: F,
    has_message: bool,
}

impl<'a, F: FnMut(&str, Value<'_>)> Values<'a, F> {
    pub(super) const fn all(scratch: &'a mut String, each: F) -> Self {
        Self {
            scratch,
            each,
            has_message: true,
        }
    }

    pub(super) const fn but_message(scratch: &'a mut String, each: F) -> Self {
        Self {
            scratch,
            each,
            has_message: false,
        }
    }

    fn give(&mut self, field: &Field, value: Value<'_>) {
        if self.has_message || field.name() != MESSAGE {
            (self.each)(field.name(), value);
        }
    }

    fn give_text(&mut self, field: &Field, text: fmt::Arguments<'_>) {
        if self.has_message || field.name() != MESSAGE {
            self.scratch.clear();
            // Writing to a string cannot fail; a value's own `Debug` may, and then it is cut there.
            let _ = self.scratch.write_fmt(text);
            (self.each)(field.name(), Value::String(self.scratch));
        }
    }
}

impl<F: FnMut(&str, Value<'_>)> Visit for Values<'_, F> {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.give(field, Value::Int(value));
    }

    /// Above what an OTLP integer holds it is its digits.
    fn record_u64(&mut self, field: &Field, value: u64) {
        match i64::try_from(value) {
            Ok(int) => self.give(field, Value::Int(int)),
            Err(_) => self.give_text(field, format_args!("{value}")),
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.give(field, Value::Double(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.give(field, Value::Bool(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.give(field, Value::String(value));
    }

    fn record_bytes(&mut self, field: &Field, value: &[u8]) {
        self.give(field, Value::Bytes(value));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.give_text(field, format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.give_text(field, format_args!("{value:?}"));
    }
}

/// The number and text of a level: the lowest of its four numbers.
///
/// Source: <https://opentelemetry.io/docs/specs/otel/logs/data-model/#field-severitynumber>
pub(super) const fn severity(level: Level) -> (u8, &'static str) {
    match level {
        Level::TRACE => (1, "TRACE"),
        Level::DEBUG => (5, "DEBUG"),
        Level::INFO => (9, "INFO"),
        Level::WARN => (13, "WARN"),
        Level::ERROR => (17, "ERROR"),
    }
}

pub(super) fn kind(text: &str) -> Option<SpanKind> {
    [
        ("internal", SpanKind::Internal),
        ("server", SpanKind::Server),
        ("client", SpanKind::Client),
        ("producer", SpanKind::Producer),
        ("consumer", SpanKind::Consumer),
    ]
    .into_iter()
    .find_map(|(name, kind)| text.eq_ignore_ascii_case(name).then_some(kind))
}

pub(super) fn status_code(text: &str) -> Option<StatusCode> {
    [("ok", StatusCode::Ok), ("error", StatusCode::Error)]
        .into_iter()
        .find_map(|(name, code)| text.eq_ignore_ascii_case(name).then_some(code))
}
