//! JSON tokens from a rope.
//!
//! A token that lies in one slice is borrowed from it; one with escapes, or across an edge, is
//! collected in a buffer that is used again.

use super::plain::{Plain, plain};
use super::{JsonError, JsonErrorKind, number};
use crate::Rope;
use crate::rope::Cursor;

/// How deep a value may nest that is skipped: the bits of the stack that tells arrays from objects.
const SKIP_DEPTH_MAX: u32 = u128::BITS;

/// A place in a JSON text.
pub(super) struct Reader<'a> {
    cursor: Cursor<'a>,
    collected: Vec<u8>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(json: &'a Rope) -> Self {
        Self {
            cursor: json.cursor(),
            collected: Vec::new(),
        }
    }

    pub(super) const fn offset(&self) -> usize {
        self.cursor.offset()
    }

    pub(super) const fn remaining(&self) -> usize {
        self.cursor.remaining()
    }

    pub(super) const fn error(&self, kind: JsonErrorKind) -> JsonError {
        JsonError {
            offset: self.cursor.offset(),
            kind,
        }
    }

    /// The next byte that is not white space; it is not consumed.
    #[inline]
    pub(super) fn peek(&mut self) -> Result<u8, JsonError> {
        match self.cursor.window() {
            [byte, ..] if *byte > b' ' => Ok(*byte),
            _ => self.peek_behind_space(),
        }
    }

    fn peek_behind_space(&mut self) -> Result<u8, JsonError> {
        loop {
            let window = self.cursor.window();
            let space = window
                .iter()
                .position(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
            match space {
                Some(length) => {
                    self.cursor.skip_in_window(length);
                    return Ok(window[length]);
                }
                None if window.is_empty() => return Err(self.error(JsonErrorKind::Truncated)),
                None => self.cursor.skip_in_window(window.len()),
            }
        }
    }

    /// Moves past the byte that was peeked.
    #[inline]
    pub(super) fn bump(&mut self) {
        self.cursor.skip_in_window(1);
    }

    /// Moves past this byte, or says what stands there.
    #[inline]
    pub(super) fn expect(&mut self, wanted: u8) -> Result<(), JsonError> {
        match self.peek()? {
            found if found == wanted => {
                self.bump();
                Ok(())
            }
            found => Err(self.error(JsonErrorKind::Unexpected(found))),
        }
    }

    /// Moves past `wanted`, the type of a value, or says that it is of another.
    #[inline]
    pub(super) fn expect_type(
        &mut self,
        wanted: u8,
        expected: &'static str,
    ) -> Result<(), JsonError> {
        if self.peek()? != wanted {
            return Err(self.error(JsonErrorKind::WrongType { expected }));
        }
        self.bump();
        Ok(())
    }

    /// Nothing but white space may be left.
    pub(super) fn end(&mut self) -> Result<(), JsonError> {
        match self.peek() {
            Ok(found) => Err(self.error(JsonErrorKind::Unexpected(found))),
            Err(_) => Ok(()),
        }
    }

    /// Moves past `null`, if that comes next.
    #[inline]
    pub(super) fn null(&mut self) -> Result<bool, JsonError> {
        if self.peek()? != b'n' {
            return Ok(false);
        }
        self.literal(b"null")?;
        Ok(true)
    }

    pub(super) fn boolean(&mut self) -> Result<bool, JsonError> {
        match self.peek()? {
            b't' => self.literal(b"true").map(|()| true),
            b'f' => self.literal(b"false").map(|()| false),
            _ => Err(self.error(JsonErrorKind::WrongType {
                expected: "true or false",
            })),
        }
    }

    fn literal(&mut self, literal: &[u8]) -> Result<(), JsonError> {
        for &wanted in literal {
            match self.cursor.window().first() {
                Some(&found) if found == wanted => self.bump(),
                Some(&found) => return Err(self.error(JsonErrorKind::Unexpected(found))),
                None => return Err(self.error(JsonErrorKind::Truncated)),
            }
        }
        Ok(())
    }

    /// The digits, sign, point and exponent that come next; whether they are a number is not
    /// looked at. Something must come behind them: all that is read here stands in an object.
    pub(super) fn number(&mut self) -> Result<&[u8], JsonError> {
        self.peek()?;
        let window = self.cursor.window();
        let length = window.iter().position(|byte| !is_of_number(*byte));
        if let Some(length) = length {
            self.cursor.skip_in_window(length);
            return Ok(&window[..length]);
        }
        self.collect_number();
        if self.remaining() == 0 {
            return Err(self.error(JsonErrorKind::Truncated));
        }
        Ok(&self.collected)
    }

    fn collect_number(&mut self) {
        self.collected.clear();
        loop {
            let window = self.cursor.window();
            let length = window.iter().position(|byte| !is_of_number(*byte));
            let part = length.unwrap_or(window.len());
            self.collected.extend_from_slice(&window[..part]);
            self.cursor.skip_in_window(part);
            if part < window.len() || window.is_empty() {
                break;
            }
        }
    }

    /// The text of the string that comes next.
    #[inline]
    pub(super) fn string(&mut self) -> Result<&[u8], JsonError> {
        self.expect_type(b'"', "a string")?;
        let offset = self.offset();
        let window = self.cursor.window();
        let Plain { len, is_ascii } = plain(window);
        let (text, is_ascii) = if window.get(len) == Some(&b'"') {
            self.cursor.skip_in_window(len + 1);
            (&window[..len], is_ascii)
        } else {
            self.collect_string()?;
            (self.collected.as_slice(), false)
        };
        if is_ascii || std::str::from_utf8(text).is_ok() {
            return Ok(text);
        }
        let kind = JsonErrorKind::Utf8;
        Err(JsonError { offset, kind })
    }

    fn collect_string(&mut self) -> Result<(), JsonError> {
        self.collected.clear();
        loop {
            let window = self.cursor.window();
            let Plain { len, .. } = plain(window);
            self.collected.extend_from_slice(&window[..len]);
            self.cursor.skip_in_window(len);
            match window.get(len) {
                Some(b'"') => {
                    self.bump();
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
                Some(control) => return Err(self.error(JsonErrorKind::Unexpected(*control))),
                None if window.is_empty() => return Err(self.error(JsonErrorKind::Truncated)),
                None => {}
            }
        }
    }

    fn escape(&mut self) -> Result<(), JsonError> {
        let start = self.cursor;
        self.bump();
        let character = match self.byte()? {
            plain @ (b'"' | b'\\' | b'/') => char::from(plain),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => self.unicode_escape()?,
            _ => {
                self.cursor = start;
                return Err(self.error(JsonErrorKind::Escape));
            }
        };
        let mut utf8 = [0; 4];
        self.collected
            .extend_from_slice(character.encode_utf8(&mut utf8).as_bytes());
        Ok(())
    }

    /// Behind `\u`. Half of a surrogate pair is U+FFFD, and what follows it is read for itself.
    fn unicode_escape(&mut self) -> Result<char, JsonError> {
        let unit = self.four_hex_digits()?;
        if !(0xd800..0xdc00).contains(&unit) {
            return Ok(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        let behind = self.cursor;
        let mut next = [0; 2];
        if self.cursor.peek(&mut next) == 2 && next == *b"\\u" {
            self.bump();
            self.bump();
            let low = self.four_hex_digits()?;
            if (0xdc00..0xe000).contains(&low) {
                let scalar = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                return Ok(char::from_u32(scalar).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
        }
        self.cursor = behind;
        Ok(char::REPLACEMENT_CHARACTER)
    }

    fn four_hex_digits(&mut self) -> Result<u32, JsonError> {
        let mut unit = 0;
        for _ in 0..4 {
            let error = self.error(JsonErrorKind::Escape);
            let digit = char::from(self.byte()?).to_digit(16).ok_or(error)?;
            unit = unit << 4 | digit;
        }
        Ok(unit)
    }

    fn byte(&mut self) -> Result<u8, JsonError> {
        match self.cursor.window() {
            [byte, ..] => {
                self.bump();
                Ok(*byte)
            }
            [] => Err(self.error(JsonErrorKind::Truncated)),
        }
    }

    /// Moves past a value of any kind, and checks that it is one.
    pub(super) fn skip_value(&mut self) -> Result<(), JsonError> {
        // The lowest bit says whether the innermost open one is an array.
        let mut arrays = 0u128;
        let mut depth = 0;
        loop {
            if let Some(is_array) = self.skip_scalar_or_open()? {
                if depth == SKIP_DEPTH_MAX {
                    return Err(self.error(JsonErrorKind::TooDeep));
                }
                depth += 1;
                arrays = arrays << 1 | u128::from(is_array);
                continue;
            }
            while depth > 0 {
                let is_array = arrays & 1 == 1;
                match (self.peek()?, is_array) {
                    (b',', true) => {
                        self.bump();
                        break;
                    }
                    (b',', false) => {
                        self.bump();
                        self.key()?;
                        break;
                    }
                    (b']', true) | (b'}', false) => {
                        self.bump();
                        depth -= 1;
                        arrays >>= 1;
                    }
                    (found, _) => return Err(self.error(JsonErrorKind::Unexpected(found))),
                }
            }
            if depth == 0 {
                return Ok(());
            }
        }
    }

    /// Moves past a value, or to the first value within it: then whether it is an array.
    fn skip_scalar_or_open(&mut self) -> Result<Option<bool>, JsonError> {
        match self.peek()? {
            b'{' => {
                self.bump();
                if self.peek()? == b'}' {
                    self.bump();
                    return Ok(None);
                }
                self.key()?;
                return Ok(Some(false));
            }
            b'[' => {
                self.bump();
                if self.peek()? == b']' {
                    self.bump();
                    return Ok(None);
                }
                return Ok(Some(true));
            }
            b'"' => {
                self.string()?;
            }
            b't' => self.literal(b"true")?,
            b'f' => self.literal(b"false")?,
            b'n' => self.literal(b"null")?,
            b'-' | b'0'..=b'9' => {
                let error = self.error(JsonErrorKind::Number);
                if !number::is_json(self.number()?) {
                    return Err(error);
                }
            }
            found => return Err(self.error(JsonErrorKind::Unexpected(found))),
        }
        Ok(None)
    }

    /// Moves past a key and its colon.
    fn key(&mut self) -> Result<(), JsonError> {
        match self.peek()? {
            b'"' => self.string()?,
            found => return Err(self.error(JsonErrorKind::Unexpected(found))),
        };
        self.expect(b':')
    }
}

const fn is_of_number(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')
}
