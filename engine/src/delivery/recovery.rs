//! A batch that a destination will not take as it is: cut up until what it will take is delivered.
//!
//! Two answers lead here. *Refused for good*: some item in the batch is to blame, and the rest must
//! not be lost with it. *Too large*: the batch must become several.
//!
//! ```text
//!   batch ---refused---> halves ---refused---> halves ... single item ---refused---> rejected
//!                          \--delivered
//! ```
//!
//! A batch is cut between its parts as long as it has several, so it is unmerged before any payload
//! is cut, and a sender pays for another sender's bad item with nothing but the time. Halving needs
//! 2 log2(n) tries to find one culprit among n parts; sending the n parts one by one would need n,
//! and a batch of small requests has hundreds.

use crate::units::ItemCount;
use std::collections::VecDeque;

/// Cuts of one batch while the destination refuses pieces of it: enough to single out about five
/// items of 8,192 (13 levels each, the upper ones shared), so at most 128 further tries.
const CUTS_MAX: u32 = 64;

/// Cuts while no piece was delivered: three levels, 14 tries. One to four culprits leave something
/// deliverable by then; if all eight pieces are refused, the batch as a whole is not wanted.
const FRUITLESS_CUTS_MAX: u32 = 7;

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
    cutting_is_fruitless: bool,
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
        self.cutting_is_fruitless = false;
    }
}

/// The pieces of one batch that are still to be tried.
///
/// The lane sends what [`poll_try`](Self::poll_try) gives, one or many at a time, with its usual
/// retries, and hands each piece back with its final verdict.
#[derive(Debug)]
pub struct Recovery<P> {
    waiting: VecDeque<Vec<P>>,
    /// Given out by `poll_try`, verdict awaited.
    open: usize,
    refused_cuts: u32,
    size_cuts: u32,
    delivered: bool,
}

impl<P: Divisible> Recovery<P> {
    /// Starts with the batch that was refused or too large, counted as one open try: its verdict
    /// is handed over next.
    pub const fn new() -> Self {
        Self {
            waiting: VecDeque::new(),
            open: 1,
            refused_cuts: 0,
            size_cuts: 0,
            delivered: false,
        }
    }

    /// The next piece to send; none while all are under way or done.
    pub fn poll_try(&mut self) -> Option<Vec<P>> {
        let piece = self.waiting.pop_front()?;
        self.open += 1;
        Some(piece)
    }

    #[cfg(test)]
    fn is_done(&self) -> bool {
        self.open == 0 && self.waiting.is_empty()
    }

    /// A piece was delivered, wholly or in part.
    pub fn handle_delivered(&mut self, limits: &mut Limits) {
        self.close();
        self.delivered = true;
        limits.handle_delivered();
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
        if !self.may_cut(self.refused_cuts, FRUITLESS_CUTS_MAX, CUTS_MAX, limits) {
            return Some(Rejected {
                parts: piece,
                why: Why::Refused,
            });
        }
        match halve(piece, P::items, Cut::Items, cut) {
            Ok(halves) => {
                self.refused_cuts += 1;
                // Breadth first: the sooner something is delivered, the sooner it is known that
                // the fault is in single items.
                self.waiting.extend(halves);
                None
            }
            Err(parts) => Some(Rejected {
                parts,
                why: Why::Refused,
            }),
        }
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
        if !self.may_cut(
            self.size_cuts,
            FRUITLESS_SIZE_CUTS_MAX,
            SIZE_CUTS_MAX,
            limits,
        ) {
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

    /// Puts `piece` in front, cut further where it is known to be still too large. Depth first:
    /// what is small enough goes out before more is cut.
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
                self.waiting.push_front(piece);
                continue;
            }
            match halve(piece, P::bytes, Cut::Bytes, &mut cut) {
                Ok(halves) => {
                    self.size_cuts += 1;
                    pieces.extend(halves);
                }
                Err(whole) => self.waiting.push_front(whole),
            }
        }
    }

    fn may_cut(&self, cuts: u32, fruitless_max: u32, max: u32, limits: &mut Limits) -> bool {
        if self.delivered {
            return cuts < max;
        }
        limits.cutting_is_fruitless |= cuts >= fruitless_max;
        !limits.cutting_is_fruitless
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
