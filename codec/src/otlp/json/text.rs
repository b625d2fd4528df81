//! Pieces of JSON text, appended to a buffer.

use super::plain::{Plain, plain};
use crate::base64::{self, Padding};

/// An object begins or goes on with this key.
pub(super) fn key(name: &str, out: &mut Vec<u8>) {
    out.reserve(name.len() + 4);
    comma(out);
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

/// Before a key or an element: a comma, unless it is the first.
pub(super) fn comma(out: &mut Vec<u8>) {
    if !matches!(out.last(), None | Some(b'{' | b'[')) {
        out.push(b',');
    }
}

pub(super) fn boolean(value: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(if value { b"true" } else { b"false" });
}

pub(super) fn signed(value: i64, out: &mut Vec<u8>) {
    if value < 0 {
        out.push(b'-');
    }
    unsigned(value.unsigned_abs(), out);
}

pub(super) fn unsigned(mut value: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

/// Something in quotes that needs no escapes.
pub(super) fn quoted(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    write(out);
    out.push(b'"');
}

/// The shortest text that reads as this double.
pub(super) fn double(value: f64, out: &mut Vec<u8>) {
    if value.is_finite() {
        out.extend_from_slice(ryu::Buffer::new().format_finite(value).as_bytes());
    } else if value.is_nan() {
        out.extend_from_slice(b"\"NaN\"");
    } else if value > 0.0 {
        out.extend_from_slice(b"\"Infinity\"");
    } else {
        out.extend_from_slice(b"\"-Infinity\"");
    }
}

pub(super) fn hex(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    // Ids are eight or sixteen bytes: by eights their length is known when this is compiled.
    out.reserve(2 * bytes.len() + 2);
    quoted(out, |out| {
        let digits = |byte: u8| [byte >> 4, byte & 15].map(|digit| DIGITS[usize::from(digit)]);
        let (eights, rest) = bytes.as_chunks::<8>();
        for eight in eights {
            out.extend_from_slice(eight.map(digits).as_flattened());
        }
        for byte in rest {
            out.extend_from_slice(&digits(*byte));
        }
    });
}

pub(super) fn bytes(bytes: &[u8], out: &mut Vec<u8>) {
    quoted(out, |out| base64::encode(bytes, Padding::Padded, out));
}

/// A string; what is not UTF-8 in it becomes U+FFFD.
pub(super) fn string(text: &[u8], out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    quoted(out, |out| {
        let Plain { len, is_ascii } = plain(text);
        if is_ascii && len == text.len() {
            out.extend_from_slice(text);
        } else {
            escaped(String::from_utf8_lossy(text).as_bytes(), out);
        }
    });
}

fn escaped(mut text: &[u8], out: &mut Vec<u8>) {
    loop {
        let Plain { len, .. } = plain(text);
        out.extend_from_slice(&text[..len]);
        let Some(special) = text.get(len) else {
            return;
        };
        escape(*special, out);
        text = &text[len + 1..];
    }
}

fn escape(byte: u8, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    match byte {
        b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        _ => {
            out.extend_from_slice(b"\\u00");
            out.push(DIGITS[usize::from(byte >> 4)]);
            out.push(DIGITS[usize::from(byte & 15)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    proptest! {
        #[test]
        fn strings_read_as_they_were(text: String) {
            let json = written(|out| string(text.as_bytes(), out));
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }

        #[test]
        fn other_bytes_read_as_the_standard_library_repairs_them(bytes: Vec<u8>) {
            let json = written(|out| string(&bytes, out));
            let read = serde_json::from_str::<String>(&json).unwrap();
            prop_assert_eq!(read, String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn numbers_read_as_they_were(whole: u64, signed_whole: i64, bits: u64) {
            prop_assert_eq!(written(|out| unsigned(whole, out)), whole.to_string());
            prop_assert_eq!(written(|out| signed(signed_whole, out)), signed_whole.to_string());
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            let read: f64 = written(|out| double(value, out)).parse().unwrap();
            prop_assert_eq!(read.to_bits(), bits);
        }
    }
}
