//! Base-128 varints: the only reader and the only writer of them in the workspace.
//!
//! Shape: seven bits a byte, the lowest first, the eighth bit set on all bytes but the last. A
//! 64-bit value takes at most ten bytes. Longer than necessary is allowed on the wire (`80 00` is
//! 0) and read; what is written here is always the shortest.
//!
//! Source: <https://protobuf.dev/programming-guides/encoding/#varints>

use crate::field::{Malformed, MalformedKind};
use crate::rope::Cursor;

/// The longest varint of a 64-bit value, in bytes.
pub const LEN_MAX: usize = 10;

/// How many bytes `value` takes.
#[inline]
pub const fn len(value: u64) -> usize {
    // 9 * bits / 64 is bits / 7 rounded up for 1..=64 bits, without a division.
    let bits = 64 - (value | 1).leading_zeros() as usize;
    (bits * 9 + 64) / 64
}

/// Appends `value`.
#[inline]
pub fn write(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// `value` in the shortest form, and how many of the bytes it takes.
#[inline]
pub const fn encode(mut value: u64) -> ([u8; LEN_MAX], usize) {
    let mut bytes = [0; LEN_MAX];
    let mut len = 0;
    while value >= 0x80 {
        bytes[len] = value as u8 | 0x80;
        value >>= 7;
        len += 1;
    }
    bytes[len] = value as u8;
    (bytes, len + 1)
}

/// Reads the varint at the cursor.
///
/// Errors, at the offset of its first byte: `Truncated` where the cursor ends before it does,
/// `VarintTooLong` for an eleventh byte or a 65th bit.
/// Cost: one or two byte tests for values below 16384 that lie in one slice.
#[inline]
pub fn read(cursor: &mut Cursor<'_>) -> Result<u64, Malformed> {
    match *cursor.window() {
        [first, ..] if first < 0x80 => {
            cursor.skip_in_window(1);
            Ok(u64::from(first))
        }
        [first, second, ..] if second < 0x80 => {
            cursor.skip_in_window(2);
            Ok(u64::from(first & 0x7f) | u64::from(second) << 7)
        }
        _ => read_long(cursor),
    }
}

#[inline(never)]
fn read_long(cursor: &mut Cursor<'_>) -> Result<u64, Malformed> {
    if let Some(head) = cursor.window().first_chunk::<LEN_MAX>()
        && let Decoded::Value(value, len) = decode(head)
    {
        cursor.skip_in_window(len);
        return Ok(value);
    }
    read_across(cursor)
}

#[cold]
fn read_across(cursor: &mut Cursor<'_>) -> Result<u64, Malformed> {
    let mut head = [0; LEN_MAX];
    let head_len = cursor.peek(&mut head);
    let offset = cursor.offset();
    let at = |kind| Malformed { offset, kind };
    match decode(&head[..head_len]) {
        Decoded::Value(value, len) => {
            cursor.skip(len).map_err(|_| at(MalformedKind::Truncated))?;
            Ok(value)
        }
        Decoded::Truncated => Err(at(MalformedKind::Truncated)),
        Decoded::TooLong => Err(at(MalformedKind::VarintTooLong)),
    }
}

/// `value` in exactly `width` bytes, with leading zeros (`80`) where it takes fewer.
///
/// `width` is at least [`len`] of the value and at most [`LEN_MAX`].
pub const fn encode_padded(mut value: u64, width: usize) -> [u8; LEN_MAX] {
    let mut bytes = [0; LEN_MAX];
    let mut i = 0;
    while i < width {
        let continues = if i + 1 < width { 0x80 } else { 0 };
        bytes[i] = (value as u8 & 0x7f) | continues;
        value >>= 7;
        i += 1;
    }
    debug_assert!(value == 0, "the width is that of a longer length");
    bytes
}

/// What stands at the beginning of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decoded {
    /// The value, and how many bytes it took.
    Value(u64, usize),
    /// The bytes end before the varint does.
    Truncated,
    /// An eleventh byte, or more than 64 bits.
    TooLong,
}

/// Reads the varint at the beginning of `bytes`.
#[inline]
pub const fn decode(bytes: &[u8]) -> Decoded {
    let mut value = 0;
    let mut i = 0;
    while i < bytes.len() {
        let byte = bytes[i];
        if i == LEN_MAX - 1 && byte > 1 {
            return Decoded::TooLong;
        }
        value |= ((byte & 0x7f) as u64) << (7 * i);
        i += 1;
        if byte < 0x80 {
            return Decoded::Value(value, i);
        }
    }
    Decoded::Truncated
}

/// The value of a `sint32` or `sint64` field, from its zigzag form.
pub const fn from_zigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// The zigzag form in which `sint32` and `sint64` fields are written.
pub const fn to_zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rope;
    use bytes::Bytes;
    use proptest::prelude::*;

    fn rope_of(bytes: &[u8], cut: usize) -> Rope {
        let bytes = Bytes::copy_from_slice(bytes);
        let cut = cut.min(bytes.len());
        [bytes.slice(..cut), bytes.slice(cut..)]
            .into_iter()
            .collect()
    }

    /// Any number of bits is as likely as any other, so that every length is met.
    fn any_width() -> impl Strategy<Value = u64> {
        (any::<u64>(), 0..64u32).prop_map(|(value, shift)| value >> shift)
    }

    proptest! {
        #[test]
        fn what_prost_writes_is_read_across_any_cut(value in any_width(), cut in 0..11usize) {
            let mut expected = Vec::new();
            prost::encoding::encode_varint(value, &mut expected);
            let mut ours = Vec::new();
            write(value, &mut ours);
            prop_assert_eq!(&ours, &expected);
            prop_assert_eq!(len(value), expected.len());
            let (bytes, length) = encode(value);
            prop_assert_eq!(&bytes[..length], &expected[..]);

            for width in length..=LEN_MAX {
                let padded = encode_padded(value, width);
                prop_assert_eq!(decode(&padded[..width]), Decoded::Value(value, width));
            }

            let rope = rope_of(&ours, cut);
            let mut cursor = rope.cursor();
            prop_assert_eq!(read(&mut cursor).unwrap(), value);
            prop_assert!(cursor.is_empty());
        }

        #[test]
        fn arbitrary_bytes_are_read_or_refused_as_prost_does(
            bytes in prop::collection::vec(prop_oneof![Just(0xff), Just(0x80), any::<u8>()], 0..13),
            cut in 0..13usize,
        ) {
            let expected = prost::encoding::decode_varint(&mut &bytes[..]);
            let rope = rope_of(&bytes, cut);
            prop_assert_eq!(read(&mut rope.cursor()).ok(), expected.ok());
        }

        #[test]
        fn zigzag_goes_both_ways(value in any::<i64>()) {
            prop_assert_eq!(from_zigzag(to_zigzag(value)), value);
        }
    }

    #[test]
    fn eleven_bytes_and_sixty_five_bits_are_too_long() {
        let kind = |bytes: &[u8]| read(&mut rope_of(bytes, 3).cursor()).unwrap_err();
        let too_long = Malformed {
            offset: 0,
            kind: MalformedKind::VarintTooLong,
        };
        assert_eq!(kind(&[0x80; 11]), too_long);
        assert_eq!(
            kind(&[255, 255, 255, 255, 255, 255, 255, 255, 255, 2]),
            too_long
        );
        assert_eq!(kind(&[0x80; 9]).kind, MalformedKind::Truncated);
        assert_eq!(kind(&[]).kind, MalformedKind::Truncated);
        assert_eq!([to_zigzag(0), to_zigzag(-1), to_zigzag(1)], [0, 1, 2]);
    }
}
