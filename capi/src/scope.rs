//! The instrumentation scope: which part of a program makes items.

use crate::boundary::{Failure, optional_text, shared, text};
use crate::value::{Attribute, Pairs, pairs};
use std::ffi::c_char;
use tailrace_codec::otlp::encode;

/// Which library or part of the program makes items. All but `name` may be NULL or 0.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Scope {
    pub name: *const c_char,
    pub version: *const c_char,
    pub schema_url: *const c_char,
    pub attributes: *const Attribute,
    pub attributes_len: usize,
}

/// A scope that was read, and the attributes it refers to.
pub(crate) struct Read<'a> {
    scope: encode::Scope<'a>,
    attributes: Pairs<'a>,
}

impl Read<'_> {
    pub fn scope(&self) -> encode::Scope<'_> {
        encode::Scope {
            attributes: &self.attributes,
            ..self.scope
        }
    }
}

/// # Safety
///
/// `scope` and what its fields lead to are as [`shared`], [`text`] and [`pairs`] want them.
pub(crate) unsafe fn read<'a>(scope: *const Scope) -> Result<Read<'a>, Failure> {
    // SAFETY: as the caller says, here and below.
    let scope = unsafe { shared(scope, "scope") }?;
    Ok(Read {
        scope: encode::Scope {
            // SAFETY: as above.
            name: unsafe { text(scope.name, "scope->name") }?,
            // SAFETY: as above.
            version: unsafe { optional_text(scope.version, "scope->version") }?,
            // SAFETY: as above.
            schema_url: unsafe { optional_text(scope.schema_url, "scope->schema_url") }?,
            attributes: &[],
        },
        // SAFETY: as above.
        attributes: unsafe { pairs(scope.attributes, scope.attributes_len) }?,
    })
}
