//! What a plain scalar means, as the Collector's YAML library (yaml.v3) reads it.
//!
//! YAML 1.2 core schema, and beyond it what Go's `strconv.ParseInt(s, 0, 64)` takes: `1_000`,
//! `0x1f`, `0b11`, `0o17` and `017`. `yes` and `on` are text.
//! Source: <https://github.com/go-yaml/yaml/blob/v3/resolve.go>

use super::node::Value;
use std::sync::Arc;

/// Reads a scalar without quotes.
pub(super) fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true, text.into()),
        "false" | "False" | "FALSE" => return Value::Bool(false, text.into()),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Value::Float(f64::INFINITY, text.into());
        }
        "-.inf" | "-.Inf" | "-.INF" => return Value::Float(f64::NEG_INFINITY, text.into()),
        ".nan" | ".NaN" | ".NAN" => return Value::Float(f64::NAN, text.into()),
        _ => {}
    }
    let shared: Arc<str> = text.into();
    let starts_number = text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
    if !starts_number {
        return Value::Text(shared);
    }
    let plain = text.replace('_', "");
    if let Some(integer) = integer(&plain) {
        return Value::Integer(integer, shared);
    }
    match float(&plain) {
        Some(float) => Value::Float(float, shared),
        None => Value::Text(shared),
    }
}

/// Between -2^63 and 2^64 - 1, with Go's prefixes.
fn integer(text: &str) -> Option<i128> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    // A second sign would pass `from_str_radix`.
    if !digits.starts_with(|c: char| c.is_ascii_hexdigit()) {
        return None;
    }
    let magnitude = i128::from(u64::from_str_radix(digits, radix).ok()?);
    match negative {
        true if magnitude <= 1 << 63 => Some(-magnitude),
        true => None,
        false => Some(magnitude),
    }
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn float(text: &str) -> Option<f64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let wellformed = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && digits.bytes().any(|b| b.is_ascii_digit())
        && digits
            .bytes()
            .all(|b| b.is_ascii_digit() || b".eE+-".contains(&b));
    if wellformed { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_go_s() {
        for (text, expected) in [
            ("0", 0),
            ("1_000", 1000),
            ("-7", -7),
            ("+7", 7),
            ("0x1F", 31),
            ("0b101", 5),
            ("0o17", 15),
            ("017", 15),
            ("18446744073709551615", 18_446_744_073_709_551_615),
            ("-9223372036854775808", -9_223_372_036_854_775_808),
        ] {
            assert!(
                matches!(resolve(text), Value::Integer(n, _) if n == expected),
                "{text}"
            );
        }
    }

    #[test]
    fn floats_and_special_values() {
        for (text, expected) in [("1.5", 1.5), (".5", 0.5), ("1e3", 1000.0), ("08", 8.0)] {
            assert!(
                matches!(resolve(text), Value::Float(n, _) if n == expected),
                "{text}"
            );
        }
        assert!(matches!(resolve("~"), Value::Null));
        assert!(matches!(resolve("True"), Value::Bool(true, _)));
    }

    #[test]
    fn what_only_looks_like_a_number_is_text() {
        for text in [
            "yes",
            "5s",
            "1.2.3",
            "-",
            "+",
            ".",
            "--1",
            "0x",
            "1e",
            "localhost:4317",
            "-+1",
        ] {
            assert!(matches!(resolve(text), Value::Text(_)), "{text}");
        }
    }
}
