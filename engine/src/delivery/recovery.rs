//! A batch that a destination will not take as it is: cut up until what it will take is delivered.
//!
//! Two answers lead here. *Refused for good*: some item in the batch is to blame, and the rest must
//! not be lost with it. *Too large*: the batch must become several.
//!
//! ```text
//!   batch ---refused---> halves ---refused---> halves ... one part ---refused---> halves ... one item
//!                          \--delivered                                                   \--rejected
//! ```
//!
//! A batch is cut between its parts as long as it has several, so no part is rejected that was not
//! refused alone: a sender pays for another sender's bad item with nothing but the time. Halving
//! needs 2 log2(n) tries to find one culprit among n parts; sending them one by one needs n, as if
//! they had never been merged, and that is what is done where halving has found nothing. Within a
//! part, which is one sender's, the tries have a bound.

use crate::units::ItemCount;
use std::collections::VecDeque;

/// Cuts of one part of which pieces were delivered: enough to single out eighty items of 8,192 (13
/// levels each, the upper ones shared), at two tries a cut.
const PART_CUTS_MAX: u32 = 1024;

/// Cuts between parts while no piece was delivered: three levels. If all eight pieces are refused,
/// sending the parts one by one finds what can be delivered sooner.
const FRUITLESS_MERGE_CUTS_MAX: u32 = 7;

/// Cuts of a part while no piece of it was delivered: three levels as well. One to four culprits
/// leave something deliverable by then.
const FRUITLESS_PART_CUTS_MAX: u32 = 7;

/// Refusals beyond one for each part of a batch, with nothing delivered: the destination wants
/// nothing.
const FRUITLESS_REFUSALS_MAX: usize = 127;

/// How many parts of a batch that a destination wants nothing of are looked into as deep as others,
/// and the cuts of each of the rest: by the time their halves are sent, those of the first were.
const PROBED_PARTS: usize = 8;
const UNWANTED_CUTS_MAX: u32 = 1;

/// Cuts of one batch because of its size: 64 MiB in pieces of 64 KiB.
const SIZE_CUTS_MAX: u32 = 1024;

/// Cuts because of size while no piece was delivered. Depth first, so 32 levels: a destination
/// that finds a single item of a batch of 2^32 too large finds everything too large.
const FRUITLESS_SIZE_CUTS_MAX: u32 = 32;

/// A guessed limit never falls below this: an intermediary that answers 413 to everything must not
/// teach us to send items one by one. A limit that the destination names may be smaller.
const GUESSED_LIMIT_MIN: u64 = 64 << 10;
const NAMED_LIMIT_MIN: u64 = 1 << 10;

/// What a batch is made of: a payload, or a piece of one.
pub trait Divisible: Sized {
    /// What pieces of one payload have in common.
    type Origin: Copy + PartialEq + std::fmt::Debug;

    fn origin(&self) -> Self::Origin;

    fn items(&self) -> ItemCount;

    /// Uncompressed bytes.
    fn bytes(&self) -> u64;
}

/// Where to cut a single part: the first piece holds at most this, and at least one item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    Items(ItemCount),
    Bytes(u64),
}

/// Why something was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    Refused,
    TooLarge,
}

/// Parts that no destination of the lane will take: dropped and counted by the caller.
#[derive(Debug)]
pub struct Rejected<P> {
    pub parts: Vec<P>,
    pub why: Why,
}

/// What a lane knows of its destination from earlier refusals. Lives as long as the lane.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    bytes_max: Option<u64>,
    wants_nothing: bool,
}

impl Limits {
    /// The most uncompressed bytes to put into one batch, where the destination has taught us.
    pub const fn bytes_max(&self) -> Option<u64> {
        self.bytes_max
    }

    /// A batch of `bytes` was too large; `named` is what the destination said it takes.
    fn handle_too_large(&mut self, bytes: u64, named: Option<u64>) {
        // A named limit that the batch respected is a limit on something else.
        let learnt = match named.filter(|&limit| limit < bytes) {
            Some(limit) => limit.max(NAMED_LIMIT_MIN),
            None => (bytes / 2).max(GUESSED_LIMIT_MIN),
        };
        if learnt < bytes {
            self.bytes_max = Some(self.bytes_max.map_or(learnt, |max| max.min(learnt)));
        }
    }

    /// Something was delivered: the destination does take what it is sent.
    pub const fn handle_delivered(&mut self) {
        self.wants_nothing = false;
    }
}

/// The pieces of one batch that are still to be tried.
///
/// The lane sends what [`poll_try`](Self::poll_try) gives, one or many at a time, with its usual
/// retries, and hands each piece back with its final verdict.
#[derive(Debug)]
pub struct Recovery<P: Divisible> {
    waiting: VecDeque<Try<P>>,
    /// Given out by `poll_try`, verdict awaited.
    open: usize,
    /// Between parts, because of a refusal.
    merge_cuts: u32,
    size_cuts: u32,
    delivered: bool,
    /// Parts that were refused alone, and cut.
    suspects: Vec<Suspect<P::Origin>>,
    /// Refusals so far, and of the batch as it came, its parts.
    refusals: usize,
    parts: usize,
}

/// A piece to be sent.
#[derive(Debug, PartialEq, Eq)]
pub struct Try<P> {
    pub parts: Vec<P>,
    /// Before the pieces of the batch that wait already, not behind them. What is refused is
    /// looked for breadth first: the sooner something is delivered, the sooner it is known that the
    /// fault is in single parts, or items. What is too large is cut depth first: what is small enough
    /// goes out before more is cut.
    pub first: bool,
}

/// A part that is being cut.
#[derive(Debug)]
struct Suspect<O> {
    origin: O,
    cuts: u32,
    delivered: bool,
}

impl<P: Divisible> Recovery<P> {
    /// Starts with the batch that was refused or too large, counted as one open try: its verdict
    /// is handed over next.
    pub const fn new() -> Self {
        Self {
            waiting: VecDeque::new(),
            open: 1,
            merge_cuts: 0,
            size_cuts: 0,
            delivered: false,
            suspects: Vec::new(),
            refusals: 0,
            parts: 0,
        }
    }

    /// The next piece to send; none while all are under way or done.
    pub fn poll_try(&mut self) -> Option<Try<P>> {
        let piece = self.waiting.pop_front()?;
        self.open += 1;
        Some(piece)
    }

    #[cfg(test)]
    fn is_done(&self) -> bool {
        self.open == 0 && self.waiting.is_empty()
    }

    /// A piece was delivered, wholly or in part.
    pub fn handle_delivered(&mut self, piece: &[P], limits: &mut Limits) {
        self.close();
        self.delivered = true;
        limits.handle_delivered();
        let of_piece =
            |suspect: &Suspect<P::Origin>| piece.iter().any(|part| part.origin() == suspect.origin);
        for suspect in &mut self.suspects {
            suspect.delivered |= of_piece(suspect);
        }
    }

    /// A piece left for another reason, such as the end of its retries.
    pub fn handle_gone(&mut self) {
        self.close();
    }

    /// A piece was refused for good, with an answer that blames its data.
    ///
    /// `cut` divides one part, or returns it whole where it cannot be divided.
    pub fn handle_refused(
        &mut self,
        piece: Vec<P>,
        limits: &mut Limits,
        cut: impl FnMut(P, Cut) -> Result<(P, P), P>,
    ) -> Option<Rejected<P>> {
        self.close();
        self.refusals += 1;
        self.parts = self.parts.max(piece.len());
        let in_vain = self.refusals > self.parts + FRUITLESS_REFUSALS_MAX;
        limits.wants_nothing |= in_vain && !self.delivered;
        if piece.len() > 1 {
            self.unmerge(piece, limits);
            return None;
        }
        let why = Why::Refused;
        if !piece.first().is_some_and(|part| self.may_cut(part, limits)) {
            return Some(Rejected { parts: piece, why });
        }
        match halve(piece, P::items, Cut::Items, cut) {
            Ok(halves) => {
                self.wait(halves);
                None
            }
            Err(parts) => Some(Rejected { parts, why }),
        }
    }

    /// Cuts a piece between its parts: in two, or into all of them where halving finds nothing.
    fn unmerge(&mut self, mut piece: Vec<P>, limits: &Limits) {
        let in_vain = limits.wants_nothing || self.merge_cuts >= FRUITLESS_MERGE_CUTS_MAX;
        self.merge_cuts += 1;
        if in_vain && !self.delivered {
            self.wait(piece.into_iter().map(|part| vec![part]));
            return;
        }
        let second = piece.split_off(middle(&piece, P::items));
        self.wait([piece, second]);
    }

    fn wait(&mut self, pieces: impl IntoIterator<Item = Vec<P>>) {
        let tries = pieces.into_iter().map(|parts| Try {
            parts,
            first: false,
        });
        self.waiting.extend(tries);
    }

    fn wait_first(&mut self, parts: Vec<P>) {
        self.waiting.push_front(Try { parts, first: true });
    }

    /// Whether a part that was refused alone may be cut once more.
    fn may_cut(&mut self, part: &P, limits: &Limits) -> bool {
        if part.items() < 2 {
            return false;
        }
        let origin = part.origin();
        let known = self
            .suspects
            .iter()
            .position(|suspect| suspect.origin == origin);
        let index = known.unwrap_or_else(|| {
            self.suspects.push(Suspect {
                origin,
                cuts: 0,
                delivered: false,
            });
            self.suspects.len() - 1
        });
        let suspect = &mut self.suspects[index];
        let max = match suspect.delivered {
            true => PART_CUTS_MAX,
            false if limits.wants_nothing && index >= PROBED_PARTS => UNWANTED_CUTS_MAX,
            false => FRUITLESS_PART_CUTS_MAX,
        };
        let may = suspect.cuts < max;
        suspect.cuts += u32::from(may);
        may
    }

    /// A piece was too large for the destination, which may have `named` its limit in
    /// uncompressed bytes.
    pub fn handle_too_large(
        &mut self,
        piece: Vec<P>,
        named: Option<u64>,
        limits: &mut Limits,
        mut cut: impl FnMut(P, Cut) -> Result<(P, P), P>,
    ) -> Option<Rejected<P>> {
        self.close();
        let bytes = total(&piece, P::bytes);
        limits.handle_too_large(bytes, named);
        let cuts_max = match self.delivered {
            true => SIZE_CUTS_MAX,
            false => FRUITLESS_SIZE_CUTS_MAX,
        };
        if self.size_cuts >= cuts_max {
            return Some(Rejected {
                parts: piece,
                why: Why::TooLarge,
            });
        }
        let halves = match halve(piece, P::bytes, Cut::Bytes, &mut cut) {
            Ok(halves) => halves,
            Err(parts) => {
                return Some(Rejected {
                    parts,
                    why: Why::TooLarge,
                });
            }
        };
        self.size_cuts += 1;
        let room = limits.bytes_max.unwrap_or(u64::MAX);
        for half in halves.into_iter().rev() {
            self.put_first_within(half, room, &mut cut);
        }
        None
    }

    /// Puts `piece` in front, cut further where it is known to be still too large.
    fn put_first_within(
        &mut self,
        piece: Vec<P>,
        room: u64,
        mut cut: impl FnMut(P, Cut) -> Result<(P, P), P>,
    ) {
        let mut pieces = vec![piece];
        while let Some(piece) = pieces.pop() {
            let too_large = total(&piece, P::bytes) > room && self.size_cuts < SIZE_CUTS_MAX;
            if !too_large {
                self.wait_first(piece);
                continue;
            }
            match halve(piece, P::bytes, Cut::Bytes, &mut cut) {
                Ok(halves) => {
                    self.size_cuts += 1;
                    pieces.extend(halves);
                }
                Err(whole) => self.wait_first(whole),
            }
        }
    }

    fn close(&mut self) {
        debug_assert!(
            self.open > 0,
            "a verdict for a piece that was not given out"
        );
        self.open = self.open.saturating_sub(1);
    }
}

impl<P: Divisible> Default for Recovery<P> {
    fn default() -> Self {
        Self::new()
    }
}

fn total<P>(piece: &[P], size: impl Fn(&P) -> u64) -> u64 {
    piece.iter().map(size).sum()
}

/// Cuts a piece in two of about the same size: between parts if it has several, else within.
fn halve<P: Divisible>(
    mut piece: Vec<P>,
    size: impl Fn(&P) -> u64,
    at: impl Fn(u64) -> Cut,
    mut cut: impl FnMut(P, Cut) -> Result<(P, P), P>,
) -> Result<[Vec<P>; 2], Vec<P>> {
    if piece.len() > 1 {
        let second = piece.split_off(middle(&piece, size));
        return Ok([piece, second]);
    }
    let Some(part) = piece.pop() else {
        return Err(piece);
    };
    // Items say what can be divided, whatever the cut is measured in.
    if part.items() < 2 {
        return Err(vec![part]);
    }
    let half = size(&part) / 2;
    match cut(part, at(half)) {
        Ok((first, second)) => Ok([vec![first], vec![second]]),
        Err(part) => Err(vec![part]),
    }
}

/// The border between parts that is nearest to half of the size; never at an end.
fn middle<P>(piece: &[P], size: impl Fn(&P) -> u64) -> usize {
    let half = total(piece, &size) / 2;
    let mut before = 0;
    for (index, part) in piece.iter().enumerate() {
        let after = before + size(part);
        if after >= half {
            let border = if after - half <= half - before {
                index + 1
            } else {
                index
            };
            return border.clamp(1, piece.len() - 1);
        }
        before = after;
    }
    piece.len() - 1
}

#[cfg(test)]
mod tests;
