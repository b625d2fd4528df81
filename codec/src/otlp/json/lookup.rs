//! Finding a message's field where the one before it is known.

use crate::otlp::fields::{FieldSpec, Message};

/// The index of the field of this number. `hint` is where the search begins: messages mostly come
/// in the order of the schema, so that the next field is the last one or its successor.
#[inline]
pub(super) fn by_number(message: &Message, number: u32, hint: usize) -> Option<usize> {
    search(message, hint, |field| field.number == number)
}

/// The index of the field of this name; of its original name, if no other matches.
#[inline]
pub(super) fn by_name(message: &Message, name: &[u8], hint: usize) -> Option<usize> {
    search(message, hint, |field| field.name.as_bytes() == name)
        .or_else(|| by_original_name(message, name))
}

#[cold]
fn by_original_name(message: &Message, name: &[u8]) -> Option<usize> {
    if !name.contains(&b'_') {
        return None;
    }
    message
        .fields
        .iter()
        .position(|field| is_original_name(name, field.name))
}

#[inline]
fn search(message: &Message, hint: usize, matches: impl Fn(&FieldSpec) -> bool) -> Option<usize> {
    let (before, behind) = message.fields.split_at(hint.min(message.fields.len()));
    match behind.iter().position(&matches) {
        Some(place) => Some(before.len() + place),
        None => before.iter().position(matches),
    }
}

/// Whether `name` is what protobuf calls the field: `trace_id` for `traceId`.
fn is_original_name(name: &[u8], camel: &str) -> bool {
    let mut rest = name;
    for character in camel.bytes() {
        let Some((&first, behind)) = rest.split_first() else {
            return false;
        };
        rest = match (character, first, behind) {
            (b'A'..=b'Z', b'_', [second, behind @ ..])
                if *second == character.to_ascii_lowercase() =>
            {
                behind
            }
            (b'a'..=b'z' | b'0'..=b'9', _, _) if first == character => behind,
            _ => return false,
        };
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otlp::Signal;
    use crate::otlp::fields::{KEY_VALUE, request};

    #[test]
    fn fields_are_found_from_any_hint() {
        let span_like = [&KEY_VALUE, request(Signal::Profiles)];
        for message in span_like {
            for (index, field) in message.fields.iter().enumerate() {
                for hint in 0..=message.fields.len() {
                    assert_eq!(by_number(message, field.number, hint), Some(index));
                    assert_eq!(by_name(message, field.name.as_bytes(), hint), Some(index));
                }
            }
            assert_eq!(by_number(message, 1000, 1), None);
            assert_eq!(by_name(message, b"Key", 1), None);
        }
        assert_eq!(by_name(&KEY_VALUE, b"key_strindex", 0), Some(2));
    }

    #[test]
    fn original_names_are_split_at_capitals() {
        assert!(is_original_name(
            b"start_time_unix_nano",
            "startTimeUnixNano"
        ));
        assert!(!is_original_name(
            b"start_time_unixnano",
            "startTimeUnixNano"
        ));
        assert!(!is_original_name(
            b"start_time_unix_nano_",
            "startTimeUnixNano"
        ));
        assert!(!is_original_name(b"start_time_unix", "startTimeUnixNano"));
        assert!(!is_original_name(b"_name", "name"));
    }
}
