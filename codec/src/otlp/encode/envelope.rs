//! What stands before the items: who made them.

use super::attribute::{Value, attribute};
use super::text;
use crate::otlp::fields::{
    ENTRY_RESOURCE, ENTRY_SCOPES, REQUEST_RESOURCES, RESOURCE_ATTRIBUTES, SCOPE_ATTRIBUTES,
    SCOPE_ENTRY_SCOPE,
};
use crate::varint;
use crate::writer::Writer;
use bytes::Bytes;

/// In a scope: its name and version.
const NAME: u32 = 1;
const VERSION: u32 = 2;
/// In a resource entry and in a scope entry.
const SCHEMA_URL: u32 = 3;

/// Who makes items.
#[derive(Debug, Clone, Copy, Default)]
pub struct Resource<'a> {
    pub schema_url: &'a str,
    pub attributes: &'a [(&'a str, Value<'a>)],
}

/// An instrumentation scope.
#[derive(Debug, Clone, Copy, Default)]
pub struct Scope<'a> {
    pub name: &'a str,
    pub version: &'a str,
    pub schema_url: &'a str,
    pub attributes: &'a [(&'a str, Value<'a>)],
}

/// A resource and a scope, encoded once for all items of theirs.
#[derive(Debug, Clone)]
pub struct Envelope {
    /// The fields of the resource entry before the scope entry.
    resource: Box<[u8]>,
    /// The fields of the scope entry before the items.
    scope: Box<[u8]>,
}

impl Envelope {
    pub fn new(resource: &Resource<'_>, scope: &Scope<'_>) -> Self {
        Self::with(
            resource.schema_url,
            |out| attributes(out, RESOURCE_ATTRIBUTES, resource.attributes),
            scope,
            |out| attributes(out, SCOPE_ATTRIBUTES, scope.attributes),
        )
    }

    /// With attributes that are written by the caller, as fields with the numbers
    /// [`RESOURCE_ATTRIBUTES`] and [`SCOPE_ATTRIBUTES`]; those of `scope` are not.
    pub fn with(
        resource_schema_url: &str,
        resource_attributes: impl FnOnce(&mut Writer),
        scope: &Scope<'_>,
        scope_attributes: impl FnOnce(&mut Writer),
    ) -> Self {
        Self {
            resource: resource_fields(resource_schema_url, resource_attributes),
            scope: scope_fields(scope, scope_attributes),
        }
    }

    /// What makes `items_len` bytes of items, put behind it, an export request.
    ///
    /// Cost: one allocation and copy, of the resource and the scope; the items stay where they are.
    pub fn head(&self, items_len: usize) -> Bytes {
        let scope_entry = self.scope.len() + items_len;
        let entry = self.resource.len() + 1 + varint::len(scope_entry as u64) + scope_entry;
        let fixed = self.resource.len() + self.scope.len();
        let mut out = Writer::new(Vec::with_capacity(fixed + 2 * (1 + varint::LEN_MAX)));
        out.header(REQUEST_RESOURCES, entry);
        out.raw(&self.resource);
        out.header(ENTRY_SCOPES, scope_entry);
        out.raw(&self.scope);
        out.finish()
    }
}

fn attributes(out: &mut Writer, number: u32, attributes: &[(&str, Value<'_>)]) {
    for (key, value) in attributes {
        attribute(out, number, *key, *value);
    }
}

fn resource_fields(schema_url: &str, attributes: impl FnOnce(&mut Writer)) -> Box<[u8]> {
    let mut out = Writer::default();
    let resource = out.open(ENTRY_RESOURCE, 256);
    attributes(&mut out);
    out.close(resource);
    text(&mut out, SCHEMA_URL, schema_url.as_bytes());
    out.into_buffer().into()
}

fn scope_fields(scope: &Scope<'_>, attributes: impl FnOnce(&mut Writer)) -> Box<[u8]> {
    let mut out = Writer::default();
    let open = out.open(SCOPE_ENTRY_SCOPE, 64);
    text(&mut out, NAME, scope.name.as_bytes());
    text(&mut out, VERSION, scope.version.as_bytes());
    attributes(&mut out);
    out.close(open);
    text(&mut out, SCHEMA_URL, scope.schema_url.as_bytes());
    out.into_buffer().into()
}
