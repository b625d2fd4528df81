//! Cutting a request into pieces that fit a limit, at resource, then scope, then item borders.
//!
//! ```text
//!   request: [ resource A [ scope a [ 1 2 3 | 4 5 ] ] [ scope b [ 6 ] ] ] [ resource B [...] ]
//!   head:    [ resource A [ scope a [ 1 2 3 ] ] ]
//!   tail:    [ resource A [ scope a [ 4 5 ] ] [ scope b [ 6 ] ] ] [ resource B [...] ]
//! ```
//!
//! Only the messages around a cut are repeated, without their children: resource and scope, schema
//! URLs, a metric's name and unit, a profiles request's dictionary, and unknown fields, byte for
//! byte. Everything else stays a slice of the input; new are the lengths around the cut.
//!
//! A profile is never cut, as the Collector never cuts one: its id is its own, and its original
//! payload covers all its samples. Nor is a metric with more than one kind of data, of which only
//! the last is meant.

use super::piece::{OpenLength, PieceBuilder};
use super::runs::{Assembly, Gathering, Source};
use super::walk::{Container, Unit, walk};
use super::{Piece, Signal, scan};
use crate::Rope;
use crate::field::{Fields, Malformed};
use std::ops::ControlFlow;

/// How much a piece may hold. A unit that alone is over the limit stands alone in its piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SplitLimit {
    pub items: Option<u64>,
    /// Of the piece as a request of its own, to the byte.
    pub bytes: Option<u64>,
}

impl SplitLimit {
    const fn allows(&self, items: u64, bytes: u64) -> bool {
        let too_many = matches!(self.items, Some(max) if items > max);
        let too_large = matches!(self.bytes, Some(max) if bytes > max);
        !too_many && !too_large
    }
}

/// Cuts a request into pieces within `limit`, in order, each as large as the limit allows.
///
/// A request within the limit is its one piece. Errors: [`Malformed`] with its offset.
/// Cost: three passes over the tags above the items; what a piece repeats is referred to, or
/// copied where it is small.
pub fn split(signal: Signal, request: &Rope, limit: SplitLimit) -> Result<Vec<Piece>, Malformed> {
    let whole = Piece {
        body: request.clone(),
        items: scan(signal, request)?.items,
    };
    if limit.allows(whole.items, request.len() as u64) {
        return Ok(vec![whole]);
    }
    let source = Source::new(request);
    let mut pieces = Vec::new();
    let mut piece = PieceBuilder::default();
    walk(signal, request, |path, unit| {
        if !fits(&mut piece, &source, path, unit, limit) {
            pieces.push(std::mem::take(&mut piece).finish(&source));
        }
        piece.add(&source, path, unit);
        Ok(ControlFlow::Continue(()))
    })?;
    if piece.is_empty() {
        return Ok(vec![whole]);
    }
    pieces.push(piece.finish(&source));
    Ok(pieces)
}

/// Cuts off a head within `limit`; `None` where the whole is, or where it is a single unit.
///
/// `items` is the request's count, as [`scan`](super::scan()) found it. The head is as large as
/// the limit allows, and holds at least one unit. Errors: [`Malformed`] with its offset.
/// Cost: two passes over the tags of the messages on the way to the cut.
pub fn cut(
    signal: Signal,
    request: &Rope,
    items: u64,
    limit: SplitLimit,
) -> Result<Option<(Piece, Piece)>, Malformed> {
    if limit.allows(items, request.len() as u64) {
        return Ok(None);
    }
    let source = Source::new(request);
    let mut head = PieceBuilder::default();
    let mut tail = None;
    walk(signal, request, |path, unit| {
        if fits(&mut head, &source, path, unit, limit) {
            head.add(&source, path, unit);
            return Ok(ControlFlow::Continue(()));
        }
        tail = Some(rest(&source, path, unit)?);
        Ok(ControlFlow::Break(()))
    })?;
    let Some(body) = tail else {
        return Ok(None);
    };
    let head = head.finish(&source);
    let items = items.saturating_sub(head.items);
    Ok(Some((head, Piece { body, items })))
}

fn fits(
    piece: &mut PieceBuilder,
    source: &Source<'_>,
    path: &[Container<'_>],
    unit: &Unit<'_>,
    limit: SplitLimit,
) -> bool {
    if piece.is_empty() {
        return true;
    }
    let items = piece.items().saturating_add(unit.items);
    let bytes = match limit.bytes {
        Some(_) => piece.len_with(source, path, unit),
        None => 0,
    };
    limit.allows(items, bytes)
}

/// The request from `unit` on: of each message around it its own fields before the unit, then all
/// that follows as it is.
fn rest(source: &Source<'_>, path: &[Container<'_>], unit: &Unit<'_>) -> Result<Rope, Malformed> {
    let mut assembly = Assembly::default();
    let mut lengths = Vec::with_capacity(path.len());
    for (depth, container) in path.iter().enumerate() {
        lengths.push(OpenLength::new(&mut assembly, source, container));
        let follows = path
            .get(depth + 1)
            .map_or(unit.whole.start, |next| next.whole.start);
        // The message of the next level, at last the unit itself.
        let mut own = Gathering::default();
        for field in Fields::new(container.payload) {
            let field = field?;
            if field.whole.offset() >= follows {
                break;
            }
            if !container.level.is_child(field.number) {
                own.push(field.whole);
            }
        }
        assembly.keep_runs(source, &own.finish());
    }
    let mut from = unit.whole.start;
    for (container, length) in path.iter().zip(lengths).rev() {
        assembly.keep(source, from..container.whole.end);
        length.close(&mut assembly);
        from = container.whole.end;
    }
    Ok(assembly.finish(source))
}
