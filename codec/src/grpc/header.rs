//! The text of `grpc-message`, `grpc-timeout` and `grpc-status-details-bin`.

use crate::base64::{self, NotBase64, Padding};
use std::time::Duration;

/// Percent-encodes text for `grpc-message`: everything but printable ASCII, and `%` itself.
pub fn encode_message(text: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if matches!(byte, b' '..=b'~') && byte != b'%' {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push(char::from(HEX[usize::from(byte >> 4)]));
            encoded.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    encoded
}

/// The text of a `grpc-message` header. Never an error, as gRPC demands: a broken escape stays as
/// it is, and bytes that are not UTF-8 become replacement characters.
pub fn decode_message(header: &[u8]) -> String {
    let mut decoded = Vec::with_capacity(header.len());
    let mut rest = header;
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        decoded.push(match (byte, behind) {
            (b'%', &[high, low, ref behind @ ..]) => match (hex(high), hex(low)) {
                (Some(high), Some(low)) => {
                    rest = behind;
                    high << 4 | low
                }
                _ => byte,
            },
            _ => byte,
        });
    }
    match String::from_utf8(decoded) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    }
}

const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Reads a `grpc-timeout` header: one to eight digits and a unit. `None` if it is not that.
pub fn parse_timeout(header: &[u8]) -> Option<Duration> {
    let (&unit, digits) = header.split_last()?;
    if !matches!(digits.len(), 1..=8) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits
        .iter()
        .fold(0, |value, digit| value * 10 + u64::from(digit - b'0'));
    // Eight digits of hours are 3.6e11 seconds: no product overflows.
    match unit {
        b'H' => Some(Duration::from_secs(value * 3600)),
        b'M' => Some(Duration::from_secs(value * 60)),
        b'S' => Some(Duration::from_secs(value)),
        b'm' => Some(Duration::from_millis(value)),
        b'u' => Some(Duration::from_micros(value)),
        b'n' => Some(Duration::from_nanos(value)),
        _ => None,
    }
}

/// Writes a `grpc-timeout` header in the finest unit that holds it, rounded up: the peer must not
/// give up before we do.
pub fn format_timeout(timeout: Duration) -> String {
    const UNITS: [(u128, char); 6] = [
        (1, 'n'),
        (1_000, 'u'),
        (1_000_000, 'm'),
        (1_000_000_000, 'S'),
        (60_000_000_000, 'M'),
        (3_600_000_000_000, 'H'),
    ];
    const VALUE_MAX: u128 = 99_999_999;
    for (nanos, unit) in UNITS {
        let value = timeout.as_nanos().div_ceil(nanos);
        if value <= VALUE_MAX {
            return format!("{value}{unit}");
        }
    }
    format!("{VALUE_MAX}H")
}

/// Writes an encoded `google.rpc.Status` for `grpc-status-details-bin`, unpadded as gRPC wants it.
pub fn encode_details(status: &[u8]) -> String {
    let mut text = Vec::new();
    base64::encode(status, Padding::Unpadded, &mut text);
    // Base64 is ASCII: nothing is replaced.
    String::from_utf8_lossy(&text).into_owned()
}

/// Reads `grpc-status-details-bin`, padded or not. Cost: at most three quarters of the header.
pub fn decode_details(header: &[u8]) -> Result<Vec<u8>, NotBase64> {
    let mut status = Vec::new();
    base64::decode(header, &mut status)?;
    Ok(status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_message_survives_in_printable_ascii(text: String) {
            let header = encode_message(&text);
            prop_assert!(header.bytes().all(|byte| matches!(byte, b' '..=b'~')));
            prop_assert_eq!(decode_message(header.as_bytes()), text);
        }

        #[test]
        fn any_header_is_a_message(header: Vec<u8>) {
            decode_message(&header);
        }

        #[test]
        fn a_timeout_is_never_shortened_and_hardly_lengthened(nanos: u64) {
            let timeout = Duration::from_nanos(nanos);
            let header = format_timeout(timeout);
            prop_assert!(header.len() <= 9);
            let read = parse_timeout(header.as_bytes()).unwrap();
            prop_assert!(read >= timeout && read - timeout <= timeout / 1_000_000);
        }
    }

    #[test]
    fn broken_escapes_stay() {
        assert_eq!(decode_message(b"50%25 of 100%"), "50% of 100%");
        assert_eq!(decode_message(b"%zz%4"), "%zz%4");
        assert_eq!(decode_message(b"%e2%82%AC"), "\u{20ac}");
        assert_eq!(decode_message(b"%FF"), "\u{fffd}");
        assert_eq!(encode_message("a%\n\u{e9}"), "a%25%0A%C3%A9");
    }

    #[test]
    fn timeouts_as_the_protocol_writes_them() {
        let parsed = |text: &str| parse_timeout(text.as_bytes());
        assert_eq!(parsed("1S"), Some(Duration::from_secs(1)));
        assert_eq!(parsed("250m"), Some(Duration::from_millis(250)));
        assert_eq!(parsed("2M"), Some(Duration::from_secs(120)));
        assert_eq!(
            parsed("99999999H"),
            Some(Duration::from_secs(359_999_996_400))
        );
        for broken in ["", "S", "1", "1s", "123456789n", "-1S", "1.5S", " 1S"] {
            assert_eq!(parsed(broken), None, "{broken:?}");
        }
        assert_eq!(format_timeout(Duration::ZERO), "0n");
        assert_eq!(format_timeout(Duration::from_secs(10)), "10000000u");
        assert_eq!(format_timeout(Duration::MAX), "99999999H");
    }

    #[test]
    fn details_are_read_padded_and_unpadded() {
        assert_eq!(encode_details(&[8, 14]), "CA4");
        assert_eq!(decode_details(b"CA4"), Ok(vec![8, 14]));
        assert_eq!(decode_details(b"CA4="), Ok(vec![8, 14]));
    }
}
