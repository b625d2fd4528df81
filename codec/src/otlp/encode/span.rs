//! Spans, in the order in which they become known: start, attributes, events and links, end.

use super::attribute::{AttributeKey, Value, attribute};
use super::{count, tag, text, time};
use crate::otlp::fields::{EVENT_ATTRIBUTES, LINK_ATTRIBUTES};
use crate::writer::Writer;

const TRACE_ID: u32 = 1;
const SPAN_ID: u32 = 2;
const TRACE_STATE: u32 = 3;
const PARENT_SPAN_ID: u32 = 4;
const NAME: u32 = 5;
const KIND: u32 = 6;
const START_TIME: u32 = 7;
const END_TIME: u32 = 8;
const DROPPED_ATTRIBUTES: u32 = 10;
const EVENTS: u32 = 11;
const DROPPED_EVENTS: u32 = 12;
const LINKS: u32 = 13;
const DROPPED_LINKS: u32 = 14;
const STATUS: u32 = 15;
const FLAGS: u32 = 16;

const EVENT_TIME: u32 = 1;
const EVENT_NAME: u32 = 2;
const EVENT_DROPPED_ATTRIBUTES: u32 = 4;

const LINK_TRACE_ID: u32 = 1;
const LINK_SPAN_ID: u32 = 2;
const LINK_TRACE_STATE: u32 = 3;
const LINK_DROPPED_ATTRIBUTES: u32 = 5;
const LINK_FLAGS: u32 = 6;

const STATUS_MESSAGE: u32 = 2;
const STATUS_CODE: u32 = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SpanKind {
    #[default]
    Internal = 1,
    Server = 2,
    Client = 3,
    Producer = 4,
    Consumer = 5,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StatusCode {
    #[default]
    Unset = 0,
    Ok = 1,
    Error = 2,
}

/// What is known of a span when it starts.
#[derive(Debug, Clone, Copy, Default)]
pub struct SpanStart<'a> {
    pub trace_id: [u8; 16],
    pub span_id: [u8; 8],
    /// Zero: a root span.
    pub parent_span_id: [u8; 8],
    pub trace_state: &'a str,
    pub name: &'a str,
    pub kind: SpanKind,
    /// Nanoseconds since 1970.
    pub start: u64,
    /// The W3C trace flags, and OTLP's above them.
    pub flags: u32,
}

impl SpanStart<'_> {
    #[inline]
    pub fn write(&self, out: &mut Writer) {
        // The ids and times of every span: one copy of a known length.
        let mut ids = [0; 1 + 1 + 16 + 1 + 1 + 8];
        ids[..2].copy_from_slice(&[tag(TRACE_ID), 16]);
        ids[2..18].copy_from_slice(&self.trace_id);
        ids[18..20].copy_from_slice(&[tag(SPAN_ID), 8]);
        ids[20..].copy_from_slice(&self.span_id);
        out.raw(&ids);
        text(out, TRACE_STATE, self.trace_state.as_bytes());
        if self.parent_span_id != [0; 8] {
            out.bytes(PARENT_SPAN_ID, &self.parent_span_id);
        }
        text(out, NAME, self.name.as_bytes());
        out.varint(KIND, self.kind as u64);
        time(out, START_TIME, self.start);
        if self.flags != 0 {
            out.fixed32(FLAGS, self.flags);
        }
    }
}

/// A span's head, with all of known length in one piece and room for the end time in it.
///
/// Cost: one look at the buffer's capacity, and copies of known lengths but for the name.
/// [`SpanStart::write`] takes four, and the end time another.
#[derive(Debug, Clone, Copy, Default)]
pub struct SpanHead<'a>(pub SpanStart<'a>);

/// A name that is no longer is written with the head. Its length takes a byte.
const SHORT_NAME: usize = 64;

/// Where the end time of a span stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EndTime(usize);

impl SpanHead<'_> {
    /// Writes the head; the end time is [`EndTime::fill`]ed in, and not given to [`SpanEnd`].
    #[inline]
    pub fn write(&self, out: &mut Writer) -> EndTime {
        let Self(start) = self;
        let begin = out.len();
        let name = start.name.as_bytes();
        let is_short = !name.is_empty() && name.len() <= SHORT_NAME && start.trace_state.is_empty();
        // Each part goes to its place at once: put together elsewhere and then copied as a whole, it
        // would be read before the writes of its parts are done, for which the processor waits.
        out.window::<{ 64 + 2 + SHORT_NAME + 32 }>(|window| {
            window.put(&[tag(TRACE_ID), 16]);
            window.put(&start.trace_id);
            window.put(&[tag(SPAN_ID), 8]);
            window.put(&start.span_id);
            window.put(&[
                (KIND << 3) as u8,
                start.kind as u8,
                (START_TIME << 3 | 1) as u8,
            ]);
            window.put(&start.start.to_le_bytes());
            window.put(&[(END_TIME << 3 | 1) as u8]);
            window.put(&[0; 8]);
            // A tag of two bytes: 16 << 3 | 5.
            const { assert!(FLAGS == 16) };
            window.put(&[0x85, 0x01]);
            window.put(&start.flags.to_le_bytes());
            if start.parent_span_id != [0; 8] {
                window.put(&[tag(PARENT_SPAN_ID), 8]);
                window.put(&start.parent_span_id);
            }
            if is_short {
                window.put(&[tag(NAME), name.len() as u8]);
                window.put_short(name);
            }
        });
        if !is_short {
            text(out, TRACE_STATE, start.trace_state.as_bytes());
            text(out, NAME, name);
        }
        EndTime(begin + 40)
    }
}

impl EndTime {
    /// Where its eight bytes, little-endian, begin in the buffer.
    #[inline]
    pub const fn offset(self) -> usize {
        self.0
    }

    /// `end` in nanoseconds since 1970.
    #[inline]
    pub fn fill(self, out: &mut Writer, end: u64) {
        out.patch(self.0, end.to_le_bytes());
    }
}

/// A name that takes the place of the head's: of a field that stands twice the last one counts.
pub fn span_name(out: &mut Writer, name: &str) {
    out.bytes(NAME, name.as_bytes());
}

/// A kind that takes the place of the head's.
pub fn span_kind(out: &mut Writer, kind: SpanKind) {
    out.varint(KIND, kind as u64);
}

/// What is known of a span when it ends.
#[derive(Debug, Clone, Copy, Default)]
pub struct SpanEnd<'a> {
    /// Nanoseconds since 1970.
    pub end: u64,
    pub status: StatusCode,
    pub status_message: &'a str,
    pub dropped_attributes: u32,
    pub dropped_events: u32,
    pub dropped_links: u32,
}

impl SpanEnd<'_> {
    #[inline]
    pub fn write(&self, out: &mut Writer) {
        time(out, END_TIME, self.end);
        count(out, DROPPED_ATTRIBUTES, self.dropped_attributes.into());
        count(out, DROPPED_EVENTS, self.dropped_events.into());
        count(out, DROPPED_LINKS, self.dropped_links.into());
        if self.status != StatusCode::Unset || !self.status_message.is_empty() {
            let status = out.open(STATUS, self.status_message.len());
            text(out, STATUS_MESSAGE, self.status_message.as_bytes());
            count(out, STATUS_CODE, self.status as u64);
            out.close(status);
        }
    }
}

/// Something that happened at one moment of a span.
#[derive(Debug, Clone, Copy, Default)]
pub struct Event<'a> {
    /// Nanoseconds since 1970.
    pub at: u64,
    pub name: &'a str,
    pub dropped_attributes: u32,
}

impl Event<'_> {
    pub fn write<K: AttributeKey>(&self, out: &mut Writer, attributes: &[(K, Value<'_>)]) {
        self.write_with(out, attributes.len(), |out| {
            for (key, value) in attributes {
                attribute(out, EVENT_ATTRIBUTES, key, *value);
            }
        });
    }

    /// `attributes` writes as many fields with the number [`EVENT_ATTRIBUTES`].
    pub fn write_with(&self, out: &mut Writer, count: usize, attributes: impl FnOnce(&mut Writer)) {
        let open = out.open(EVENTS, self.name.len() + 32 * count);
        time(out, EVENT_TIME, self.at);
        text(out, EVENT_NAME, self.name.as_bytes());
        attributes(out);
        super::count(
            out,
            EVENT_DROPPED_ATTRIBUTES,
            self.dropped_attributes.into(),
        );
        out.close(open);
    }
}

/// Another span that this one has to do with.
#[derive(Debug, Clone, Copy, Default)]
pub struct Link<'a> {
    pub trace_id: [u8; 16],
    pub span_id: [u8; 8],
    pub trace_state: &'a str,
    pub flags: u32,
    pub dropped_attributes: u32,
}

impl Link<'_> {
    pub fn write<K: AttributeKey>(&self, out: &mut Writer, attributes: &[(K, Value<'_>)]) {
        self.write_with(out, attributes.len(), |out| {
            for (key, value) in attributes {
                attribute(out, LINK_ATTRIBUTES, key, *value);
            }
        });
    }

    /// `attributes` writes as many fields with the number [`LINK_ATTRIBUTES`].
    pub fn write_with(&self, out: &mut Writer, count: usize, attributes: impl FnOnce(&mut Writer)) {
        let open = out.open(LINKS, self.trace_state.len() + 32 * (count + 1));
        out.bytes(LINK_TRACE_ID, &self.trace_id);
        out.bytes(LINK_SPAN_ID, &self.span_id);
        text(out, LINK_TRACE_STATE, self.trace_state.as_bytes());
        attributes(out);
        super::count(out, LINK_DROPPED_ATTRIBUTES, self.dropped_attributes.into());
        if self.flags != 0 {
            out.fixed32(LINK_FLAGS, self.flags);
        }
        out.close(open);
    }
}
