//! Protobuf to JSON.
//!
//! JSON wants a field's values together, protobuf lets them lie anywhere, and merges the parts of
//! a message that comes twice. So each message is surveyed first. Almost always its fields lie as
//! JSON wants them, and are written as they come; else they are looked for, one after the other.
//! Most messages need neither: see [`flat`].

mod flat;

use super::{EncodeError, lookup, text};
use crate::Rope;
use crate::field::{Fields, Malformed, MalformedKind, Value, WireType};
use crate::otlp::NESTING_MAX;
use crate::otlp::fields::{ANY_VALUE, FieldSpec, Kind, Message};
use crate::rope::Cursor;
use crate::varint;
use std::ops::Range;
use std::ptr;

/// The most parts that one message may be merged from. No writer makes more than one on purpose.
pub(super) const PARTS_MAX: usize = 64;

/// Reads one message and appends it as an object.
pub(super) fn encode(
    message: &'static Message,
    bytes: &Rope,
    cap: usize,
    out: Vec<u8>,
) -> Result<Vec<u8>, EncodeError> {
    let mut encoder = Encoder {
        limit: out.len().saturating_add(cap),
        parts: vec![bytes.cursor()],
        frames: Vec::with_capacity(16),
        out,
    };
    encoder.enter(message, 0, 0)?;
    while !encoder.frames.is_empty() {
        encoder.step()?;
        if encoder.out.len() > encoder.limit {
            return Err(EncodeError::TooLarge { cap });
        }
    }
    Ok(encoder.out)
}

struct Encoder<'a> {
    /// The bytes of the messages that are open, each a range of this.
    parts: Vec<Cursor<'a>>,
    /// The messages that are open, outermost first.
    ///
    /// Invariant: at most as many as the schema is deep, and three for each of [`NESTING_MAX`]
    /// attribute values in one another.
    frames: Vec<Frame<'a>>,
    out: Vec<u8>,
    /// How long the buffer may grow.
    limit: usize,
}

/// An open message.
struct Frame<'a> {
    message: &'static Message,
    parts: Range<usize>,
    /// The part that is being read, and what is left of it.
    part: usize,
    fields: Fields<'a>,
    order: Order,
    /// The index of the field whose array is open.
    array: Option<usize>,
    /// Where the search for the next field begins.
    hint: usize,
    /// Attribute values that are open, this one included.
    nesting: usize,
}

/// In which order fields are written.
#[derive(Clone, Copy)]
enum Order {
    AsTheyCome,
    /// Those whose bit is set, by their index in the message, in one reading for each.
    ByField {
        left: u64,
    },
}

/// What a message holds.
struct Survey {
    /// One bit for each field that is there and counts: of a oneof, the last one.
    present: u64,
    /// Whether each field's values lie together, and only repeated fields have several.
    is_in_order: bool,
}

impl<'a> Encoder<'a> {
    /// Writes what is left of the innermost message, up to its end or up to a message in it, which
    /// is entered.
    fn step(&mut self) -> Result<(), EncodeError> {
        let Some(frame) = self.frames.last_mut() else {
            return Ok(());
        };
        while self.out.len() <= self.limit {
            let Some((index, offset, value)) = frame.next_value(&self.parts)? else {
                frame.close_array(&mut self.out);
                self.out.push(b'}');
                self.parts.truncate(frame.parts.start);
                self.frames.pop();
                return Ok(());
            };
            let spec = &frame.message.fields[index];
            // Repeated numbers come packed or one by one; both must be read.
            let wire_type = spec.kind.wire_type();
            let is_packed = spec.repeated && wire_type != WireType::Len;
            let is_packed = is_packed && matches!(value, Value::Len(_));
            if value.wire_type() != wire_type && !is_packed {
                return Err(unexpected(&value, offset).into());
            }
            frame.begin_value(index, is_packed, &mut self.out);
            let is_out_of_order = matches!(frame.order, Order::ByField { .. }) && !spec.repeated;
            if let Kind::Message(message) = spec.kind {
                let (start, nesting) = (self.parts.len(), frame.nesting);
                if is_out_of_order {
                    frame.gather_parts(spec, &mut self.parts)?;
                    frame.advance(&self.parts);
                } else if let Value::Len(content) = value {
                    if flat::object(message, content, nesting, self.limit, &mut self.out) {
                        continue;
                    }
                    self.parts.push(content);
                }
                return self.enter(message, start, nesting);
            }
            if is_out_of_order {
                let last = frame.last_value(spec, &self.parts)?.unwrap_or(value);
                frame.advance(&self.parts);
                scalar(spec.kind, last, &mut self.out);
            } else if let Value::Len(values) = value
                && is_packed
            {
                packed(spec.kind, values, &mut self.out)?;
            } else {
                scalar(spec.kind, value, &mut self.out);
            }
        }
        Ok(())
    }

    /// Begins the message whose parts are the last ones, from `start` on.
    fn enter(
        &mut self,
        message: &'static Message,
        start: usize,
        outer_nesting: usize,
    ) -> Result<(), EncodeError> {
        let parts = start..self.parts.len();
        let first = self.parts[start];
        let nesting = outer_nesting + usize::from(ptr::eq(message, &raw const ANY_VALUE));
        if nesting > NESTING_MAX {
            return Err(EncodeError::Malformed(Malformed {
                offset: first.offset(),
                kind: MalformedKind::TooDeep,
            }));
        }
        let survey = survey(message, &self.parts[parts.clone()])?;
        self.out.push(b'{');
        self.frames.push(Frame {
            message,
            part: parts.start,
            parts,
            fields: Fields::new(first),
            order: if survey.is_in_order {
                Order::AsTheyCome
            } else {
                Order::ByField {
                    left: survey.present,
                }
            },
            array: None,
            hint: 0,
            nesting,
        });
        Ok(())
    }
}

impl<'a> Frame<'a> {
    /// The next field to write: its index in the message, its offset and its value.
    #[inline]
    fn next_value(
        &mut self,
        parts: &[Cursor<'a>],
    ) -> Result<Option<(usize, usize, Value<'a>)>, Malformed> {
        loop {
            let offset = self.fields.offset();
            let Some(field) = self.fields.next_value() else {
                if self.part + 1 < self.parts.end {
                    self.part += 1;
                    self.fields = Fields::new(parts[self.part]);
                } else if !self.advance(parts) {
                    return Ok(None);
                }
                continue;
            };
            let (number, value) = field?;
            let Some(index) = lookup::by_number(self.message, number, self.hint) else {
                continue;
            };
            self.hint = index;
            match self.order {
                Order::ByField { left } if left.trailing_zeros() as usize != index => {}
                _ => return Ok(Some((index, offset, value))),
            }
        }
    }

    /// Goes back to the beginning for the next field by index; `false` if there is none.
    fn advance(&mut self, parts: &[Cursor<'a>]) -> bool {
        let Order::ByField { left } = &mut self.order else {
            return false;
        };
        // Clears the lowest bit.
        *left &= left.wrapping_sub(1);
        self.part = self.parts.start;
        self.fields = Fields::new(parts[self.part]);
        *left != 0
    }

    /// Writes what stands before a value: the key, or a comma where the value is one more of an
    /// array. Packed values, which may be any number, bring their commas themselves.
    fn begin_value(&mut self, index: usize, is_packed: bool, out: &mut Vec<u8>) {
        let field = &self.message.fields[index];
        if self.array != Some(index) {
            self.close_array(out);
            text::key(field.name, out);
            if field.repeated {
                out.push(b'[');
                self.array = Some(index);
            }
        } else if !is_packed {
            text::comma(out);
        }
    }

    fn close_array(&mut self, out: &mut Vec<u8>) {
        if self.array.take().is_some() {
            out.push(b']');
        }
    }

    /// The last value of a field that counts once; each must be of its type.
    fn last_value(
        &self,
        spec: &FieldSpec,
        parts: &[Cursor<'a>],
    ) -> Result<Option<Value<'a>>, Malformed> {
        let mut last = None;
        for part in &parts[self.parts.clone()] {
            for field in Fields::new(*part) {
                let field = field?;
                if field.number == spec.number {
                    field.expect(spec.kind.wire_type())?;
                    last = Some(field.value()?);
                }
            }
        }
        Ok(last)
    }

    /// Appends to `parts` all that a message field is merged from: of a oneof, what comes after
    /// the last other choice.
    fn gather_parts(
        &self,
        spec: &FieldSpec,
        parts: &mut Vec<Cursor<'a>>,
    ) -> Result<(), EncodeError> {
        let start = parts.len();
        for own in self.parts.clone() {
            for field in Fields::new(parts[own]) {
                let field = field?;
                if field.number == spec.number {
                    parts.push(field.content()?);
                    if parts.len() - start > PARTS_MAX {
                        return Err(EncodeError::TooManyParts {
                            offset: field.whole.end(),
                        });
                    }
                } else if spec.choice && self.is_choice(field.number) {
                    parts.truncate(start);
                }
            }
        }
        Ok(())
    }

    fn is_choice(&self, number: u32) -> bool {
        lookup::by_number(self.message, number, self.hint)
            .is_some_and(|index| self.message.fields[index].choice)
    }
}

/// Cost: one pass over the tags.
fn survey(message: &Message, parts: &[Cursor<'_>]) -> Result<Survey, Malformed> {
    let mut survey = Survey {
        present: 0,
        is_in_order: true,
    };
    let mut last = 0;
    let mut chosen = None;
    for part in parts {
        let mut fields = Fields::new(*part);
        while let Some(number) = fields.next_number() {
            let Some(index) = lookup::by_number(message, number?, last) else {
                continue;
            };
            let spec = &message.fields[index];
            let bit = 1 << index;
            if survey.present & bit != 0 && (!spec.repeated || index != last) {
                survey.is_in_order = false;
            }
            survey.present |= bit;
            last = index;
            if spec.choice
                && let Some(other) = chosen.replace(index)
                && other != index
            {
                survey.is_in_order = false;
                survey.present &= !(1 << other);
            }
        }
    }
    Ok(survey)
}

fn unexpected(value: &Value<'_>, offset: usize) -> Malformed {
    let kind = MalformedKind::UnexpectedWireType(value.wire_type() as u8);
    Malformed { offset, kind }
}

fn packed(kind: Kind, mut values: Cursor<'_>, out: &mut Vec<u8>) -> Result<(), Malformed> {
    while !values.is_empty() {
        let offset = values.offset();
        let truncated = |_| Malformed {
            offset,
            kind: MalformedKind::Truncated,
        };
        let bits = match kind.wire_type() {
            WireType::I64 => u64::from_le_bytes(values.read_array().map_err(truncated)?),
            WireType::I32 => u32::from_le_bytes(values.read_array().map_err(truncated)?).into(),
            WireType::Varint | WireType::Len => varint::read(&mut values)?,
        };
        text::comma(out);
        number(kind, bits, out);
    }
    Ok(())
}

/// Writes a value that is of the wire type of its kind.
fn scalar(kind: Kind, value: Value<'_>, out: &mut Vec<u8>) {
    match (kind, value) {
        (Kind::String, Value::Len(content)) => text::string(&content.bytes(), out),
        (Kind::Bytes, Value::Len(content)) => text::bytes(&content.bytes(), out),
        (_, Value::Len(content)) => text::hex(&content.bytes(), out),
        (_, Value::Varint(bits) | Value::I64(bits)) => number(kind, bits, out),
        (_, Value::I32(bits)) => number(kind, bits.into(), out),
    }
}

/// Writes a number that stands on the wire as `bits`; what is wider than its type is cut off, as
/// protobuf does.
fn number(kind: Kind, bits: u64, out: &mut Vec<u8>) {
    match kind {
        Kind::Bool => text::boolean(bits != 0, out),
        Kind::Int32 | Kind::Enum(_) => text::signed(i64::from(bits as i32), out),
        Kind::Uint32 | Kind::Fixed32 => text::unsigned(u64::from(bits as u32), out),
        Kind::Sint32 => text::signed(varint::from_zigzag(u64::from(bits as u32)), out),
        Kind::Int64 | Kind::Sfixed64 => text::quoted(out, |out| text::signed(bits as i64, out)),
        Kind::Double => text::double(f64::from_bits(bits), out),
        _ => text::quoted(out, |out| text::unsigned(bits, out)),
    }
}
