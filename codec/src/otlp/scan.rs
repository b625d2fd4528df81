//! Framing and item count of an export request, in one pass that stops at item borders.

use super::Signal;
use super::levels::{LEVELS_MAX, levels};
use crate::Rope;
use crate::field::{Fields, Malformed};

/// What a request holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scan {
    /// Spans, log records, metric data points or profile samples.
    pub items: u64,
}

/// Checks the framing of a request down to its items, and counts them.
///
/// Shape: `request` is one uncompressed `Export*ServiceRequest`. What is inside an item is not
/// looked at. Errors: [`Malformed`] with its offset. Cost: one pass over the tags above the items;
/// no copy, no allocation.
/// Source: <https://opentelemetry.io/docs/specs/otlp/#binary-protobuf-encoding>
pub fn scan(signal: Signal, request: &Rope) -> Result<Scan, Malformed> {
    let mut items = 0;
    walk(signal, request, |_| {
        items += 1;
        true
    })?;
    Ok(Scan { items })
}

/// Where an item stands, and what it stands in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// Where the item's field begins and ends.
    pub start: usize,
    pub end: usize,
    /// The messages around it, outermost (the resource) first.
    pub around: [Frame; LEVELS_MAX],
    /// How many of `around` are in use.
    pub depth: usize,
}

/// A message on the way to an item.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Frame {
    /// Where its field begins.
    pub start: usize,
    /// Where its own fields begin.
    pub body: usize,
    pub end: usize,
    pub number: u32,
    /// Whether an item came before in it.
    pub has_items: bool,
}

/// Shows every item's place in order, until `visit` answers `false`.
pub(super) fn walk(
    signal: Signal,
    request: &Rope,
    mut visit: impl FnMut(&Place) -> bool,
) -> Result<(), Malformed> {
    let levels = levels(signal);
    let mut place = Place {
        start: 0,
        end: 0,
        around: [Frame::default(); LEVELS_MAX],
        depth: 0,
    };
    let mut open = [Fields::from(request); LEVELS_MAX];
    loop {
        let Some(field) = open[place.depth].next() else {
            if place.depth == 0 {
                return Ok(());
            }
            place.depth -= 1;
            continue;
        };
        let field = field?;
        if !levels[place.depth].contains(&field.number) {
            continue;
        }
        let body = field.message()?;
        let (start, end) = (field.whole.offset(), field.whole.end());
        if place.depth + 1 == levels.len() {
            (place.start, place.end) = (start, end);
            if !visit(&place) {
                return Ok(());
            }
            for frame in &mut place.around[..place.depth] {
                frame.has_items = true;
            }
        } else {
            place.around[place.depth] = Frame {
                start,
                body: body.offset(),
                end,
                number: field.number,
                has_items: false,
            };
            place.depth += 1;
            open[place.depth] = body;
        }
    }
}
