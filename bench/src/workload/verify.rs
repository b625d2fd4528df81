//! What arrived: each item's number, and whether it is the item that was sent.

use super::layout::{ITEM_LEN, ITEM_PREFIX, Kind, Role, check, each, each_item, share};
use tailrace_codec::field::{Fields, Malformed, Value};
use tailrace_codec::otlp::attribute;
use tailrace_codec::otlp::fields::{ENTRY_RESOURCE, REQUEST_RESOURCES, RESOURCE_ATTRIBUTES};
use tailrace_codec::rope::Cursor;
use tailrace_codec::{Rope, Signal};

/// The key of the resource attribute that says which run the items are of.
pub const RUN_KEY: &str = "tailrace.run";

/// One item as it arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item {
    /// `None` for an item without an identity: not one of a workload's, or no longer.
    pub id: Option<u64>,
    /// As it is written on the item; 0 where there is none.
    pub check: u64,
    /// Whether the check value belongs to the number and to the content that arrived.
    pub intact: bool,
    /// When it was sent, by the sender's clock; 0 where the item does not say.
    pub sent_unix_nanos: u64,
}

/// Shows every span, log record or data point of an export request in protobuf.
///
/// Errors: [`Malformed`], with its offset, down to the fields of the items; the items before it
/// have been shown.
/// Cost: one pass and a hash of each field; copies a field only where it lies in two slices.
pub fn items(signal: Signal, request: &Rope, mut visit: impl FnMut(Item)) -> Result<(), Malformed> {
    each_item(signal, request.cursor(), |kind, item| {
        visit(read(kind, item)?);
        Ok(())
    })
}

/// The run that a request's first resource with a run names; `None` where none does.
pub fn run(request: &Rope) -> Result<Option<u64>, Malformed> {
    let mut run = None;
    each(request.cursor(), REQUEST_RESOURCES, |entry| {
        each(entry, ENTRY_RESOURCE, |resource| {
            if run.is_none()
                && let Some(value) = attribute(resource, RESOURCE_ATTRIBUTES, RUN_KEY)?
                && let Some(Ok((1, Value::Len(text)))) = Fields::new(value).next_value()
            {
                let mut text = text;
                run = text.read_array().ok().as_ref().and_then(from_hex);
            }
            Ok(())
        })
    })?;
    Ok(run)
}

fn read(kind: Kind, item: Cursor<'_>) -> Result<Item, Malformed> {
    let (mut identity, mut content, mut sent) = (None, 0_u64, 0);
    for field in Fields::new(item) {
        let field = field?;
        let payload = field.payload();
        match kind.role(field.number) {
            Role::TraceId | Role::SpanId | Role::Time => {}
            Role::Sent => sent = field.fixed64()?,
            Role::Attribute if payload.remaining() == ITEM_LEN && identity.is_none() => {
                identity = identity_of(payload);
                if identity.is_none() {
                    content = content.wrapping_add(share(field.number, payload));
                }
            }
            Role::Attribute | Role::Content => {
                content = content.wrapping_add(share(field.number, payload));
            }
        }
    }
    let (id, written) = identity.map_or((None, 0), |(id, check)| (Some(id), check));
    Ok(Item {
        id,
        check: written,
        intact: id.is_some_and(|id| check(id, content) == written),
        sent_unix_nanos: sent,
    })
}

/// The number and the check value, where a KeyValue is an identity.
#[inline]
fn identity_of(mut key_value: Cursor<'_>) -> Option<(u64, u64)> {
    let bytes: [u8; ITEM_LEN] = key_value.read_array().ok()?;
    let (number, check) = bytes.strip_prefix(&ITEM_PREFIX)?.split_first_chunk()?;
    Some((from_hex(number)?, from_hex(check.first_chunk()?)?))
}

/// The number of 16 hex digits; `None` for anything else, and for upper case, which is not what
/// was written.
#[inline]
fn from_hex(digits: &[u8; 16]) -> Option<u64> {
    let mut value = 0;
    let mut wrong = 0;
    for digit in digits {
        let nibble = NIBBLES[usize::from(*digit)];
        wrong |= nibble;
        value = value << 4 | u64::from(nibble & 15);
    }
    (wrong < 16).then_some(value)
}

/// The value of a lower-case hex digit, 16 for all else.
static NIBBLES: [u8; 256] = {
    let mut table = [16; 256];
    let mut value = 0;
    while value < 16 {
        table[b"0123456789abcdef"[value as usize] as usize] = value;
        value += 1;
    }
    table
};
