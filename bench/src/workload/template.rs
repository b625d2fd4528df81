//! A request into which each sending's numbers and times are written.
//!
//! A template is an export request whose ids and times are relative: a trace id is the place in
//! the request of the trace's first item, a span id that of the span, a time how long before the
//! request it was, in nanoseconds. Where they stand is found by reading it once, as whoever
//! receives the request reads it.

use super::layout::{ITEM_LEN, ITEM_PREFIX, Role, check, each_item, mix, share};
use bytes::Bytes;
use tailrace_codec::field::Fields;
use tailrace_codec::otlp::json;
use tailrace_codec::rope::Cursor;
use tailrace_codec::{Malformed, Rope, Signal};

/// A request of which the slots are yet to be filled, in one encoding.
#[derive(Debug)]
pub struct Template {
    bytes: Vec<u8>,
    slots: Vec<Slot>,
}

/// Where a value of fixed width stands.
#[derive(Debug, Clone, Copy)]
struct Slot {
    at: u32,
    value: Value,
}

/// What stands there. Places are counted from the request's first item.
#[derive(Debug, Clone, Copy)]
enum Value {
    TraceId { place: u32 },
    SpanId { place: u32 },
    Time { before_nanos: u64 },
    Identity { place: u32, content: u64 },
}

/// What the slots are filled with to find them again in JSON: no text of a template has it.
const PROBE_NUMBER: u64 = 0x7461_696c_0000_0000;
const PROBE_NANOS: u64 = 1_987_654_321_987_654_321;

impl Template {
    /// `request` with relative ids and times. Errors: it is not an export request of the signal.
    pub fn protobuf(signal: Signal, request: Vec<u8>) -> Result<Self, Malformed> {
        let rope = Rope::from(Bytes::copy_from_slice(&request));
        let mut slots = Vec::new();
        let mut place = 0;
        each_item(signal, rope.cursor(), |kind, item| {
            let (mut content, mut identity_at) = (0_u64, 0);
            for field in Fields::new(item) {
                let field = field?;
                let payload = field.payload();
                let at = payload.offset() as u32;
                let role = kind.role(field.number);
                let value = match role {
                    Role::TraceId => Value::TraceId {
                        place: u64::from_be_bytes(tail(&payload.bytes())) as u32,
                    },
                    Role::SpanId => Value::SpanId {
                        place: u64::from_be_bytes(tail(&payload.bytes())) as u32,
                    },
                    Role::Time | Role::Sent => Value::Time {
                        before_nanos: field.fixed64()?,
                    },
                    Role::Attribute if is_identity(payload) => {
                        identity_at = at + ITEM_PREFIX.len() as u32;
                        continue;
                    }
                    Role::TraceState => continue,
                    Role::Attribute | Role::Content => {
                        content = content.wrapping_add(share(field.number, &payload.bytes()));
                        continue;
                    }
                };
                slots.push(Slot { at, value });
            }
            slots.push(Slot {
                at: identity_at,
                value: Value::Identity { place, content },
            });
            place += 1;
            Ok(())
        })?;
        Ok(Self {
            bytes: request,
            slots,
        })
    }

    /// The same request as JSON: rendered once, its slots found by the values in them.
    pub fn to_json(&self, signal: Signal) -> Self {
        let request = Rope::from(self.fill_protobuf(PROBE_NUMBER, PROBE_NANOS));
        let bytes = json::encode(signal, &request, usize::MAX, Vec::new())
            .expect("a template is well formed and JSON of it is small");
        let mut in_order: Vec<_> = self.slots.iter().collect();
        in_order.sort_by_key(|slot| slot.at);
        let (mut at, mut text) = (0, Vec::new());
        let slots = in_order.into_iter().map(|slot| {
            text.clear();
            text.resize(slot.value.json_len(), 0);
            slot.value.write_json(PROBE_NUMBER, PROBE_NANOS, &mut text);
            let ahead = bytes[at..].windows(text.len());
            at += { ahead }
                .take_while(|found| *found != text.as_slice())
                .count();
            let slot = Slot {
                at: at as u32,
                ..*slot
            };
            at += text.len();
            slot
        });
        let slots = slots.collect();
        Self { bytes, slots }
    }

    /// In bytes.
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The request in protobuf whose items are numbered from `first`.
    pub fn fill_protobuf(&self, first: u64, unix_nanos: u64) -> Bytes {
        let mut body = self.bytes.clone();
        for slot in &self.slots {
            let at = slot.at as usize;
            slot.value
                .write_protobuf(first, unix_nanos, &mut body[at..]);
        }
        body.into()
    }

    /// The numbers and check values of the items of the request that begins with `first`.
    pub fn identities(&self, first: u64) -> impl Iterator<Item = (u64, u64)> {
        self.slots.iter().filter_map(move |slot| match slot.value {
            Value::Identity { place, content } => {
                let number = first + u64::from(place);
                Some((number, check(number, content)))
            }
            _ => None,
        })
    }

    /// The request in JSON whose items are numbered from `first`.
    pub fn fill_json(&self, first: u64, unix_nanos: u64) -> Bytes {
        let mut body = self.bytes.clone();
        for slot in &self.slots {
            let at = slot.at as usize;
            slot.value.write_json(first, unix_nanos, &mut body[at..]);
        }
        body.into()
    }
}

impl Value {
    #[inline]
    fn write_protobuf(self, first: u64, unix_nanos: u64, out: &mut [u8]) {
        match self {
            Self::TraceId { place } => {
                let id = first + u64::from(place);
                out[..8].copy_from_slice(&mix(id).to_be_bytes());
                out[8..16].copy_from_slice(&mix(!id).to_be_bytes());
            }
            Self::SpanId { place } => {
                out[..8].copy_from_slice(&span_id(first + u64::from(place)).to_be_bytes());
            }
            Self::Time { before_nanos } => {
                out[..8].copy_from_slice(&unix_nanos.saturating_sub(before_nanos).to_le_bytes());
            }
            Self::Identity { place, content } => write_identity(first, place, content, out),
        }
    }

    #[inline]
    fn write_json(self, first: u64, unix_nanos: u64, out: &mut [u8]) {
        match self {
            Self::TraceId { place } => {
                let id = first + u64::from(place);
                out[..16].copy_from_slice(&hex(mix(id)));
                out[16..32].copy_from_slice(&hex(mix(!id)));
            }
            Self::SpanId { place } => {
                out[..16].copy_from_slice(&hex(span_id(first + u64::from(place))));
            }
            Self::Time { before_nanos } => {
                out[..DIGITS].copy_from_slice(&decimal(unix_nanos.saturating_sub(before_nanos)));
            }
            Self::Identity { place, content } => write_identity(first, place, content, out),
        }
    }

    const fn json_len(self) -> usize {
        match self {
            Self::TraceId { .. } | Self::Identity { .. } => 32,
            Self::SpanId { .. } => 16,
            Self::Time { .. } => DIGITS,
        }
    }
}

#[inline]
fn write_identity(first: u64, place: u32, content: u64, out: &mut [u8]) {
    let number = first + u64::from(place);
    out[..16].copy_from_slice(&hex(number));
    out[16..32].copy_from_slice(&hex(check(number, content)));
}

/// One to one, as random as a real one, and apart from the two halves of its trace's.
const fn span_id(number: u64) -> u64 {
    mix(number ^ 0x7370_616e_0000_0000)
}

fn is_identity(mut key_value: Cursor<'_>) -> bool {
    key_value.remaining() == ITEM_LEN && key_value.read_array() == Ok(ITEM_PREFIX)
}

fn tail(bytes: &[u8]) -> [u8; 8] {
    *bytes.last_chunk().expect("ids are 8 or 16 bytes long")
}

/// As 16 lower-case hex digits: the nibbles are spread to a byte each, then all become digits at
/// once, which takes a third of the time of a table.
#[inline]
const fn hex(value: u64) -> [u8; 16] {
    let mut spread = value as u128;
    spread = (spread | spread << 32) & 0x0000_0000_ffff_ffff_0000_0000_ffff_ffff;
    spread = (spread | spread << 16) & 0x0000_ffff_0000_ffff_0000_ffff_0000_ffff;
    spread = (spread | spread << 8) & 0x00ff_00ff_00ff_00ff_00ff_00ff_00ff_00ff;
    spread = (spread | spread << 4) & 0x0f0f_0f0f_0f0f_0f0f_0f0f_0f0f_0f0f_0f0f;
    let ones = 0x0101_0101_0101_0101_0101_0101_0101_0101_u128;
    // 10 and more carry into the fifth bit when 6 is added; those are 39 further: 'a' - '9' - 1.
    let letters = ((spread + 6 * ones) >> 4) & ones;
    (spread + 0x30 * ones + letters * 39).to_be_bytes()
}

/// Digits of a time in nanoseconds, from 2001 until 2286.
const DIGITS: usize = 19;

#[inline]
fn decimal(mut nanos: u64) -> [u8; DIGITS] {
    let mut digits = [b'0'; DIGITS];
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (nanos % 10) as u8;
        nanos /= 10;
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_are_written_as_the_standard_library_writes_them(value: u64) {
            prop_assert_eq!(hex(value).to_vec(), format!("{value:016x}").into_bytes());
            let time = value % 10_u64.pow(19);
            prop_assert_eq!(decimal(time).to_vec(), format!("{time:019}").into_bytes());
        }
    }
}
