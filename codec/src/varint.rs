//! The only reader and the only writer of protobuf varints.
//!
//! Shape: seven bits a byte, least significant first, the top bit set on all but the last; at most
//! ten bytes, of which the tenth carries one bit.
//! Source: <https://protobuf.dev/programming-guides/encoding/#varints>

/// The longest varint.
pub const VARINT_BYTES_MAX: usize = 10;

/// Why bytes are not a varint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VarintError {
    /// The input ends before the varint does.
    Truncated,
    /// More than ten bytes, or more than 64 bits.
    TooLong,
}

/// Reads a varint from the start of `bytes`: its value and its length.
///
/// Cost: one branch for values below 128, which most tags and lengths are.
#[inline]
pub fn read(bytes: &[u8]) -> Result<(u64, usize), VarintError> {
    match bytes.first() {
        Some(&byte) if byte < 0x80 => Ok((u64::from(byte), 1)),
        Some(_) => read_long(bytes),
        None => Err(VarintError::Truncated),
    }
}

fn read_long(bytes: &[u8]) -> Result<(u64, usize), VarintError> {
    let mut value = 0;
    for (index, &byte) in bytes.iter().take(VARINT_BYTES_MAX).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            let too_long = index == VARINT_BYTES_MAX - 1 && byte > 1;
            return if too_long {
                Err(VarintError::TooLong)
            } else {
                Ok((value, index + 1))
            };
        }
    }
    let truncated = bytes.len() < VARINT_BYTES_MAX;
    Err(if truncated {
        VarintError::Truncated
    } else {
        VarintError::TooLong
    })
}

/// The length of `value` as a varint, in bytes.
pub const fn len(value: u64) -> usize {
    // One byte for each seven bits; zero takes one as well.
    (70 - (value | 1).leading_zeros() as usize) / 7
}

/// Writes `value` to `out` and returns how many bytes it took.
///
/// # Panics
/// If `out` is shorter than [`len`] of the value.
pub fn write(mut value: u64, out: &mut [u8]) -> usize {
    let mut at = 0;
    while value >= 0x80 {
        out[at] = (value as u8) | 0x80;
        value >>= 7;
        at += 1;
    }
    out[at] = value as u8;
    at + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn reads_and_writes_what_prost_does(value: u64) {
            let mut theirs = Vec::new();
            prost::encoding::encode_varint(value, &mut theirs);
            let mut ours = [0; VARINT_BYTES_MAX];
            let length = write(value, &mut ours);
            prop_assert_eq!(&ours[..length], &theirs[..]);
            prop_assert_eq!(len(value), theirs.len());
            prop_assert_eq!(read(&theirs), Ok((value, theirs.len())));
        }

        #[test]
        fn arbitrary_bytes_are_read_as_prost_reads_them(bytes: Vec<u8>) {
            let theirs = prost::encoding::decode_varint(&mut &bytes[..]);
            prop_assert_eq!(read(&bytes).ok().map(|(value, _)| value), theirs.ok());
        }
    }

    #[test]
    fn eleven_bytes_or_more_than_64_bits_are_refused() {
        assert_eq!(read(&[0x80; 11]), Err(VarintError::TooLong));
        let mut widest = [0xff; 10];
        widest[9] = 1;
        assert_eq!(read(&widest), Ok((u64::MAX, 10)));
        widest[9] = 2;
        assert_eq!(read(&widest), Err(VarintError::TooLong));
        assert_eq!(read(&[0x80; 9]), Err(VarintError::Truncated));
    }
}
