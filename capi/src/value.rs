//! Attributes and bodies: a key, and a value that says of which kind it is.

use crate::boundary::{Failure, slice, text, utf8};
use smallvec::SmallVec;
use std::ffi::{c_char, c_void};
use tailrace_codec::otlp::encode;

/// Of which kind a value is.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub enum ValueKind {
    /// There is none: a log record without a body. No attribute is of this kind.
    None = 0,
    /// `slice`: UTF-8, which need not end with a NUL.
    String = 1,
    /// `boolean`
    Bool = 2,
    /// `integer`
    Int = 3,
    /// `real`
    Double = 4,
    /// `slice`
    Bytes = 5,
}

/// Bytes of the caller's. `data` may be NULL where `len` is 0.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Slice {
    pub data: *const c_void,
    pub len: usize,
}

/// What a value holds; `kind` of the value says which of these.
#[derive(Clone, Copy)]
#[repr(C)]
pub union Content {
    /// Whatever is not 0 is true.
    pub boolean: u8,
    pub integer: i64,
    pub real: f64,
    pub slice: Slice,
}

/// An attribute's value or a log record's body, made by tailrace_string(), tailrace_text(),
/// tailrace_bool(), tailrace_int(), tailrace_double() or tailrace_bytes().
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Value {
    /// One of tailrace_value_kind.
    pub kind: u32,
    pub content: Content,
}

/// A key and a value.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Attribute {
    pub key: *const c_char,
    pub value: Value,
}

/// Attributes beside each other, as the encoder wants them; more than these cost an allocation.
pub(crate) type Pairs<'a> = SmallVec<[(&'a str, encode::Value<'a>); 32]>;

impl Value {
    /// `None`: there is none.
    ///
    /// # Safety
    ///
    /// Of the content that `kind` tells all bytes are set, and a slice leads to bytes that nobody
    /// writes during `'a`.
    pub(crate) unsafe fn read<'a>(
        self,
        name: &'static str,
    ) -> Result<Option<encode::Value<'a>>, Failure> {
        use encode::Value as Read;
        const NONE: u32 = ValueKind::None as u32;
        const STRING: u32 = ValueKind::String as u32;
        const BOOL: u32 = ValueKind::Bool as u32;
        const INT: u32 = ValueKind::Int as u32;
        const DOUBLE: u32 = ValueKind::Double as u32;
        const BYTES: u32 = ValueKind::Bytes as u32;
        let content = self.content;
        Ok(Some(match self.kind {
            NONE => return Ok(None),
            // SAFETY: it is the content that was set; any bits are a number.
            BOOL => Read::Bool(unsafe { content.boolean } != 0),
            // SAFETY: as above.
            INT => Read::Int(unsafe { content.integer }),
            // SAFETY: as above.
            DOUBLE => Read::Double(unsafe { content.real }),
            STRING | BYTES => {
                // SAFETY: as above; any bits are a pointer and a length.
                let Slice { data, len } = unsafe { content.slice };
                // SAFETY: the caller answers for the bytes.
                let bytes = unsafe { slice(data.cast::<u8>(), len, name) }?;
                match self.kind {
                    STRING => Read::String(utf8(bytes, name)?),
                    _ => Read::Bytes(bytes),
                }
            }
            _ => return Err(Failure::argument(name, "of no tailrace_value_kind")),
        }))
    }

    /// As [`read`](Self::read), where there must be one.
    ///
    /// # Safety
    ///
    /// That of [`read`](Self::read).
    pub(crate) unsafe fn read_some<'a>(
        self,
        name: &'static str,
    ) -> Result<encode::Value<'a>, Failure> {
        // SAFETY: as the caller says.
        let value = unsafe { self.read(name) }?;
        value.ok_or(Failure::argument(name, "of the kind that has no value"))
    }
}

/// Reads attributes where they stand.
///
/// # Safety
///
/// `attributes` leads to `len` of them, as [`slice`], [`text`] and [`Value::read`] want them.
pub(crate) unsafe fn pairs<'a>(
    attributes: *const Attribute,
    len: usize,
) -> Result<Pairs<'a>, Failure> {
    // SAFETY: as the caller says.
    let attributes = unsafe { slice(attributes, len, "attributes") }?;
    let mut pairs = Pairs::new();
    for attribute in attributes {
        // SAFETY: as the caller says.
        let key = unsafe { text(attribute.key, "an attribute's key") }?;
        // SAFETY: as the caller says.
        let value = unsafe { attribute.value.read_some("an attribute's value") }?;
        pairs.push((key, value));
    }
    Ok(pairs)
}
