//! Fields of a protobuf message, read across the slices of a rope.
//!
//! Shape of a field: a tag (field number and wire type in one varint), then by wire type a varint,
//! 8 bytes, 4 bytes, or a length and that many bytes.
//! Source: <https://protobuf.dev/programming-guides/encoding/#structure>

use crate::Rope;
use crate::varint::{self, VARINT_BYTES_MAX, VarintError};
use bytes::Bytes;

/// Bytes that are not the message they should be, and where, counted from the start of the rope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed {
    pub offset: usize,
    pub kind: MalformedKind,
}

/// What is wrong with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MalformedKind {
    /// The message ends within a field.
    Truncated,
    /// A varint of more than ten bytes or 64 bits.
    VarintTooLong,
    /// Field number 0, or a tag of more than 32 bits.
    Tag,
    /// A length that reaches past the end of the enclosing message.
    LengthPastEnd,
    /// A group (wire types 3 and 4), or one of the unused wire types 6 and 7.
    WireType(u8),
    /// A known field with a wire type that is not its own.
    UnexpectedWireType(u8),
    /// Messages nested deeper than the limit.
    TooDeep,
}

/// How a field's value stands on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum WireType {
    Varint = 0,
    Fixed64 = 1,
    Len = 2,
    Fixed32 = 5,
}

/// One field and where it stands; offsets count from the start of the rope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    pub number: u32,
    pub wire_type: WireType,
    /// Where the tag begins.
    pub start: usize,
    /// Where the value begins, behind the length of a [`WireType::Len`] field.
    pub value: usize,
    /// Where the field ends.
    pub end: usize,
    /// The value of a [`WireType::Varint`] field, else 0.
    pub varint: u64,
}

/// A place in a rope that reads forward.
///
/// Invariant: `current` is the rest of slice `next - 1`, and `offset` is where it begins.
#[derive(Debug, Clone)]
pub struct Cursor<'a> {
    current: &'a [u8],
    slices: &'a [Bytes],
    next: usize,
    offset: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(rope: &'a Rope) -> Self {
        Self {
            current: &[],
            slices: rope.slices(),
            next: 0,
            offset: 0,
        }
    }

    /// How far from the start of the rope.
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// Moves forward. The caller has checked that the rope is long enough.
    #[inline]
    pub fn skip(&mut self, mut length: usize) {
        self.offset += length;
        while length > self.current.len() {
            length -= self.current.len();
            match self.slices.get(self.next) {
                Some(slice) => self.current = slice,
                None => {
                    debug_assert!(false, "skipped past the end of a rope");
                    self.current = &[];
                    return;
                }
            }
            self.next += 1;
        }
        self.current = &self.current[length..];
    }

    /// Fills `out` from here on. Cost: a copy of `out.len()` bytes.
    pub fn copy_to(&mut self, mut out: &mut [u8]) -> bool {
        while !out.is_empty() {
            if !self.refill() {
                return false;
            }
            let length = out.len().min(self.current.len());
            out[..length].copy_from_slice(&self.current[..length]);
            out = &mut out[length..];
            self.skip(length);
        }
        true
    }

    /// The bytes from here to the end of the slice, the next slice's where this one is used up.
    pub fn chunk(&mut self) -> &'a [u8] {
        self.refill();
        self.current
    }

    /// Reads the field that begins here, in a message that ends at `end`. The cursor moves to the
    /// field's value; of a varint field, behind it.
    #[inline]
    pub fn field(&mut self, end: usize) -> Result<Field, Malformed> {
        let start = self.offset;
        let tag = self.varint(end)?;
        let number = u32::try_from(tag).map(|tag| tag >> 3).unwrap_or(0);
        if number == 0 {
            return Err(Malformed {
                offset: start,
                kind: MalformedKind::Tag,
            });
        }
        let mut varint = 0;
        let (wire_type, length) = match (tag & 7) as u8 {
            0 => {
                varint = self.varint(end)?;
                (WireType::Varint, 0)
            }
            1 => (WireType::Fixed64, 8),
            2 => (WireType::Len, self.varint(end)?),
            5 => (WireType::Fixed32, 4),
            other => {
                return Err(Malformed {
                    offset: start,
                    kind: MalformedKind::WireType(other),
                });
            }
        };
        let value = self.offset;
        if length > (end - value) as u64 {
            let kind = if wire_type == WireType::Len {
                MalformedKind::LengthPastEnd
            } else {
                MalformedKind::Truncated
            };
            return Err(Malformed {
                offset: start,
                kind,
            });
        }
        // The cast is exact: the length was just shown to be within the rope.
        Ok(Field {
            number,
            wire_type,
            start,
            value,
            end: value + length as usize,
            varint,
        })
    }

    /// Reads a varint that must end at or before `end`.
    #[inline]
    pub fn varint(&mut self, end: usize) -> Result<u64, Malformed> {
        let left = end - self.offset;
        let here = self.current.len().min(left);
        match varint::read(&self.current[..here]) {
            Ok((value, length)) => {
                self.current = &self.current[length..];
                self.offset += length;
                Ok(value)
            }
            Err(VarintError::Truncated) if here < left => self.varint_across(left),
            Err(error) => Err(self.malformed(error)),
        }
    }

    /// A varint that is cut by a slice's edge.
    #[cold]
    fn varint_across(&mut self, left: usize) -> Result<u64, Malformed> {
        let mut bytes = [0; VARINT_BYTES_MAX];
        let length = left.min(VARINT_BYTES_MAX);
        self.clone().copy_to(&mut bytes[..length]);
        match varint::read(&bytes[..length]) {
            Ok((value, length)) => {
                self.skip(length);
                Ok(value)
            }
            Err(error) => Err(self.malformed(error)),
        }
    }

    fn refill(&mut self) -> bool {
        while self.current.is_empty() {
            let Some(slice) = self.slices.get(self.next) else {
                return false;
            };
            self.current = slice;
            self.next += 1;
        }
        true
    }

    const fn malformed(&self, error: VarintError) -> Malformed {
        let kind = match error {
            VarintError::Truncated => MalformedKind::Truncated,
            VarintError::TooLong => MalformedKind::VarintTooLong,
        };
        Malformed {
            offset: self.offset,
            kind,
        }
    }
}
