//! Base64, for binary gRPC headers and for `bytesValue` in OTLP/JSON.
//!
//! Both sources oblige a reader to take padded and unpadded text, and protobuf's JSON mapping also
//! the URL-safe alphabet; the maintained crate reads one alphabet at a time, so that reading would
//! be two attempts. It is the oracle in the tests instead.
//! Source: <https://www.rfc-editor.org/rfc/rfc4648>,
//! <https://protobuf.dev/programming-guides/json/>

/// Text that is not base64, and the first byte that shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotBase64 {
    pub offset: usize,
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The value of each character, [`INVALID`] for what belongs to neither alphabet.
const VALUES: [u8; 256] = values();
const INVALID: u8 = 0xff;

/// Whether encoded text is filled up with `=` to a multiple of four.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// As JSON wants it.
    Padded,
    /// As gRPC wants it of a sender.
    Unpadded,
}

/// Appends `bytes` as base64 in the standard alphabet.
pub fn encode(bytes: &[u8], padding: Padding, out: &mut Vec<u8>) {
    out.reserve(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let mut bits = [0; 4];
        bits[1..=group.len()].copy_from_slice(group);
        let bits = u32::from_be_bytes(bits);
        for place in 0..=group.len() {
            out.push(ALPHABET[(bits >> (18 - 6 * place)) as usize & 63]);
        }
        if padding == Padding::Padded {
            out.extend(std::iter::repeat_n(b'=', 3 - group.len()));
        }
    }
}

/// Appends the bytes that `text` stands for: standard or URL-safe alphabet, padded or not. Bits
/// behind the last whole byte must be zero, so that a text has one meaning.
pub fn decode(text: &[u8], out: &mut Vec<u8>) -> Result<(), NotBase64> {
    let body = without_padding(text);
    out.reserve(body.len() / 4 * 3 + 2);
    let mut offset = 0;
    for group in body.chunks(4) {
        let mut bits = 0;
        for (place, &character) in group.iter().enumerate() {
            let value = VALUES[character as usize];
            if value == INVALID {
                return Err(NotBase64 {
                    offset: offset + place,
                });
            }
            bits |= u32::from(value) << (26 - 6 * place);
        }
        // One character is six bits: not enough for a byte.
        let whole = group.len() - 1;
        let rest_is_zero = bits.checked_shl(8 * whole as u32).unwrap_or(0) == 0;
        if whole == 0 || !rest_is_zero {
            return Err(NotBase64 { offset });
        }
        out.extend_from_slice(&bits.to_be_bytes()[..whole]);
        offset += group.len();
    }
    Ok(())
}

/// Padding counts as such only where it fills up to a multiple of four; elsewhere it stays, and is
/// an invalid character.
fn without_padding(text: &[u8]) -> &[u8] {
    match text {
        [body @ .., b'=', b'='] | [body @ .., b'='] if text.len().is_multiple_of(4) => body,
        body => body,
    }
}

const fn values() -> [u8; 256] {
    let mut values = [INVALID; 256];
    let mut at = 0;
    while at < 64 {
        values[ALPHABET[at] as usize] = at as u8;
        at += 1;
    }
    values[b'-' as usize] = 62;
    values[b'_' as usize] = 63;
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::base64::Engine;
    use ::base64::alphabet::STANDARD;
    use ::base64::engine::{
        DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose,
    };
    use proptest::prelude::*;

    const INDIFFERENT: GeneralPurpose = GeneralPurpose::new(
        &STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );

    fn decoded(text: &[u8]) -> Result<Vec<u8>, NotBase64> {
        let mut out = Vec::new();
        decode(text, &mut out).map(|()| out)
    }

    proptest! {
        #[test]
        fn encodes_as_the_crate_does(bytes: Vec<u8>) {
            let (mut padded, mut unpadded) = (Vec::new(), Vec::new());
            encode(&bytes, Padding::Padded, &mut padded);
            encode(&bytes, Padding::Unpadded, &mut unpadded);
            prop_assert_eq!(padded, general_purpose::STANDARD.encode(&bytes).into_bytes());
            let theirs = general_purpose::STANDARD_NO_PAD.encode(&bytes).into_bytes();
            prop_assert_eq!(unpadded, theirs);
            let url = general_purpose::URL_SAFE.encode(&bytes);
            prop_assert_eq!(decoded(url.as_bytes()), Ok(bytes));
        }

        #[test]
        fn decodes_what_the_crate_decodes(text in "[A-Za-z0-9+/]{0,12}[=*]{0,3}") {
            // The crate takes one `=` where two are due; here padding is whole or absent.
            let half_padded = text.ends_with('=') && !text.len().is_multiple_of(4);
            let theirs = INDIFFERENT.decode(&text).ok().filter(|_| !half_padded);
            prop_assert_eq!(decoded(text.as_bytes()).ok(), theirs);
        }
    }

    #[test]
    fn an_error_names_the_place() {
        assert_eq!(decoded(b"AAAA*AAA"), Err(NotBase64 { offset: 4 }));
        assert_eq!(decoded(b"AAAAA"), Err(NotBase64 { offset: 4 }));
    }
}
