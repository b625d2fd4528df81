//! A request checked to its leaves, against the schema.

use super::fields::{self, ANY_VALUE, FieldSpec, Kind, Message};
use super::{NESTING_MAX, Scan, Signal, scan};
use crate::Rope;
use crate::field::{Field, Fields, Layout, Malformed, MalformedKind, WireType};
use crate::rope::Cursor;
use crate::varint;
use std::ptr;

/// Checks a request down to its leaves, and counts its items.
///
/// Checked are framing, the wire type of every known field (repeated numbers packed or not), and
/// that attribute values nest at most [`NESTING_MAX`] deep. Unknown fields may hold anything that
/// is framed. Not checked is whether strings are UTF-8: the Collector does not either, and a
/// sender's wrong byte is no reason to refuse its request.
///
/// Against prost, a decoder of the same schema: it refuses what this refuses, but for groups in
/// unknown fields, which it skips; it refuses also strings that are not UTF-8 and, at its limit of
/// 100 messages of any kind, some nesting that is allowed here.
///
/// Errors: [`Malformed`] with its offset.
/// Cost: one pass over every tag, two over those of an item with a fault, without recursion;
/// memory grows with the nesting depth alone.
pub fn scan_deep(signal: Signal, request: &Rope) -> Result<Scan, Malformed> {
    check(fields::request(signal), request.cursor())?;
    scan(signal, request)
}

/// Checks one message of a schema down to its leaves.
pub fn check(schema: &'static Message, message: Cursor<'_>) -> Result<(), Malformed> {
    let mut stack = Vec::with_capacity(16);
    let mut inner_stack = Vec::with_capacity(16);
    let values = values_in(schema);
    stack.push(Frame {
        fields: Fields::new(message),
        schema,
        values,
        in_one_slice: false,
    });
    while let Some(frame) = stack.last_mut() {
        let Some(field) = frame.fields.next() else {
            stack.pop();
            continue;
        };
        let field = field?;
        let Some(spec) = frame.schema.field(field.number) else {
            continue;
        };
        let Kind::Message(schema) = spec.kind else {
            check_leaf(&field, spec)?;
            continue;
        };
        let content = field.content()?;
        let values = frame.values + values_in(schema);
        if values > NESTING_MAX {
            return Err(Malformed {
                offset: field.whole.offset(),
                kind: MalformedKind::TooDeep,
            });
        }
        // Tried once on the way in: where it says no, this loop finds out why.
        let in_one_slice = content.window().len() == content.remaining();
        if in_one_slice
            && !frame.in_one_slice
            && is_sound(schema, content.window(), values, &mut inner_stack)
        {
            continue;
        }
        stack.push(Frame {
            fields: Fields::new(content),
            schema,
            values,
            in_one_slice,
        });
    }
    Ok(())
}

/// A message that is being checked.
struct Frame<'a> {
    fields: Fields<'a>,
    schema: &'static Message,
    /// How many attribute values it lies in, itself included.
    values: usize,
    /// It lies in one slice, and [`is_sound`] would not vouch for it.
    in_one_slice: bool,
}

/// The same for a message in one slice.
struct InnerFrame {
    end: usize,
    schema: &'static Message,
    values: usize,
}

/// Whether a message in one slice has certainly no fault. Where this says no, [`check`] decides.
fn is_sound(
    schema: &'static Message,
    bytes: &[u8],
    values: usize,
    stack: &mut Vec<InnerFrame>,
) -> bool {
    stack.clear();
    let mut at = 0;
    let mut frame = InnerFrame {
        end: bytes.len(),
        schema,
        values,
    };
    loop {
        if at == frame.end {
            match stack.pop() {
                Some(outer) => frame = outer,
                None => return true,
            }
            continue;
        }
        let Some(layout) = Layout::of(&bytes[at..frame.end]) else {
            return false;
        };
        let end = at + layout.whole;
        let Some(spec) = frame.schema.field(layout.number()) else {
            at = end;
            continue;
        };
        let Kind::Message(schema) = spec.kind else {
            if layout.wire_type() != spec.kind.wire_type()
                && !is_packed(spec, layout.wire_type(), &bytes[at + layout.header..end])
            {
                return false;
            }
            at = end;
            continue;
        };
        let values = frame.values + values_in(schema);
        if layout.wire_type() != WireType::Len || values > NESTING_MAX {
            return false;
        }
        at += layout.header;
        let inner = InnerFrame {
            end,
            schema,
            values,
        };
        stack.push(std::mem::replace(&mut frame, inner));
    }
}

/// Whether the content of a field is packed fixed-size numbers of its kind.
fn is_packed(spec: &FieldSpec, found: WireType, content: &[u8]) -> bool {
    let is_fixed = spec.kind.wire_type() == WireType::I64;
    spec.repeated && found == WireType::Len && is_fixed && content.len().is_multiple_of(8)
}

/// 1 for an attribute value.
fn values_in(schema: &'static Message) -> usize {
    usize::from(ptr::eq(schema, &raw const ANY_VALUE))
}

fn check_leaf(field: &Field<'_>, spec: &FieldSpec) -> Result<(), Malformed> {
    let wire_type = spec.kind.wire_type();
    if spec.repeated && field.wire_type == WireType::Len && wire_type != WireType::Len {
        return check_packed(field.payload(), wire_type);
    }
    field.expect(wire_type)
}

/// Numbers one after the other, without tags.
fn check_packed(mut content: Cursor<'_>, wire_type: WireType) -> Result<(), Malformed> {
    let offset = content.offset();
    let whole = match wire_type {
        WireType::I64 => content.remaining().is_multiple_of(8),
        WireType::I32 => content.remaining().is_multiple_of(4),
        WireType::Varint | WireType::Len => {
            while !content.is_empty() {
                varint::read(&mut content)?;
            }
            true
        }
    };
    if whole {
        return Ok(());
    }
    let kind = MalformedKind::Truncated;
    Err(Malformed { offset, kind })
}
