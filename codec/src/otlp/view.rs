//! Looking at one item where it lies: its own fields, its resource, its scope.

use super::Signal;
use super::fields::{
    KEY_VALUE_KEY, KEY_VALUE_VALUE, LOG_SEVERITY_NUMBER, LOG_TRACE_ID, RESOURCE_ATTRIBUTES,
    SCOPE_ATTRIBUTES, SPAN_STATUS, SPAN_TRACE_ID, STATUS_CODE,
};
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

    /// Where the message with this item's resource begins in the request: items with the same have
    /// the same resource.
    pub fn resource_at(&self) -> usize {
        self.at(Level::Resource)
    }

    /// Where the message with this item's scope begins in the request.
    pub fn scope_at(&self) -> usize {
        self.at(Level::Scope)
    }

    /// A log record's severity number; 0 where it has none, and for other signals.
    pub fn severity_number(&self) -> Result<u64, Malformed> {
        if self.signal != Signal::Logs {
            return Ok(0);
        }
        last_varint(self.item(), LOG_SEVERITY_NUMBER)
    }

    /// A span's status code; 0 (unset) where it has none, and for other signals.
    pub fn span_status(&self) -> Result<u64, Malformed> {
        if self.signal != Signal::Traces {
            return Ok(0);
        }
        let mut code = 0;
        let mut fields = Fields::new(self.item());
        while let Some(field) = fields.next_of(|number| number == SPAN_STATUS) {
            // Messages that stand twice are merged: a later one without a code leaves it.
            for field in Fields::new(field?.content()?) {
                let field = field?;
                if field.number == STATUS_CODE {
                    code = field.varint()?;
                }
            }
        }
        Ok(code)
    }

    /// A span's or log record's trace id, where it has one of 16 bytes that are not all zero.
    pub fn trace_id(&self) -> Result<Option<[u8; 16]>, Malformed> {
        let number = match self.signal {
            Signal::Traces => SPAN_TRACE_ID,
            Signal::Logs => LOG_TRACE_ID,
            Signal::Metrics | Signal::Profiles => return Ok(None),
        };
        let mut id = None;
        let mut fields = Fields::new(self.item());
        while let Some(field) = fields.next_of(|field| field == number) {
            let content = field?.content()?;
            let mut bytes = [0; 16];
            let is_full = content.remaining() == 16 && content.peek(&mut bytes) == 16;
            id = (is_full && bytes != [0; 16]).then_some(bytes);
        }
        Ok(id)
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

    fn at(&self, level: Level) -> usize {
        let around = self.path.iter().find(|around| around.level == level);
        around.map_or(0, |around| around.whole.start)
    }

    fn subject(&self, level: Level) -> Cursor<'a> {
        let around = self.path.iter().find(|around| around.level == level);
        around.map_or(Cursor::default(), |around| around.subject.cursor())
    }
}

/// The last value of a varint field; 0 where there is none.
fn last_varint(message: Cursor<'_>, number: u32) -> Result<u64, Malformed> {
    let mut value = 0;
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next_of(|field| field == number) {
        value = field?.varint()?;
    }
    Ok(value)
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
