//! What arrived: each item's number, and whether it is the item that was sent.

use super::canonical::canonical;
use super::layout::{ITEM_LEN, ITEM_PREFIX, Kind, Role, check, each_item_of, share};
use tailrace_codec::field::{Fields, Malformed, Value, each};
use tailrace_codec::otlp::attribute;
use tailrace_codec::otlp::fields::{ENTRY_RESOURCE, REQUEST_RESOURCES, RESOURCE_ATTRIBUTES};
use tailrace_codec::rope::Cursor;
use tailrace_codec::{Rope, Signal, varint};

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
    /// That its resource names.
    pub run: Option<u64>,
}

/// Shows every span, log record or data point of an export request in protobuf.
///
/// Errors: [`Malformed`], with its offset, down to the fields of the items; the items before it
/// have been shown.
/// Cost: one pass and a hash of each field; copies an item only where it lies in two slices.
pub fn items(signal: Signal, request: &Rope, mut visit: impl FnMut(Item)) -> Result<(), Malformed> {
    each(request.cursor(), REQUEST_RESOURCES, |entry| {
        let run = run(entry)?;
        each_item_of(signal, entry, |kind, item| {
            let quickly = read_whole(kind, &item.bytes());
            let mut seen = match quickly {
                Some(seen) => seen,
                None => read(kind, item)?,
            };
            if !seen.intact
                && let Some(sorted) = canonical(kind, item)
            {
                // Written anew on its way, perhaps, by somebody with an order of their own.
                let sorted = read(kind, sorted.cursor())?;
                seen = if sorted.intact { sorted } else { seen };
            }
            visit(Item { run, ..seen });
            Ok(())
        })
    })
}

/// The run that the resource of an entry names.
fn run(entry: Cursor<'_>) -> Result<Option<u64>, Malformed> {
    let mut run = None;
    each(entry, ENTRY_RESOURCE, |resource| {
        if let Some(value) = attribute(resource, RESOURCE_ATTRIBUTES, RUN_KEY)?
            && let Some(Ok((1, Value::Len(mut text)))) = Fields::new(value).next_value()
        {
            run = text.read_array().ok().as_ref().and_then(from_hex);
        }
        Ok(())
    })?;
    Ok(run)
}

/// What has been read of an item.
#[derive(Debug, Default)]
struct Reading {
    identity: Option<(u64, u64)>,
    content: u64,
    sent: u64,
}

impl Reading {
    /// `payload` as it is on the wire, without a length.
    #[inline]
    fn add(&mut self, role: Role, number: u32, payload: &[u8]) {
        match role {
            Role::TraceId | Role::SpanId | Role::Time | Role::TraceState => return,
            Role::Sent => {
                self.sent = payload
                    .first_chunk()
                    .map_or(0, |nanos| u64::from_le_bytes(*nanos));
                return;
            }
            Role::Attribute if payload.len() == ITEM_LEN && self.identity.is_none() => {
                self.identity = identity_of(payload);
                if self.identity.is_some() {
                    return;
                }
            }
            Role::Attribute | Role::Content => {}
        }
        self.content = self.content.wrapping_add(share(number, payload));
    }

    fn finish(self) -> Item {
        let (id, written) = self
            .identity
            .map_or((None, 0), |(id, check)| (Some(id), check));
        Item {
            id,
            check: written,
            intact: id.is_some_and(|id| check(id, self.content) == written),
            sent_unix_nanos: self.sent,
            run: None,
        }
    }
}

/// Any item, or its fault and where that is.
fn read(kind: Kind, item: Cursor<'_>) -> Result<Item, Malformed> {
    let mut reading = Reading::default();
    for field in Fields::new(item) {
        let field = field?;
        let role = kind.role(field.number);
        reading.add(role, field.number, &field.payload().bytes());
    }
    Ok(reading.finish())
}

/// The same of a well-formed item whose tags take a byte or two; `None` for all others.
///
/// The check must cost less than the forwarding that it checks: without a cursor that can cross
/// slices it takes a quarter of the time.
fn read_whole(kind: Kind, mut rest: &[u8]) -> Option<Item> {
    let mut reading = Reading::default();
    while !rest.is_empty() {
        let (key, header) = varint_at(rest)?;
        let number = (key >> 3) as u32;
        if number == 0 || header > 2 {
            return None;
        }
        rest = &rest[header..];
        let payload_len = match key & 7 {
            0 => varint_at(rest)?.1,
            1 => 8,
            2 => {
                let (length, width) = varint_at(rest)?;
                rest = &rest[width..];
                usize::try_from(length).ok()?
            }
            5 => 4,
            _ => return None,
        };
        let (payload, after) = rest.split_at_checked(payload_len)?;
        reading.add(kind.role(number), number, payload);
        rest = after;
    }
    Some(reading.finish())
}

/// The varint at the beginning, and its length.
#[inline]
fn varint_at(bytes: &[u8]) -> Option<(u64, usize)> {
    match *bytes {
        [one, ..] if one < 0x80 => Some((u64::from(one), 1)),
        _ => match varint::decode(bytes) {
            varint::Decoded::Value(value, len) => Some((value, len)),
            varint::Decoded::Truncated | varint::Decoded::TooLong => None,
        },
    }
}

/// The number and the check value, where a KeyValue is an identity.
#[inline]
fn identity_of(key_value: &[u8]) -> Option<(u64, u64)> {
    let (number, check) = key_value.strip_prefix(&ITEM_PREFIX)?.split_first_chunk()?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Bytes that are often fields: small numbers, short lengths.
        #[test]
        fn what_is_read_quickly_is_what_is_read(
            bytes in prop::collection::vec(prop_oneof![0_u8..20, any::<u8>()], 0..80),
        ) {
            for kind in [Kind::Span, Kind::Log, Kind::Point(10)] {
                if let Some(item) = read_whole(kind, &bytes) {
                    let rope = Rope::from(bytes.clone());
                    prop_assert_eq!(read(kind, rope.cursor()), Ok(item));
                }
            }
        }
    }
}
