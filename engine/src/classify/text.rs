//! Attribute values compared with what a configuration says, which is text.

use std::borrow::Cow;
use tailrace_codec::field::{Fields, Malformed};
use tailrace_codec::rope::Cursor;

/// AnyValue's fields that have a text of their own.
const STRING: u32 = 1;
const BOOL: u32 = 2;
const INT: u32 = 3;

/// A value that an attribute is to have: a string, a number or a truth value of this text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    text: Box<str>,
    int: Option<i64>,
    bool: Option<bool>,
}

impl Expected {
    pub fn new(text: &str) -> Self {
        Self {
            text: text.into(),
            int: text.parse().ok(),
            bool: text.parse().ok(),
        }
    }

    /// Whether an AnyValue is it. Doubles, arrays, lists and bytes have no text to compare.
    pub fn is(&self, value: Cursor<'_>) -> bool {
        match simple(value) {
            Ok(Some(Simple::Text(text))) => text.is(self.text.as_bytes()),
            Ok(Some(Simple::Int(int))) => self.int == Some(int),
            Ok(Some(Simple::Bool(bool))) => self.bool == Some(bool),
            Ok(None) | Err(_) => false,
        }
    }
}

/// A value with a text of its own.
#[derive(Debug, Clone, Copy)]
enum Simple<'a> {
    Text(Cursor<'a>),
    Int(i64),
    Bool(bool),
}

/// Of several the last counts, as for every choice in protobuf.
fn simple(value: Cursor<'_>) -> Result<Option<Simple<'_>>, Malformed> {
    let mut found = None;
    for field in Fields::new(value) {
        let field = field?;
        found = match field.number {
            STRING => Some(Simple::Text(field.content()?)),
            BOOL => Some(Simple::Bool(field.varint()? != 0)),
            INT => Some(Simple::Int(field.varint()?.cast_signed())),
            _ => None,
        };
    }
    Ok(found)
}

/// The text of an AnyValue; empty for one that has none.
pub fn of(value: Cursor<'_>) -> Cow<'_, str> {
    match simple(value) {
        Ok(Some(Simple::Text(text))) => match text.bytes() {
            Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
            Cow::Owned(bytes) => String::from_utf8_lossy(&bytes).into_owned().into(),
        },
        Ok(Some(Simple::Int(int))) => int.to_string().into(),
        Ok(Some(Simple::Bool(bool))) => bool.to_string().into(),
        Ok(None) | Err(_) => "".into(),
    }
}
