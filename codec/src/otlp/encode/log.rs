//! Log records.

use super::attribute::Value;
use super::{count, text, time};
use crate::writer::Writer;

const TIME: u32 = 1;
const SEVERITY_NUMBER: u32 = 2;
const SEVERITY_TEXT: u32 = 3;
const BODY: u32 = 5;
const DROPPED_ATTRIBUTES: u32 = 7;
const FLAGS: u32 = 8;
const TRACE_ID: u32 = 9;
const SPAN_ID: u32 = 10;
const OBSERVED_TIME: u32 = 11;
const EVENT_NAME: u32 = 12;

/// A log record but for its attributes, which are written behind it.
#[derive(Debug, Clone, Copy, Default)]
pub struct LogRecord<'a> {
    /// Nanoseconds since 1970; 0 where unknown.
    pub time: u64,
    pub observed_time: u64,
    /// 1 (trace) to 24 (fatal); 0 where unknown.
    pub severity_number: u8,
    pub severity_text: &'a str,
    pub event_name: &'a str,
    pub body: Option<Value<'a>>,
    /// The span it was written in; zeros for none.
    pub trace_id: [u8; 16],
    pub span_id: [u8; 8],
    pub flags: u32,
    pub dropped_attributes: u32,
}

impl LogRecord<'_> {
    /// Writes a body that is put together by `content`, where [`LogRecord::body`] is none.
    pub fn body_with(out: &mut Writer, content: impl FnOnce(&mut Writer)) {
        let body = out.open(BODY, 64);
        content(out);
        out.close(body);
    }

    /// Says how many attributes were left out, where that is known last;
    /// [`LogRecord::dropped_attributes`](field@LogRecord::dropped_attributes) is 0 then.
    pub fn dropped_attributes(out: &mut Writer, dropped: u32) {
        count(out, DROPPED_ATTRIBUTES, dropped.into());
    }

    pub fn write(&self, out: &mut Writer) {
        time(out, TIME, self.time);
        time(out, OBSERVED_TIME, self.observed_time);
        count(out, SEVERITY_NUMBER, self.severity_number.into());
        text(out, SEVERITY_TEXT, self.severity_text.as_bytes());
        if let Some(body) = &self.body {
            body.write_field(BODY, out);
        }
        Self::dropped_attributes(out, self.dropped_attributes);
        if self.flags != 0 {
            out.fixed32(FLAGS, self.flags);
        }
        if self.trace_id != [0; 16] {
            out.bytes(TRACE_ID, &self.trace_id);
            out.bytes(SPAN_ID, &self.span_id);
        }
        text(out, EVENT_NAME, self.event_name.as_bytes());
    }
}
