//! gRPC's status in header values: the code, the percent-encoded message, base64 details.
//!
//! Source: <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>

use http::HeaderValue;
use tailrace_codec::grpc::Code;

/// `grpc-status`, without an allocation.
pub(super) fn status(code: Code) -> HeaderValue {
    const TEXTS: [&str; 17] = [
        "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16",
    ];
    HeaderValue::from_static(TEXTS[code as usize])
}

/// `grpc-message`: bytes outside of 0x20 to 0x7e, and `%`, as `%XX`.
pub(super) fn message(text: &str) -> HeaderValue {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = Vec::with_capacity(text.len());
    for &byte in text.as_bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => encoded.push(byte),
            _ => encoded.extend([
                b'%',
                HEX[usize::from(byte >> 4)],
                HEX[usize::from(byte & 15)],
            ]),
        }
    }
    value(encoded)
}

/// A `-bin` header: base64, unpadded, as the protocol asks senders to.
pub(super) fn binary(bytes: &[u8]) -> HeaderValue {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = Vec::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let mut bits = [0; 4];
        bits[1..=group.len()].copy_from_slice(group);
        let bits = u32::from_be_bytes(bits);
        let digits = [18, 12, 6, 0].map(|shift| DIGITS[(bits >> shift & 63) as usize]);
        encoded.extend_from_slice(&digits[..=group.len()]);
    }
    value(encoded)
}

/// Only visible ASCII was encoded, which is always a header value.
fn value(encoded: Vec<u8>) -> HeaderValue {
    HeaderValue::try_from(encoded).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_percent_encoded() {
        assert_eq!(message("queue full"), "queue full");
        assert_eq!(message("100%\n\u{e9}"), "100%25%0A%C3%A9");
    }

    #[test]
    fn binary_values_are_unpadded_base64() {
        // The test vectors of RFC 4648, section 10, without their padding.
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg"),
            ("fo", "Zm8"),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg"),
            ("fooba", "Zm9vYmE"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(binary(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn every_code_has_its_number() {
        assert_eq!(status(Code::Ok), "0");
        assert_eq!(status(Code::Unauthenticated), "16");
    }
}
