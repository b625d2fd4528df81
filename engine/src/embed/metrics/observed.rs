//! What callbacks have observed of one instrument, round by round.
//!
//! A collection opens a round for all observed instruments, and closes it when it reports them. What
//! comes from a call that outlasted its round finds it closed, and is not taken: a value that is old
//! when it is reported would be worse than none.
//!
//! Source: <https://opentelemetry.io/docs/specs/otel/metrics/sdk/#asynchronous-instrument-cardinality-limits>

use super::number::NumberKind;
use crate::embed::budget::Lease;
use std::collections::HashMap;
use tailrace_codec::otlp::encode::{Number, Point, Temporality};

/// The series of an observed instrument.
#[derive(Debug)]
pub(super) struct Observed {
    number: NumberKind,
    /// Sums, and whether they only grow; `None`: last values.
    sum: Option<bool>,
    temporality: Temporality,
    series_max: usize,
    /// When the instrument was made, in nanoseconds since 1970.
    since: u64,
    round: u64,
    is_open: bool,
    /// Calls of this round that have not ended.
    pending: u32,
    /// Series of this round.
    count: usize,
    series: HashMap<Box<[u8]>, Seen>,
    overflow: Option<Seen>,
}

/// One series.
#[derive(Debug)]
struct Seen {
    round: u64,
    bits: u64,
    /// What was observed when it was reported last, and when that was.
    reported: Option<(u64, u64)>,
    since: u64,
    /// `None` for that of the overflow.
    _lease: Option<Lease>,
}

impl Observed {
    pub fn new(
        number: NumberKind,
        sum: Option<bool>,
        temporality: Temporality,
        series_max: usize,
        since: u64,
    ) -> Self {
        Self {
            number,
            sum,
            temporality,
            series_max,
            since,
            round: 0,
            is_open: false,
            pending: 0,
            count: 0,
            series: HashMap::new(),
            overflow: None,
        }
    }

    /// Opens a round, for one more call where there is one.
    pub fn begin(&mut self, round: u64, has_call: bool) {
        if self.round != round {
            self.round = round;
            self.is_open = true;
            self.pending = 0;
            self.count = 0;
        }
        self.pending += u32::from(has_call);
    }

    /// A call of the round has ended: what it did not observe is not there any more.
    pub fn end_call(&mut self, round: u64) {
        if self.is_of(round) {
            self.pending -= 1;
        }
    }

    /// Whether the round is still open.
    pub const fn is_of(&self, round: u64) -> bool {
        self.is_open && self.round == round
    }

    /// One observation of the open round. Those that come first have series of their own; what is
    /// beyond the limit, or what there is no memory for, goes to the overflow.
    pub fn observe(
        &mut self,
        attributes: Box<[u8]>,
        bits: u64,
        lease: impl FnOnce(usize) -> Option<Lease>,
    ) {
        let (round, has_room) = (self.round, self.count < self.series_max);
        if let Some(seen) = self.series.get_mut(&attributes) {
            if seen.round == round || has_room {
                self.count += usize::from(seen.round != round);
                (seen.round, seen.bits) = (round, bits);
                return;
            }
        } else if has_room && let Some(lease) = lease(attributes.len()) {
            self.count += 1;
            let seen = Seen::new(round, bits, self.since, Some(lease));
            self.series.insert(attributes, seen);
            return;
        }
        let overflow = self
            .overflow
            .get_or_insert_with(|| Seen::new(0, bits, self.since, None));
        overflow.bits = match self.sum {
            Some(_) if overflow.round == round => self.number.add(overflow.bits, bits),
            _ => bits,
        };
        overflow.round = round;
    }

    /// Closes the round and writes its points. `collected`: the collection before, `at`: this one.
    /// `overflow`: the attributes of that series.
    pub fn report(
        &mut self,
        collected: u64,
        at: u64,
        overflow: &[u8],
        mut write: impl FnMut(&Point<'_>, Number),
    ) {
        if !std::mem::take(&mut self.is_open) {
            return;
        }
        let is_whole = self.pending == 0;
        let Self {
            number,
            sum,
            temporality,
            round,
            ..
        } = *self;
        let mut report = |attributes: &[u8], seen: &mut Seen| {
            if seen.round != round {
                // Of a call that has not ended it is not known yet: its difference is to be the
                // difference to what was reported, when it comes again.
                return !is_whole;
            }
            let (start, bits) = match sum {
                None => (0, Some(seen.bits)),
                Some(is_monotonic) => {
                    seen.advance(number, is_monotonic, temporality, collected, at)
                }
            };
            if let Some(bits) = bits {
                let point = Point {
                    attributes,
                    start,
                    at,
                };
                write(&point, number.number(bits));
            }
            true
        };
        self.series
            .retain(|attributes, seen| report(attributes, seen));
        // In part it would look as if it had fallen.
        if is_whole {
            self.overflow.take_if(|seen| !report(overflow, seen));
        }
    }
}

impl Seen {
    const fn new(round: u64, bits: u64, since: u64, lease: Option<Lease>) -> Self {
        Self {
            round,
            bits,
            reported: None,
            since,
            _lease: lease,
        }
    }

    /// Where the point of a sum starts and what it says; nothing where that is a delta of nothing.
    /// A sum that only grows and is less than before has begun anew.
    fn advance(
        &mut self,
        number: NumberKind,
        is_monotonic: bool,
        temporality: Temporality,
        collected: u64,
        at: u64,
    ) -> (u64, Option<u64>) {
        let before = self.reported.replace((self.bits, at));
        let fell = before.filter(|(bits, _)| is_monotonic && number.is_below(self.bits, *bits));
        if let Some((_, when)) = fell {
            self.since = when;
        }
        if temporality == Temporality::Cumulative {
            return (self.since, Some(self.bits));
        }
        match (before, fell) {
            (Some((bits, when)), None) => {
                let delta = number.subtract(self.bits, bits);
                (when, (!number.is_zero(delta)).then_some(delta))
            }
            (Some((_, when)), Some(_)) => (when, Some(self.bits)),
            (None, _) => (collected.max(self.since), Some(self.bits)),
        }
    }
}
