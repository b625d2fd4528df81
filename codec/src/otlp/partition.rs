//! Sorting a request's items into requests of their own, by a key of each item.
//!
//! Most requests are of one key throughout: [`sort`] looks first, and takes apart only what is mixed.

use super::piece::PieceBuilder;
use super::runs::Source;
use super::walk::{UnitKind, walk};
use super::{ItemView, Piece, Signal};
use crate::Rope;
use crate::field::Malformed;
use std::collections::HashMap;
use std::hash::Hash;
use std::ops::ControlFlow;

/// One request for each key, in the order in which the keys were first seen.
///
/// Within a piece the items keep their order, and stand in copies of the messages that were
/// around them; items of one key that were neighbours stay one slice. `key` is asked once an item
/// (for profiles: once a profile, which counts for its samples). Resource and scope entries
/// without items have no key, and are left out.
///
/// Errors: [`Malformed`] with its offset.
/// Cost: two passes over the tags above the items, a hash lookup where the key changes, and what
/// `key` reads.
pub fn partition<K: Eq + Hash + Clone>(
    signal: Signal,
    request: &Rope,
    mut key: impl FnMut(&ItemView<'_>) -> K,
) -> Result<Vec<(K, Piece)>, Malformed> {
    let source = Source::new(request);
    let mut groups: Vec<(K, PieceBuilder)> = Vec::new();
    let mut places: HashMap<K, usize> = HashMap::new();
    let mut current = 0;
    walk(signal, request, |path, unit| {
        if unit.kind == UnitKind::Empty {
            return Ok(ControlFlow::Continue(()));
        }
        let key = key(&ItemView::new(signal, path, unit));
        // Neighbours most often share their key.
        if groups.get(current).is_none_or(|(last, _)| *last != key) {
            current = *places.entry(key).or_insert_with_key(|key| {
                groups.push((key.clone(), PieceBuilder::default()));
                groups.len() - 1
            });
        }
        groups[current].1.add(&source, path, unit);
        Ok(ControlFlow::Continue(()))
    })?;
    let pieces = groups
        .into_iter()
        .map(|(key, piece)| (key, piece.finish(&source)));
    Ok(pieces.collect())
}

/// What a request's items are by their keys.
#[derive(Debug, Clone)]
pub enum Sorted<K> {
    /// All of one key; `None`: there are no items.
    Alike(Option<K>),
    /// At least two requests, in the order in which the keys were first seen.
    Apart(Vec<(K, Piece)>),
}

/// As [`partition`], but leaves a request whole whose items are alike.
///
/// Cost: a pass over the tags above the items and what `key` reads; where keys differ, that of
/// `partition` besides.
pub fn sort<K: Eq + Hash + Clone>(
    signal: Signal,
    request: &Rope,
    mut key: impl FnMut(&ItemView<'_>) -> K,
) -> Result<Sorted<K>, Malformed> {
    let mut first = None;
    let mut differ = false;
    walk(signal, request, |path, unit| {
        if unit.kind == UnitKind::Empty {
            return Ok(ControlFlow::Continue(()));
        }
        let key = key(&ItemView::new(signal, path, unit));
        match &first {
            None => first = Some(key),
            Some(first) if *first == key => {}
            Some(_) => {
                differ = true;
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    if differ {
        return partition(signal, request, key).map(Sorted::Apart);
    }
    Ok(Sorted::Alike(first))
}
