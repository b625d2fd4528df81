//! Fields that lie in one slice, as almost all do: found without a cursor.

use super::WireType;
use crate::varint::{Decoded, decode};

/// How a field lies at the beginning of some bytes; lengths in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Number and wire type, as in the tag.
    key: u32,
    /// Of the tag, and of the length if there is one.
    pub header: usize,
    pub whole: usize,
}

impl Layout {
    /// The field at the beginning of `bytes`; `None` if it has a fault or goes on after them, which
    /// [`super::Fields`] tells apart.
    #[inline]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        // Fields are at least two bytes long. Tags of one byte, lengths of one or two are told
        // here; the bytes read are those that the smallest such field has.
        let &[tag, low, ..] = bytes else {
            return None;
        };
        let key = u32::from(tag);
        let (header, whole) = match tag & 7 {
            _ if !(8..0x80).contains(&tag) => return Self::long(bytes),
            2 if low < 0x80 => (2, 2 + usize::from(low)),
            2 => match bytes.get(2) {
                Some(high @ ..0x80) => (3, 3 + (usize::from(low & 0x7f) | usize::from(*high) << 7)),
                _ => return Self::long(bytes),
            },
            0 if low < 0x80 => (1, 2),
            1 => (1, 9),
            5 => (1, 5),
            _ => return Self::long(bytes),
        };
        (whole <= bytes.len()).then_some(Self { key, header, whole })
    }

    #[inline]
    pub const fn number(&self) -> u32 {
        self.key >> 3
    }

    #[inline]
    pub const fn wire_type(&self) -> WireType {
        match self.key & 7 {
            0 => WireType::Varint,
            1 => WireType::I64,
            2 => WireType::Len,
            _ => WireType::I32,
        }
    }

    #[inline(never)]
    fn long(bytes: &[u8]) -> Option<Self> {
        let Decoded::Value(key, tag) = decode(bytes) else {
            return None;
        };
        let key = u32::try_from(key).ok().filter(|key| key >> 3 != 0)?;
        let (header, whole) = match key & 7 {
            0 => match decode(&bytes[tag..]) {
                Decoded::Value(_, width) => (tag, tag + width),
                _ => return None,
            },
            1 => (tag, tag + 8),
            2 => match decode(&bytes[tag..]) {
                Decoded::Value(len, width) => {
                    let header = tag + width;
                    (header, header.checked_add(usize::try_from(len).ok()?)?)
                }
                _ => return None,
            },
            5 => (tag, tag + 4),
            _ => return None,
        };
        (whole <= bytes.len()).then_some(Self { key, header, whole })
    }
}
