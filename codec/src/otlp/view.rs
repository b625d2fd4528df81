//! Looking at one item where it lies: its own fields, its resource, its scope.

use super::Signal;
use super::fields::{KEY_VALUE_KEY, KEY_VALUE_VALUE, RESOURCE_ATTRIBUTES, SCOPE_ATTRIBUTES};
use super::walk::{Container, Level, Unit, UnitKind};
use crate::field::{Fields, Malformed, WireType};
use crate::rope::Cursor;

/// An item and the messages around it. Nothing is read before it is asked for.
///
/// What is inside an item may be malformed though the request's framing is sound; the lookups say
/// so with the offset.
#[derive(Debug)]
pub struct ItemView<'a> {
    signal: Signal,
    path: &'a [Container<'a>],
    unit: &'a Unit<'a>,
}

impl<'a> ItemView<'a> {
    pub(super) const fn new(signal: Signal, path: &'a [Container<'a>], unit: &'a Unit<'a>) -> Self {
        Self { signal, path, unit }
    }

    pub const fn signal(&self) -> Signal {
        self.signal
    }

    /// How many items this counts for: 1, or a profile's samples.
    pub const fn items(&self) -> u64 {
        self.unit.items
    }

    /// The content of the span, log record, data point or profile. For a metric without points it
    /// is the metric itself.
    pub const fn item(&self) -> Cursor<'a> {
        self.unit.payload
    }

    /// The content of the Resource; empty where there is none.
    pub fn resource(&self) -> Cursor<'a> {
        self.subject(Level::Resource)
    }

    /// The content of the InstrumentationScope; empty where there is none.
    pub fn scope(&self) -> Cursor<'a> {
        self.subject(Level::Scope)
    }

    /// The content of the Metric that a data point belongs to.
    pub fn metric(&self) -> Option<Cursor<'a>> {
        if self.unit.kind == UnitKind::Metric {
            return Some(self.unit.payload);
        }
        let metric = self
            .path
            .iter()
            .find(|around| around.level == Level::Metric);
        metric.map(|metric| metric.payload)
    }

    /// The value of the resource's first attribute with this key: the content of an AnyValue.
    pub fn resource_attribute(&self, key: &str) -> Result<Option<Cursor<'a>>, Malformed> {
        attribute(self.resource(), RESOURCE_ATTRIBUTES, key)
    }

    /// The value of the scope's first attribute with this key.
    pub fn scope_attribute(&self, key: &str) -> Result<Option<Cursor<'a>>, Malformed> {
        attribute(self.scope(), SCOPE_ATTRIBUTES, key)
    }

    /// The value of the item's first attribute with this key. A profile's attributes are in the
    /// dictionary, and are not looked for.
    pub fn item_attribute(&self, key: &str) -> Result<Option<Cursor<'a>>, Malformed> {
        match self.unit.kind {
            UnitKind::Item { attributes } => attribute(self.unit.payload, attributes, key),
            UnitKind::Profile | UnitKind::Metric | UnitKind::Empty => Ok(None),
        }
    }

    fn subject(&self, level: Level) -> Cursor<'a> {
        let around = self.path.iter().find(|around| around.level == level);
        around.map_or(Cursor::default(), |around| around.subject.cursor())
    }
}

/// The value of the first attribute with this key in a message that has attributes in the field
/// `attributes`; an attribute without a value has an empty one.
pub fn attribute<'a>(
    message: Cursor<'a>,
    attributes: u32,
    key: &str,
) -> Result<Option<Cursor<'a>>, Malformed> {
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next_of(|number| number == attributes) {
        if let Some(value) = value_of(field?.content()?, key)? {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

/// The value of a KeyValue if its key is this.
fn value_of<'a>(key_value: Cursor<'a>, key: &str) -> Result<Option<Cursor<'a>>, Malformed> {
    let mut found = key.is_empty();
    let mut value = key_value.at_end();
    for field in Fields::new(key_value) {
        let field = field?;
        match (field.number, field.wire_type) {
            // Of several keys the last one counts.
            (KEY_VALUE_KEY, WireType::Len) => found = field.payload().is(key.as_bytes()),
            (KEY_VALUE_VALUE, WireType::Len) => value = field.payload(),
            _ => {}
        }
    }
    Ok(found.then_some(value))
}
