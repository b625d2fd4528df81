//! Attributes: a key and a value, borrowed.

use super::tag;
use crate::otlp::fields::{KEY_VALUE_KEY, KEY_VALUE_VALUE};
use crate::varint;
use crate::writer::{Window, Writer};

const STRING: u32 = 1;
const BOOL: u32 = 2;
const INT: u32 = 3;
const DOUBLE: u32 = 4;
const ARRAY: u32 = 5;
const MAP: u32 = 6;
const BYTES: u32 = 7;
/// In an array, its values; in a map, its pairs.
const ELEMENT: u32 = 1;

/// What a value whose length is not known is expected to have: a wrong guess costs a move.
const LEN_EXPECTED: usize = 64;

/// An attribute's value or a log record's body.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    String(&'a str),
    Bool(bool),
    Int(i64),
    Double(f64),
    Bytes(&'a [u8]),
    Array(&'a [Value<'a>]),
}

/// The key of an attribute, encoded ahead: recording it is one copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    text: Box<str>,
    /// Its field, where that is no longer; `len` of the bytes.
    short: [u8; SHORT],
    /// Bytes of its field.
    len: usize,
}

/// A field that is no longer is copied with a known length. Nearly all of the names in
/// OpenTelemetry's semantic conventions have 30 bytes at most.
const SHORT: usize = 32;

impl Key {
    pub fn new(key: &str) -> Self {
        let mut short = [0; SHORT];
        let len = key.field_len();
        if len <= SHORT {
            let mut out = Writer::new(Vec::with_capacity(len));
            out.bytes(KEY_VALUE_KEY, key.as_bytes());
            short[..len].copy_from_slice(out.as_slice());
        }
        Self {
            text: key.into(),
            short,
            len,
        }
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// What an attribute may be called by.
pub trait AttributeKey {
    /// Bytes of the key's field.
    fn field_len(&self) -> usize;
    fn write(&self, out: &mut Writer);

    /// As [`write`](Self::write). Panics where the window is too short, for which a key that
    /// takes up to [`SHORT`] bytes counts as one of [`SHORT`].
    fn put<const N: usize>(&self, window: &mut Window<'_, N>);
}

impl AttributeKey for Key {
    #[inline]
    fn field_len(&self) -> usize {
        self.len
    }

    #[inline]
    fn write(&self, out: &mut Writer) {
        (*self.text).write(out);
    }

    #[inline]
    fn put<const N: usize>(&self, window: &mut Window<'_, N>) {
        if self.len <= SHORT {
            window.put_padded(&self.short, self.len);
        } else {
            window.put(&[tag(KEY_VALUE_KEY), self.text.len() as u8]);
            window.put_long(self.text.as_bytes());
        }
    }
}

impl AttributeKey for str {
    #[inline]
    fn field_len(&self) -> usize {
        field_len(self.len())
    }

    #[inline]
    fn write(&self, out: &mut Writer) {
        out.bytes(KEY_VALUE_KEY, self.as_bytes());
    }

    #[inline]
    fn put<const N: usize>(&self, window: &mut Window<'_, N>) {
        window.put(&[tag(KEY_VALUE_KEY), self.len() as u8]);
        window.put_short(self.as_bytes());
    }
}

impl<K: AttributeKey + ?Sized> AttributeKey for &K {
    #[inline]
    fn field_len(&self) -> usize {
        (**self).field_len()
    }

    #[inline]
    fn write(&self, out: &mut Writer) {
        (**self).write(out);
    }

    #[inline]
    fn put<const N: usize>(&self, window: &mut Window<'_, N>) {
        (**self).put(window);
    }
}

/// Writes one attribute as field `number` of what it describes.
///
/// Cost: lengths are added up before anything is written, so nothing is moved; two copies, of the
/// key and of the value.
#[inline]
pub fn attribute(out: &mut Writer, number: u32, key: impl AttributeKey, value: Value<'_>) {
    // Nearly all there are: number, lengths and kind take a byte each.
    let key_len = key.field_len();
    if number >= 16 || key_len >= SHORT_PAIR {
        return attribute_any(out, number, key, value);
    }
    let room = SHORT_PAIR - key_len;
    let head = |value_len: usize| [tag(number), (key_len + 2 + value_len) as u8];
    let int_head = |len| [tag(KEY_VALUE_VALUE), len, (INT << 3) as u8];
    match value {
        Value::String(text) if text.len() + 4 <= room => out.window(|window: &mut Short<'_>| {
            let len = text.len() as u8;
            window.put(&head(text.len() + 2));
            key.put(window);
            window.put(&[tag(KEY_VALUE_VALUE), len + 2, tag(STRING), len]);
            window.put_short(text.as_bytes());
        }),
        Value::Bool(bool) if room >= 4 => out.window(|window: &mut Short<'_>| {
            window.put(&head(2));
            key.put(window);
            window.put(&[tag(KEY_VALUE_VALUE), 2, (BOOL << 3) as u8, u8::from(bool)]);
        }),
        Value::Int(int @ 0..0x80) if room >= 4 => out.window(|window: &mut Short<'_>| {
            window.put(&head(2));
            key.put(window);
            window.put(&int_head(2));
            window.put(&[int as u8]);
        }),
        Value::Int(int @ 0x80..0x4000) if room >= 5 => out.window(|window: &mut Short<'_>| {
            window.put(&head(3));
            key.put(window);
            window.put(&int_head(3));
            window.put(&[int as u8 | 0x80, (int >> 7) as u8]);
        }),
        value => attribute_any(out, number, key, value),
    }
}

/// The longest pair whose length takes a byte.
const SHORT_PAIR: usize = 0x7f;

/// A pair with its tag and length, and room to copy its last text as one of 32 bytes.
type Short<'w> = Window<'w, { 2 + SHORT_PAIR + 32 }>;

#[inline(never)]
fn attribute_any(out: &mut Writer, number: u32, key: impl AttributeKey, value: Value<'_>) {
    let value_len = value.len();
    out.header(number, key.field_len() + field_len(value_len));
    key.write(out);
    out.header(KEY_VALUE_VALUE, value_len);
    value.write(out);
}

/// Writes one attribute whose value is put together by `content`, out of [`Value::write`],
/// [`array`] and [`map`].
pub fn attribute_with(
    out: &mut Writer,
    number: u32,
    key: impl AttributeKey,
    content: impl FnOnce(&mut Writer),
) {
    let pair = out.open(number, key.field_len() + LEN_EXPECTED);
    key.write(out);
    let value = out.open(KEY_VALUE_VALUE, LEN_EXPECTED);
    content(out);
    out.close(value);
    out.close(pair);
}

/// The content of a value that is an array; `content` writes that of an element.
pub fn array<T>(
    out: &mut Writer,
    values: impl IntoIterator<Item = T>,
    mut content: impl FnMut(&mut Writer, T),
) {
    let array = out.open(ARRAY, LEN_EXPECTED);
    for value in values {
        let element = out.open(ELEMENT, LEN_EXPECTED);
        content(out, value);
        out.close(element);
    }
    out.close(array);
}

/// The content of a value that is a map; `content` writes that of a value in it.
pub fn map<K: AttributeKey, T>(
    out: &mut Writer,
    entries: impl IntoIterator<Item = (K, T)>,
    mut content: impl FnMut(&mut Writer, T),
) {
    let map = out.open(MAP, LEN_EXPECTED);
    for (key, value) in entries {
        attribute_with(out, ELEMENT, key, |out| content(out, value));
    }
    out.close(map);
}

impl Value<'_> {
    /// Bytes of the AnyValue that holds it.
    fn len(&self) -> usize {
        match self {
            Self::String(text) => field_len(text.len()),
            Self::Bytes(bytes) => field_len(bytes.len()),
            Self::Bool(_) => 2,
            Self::Int(int) => 1 + varint::len(*int as u64),
            Self::Double(_) => 9,
            Self::Array(values) => field_len(elements_len(values)),
        }
    }

    /// The content of the AnyValue. Written where it is 0 or empty as well: the kind of a value is
    /// told by which field is there.
    pub fn write(&self, out: &mut Writer) {
        match self {
            Self::String(text) => out.bytes(STRING, text.as_bytes()),
            Self::Bytes(bytes) => out.bytes(BYTES, bytes),
            Self::Bool(bool) => out.varint(BOOL, u64::from(*bool)),
            Self::Int(int) => out.varint(INT, *int as u64),
            Self::Double(double) => out.fixed64(DOUBLE, double.to_bits()),
            Self::Array(values) => {
                out.header(ARRAY, elements_len(values));
                for value in *values {
                    value.write_field(ELEMENT, out);
                }
            }
        }
    }

    /// As a field that holds an AnyValue.
    pub(super) fn write_field(&self, number: u32, out: &mut Writer) {
        out.header(number, self.len());
        self.write(out);
    }
}

/// Cost: each value below an array of arrays is visited once for each level above it.
fn elements_len(values: &[Value<'_>]) -> usize {
    values.iter().map(|value| field_len(value.len())).sum()
}

/// Bytes of a length-delimited field with a number below 16.
const fn field_len(len: usize) -> usize {
    1 + varint::len(len as u64) + len
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::String(text)
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(text: &'a String) -> Self {
        Self::String(text)
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Bytes(bytes)
    }
}

impl<'a> From<&'a [Self]> for Value<'a> {
    fn from(values: &'a [Self]) -> Self {
        Self::Array(values)
    }
}

impl From<bool> for Value<'_> {
    fn from(bool: bool) -> Self {
        Self::Bool(bool)
    }
}

impl From<f64> for Value<'_> {
    fn from(double: f64) -> Self {
        Self::Double(double)
    }
}

impl From<i64> for Value<'_> {
    fn from(int: i64) -> Self {
        Self::Int(int)
    }
}

impl From<i32> for Value<'_> {
    fn from(int: i32) -> Self {
        Self::Int(int.into())
    }
}

impl From<u32> for Value<'_> {
    fn from(int: u32) -> Self {
        Self::Int(int.into())
    }
}

impl From<u16> for Value<'_> {
    fn from(int: u16) -> Self {
        Self::Int(int.into())
    }
}
