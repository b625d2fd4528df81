//! gRPC's status out of header values: the code, the percent-encoded message, base64 details.
//!
//! Source: <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>

use bytes::Bytes;
use tailrace_codec::grpc::Code;

/// A number that is no status code means UNKNOWN.
/// Source: <https://grpc.github.io/grpc/core/md_doc_statuscodes.html>
pub(super) fn code(text: &[u8]) -> Code {
    const CODES: [Code; 17] = [
        Code::Ok,
        Code::Cancelled,
        Code::Unknown,
        Code::InvalidArgument,
        Code::DeadlineExceeded,
        Code::NotFound,
        Code::AlreadyExists,
        Code::PermissionDenied,
        Code::ResourceExhausted,
        Code::FailedPrecondition,
        Code::Aborted,
        Code::OutOfRange,
        Code::Unimplemented,
        Code::Internal,
        Code::Unavailable,
        Code::DataLoss,
        Code::Unauthenticated,
    ];
    let number = std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse::<usize>().ok());
    number
        .and_then(|number| CODES.get(number))
        .copied()
        .unwrap_or(Code::Unknown)
}

/// A percent-encoded message. What is not percent-encoding stays as it is, and what is not UTF-8
/// is replaced: a status must not be lost because its message is broken.
pub(super) fn message(encoded: &[u8]) -> String {
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let [first, tail @ ..] = rest {
        rest = tail;
        let escaped = match (first, tail) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => {
                decoded.push(high << 4 | low);
                rest = &tail[2..];
            }
            None => decoded.push(*first),
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// A `-bin` value: base64, padded or not. `None`: it is not.
pub(super) fn binary(encoded: &[u8]) -> Option<Bytes> {
    let trimmed = encoded.iter().rposition(|byte| *byte != b'=');
    let digits = &encoded[..trimmed.map_or(0, |last| last + 1)];
    let mut decoded = Vec::with_capacity(digits.len() / 4 * 3 + 2);
    for group in digits.chunks(4) {
        // One digit alone has six bits, fewer than a byte.
        if group.len() == 1 {
            return None;
        }
        let mut bits = 0;
        for digit in group {
            bits = bits << 6 | base64_digit(*digit)?;
        }
        let [_, bytes @ ..] = (bits << (6 * (4 - group.len()))).to_be_bytes();
        decoded.extend_from_slice(&bytes[..group.len() - 1]);
    }
    Some(decoded.into())
}

const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

fn base64_digit(digit: u8) -> Option<u32> {
    let value = match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_survive_any_encoding() {
        assert_eq!(message(b"queue full: 100%25"), "queue full: 100%");
        assert_eq!(message(b"%e2%82%AC 5"), "\u{20ac} 5");
        assert_eq!(message(b"50% off %2 %zz %"), "50% off %2 %zz %");
        assert_eq!(message(b"%ff"), "\u{fffd}");
    }

    #[test]
    fn base64_padded_or_not() {
        for (encoded, decoded) in [
            ("", ""),
            ("Zg", "f"),
            ("Zg==", "f"),
            ("Zm8", "fo"),
            ("Zm9v", "foo"),
            ("Zm9vYg", "foob"),
            ("Zm9vYmFy", "foobar"),
        ] {
            assert_eq!(binary(encoded.as_bytes()).unwrap(), decoded);
        }
        for encoded in ["Z", "Zm9vY", "Zm9*", "Zm=v", "Zm9v\n"] {
            assert_eq!(binary(encoded.as_bytes()), None, "{encoded}");
        }
    }

    #[test]
    fn codes() {
        assert_eq!(code(b"0"), Code::Ok);
        assert_eq!(code(b"14"), Code::Unavailable);
        assert_eq!(code(b"16"), Code::Unauthenticated);
        for text in [
            &b"17"[..],
            b"-1",
            b"",
            b"ok",
            b"99999999999999999999999",
            b"\xff",
        ] {
            assert_eq!(code(text), Code::Unknown);
        }
    }
}
