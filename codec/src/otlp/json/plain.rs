//! How far a string goes without a byte that JSON treats specially, eight bytes at a time.

/// The beginning of some bytes up to the first `"`, `\` or control character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plain {
    pub len: usize,
    /// Then it is UTF-8 as well.
    pub is_ascii: bool,
}

const ONES: u64 = u64::MAX / 0xff;
const HIGH_BITS: u64 = ONES * 0x80;

/// Cost: five operations for each byte's eighth; strings of attributes are short, and mostly ASCII.
#[inline]
pub(super) fn plain(bytes: &[u8]) -> Plain {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut seen = 0;
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let special = special_bytes(word);
        if special != 0 {
            let bits = special.trailing_zeros() & !7;
            // The bytes before the special one, which are the lower ones.
            seen |= word & !(u64::MAX << bits);
            return Plain {
                len: index * 8 + bits as usize / 8,
                is_ascii: seen & HIGH_BITS == 0,
            };
        }
        seen |= word;
    }
    let len = rest.iter().position(|byte| is_special(*byte));
    let len = len.unwrap_or(rest.len());
    Plain {
        len: words.len() * 8 + len,
        is_ascii: seen & HIGH_BITS == 0 && rest[..len].is_ascii(),
    }
}

/// A word whose lowest set bit is in the first special byte, or zero. A byte behind that one may
/// be marked wrongly, because a subtraction borrows from it.
/// Source: <https://graphics.stanford.edu/~seander/bithacks.html#ZeroInWord>
const fn special_bytes(word: u64) -> u64 {
    let quote = word ^ (ONES * b'"' as u64);
    let backslash = word ^ (ONES * b'\\' as u64);
    let marks = (quote.wrapping_sub(ONES) & !quote)
        | (backslash.wrapping_sub(ONES) & !backslash)
        | (word.wrapping_sub(ONES * b' ' as u64) & !word);
    marks & HIGH_BITS
}

const fn is_special(byte: u8) -> bool {
    byte == b'"' || byte == b'\\' || byte < b' '
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn it_ends_where_the_bytes_one_by_one_do(
            bytes in prop::collection::vec(
                prop_oneof![
                    6 => 0x1f..0x7fu8,
                    1 => any::<u8>(),
                    1 => prop::sample::select(&b"\"\\! #[]\x1f\x20\x21\x9f\xa0\xa1\xa2\xdc"[..]),
                ],
                0..40,
            ),
        ) {
            let len = bytes.iter().position(|byte| is_special(*byte)).unwrap_or(bytes.len());
            let is_ascii = bytes[..len].is_ascii();
            prop_assert_eq!(plain(&bytes), Plain { len, is_ascii });
        }
    }
}
