//! The short way: a message in one slice, its fields as JSON wants them.
//!
//! Nearly every item is such a message, with a dozen small ones in it. To survey each of them and to
//! keep the places in all that are open costs twice what writing them does, so they are written in
//! one pass over their bytes. What turns out to need more is left to the long way, which writes the
//! same and finds the faults.

use super::number;
use crate::field::{Layout, WireType};
use crate::otlp::NESTING_MAX;
use crate::otlp::fields::{ANY_VALUE, FieldSpec, Kind, Message};
use crate::otlp::json::{lookup, text};
use crate::rope::Cursor;
use crate::varint::{Decoded, decode};
use std::ptr;

/// Longer messages go the long way, on which their parts are tried again: what is written in vain
/// is never more.
const BYTES_MAX: usize = 64 << 10;

/// How many messages may be open: an item, an event, an attribute and its value take four, each
/// list of values in it three more. This deep the function calls itself.
const DEPTH_MAX: usize = 12;

/// Appends a message as an object; `false`, and nothing appended, where it goes the long way.
///
/// `nesting` is the attribute values that are open around it, `limit` the length that `out` may
/// have.
pub(super) fn object(
    message: &'static Message,
    content: Cursor<'_>,
    nesting: usize,
    limit: usize,
    out: &mut Vec<u8>,
) -> bool {
    let bytes = content.window();
    if bytes.len() < content.remaining() || bytes.len() > BYTES_MAX {
        return false;
    }
    let start = out.len();
    let mut writer = Writer { limit, out };
    let written = writer.message(message, bytes, nesting, DEPTH_MAX).is_some();
    if !written {
        out.truncate(start);
    }
    written
}

struct Writer<'o> {
    limit: usize,
    out: &'o mut Vec<u8>,
}

/// What has been written of a message.
#[derive(Default)]
struct Progress {
    /// One bit for each field.
    present: u64,
    /// The index of the last field.
    last: usize,
    has_choice: bool,
    in_array: bool,
}

impl Writer<'_> {
    /// `None`: not so.
    fn message(
        &mut self,
        message: &'static Message,
        bytes: &[u8],
        outer_nesting: usize,
        depth: usize,
    ) -> Option<()> {
        let nesting = outer_nesting + usize::from(ptr::eq(message, &raw const ANY_VALUE));
        if nesting > NESTING_MAX {
            return None;
        }
        self.out.push(b'{');
        let mut progress = Progress::default();
        let mut at = 0;
        while at < bytes.len() {
            let layout = Layout::of(&bytes[at..])?;
            let payload = &bytes[at + layout.header..at + layout.whole];
            at += layout.whole;
            let Some(index) = lookup::by_number(message, layout.number(), progress.last) else {
                continue;
            };
            let spec = &message.fields[index];
            let wire_type = spec.kind.wire_type();
            let is_packed = layout.wire_type() != wire_type;
            if is_packed && !(spec.repeated && layout.wire_type() == WireType::Len) {
                return None;
            }
            self.begin_value(&mut progress, spec, index, is_packed)?;
            match spec.kind {
                Kind::Message(inner) => {
                    self.message(inner, payload, nesting, depth.checked_sub(1)?)?;
                }
                kind if is_packed => self.packed(kind, payload)?,
                kind => self.scalar(kind, payload)?,
            }
            if self.out.len() > self.limit {
                return None;
            }
        }
        self.close_array(&progress);
        self.out.push(b'}');
        Some(())
    }

    /// Writes what stands before a value; `None` where it is not its turn.
    fn begin_value(
        &mut self,
        progress: &mut Progress,
        spec: &FieldSpec,
        index: usize,
        is_packed: bool,
    ) -> Option<()> {
        let bit = 1 << index;
        if progress.present & bit == 0 {
            if spec.choice && std::mem::replace(&mut progress.has_choice, true) {
                return None;
            }
            self.close_array(progress);
            text::key(spec.name, self.out);
            if spec.repeated {
                self.out.push(b'[');
            }
            progress.in_array = spec.repeated;
            progress.present |= bit;
            progress.last = index;
        } else if !spec.repeated || index != progress.last {
            return None;
        } else if !is_packed {
            text::comma(self.out);
        }
        Some(())
    }

    fn close_array(&mut self, progress: &Progress) {
        if progress.in_array {
            self.out.push(b']');
        }
    }

    fn packed(&mut self, kind: Kind, mut values: &[u8]) -> Option<()> {
        while !values.is_empty() {
            let len = match kind.wire_type() {
                WireType::I64 => 8,
                WireType::I32 => 4,
                WireType::Varint | WireType::Len => match decode(values) {
                    Decoded::Value(_, len) => len,
                    Decoded::Truncated | Decoded::TooLong => return None,
                },
            };
            let (value, rest) = values.split_at_checked(len)?;
            text::comma(self.out);
            self.scalar(kind, value)?;
            values = rest;
        }
        Some(())
    }

    /// Writes a value whose payload is of its kind's wire type.
    fn scalar(&mut self, kind: Kind, payload: &[u8]) -> Option<()> {
        let bits = match kind {
            Kind::String => {
                text::string(payload, self.out);
                return Some(());
            }
            Kind::Bytes => {
                text::bytes(payload, self.out);
                return Some(());
            }
            Kind::Id => {
                text::hex(payload, self.out);
                return Some(());
            }
            _ => match kind.wire_type() {
                WireType::I64 => u64::from_le_bytes(*payload.first_chunk()?),
                WireType::I32 => u32::from_le_bytes(*payload.first_chunk()?).into(),
                WireType::Varint | WireType::Len => match decode(payload) {
                    Decoded::Value(value, _) => value,
                    Decoded::Truncated | Decoded::TooLong => return None,
                },
            },
        };
        number(kind, bits, self.out);
        Some(())
    }
}
