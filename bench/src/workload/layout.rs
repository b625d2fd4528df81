//! Where an item's identity stands, by what the item is.
//!
//! The identity is the item's last attribute, `tailrace.item`: a string of 32 lower-case hex
//! digits, the item's number and then its check value. The check is a mix of the number and of the
//! item's content; what a sender writes anew for each request (trace and span ids, times) is no
//! part of the content, nor is the identity itself.
//!
//! The content is a sum over fields, so their order does not matter: not every implementation
//! writes fields in the order of their numbers. What it does not forgive is a change inside one.

use rapidhash::v3::{DEFAULT_RAPID_SECRETS, rapidhash_v3_nano_inline};
use tailrace_codec::Signal;
use tailrace_codec::field::{Fields, Malformed, each};
use tailrace_codec::otlp::fields::{
    DATA_POINTS, ENTRY_SCOPES, METRIC_DATA, REQUEST_RESOURCES, SCOPE_ENTRY_ITEMS,
};
use tailrace_codec::rope::Cursor;

/// A KeyValue with this key and a string of 32 bytes, up to the string.
///
/// Compared as a whole: an encoding of the same with other lengths is not what was sent.
pub const ITEM_PREFIX: [u8; 19] = *b"\x0a\x0dtailrace.item\x12\x22\x0a\x20";

/// What holds the identity, all of it: the content of a KeyValue.
pub const ITEM_LEN: usize = ITEM_PREFIX.len() + 32;

/// What an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Span,
    Log,
    /// A data point, in this field of its metric.
    Point(u32),
}

/// What a field of an item is to its identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    TraceId,
    /// Of the span itself, of its parent, or of the span that a log record belongs to.
    SpanId,
    Time,
    /// A span's tracestate: who samples on its way writes there by how much.
    TraceState,
    /// The time by which lateness is told: when the item ended or was made.
    Sent,
    /// One of them may be the identity; the others are content.
    Attribute,
    Content,
}

impl Kind {
    #[inline]
    pub const fn role(self, number: u32) -> Role {
        match (self, number) {
            (Self::Span, 1) | (Self::Log, 9) => Role::TraceId,
            (Self::Span, 3) => Role::TraceState,
            (Self::Span, 2 | 4) | (Self::Log, 10) => Role::SpanId,
            (Self::Span, 7) | (Self::Log, 11) | (Self::Point(_), 2) => Role::Time,
            (Self::Span, 8) | (Self::Log, 1) | (Self::Point(_), 3) => Role::Sent,
            (Self::Span, 9)
            | (Self::Log, 6)
            | (Self::Point(9), 9)
            | (Self::Point(10), 1)
            | (Self::Point(5 | 7 | 11), 7) => Role::Attribute,
            _ => Role::Content,
        }
    }
}

/// The share that a field has in the content of its item.
///
/// The number goes in after the hash: two fields with the same payload must not be the same to the
/// sum when they change places.
#[inline]
pub fn share(number: u32, payload: &[u8]) -> u64 {
    let hash = rapidhash_v3_nano_inline::<true, false>(payload, &DEFAULT_RAPID_SECRETS);
    mix(hash ^ u64::from(number))
}

/// The check value of the item that has this number and this content.
#[inline]
pub const fn check(number: u64, content: u64) -> u64 {
    mix(number ^ content)
}

/// The finaliser of SplitMix64: one to one, and every bit of the input changes about half of the
/// output. Source: <https://prng.di.unimi.it/splitmix64.c>
#[inline]
pub const fn mix(id: u64) -> u64 {
    let z = id.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Shows each item of a request in order. Profiles have none that are told apart.
pub fn each_item<'a>(
    signal: Signal,
    request: Cursor<'a>,
    mut visit: impl FnMut(Kind, Cursor<'a>) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    each(request, REQUEST_RESOURCES, |entry| {
        each_item_of(signal, entry, &mut visit)
    })
}

/// Shows each item of what stands under one resource.
pub fn each_item_of<'a>(
    signal: Signal,
    entry: Cursor<'a>,
    mut visit: impl FnMut(Kind, Cursor<'a>) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    each(entry, ENTRY_SCOPES, |scope| {
        each(scope, SCOPE_ENTRY_ITEMS, |item| match signal {
            Signal::Traces => visit(Kind::Span, item),
            Signal::Logs => visit(Kind::Log, item),
            Signal::Metrics => each_point(item, &mut visit),
            Signal::Profiles => Ok(()),
        })
    })
}

fn each_point<'a>(
    metric: Cursor<'a>,
    visit: &mut impl FnMut(Kind, Cursor<'a>) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    for field in Fields::new(metric) {
        let field = field?;
        if METRIC_DATA.contains(&field.number) {
            each(field.content()?, DATA_POINTS, |point| {
                visit(Kind::Point(field.number), point)
            })?;
        }
    }
    Ok(())
}
