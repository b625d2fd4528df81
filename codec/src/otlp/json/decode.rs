//! JSON to protobuf.

use super::reader::Reader;
use super::{JsonError, JsonErrorKind, lookup, number};
use crate::otlp::NESTING_MAX;
use crate::otlp::fields::{ANY_VALUE, FieldSpec, Kind, Message};
use crate::rope::Rope;
use crate::writer::{Open, Writer};
use crate::{base64, varint};
use std::ptr;

/// More than all open messages together leave for their lengths (bytes): up to five each.
const RESERVED_MAX: usize = 2048;

/// Reads one object and appends the message it stands for.
pub(super) fn decode(
    message: &'static Message,
    json: &Rope,
    cap: usize,
    out: Vec<u8>,
) -> Result<Vec<u8>, JsonError> {
    let start = out.len();
    let mut decoder = Decoder {
        reader: Reader::new(json),
        writer: Writer::new(out),
        levels: Vec::with_capacity(16),
        lengths: Vec::with_capacity(16),
        decoded: Vec::new(),
        limit: start.saturating_add(cap).saturating_add(RESERVED_MAX),
    };
    decoder.reader.expect_type(b'{', "an object")?;
    decoder.levels.push(Level::new(message, None, 0));
    while !decoder.levels.is_empty() {
        decoder.step()?;
        if decoder.writer.len() > decoder.limit {
            return Err(decoder.reader.error(JsonErrorKind::TooLarge { cap }));
        }
    }
    decoder.reader.end()?;
    if decoder.writer.len() - start > cap {
        return Err(decoder.reader.error(JsonErrorKind::TooLarge { cap }));
    }
    Ok(decoder.writer.into_buffer())
}

struct Decoder<'a> {
    reader: Reader<'a>,
    writer: Writer,
    /// The objects that are open, outermost first.
    ///
    /// Invariant: at most as many as the schema is deep, and three for each of [`NESTING_MAX`]
    /// attribute values in one another.
    levels: Vec<Level>,
    /// How long the last message at each depth was (bytes): its neighbours are alike, and room is
    /// left for a length of as many digits.
    lengths: Vec<usize>,
    /// Ids and bytes, before they are written.
    decoded: Vec<u8>,
    /// How long the buffer may grow: the cap, and what open messages may have reserved too much.
    limit: usize,
}

/// An open object.
struct Level {
    message: &'static Message,
    /// Where it is written, and where its content begins; `None` for the outermost.
    open: Option<(Open, usize)>,
    /// The field whose array of messages is open within this object.
    array: Option<&'static FieldSpec>,
    /// Attribute values that are open, this one included.
    nesting: usize,
    /// Where the search for the next key begins.
    hint: usize,
    /// Whether the next key is the first.
    first: bool,
}

/// A number as it stands on the wire.
enum Number {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
}

impl Level {
    const fn new(message: &'static Message, open: Option<(Open, usize)>, nesting: usize) -> Self {
        Self {
            message,
            open,
            array: None,
            nesting,
            hint: 0,
            first: true,
        }
    }
}

impl Decoder<'_> {
    /// Reads up to the next key and its value, the next element of an array of messages, or the
    /// end of an object. Values that are messages are entered, not read.
    fn step(&mut self) -> Result<(), JsonError> {
        let Some(level) = self.levels.last_mut() else {
            return Ok(());
        };
        if let Some(field) = level.array {
            return self.step_in_array(field);
        }
        match self.reader.peek()? {
            b'}' if level.first => return self.leave(),
            b'"' if level.first => level.first = false,
            b'}' => return self.leave(),
            b',' if !level.first => {
                self.reader.bump();
                if self.reader.peek()? != b'"' {
                    let found = self.reader.peek()?;
                    return Err(self.reader.error(JsonErrorKind::Unexpected(found)));
                }
            }
            found => return Err(self.reader.error(JsonErrorKind::Unexpected(found))),
        }
        let key = self.reader.string()?;
        let index = lookup::by_name(level.message, key, level.hint);
        self.reader.expect(b':')?;
        match index {
            Some(index) => {
                level.hint = index + 1;
                let field = &level.message.fields[index];
                self.value(field)
            }
            None => self.reader.skip_value(),
        }
    }

    fn leave(&mut self) -> Result<(), JsonError> {
        self.reader.bump();
        if let Some((open, start)) = self.levels.pop().and_then(|level| level.open) {
            self.lengths[self.levels.len()] = self.writer.len() - start;
            self.writer.close(open);
        }
        Ok(())
    }

    fn value(&mut self, field: &'static FieldSpec) -> Result<(), JsonError> {
        if self.reader.null()? {
            return Ok(());
        }
        match (field.repeated, field.kind) {
            (true, Kind::Message(_)) => {
                self.reader.expect_type(b'[', "an array")?;
                if self.reader.peek()? == b']' {
                    self.reader.bump();
                    return Ok(());
                }
                if let Some(level) = self.levels.last_mut() {
                    level.array = Some(field);
                }
                self.element(field)
            }
            (true, _) => self.array_of_scalars(field),
            (false, Kind::Message(message)) => {
                self.reader.expect_type(b'{', "an object")?;
                self.enter(field.number, message)
            }
            _ => self.scalar(field),
        }
    }

    /// Behind an element of an array of messages.
    fn step_in_array(&mut self, field: &'static FieldSpec) -> Result<(), JsonError> {
        match self.reader.peek()? {
            b',' => {
                self.reader.bump();
                self.element(field)
            }
            b']' => {
                self.reader.bump();
                if let Some(level) = self.levels.last_mut() {
                    level.array = None;
                }
                Ok(())
            }
            found => Err(self.reader.error(JsonErrorKind::Unexpected(found))),
        }
    }

    fn element(&mut self, field: &'static FieldSpec) -> Result<(), JsonError> {
        if self.reader.null()? {
            self.writer.bytes(field.number, &[]);
            return Ok(());
        }
        match field.kind {
            Kind::Message(message) => {
                self.reader.expect_type(b'{', "an object")?;
                self.enter(field.number, message)
            }
            _ => self.scalar(field),
        }
    }

    fn enter(&mut self, number: u32, message: &'static Message) -> Result<(), JsonError> {
        let outer = self.levels.last().map_or(0, |level| level.nesting);
        let nesting = outer + usize::from(ptr::eq(message, &raw const ANY_VALUE));
        if nesting > NESTING_MAX {
            return Err(self.reader.error(JsonErrorKind::TooDeep));
        }
        let depth = self.levels.len();
        if self.lengths.len() <= depth {
            // Nothing is known yet but that it cannot be longer than what is left; a resource's
            // and a scope's spans mostly are about that, and everything further in is short.
            let longest = self.reader.remaining() / 2;
            let guess = if depth <= 2 { longest } else { 64 };
            self.lengths.resize(depth + 1, guess);
        }
        let open = self.writer.open(number, self.lengths[depth]);
        let start = self.writer.len();
        self.levels
            .push(Level::new(message, Some((open, start)), nesting));
        Ok(())
    }

    /// Numbers are packed, as every writer of protobuf does it since proto3.
    fn array_of_scalars(&mut self, field: &'static FieldSpec) -> Result<(), JsonError> {
        self.reader.expect_type(b'[', "an array")?;
        if self.reader.peek()? == b']' {
            self.reader.bump();
            return Ok(());
        }
        let is_packed = !matches!(field.kind, Kind::String | Kind::Bytes | Kind::Id);
        let open = is_packed.then(|| self.writer.open(field.number, 128));
        loop {
            if is_packed {
                match self.number(field.kind)? {
                    Number::Varint(value) => self.writer.raw_varint(value),
                    Number::Fixed64(bits) => self.writer.raw(&bits.to_le_bytes()),
                    Number::Fixed32(bits) => self.writer.raw(&bits.to_le_bytes()),
                }
            } else {
                self.scalar(field)?;
            }
            if self.writer.len() > self.limit {
                break;
            }
            match self.reader.peek()? {
                b',' => self.reader.bump(),
                b']' => {
                    self.reader.bump();
                    break;
                }
                found => return Err(self.reader.error(JsonErrorKind::Unexpected(found))),
            }
        }
        if let Some(open) = open {
            self.writer.close(open);
        }
        Ok(())
    }

    fn scalar(&mut self, field: &'static FieldSpec) -> Result<(), JsonError> {
        match field.kind {
            Kind::String => {
                let text = self.reader.string()?;
                self.writer.bytes(field.number, text);
            }
            Kind::Id | Kind::Bytes => {
                self.reader.peek()?;
                let offset = self.reader.offset();
                let text = self.reader.string()?;
                self.decoded.clear();
                let result = match field.kind {
                    Kind::Id => decode_hex(text, &mut self.decoded),
                    _ => base64::decode(text, &mut self.decoded).map_err(|_| JsonErrorKind::Base64),
                };
                result.map_err(|kind| JsonError { offset, kind })?;
                self.writer.bytes(field.number, &self.decoded);
            }
            kind => match self.number(kind)? {
                Number::Varint(value) => self.writer.varint(field.number, value),
                Number::Fixed64(bits) => self.writer.fixed64(field.number, bits),
                Number::Fixed32(bits) => self.writer.fixed32(field.number, bits),
            },
        }
        Ok(())
    }

    fn number(&mut self, kind: Kind) -> Result<Number, JsonError> {
        let is_string = self.reader.peek()? == b'"';
        let offset = self.reader.offset();
        let number = match kind {
            Kind::Bool => return Ok(Number::Varint(u64::from(self.reader.boolean()?))),
            Kind::Double if is_string => {
                number::double_in_string(self.reader.string()?).map(double)
            }
            Kind::Double => number::double(self.number_token()?).map(double),
            Kind::Enum(names) if is_string => enum_value(names, self.reader.string()?),
            _ if is_string => integer(kind, self.reader.string()?),
            _ => integer(kind, self.number_token()?),
        };
        number.map_err(|kind| JsonError { offset, kind })
    }

    fn number_token(&mut self) -> Result<&[u8], JsonError> {
        match self.reader.peek()? {
            b'-' | b'0'..=b'9' => self.reader.number(),
            _ => Err(self.reader.error(JsonErrorKind::WrongType {
                expected: "a number",
            })),
        }
    }
}

const fn double(value: f64) -> Number {
    Number::Fixed64(value.to_bits())
}

fn enum_value(names: &[&str], name: &[u8]) -> Result<Number, JsonErrorKind> {
    let value = names.iter().position(|known| known.as_bytes() == name);
    value
        .map(|value| Number::Varint(value as u64))
        .ok_or(JsonErrorKind::EnumName)
}

/// The integer `text` as a field of `kind` has it on the wire.
fn integer(kind: Kind, text: &[u8]) -> Result<Number, JsonErrorKind> {
    let value = number::integer(text)?;
    let number = match kind {
        Kind::Int32 | Kind::Enum(_) => {
            i32::try_from(value).map(|value| Number::Varint(i64::from(value) as u64))
        }
        Kind::Sint32 => {
            i32::try_from(value).map(|value| Number::Varint(varint::to_zigzag(i64::from(value))))
        }
        Kind::Uint32 => u32::try_from(value).map(|value| Number::Varint(u64::from(value))),
        Kind::Fixed32 => u32::try_from(value).map(Number::Fixed32),
        Kind::Int64 => i64::try_from(value).map(|value| Number::Varint(value as u64)),
        Kind::Sfixed64 => i64::try_from(value).map(|value| Number::Fixed64(value as u64)),
        Kind::Fixed64 => u64::try_from(value).map(Number::Fixed64),
        _ => u64::try_from(value).map(Number::Varint),
    };
    number.map_err(|_| JsonErrorKind::OutOfRange)
}

fn decode_hex(text: &[u8], out: &mut Vec<u8>) -> Result<(), JsonErrorKind> {
    let (pairs, rest) = text.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(JsonErrorKind::Hex);
    }
    for pair in pairs {
        match pair.map(|digit| char::from(digit).to_digit(16)) {
            // Two digits make at most 255.
            [Some(high), Some(low)] => out.push((high << 4 | low) as u8),
            _ => return Err(JsonErrorKind::Hex),
        }
    }
    Ok(())
}
