//! A request checked to its leaves, against the schema.

use super::fields::{self, ANY_VALUE, FieldSpec, Kind, Message};
use super::{NESTING_MAX, Scan, Signal, scan};
use crate::Rope;
use crate::field::{Field, Fields, Malformed, MalformedKind, WireType};
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
/// Cost: one pass over every tag, without recursion; memory grows with the nesting depth alone.
pub fn scan_deep(signal: Signal, request: &Rope) -> Result<Scan, Malformed> {
    check(fields::request(signal), request.cursor())?;
    scan(signal, request)
}

/// A message that is being checked.
struct Frame<'a> {
    fields: Fields<'a>,
    schema: &'static Message,
    /// How many attribute values it lies in, itself included.
    values: usize,
}

/// Checks one message of a schema down to its leaves.
pub fn check(schema: &'static Message, message: Cursor<'_>) -> Result<(), Malformed> {
    let mut stack = Vec::with_capacity(16);
    stack.push(Frame {
        fields: Fields::new(message),
        schema,
        values: usize::from(ptr::eq(schema, &raw const ANY_VALUE)),
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
        let Kind::Message(inner) = spec.kind else {
            check_leaf(&field, spec)?;
            continue;
        };
        let is_value = ptr::eq(inner, &raw const ANY_VALUE);
        let values = frame.values + usize::from(is_value);
        if values > NESTING_MAX {
            return Err(Malformed {
                offset: field.whole.offset(),
                kind: MalformedKind::TooDeep,
            });
        }
        stack.push(Frame {
            fields: field.message()?,
            schema: inner,
            values,
        });
    }
    Ok(())
}

fn check_leaf(field: &Field<'_>, spec: &FieldSpec) -> Result<(), Malformed> {
    let wire_type = spec.kind.wire_type();
    if spec.repeated && field.wire_type == WireType::Len && wire_type != WireType::Len {
        return check_packed(field.payload, wire_type);
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
