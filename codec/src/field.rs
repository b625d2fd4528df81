//! Protobuf fields: tag, wire type and payload, read along a rope.
//!
//! ```text
//!   message = field*           field = tag payload           tag = varint(number << 3 | wire type)
//!   payload = varint | 8 bytes | varint(length) length bytes | 4 bytes
//! ```
//!
//! Groups (wire types 3 and 4) are refused: no version of OTLP has one, and skipping them takes a
//! nesting limit of its own.
//!
//! Source: <https://protobuf.dev/programming-guides/encoding/>

mod layout;

pub(crate) use layout::Layout;

use crate::Rope;
use crate::rope::Cursor;
use crate::varint;
use std::fmt;

/// How a payload is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum WireType {
    /// int32, int64, uint32, uint64, sint32, sint64, bool, enum.
    Varint = 0,
    /// fixed64, sfixed64, double.
    I64 = 1,
    /// string, bytes, message, packed numbers.
    Len = 2,
    /// fixed32, sfixed32, float.
    I32 = 5,
}

/// Why bytes are not the message they were taken for, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed {
    /// Of the varint or tag at fault, counted from the beginning of the rope.
    pub offset: usize,
    pub kind: MalformedKind,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MalformedKind {
    /// The message ends inside a varint or a number of fixed size.
    Truncated,
    /// An eleventh byte, or more than 64 bits.
    VarintTooLong,
    /// Field number 0, or one above 2^29 - 1.
    Tag,
    /// A length that reaches past the end of the message it stands in.
    LengthPastEnd,
    /// Wire type 3, 4 (groups), 6 or 7 (undefined).
    WireType(u8),
    /// A known field, but not with the wire type that the schema gives it.
    UnexpectedWireType(u8),
    /// Attribute values nested deeper than [`crate::otlp::NESTING_MAX`].
    TooDeep,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            MalformedKind::Truncated => f.write_str("message ends inside a value")?,
            MalformedKind::VarintTooLong => f.write_str("varint of more than 64 bits")?,
            MalformedKind::Tag => f.write_str("illegal field number")?,
            MalformedKind::LengthPastEnd => f.write_str("length past the end of the message")?,
            MalformedKind::WireType(found) => write!(f, "unsupported wire type {found}")?,
            MalformedKind::UnexpectedWireType(found) => {
                write!(f, "wire type {found} is not that of the field")?;
            }
            MalformedKind::TooDeep => f.write_str("attribute values nested too deep")?,
        }
        write!(f, " at byte {}", self.offset)
    }
}

impl std::error::Error for Malformed {}

/// One field of a message.
#[derive(Debug, Clone, Copy)]
pub struct Field<'a> {
    pub number: u32,
    pub wire_type: WireType,
    /// Tag, length and payload.
    pub whole: Cursor<'a>,
    /// The length of the tag, and of the length if there is one, in bytes.
    header: usize,
}

impl<'a> Field<'a> {
    /// For `Len` the content after the length; else the value's own bytes.
    #[inline]
    pub fn payload(&self) -> Cursor<'a> {
        self.whole.after(self.header)
    }

    /// The fields of the message that this one holds.
    #[inline]
    pub fn message(&self) -> Result<Fields<'a>, Malformed> {
        self.content().map(Fields::new)
    }

    /// The content of a string, bytes, message or packed field.
    #[inline]
    pub fn content(&self) -> Result<Cursor<'a>, Malformed> {
        self.expect(WireType::Len)?;
        Ok(self.payload())
    }

    /// The value of an int, uint, sint, bool or enum field, as it is on the wire: negative int32
    /// and int64 in two's complement, sint in zigzag ([`varint::from_zigzag`]).
    pub fn varint(&self) -> Result<u64, Malformed> {
        self.expect(WireType::Varint)?;
        varint::read(&mut self.payload())
    }

    /// The bits of a fixed64, sfixed64 or double field.
    pub fn fixed64(&self) -> Result<u64, Malformed> {
        self.expect(WireType::I64)?;
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// The bits of a fixed32, sfixed32 or float field.
    pub fn fixed32(&self) -> Result<u32, Malformed> {
        self.expect(WireType::I32)?;
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// Refuses any wire type but this.
    #[inline]
    pub fn expect(&self, wire_type: WireType) -> Result<(), Malformed> {
        if self.wire_type == wire_type {
            return Ok(());
        }
        Err(Malformed {
            offset: self.whole.offset(),
            kind: MalformedKind::UnexpectedWireType(self.wire_type as u8),
        })
    }

    pub fn value(&self) -> Result<Value<'a>, Malformed> {
        Ok(match self.wire_type {
            WireType::Varint => Value::Varint(self.varint()?),
            WireType::I64 => Value::I64(self.fixed64()?),
            WireType::I32 => Value::I32(self.fixed32()?),
            WireType::Len => Value::Len(self.payload()),
        })
    }

    fn array<const N: usize>(&self) -> Result<[u8; N], Malformed> {
        self.payload().read_array().map_err(|_| Malformed {
            offset: self.payload().offset(),
            kind: MalformedKind::Truncated,
        })
    }
}

/// What a field holds, apart from its place.
#[derive(Debug, Clone, Copy)]
pub enum Value<'a> {
    Varint(u64),
    I64(u64),
    I32(u32),
    Len(Cursor<'a>),
}

impl Value<'_> {
    pub const fn wire_type(&self) -> WireType {
        match self {
            Self::Varint(_) => WireType::Varint,
            Self::I64(_) => WireType::I64,
            Self::I32(_) => WireType::I32,
            Self::Len(_) => WireType::Len,
        }
    }
}

/// The fields of one message, in the order of the wire. After an error there are no more.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'a> {
    rest: Cursor<'a>,
}

impl<'a> Fields<'a> {
    /// `message` spans the message and nothing after it.
    #[inline]
    pub const fn new(message: Cursor<'a>) -> Self {
        Self { rest: message }
    }

    /// The first byte not read yet.
    pub const fn offset(&self) -> usize {
        self.rest.offset()
    }

    /// The next field whose number is wanted. The others are only measured, as in
    /// [`Iterator::next`], which is the same where all are wanted.
    #[inline]
    pub fn next_of(
        &mut self,
        is_wanted: impl Fn(u32) -> bool,
    ) -> Option<Result<Field<'a>, Malformed>> {
        loop {
            let window = self.rest.window();
            let mut at = 0;
            while let Some(layout) = Layout::of(&window[at..])
                && !is_wanted(layout.number())
            {
                at += layout.whole;
            }
            if at > 0 {
                self.rest.skip_in_window(at);
            }
            match self.next()? {
                Ok(field) if !is_wanted(field.number) => {}
                field => return Some(field),
            }
        }
    }

    /// Moves past neighbouring fields that have this tag, hold messages and lie in one slice;
    /// returns how many.
    ///
    /// It may stop before the last such field, where only [`Iterator::next`] can go on.
    #[inline]
    pub fn skip_run(&mut self, number: u32) -> usize {
        let window = self.rest.window();
        let (mut at, mut n) = (0, 0);
        while let Some(layout) = Layout::of(&window[at..])
            && layout.number() == number
            && layout.wire_type() == WireType::Len
        {
            at += layout.whole;
            n += 1;
        }
        if n > 0 {
            self.rest.skip_in_window(at);
        }
        n
    }

    /// Moves past a field and returns its number, where nothing else about it matters.
    #[inline]
    pub fn next_number(&mut self) -> Option<Result<u32, Malformed>> {
        if let Some(layout) = Layout::of(self.rest.window()) {
            self.rest.skip_in_window(layout.whole);
            return Some(Ok(layout.number()));
        }
        self.next().map(|field| field.map(|field| field.number))
    }

    /// The number and the value of the next field, where its place does not matter.
    #[inline]
    pub fn next_value(&mut self) -> Option<Result<(u32, Value<'a>), Malformed>> {
        let start = self.rest;
        if let Some(layout) = Layout::of(start.window())
            && let Some(value) = value_in_window(start, &layout)
        {
            self.rest.skip_in_window(layout.whole);
            return Some(Ok((layout.number(), value)));
        }
        let field = self.next()?;
        Some(field.and_then(|field| Ok((field.number, field.value()?))))
    }

    #[inline]
    fn read(&mut self) -> Result<Field<'a>, Malformed> {
        let start = self.rest;
        let Some(layout) = Layout::of(start.window()) else {
            return self.read_across();
        };
        self.rest.skip_in_window(layout.whole);
        Ok(Field {
            number: layout.number(),
            wire_type: layout.wire_type(),
            whole: start.in_window(layout.whole),
            header: layout.header,
        })
    }

    /// Reads a field across the edges of slices, or finds its fault.
    #[inline(never)]
    fn read_across(&mut self) -> Result<Field<'a>, Malformed> {
        let start = self.rest;
        let tag = read_tag(&mut self.rest)?;
        let payload = read_payload(&mut self.rest, tag.wire_type)?;
        Ok(Field {
            number: tag.number,
            wire_type: tag.wire_type,
            whole: self.rest.since(start),
            header: payload.offset() - start.offset(),
        })
    }
}

impl<'a> From<&'a Rope> for Fields<'a> {
    fn from(rope: &'a Rope) -> Self {
        Self::new(rope.cursor())
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, Malformed>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.read();
        if field.is_err() {
            self.rest = self.rest.at_end();
        }
        Some(field)
    }
}

/// The value of the field that begins at `start` and lies so in the window.
#[inline]
fn value_in_window<'a>(start: Cursor<'a>, layout: &Layout) -> Option<Value<'a>> {
    let payload = &start.window()[layout.header..layout.whole];
    Some(match layout.wire_type() {
        WireType::Len => Value::Len(start.in_window(layout.whole).after(layout.header)),
        WireType::I64 => Value::I64(u64::from_le_bytes(*payload.first_chunk()?)),
        WireType::I32 => Value::I32(u32::from_le_bytes(*payload.first_chunk()?)),
        WireType::Varint => match varint::decode(payload) {
            varint::Decoded::Value(value, _) => Value::Varint(value),
            varint::Decoded::Truncated | varint::Decoded::TooLong => return None,
        },
    })
}

/// A field's number and wire type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag {
    pub number: u32,
    pub wire_type: WireType,
}

impl Tag {
    /// As it is written: number and wire type in one number.
    pub const fn key(self) -> u64 {
        (self.number as u64) << 3 | self.wire_type as u64
    }
}

/// Shows the content of each field `number` of a message, in order.
#[inline]
pub fn each<'a>(
    message: Cursor<'a>,
    number: u32,
    mut visit: impl FnMut(Cursor<'a>) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next_of(|found| found == number) {
        visit(field?.content()?)?;
    }
    Ok(())
}

/// Reads a tag. Errors at its first byte: those of [`varint::read`], `FieldNumber`, `WireType`.
#[inline]
pub fn read_tag(cursor: &mut Cursor<'_>) -> Result<Tag, Malformed> {
    let offset = cursor.offset();
    let key = varint::read(cursor)?;
    let number = match u32::try_from(key) {
        Ok(key) if key >> 3 != 0 => key >> 3,
        _ => {
            let kind = MalformedKind::Tag;
            return Err(Malformed { offset, kind });
        }
    };
    let wire_type = match key & 7 {
        0 => WireType::Varint,
        1 => WireType::I64,
        2 => WireType::Len,
        5 => WireType::I32,
        other => {
            let kind = MalformedKind::WireType(other as u8);
            return Err(Malformed { offset, kind });
        }
    };
    Ok(Tag { number, wire_type })
}

/// Moves past a payload and returns it, without the length that may stand before it.
#[inline]
pub fn read_payload<'a>(
    cursor: &mut Cursor<'a>,
    wire_type: WireType,
) -> Result<Cursor<'a>, Malformed> {
    let start = *cursor;
    let fixed = match wire_type {
        WireType::Len => return read_content(cursor),
        WireType::Varint => {
            varint::read(cursor)?;
            return Ok(cursor.since(start));
        }
        WireType::I64 => 8,
        WireType::I32 => 4,
    };
    cursor.split_to(fixed).map_err(|_| Malformed {
        offset: start.offset(),
        kind: MalformedKind::Truncated,
    })
}

/// Reads a length and moves past as many bytes, which it returns.
#[inline]
pub fn read_content<'a>(cursor: &mut Cursor<'a>) -> Result<Cursor<'a>, Malformed> {
    let offset = cursor.offset();
    let length = varint::read(cursor)?;
    let content = usize::try_from(length)
        .ok()
        .and_then(|n| cursor.split_to(n).ok());
    content.ok_or(Malformed {
        offset,
        kind: MalformedKind::LengthPastEnd,
    })
}

#[cfg(test)]
mod tests;
