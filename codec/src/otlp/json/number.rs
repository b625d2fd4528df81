//! Numbers between text and value.

use super::JsonErrorKind;

/// The largest integer that a double holds with all its neighbours.
const EXACT_MAX: f64 = (1u64 << 53) as f64;

/// Whether `text` is a number by JSON's grammar.
pub(super) fn is_json(text: &[u8]) -> bool {
    let unsigned = text.strip_prefix(b"-").unwrap_or(text);
    let (integer, rest) = digits(unsigned);
    if integer.is_empty() || (integer[0] == b'0' && integer.len() > 1) {
        return false;
    }
    let rest = match rest.strip_prefix(b".") {
        Some(fraction) => match digits(fraction) {
            ([], _) => return false,
            (_, rest) => rest,
        },
        None => rest,
    };
    match rest {
        [] => true,
        [b'e' | b'E', b'+' | b'-', exponent @ ..] | [b'e' | b'E', exponent @ ..] => {
            matches!(digits(exponent), ([_, ..], []))
        }
        _ => false,
    }
}

fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    let length = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    text.split_at(length)
}

/// The integer that `text` stands for. `1.0` and `1e3` are integers too, as far as a double is
/// exact.
pub(super) fn integer(text: &[u8]) -> Result<i128, JsonErrorKind> {
    if !is_json(text) {
        return Err(JsonErrorKind::Number);
    }
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.iter().all(u8::is_ascii_digit) {
        // More than twenty digits are out of every range.
        if digits.len() > 20 {
            return Err(JsonErrorKind::OutOfRange);
        }
        let value = digits
            .iter()
            .fold(0, |value, digit| value * 10 + i128::from(digit - b'0'));
        return Ok(if negative { -value } else { value });
    }
    let value = double(text)?;
    if value.fract() != 0.0 {
        return Err(JsonErrorKind::Number);
    }
    if value.abs() > EXACT_MAX {
        return Err(JsonErrorKind::OutOfRange);
    }
    Ok(value as i128)
}

/// The double that `text` stands for, rounded to the nearest.
pub(super) fn double(text: &[u8]) -> Result<f64, JsonErrorKind> {
    if !is_json(text) {
        return Err(JsonErrorKind::Number);
    }
    let parsed = std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse().ok());
    match parsed {
        Some(value) if f64::is_finite(value) => Ok(value),
        Some(_) => Err(JsonErrorKind::OutOfRange),
        None => Err(JsonErrorKind::Number),
    }
}

/// The double that the text of a string stands for.
pub(super) fn double_in_string(text: &[u8]) -> Result<f64, JsonErrorKind> {
    match text {
        b"NaN" => Ok(f64::NAN),
        b"Infinity" => Ok(f64::INFINITY),
        b"-Infinity" => Ok(f64::NEG_INFINITY),
        _ => double(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_a_number_is_what_serde_says(text in "-?[0-9]{0,3}(\\.[0-9]{0,3})?([eE][+-]?[0-9]{0,2})?") {
            let theirs: Result<serde_json::Number, _> = serde_json::from_str(&text);
            prop_assert_eq!(is_json(text.as_bytes()), theirs.is_ok());
        }

        #[test]
        fn integers_are_read(value: i64) {
            prop_assert_eq!(integer(value.to_string().as_bytes()), Ok(i128::from(value)));
        }
    }

    #[test]
    fn integers_with_point_or_exponent() {
        assert_eq!(integer(b"1.0"), Ok(1));
        assert_eq!(integer(b"-12e2"), Ok(-1200));
        assert_eq!(integer(b"1.5"), Err(JsonErrorKind::Number));
        assert_eq!(integer(b"1e20"), Err(JsonErrorKind::OutOfRange));
        assert_eq!(integer(&[b'9'; 21]), Err(JsonErrorKind::OutOfRange));
        assert_eq!(double(b"1e999"), Err(JsonErrorKind::OutOfRange));
        assert_eq!(double(b"-0").map(f64::to_bits), Ok((-0.0f64).to_bits()));
        for broken in ["", "-", "+1", "01", "1.", ".5", "1e", "0x1", "NaN"] {
            assert_eq!(double(broken.as_bytes()), Err(JsonErrorKind::Number));
        }
    }
}
