//! Cutting a request in two at an item border, at resource, then scope, then item.
//!
//! ```text
//!   request: [ resource A [ scope a [ 1 2 3 | 4 5 ] ] [ scope b [ 6 ] ] ] [ resource B [...] ]
//!   head:    [ resource A [ scope a [ 1 2 3 ] ] ]
//!   tail:    [ resource A [ scope a [ 4 5 ] ] [ scope b [ 6 ] ] ] [ resource B [...] ]
//! ```
//!
//! Only the messages around the cut are repeated in both pieces, without their children: resource
//! and scope attributes, schema URLs, a metric's name and unit, a request's profiles dictionary,
//! and unknown fields, byte for byte. Everything else stays a slice of the input; new are only the
//! tags and lengths around the cut.

use super::Signal;
use super::levels::levels;
use super::scan::{Frame, Place, walk};
use crate::Rope;
use crate::field::{Fields, Malformed};
use crate::writer::Writer;
use std::ops::Range;

/// How much a piece may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SplitLimit {
    pub items: Option<u64>,
    /// Of the piece as a request of its own. An item that is larger stands alone in its piece.
    pub bytes: Option<u64>,
}

/// A part of a request that is a request itself.
#[derive(Debug, Clone)]
pub struct Piece {
    pub body: Rope,
    pub items: u64,
}

/// Cuts off a head within `limit`; `None` where the whole is, or where it is a single item.
///
/// `items` is the request's count, as [`scan`](super::scan()) found it. The head is as large as
/// the limit allows, and holds at least one item. Errors: [`Malformed`] with its offset.
/// Cost: one pass over the tags before the cut; a few new bytes for each level around it.
pub fn cut(
    signal: Signal,
    request: &Rope,
    items: u64,
    limit: SplitLimit,
) -> Result<Option<(Piece, Piece)>, Malformed> {
    let items_max = limit.items.unwrap_or(u64::MAX).max(1);
    let bytes_max = limit.bytes.unwrap_or(u64::MAX);
    if items < 2 || (items <= items_max && request.len() as u64 <= bytes_max) {
        return Ok(None);
    }
    // What the messages around the cut carry behind it is known only once the head is built, so a
    // head that comes out too large is built again from fewer bytes.
    let mut within = bytes_max;
    loop {
        let Some((place, before)) = find(signal, request, items_max, within)? else {
            return Ok(None);
        };
        let head = side(signal, request, &place, Side::Head)?;
        let over = (head.len() as u64).saturating_sub(bytes_max);
        if over > 0 && before > 1 {
            within = within.min(place.start as u64).saturating_sub(over);
            continue;
        }
        let tail = side(signal, request, &place, Side::Tail)?;
        let tail = Piece {
            body: tail,
            items: items - before,
        };
        return Ok(Some((
            Piece {
                body: head,
                items: before,
            },
            tail,
        )));
    }
}

/// Cuts a request into pieces within `limit`, in order.
///
/// Errors and cost: as [`cut`], for each piece.
pub fn split(signal: Signal, request: &Rope, limit: SplitLimit) -> Result<Vec<Piece>, Malformed> {
    let items = super::scan(signal, request)?.items;
    let mut rest = Piece {
        body: request.clone(),
        items,
    };
    let mut pieces = Vec::new();
    while let Some((head, tail)) = cut(signal, &rest.body, rest.items, limit)? {
        pieces.push(head);
        rest = tail;
    }
    pieces.push(rest);
    Ok(pieces)
}

/// The first item that does not fit, and how many come before it: at least one.
fn find(
    signal: Signal,
    request: &Rope,
    items_max: u64,
    within: u64,
) -> Result<Option<(Place, u64)>, Malformed> {
    let mut before = 0;
    let mut found = None;
    walk(signal, request, |place| {
        let fits = before < items_max && place.end as u64 <= within;
        if before > 0 && !fits {
            found = Some((*place, before));
            return false;
        }
        before += 1;
        true
    })?;
    Ok(found)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Head,
    Tail,
}

/// One side of a cut before the item at `place`, put together from the innermost level outwards.
fn side(signal: Signal, request: &Rope, place: &Place, side: Side) -> Result<Rope, Malformed> {
    let levels = levels(signal);
    let mut inner: Option<(u32, Rope)> = None;
    // The cut at the level being built: what is left of it is the head's, what is right the tail's.
    let (mut left, mut right) = (place.start, place.start);
    for depth in (0..=place.depth).rev() {
        let frame = match depth {
            0 => Frame {
                end: request.len(),
                has_items: true,
                ..Frame::default()
            },
            depth => place.around[depth - 1],
        };
        let children = levels[depth];
        let mut body = Rope::new();
        match side {
            Side::Head => body.append(request.slice(frame.body..left)),
            Side::Tail => headers(request, frame.body..left, children, &mut body)?,
        }
        if let Some((number, message)) = inner.take() {
            push_message(number, message, &mut body);
        }
        match side {
            Side::Head => headers(request, right..frame.end, children, &mut body)?,
            Side::Tail => body.append(request.slice(right..frame.end)),
        }
        // A message in which nothing comes before the cut is the tail's alone.
        inner = (side == Side::Tail || frame.has_items).then_some((frame.number, body));
        (left, right) = (frame.start, frame.end);
    }
    Ok(inner.map(|(_, body)| body).unwrap_or_default())
}

/// Adds the fields of a range that are not children; neighbours stay one slice.
fn headers(
    request: &Rope,
    range: Range<usize>,
    children: &[u32],
    out: &mut Rope,
) -> Result<(), Malformed> {
    let part = request.slice(range);
    let mut run = 0;
    for field in Fields::from(&part) {
        let field = field?;
        if children.contains(&field.number) {
            out.append(part.slice(run..field.whole.offset()));
            run = field.whole.end();
        }
    }
    out.append(part.slice(run..part.len()));
    Ok(())
}

fn push_message(number: u32, message: Rope, out: &mut Rope) {
    let mut writer = Writer::default();
    writer.header(number, message.len());
    out.push(writer.finish());
    out.append(message);
}
