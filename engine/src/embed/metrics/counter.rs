//! Counters and up-down counters: sums that are added to.

use super::attributes::Attribute;
use super::exemplar::exemplar;
use super::number::Measured;
use super::page::Slot;
use super::series::{Recorded, Series};
use super::thread;
use crate::embed::propagation::SpanContext;
use std::marker::PhantomData;
use std::sync::Arc;

/// A sum by attributes. Of [`Meter::counter`](super::Meter::counter) it only grows, of
/// [`Meter::up_down_counter`](super::Meter::up_down_counter) it moves both ways. May be shared between
/// threads, each of which adds to sums of its own.
///
/// Integers go round at 2^64, as a cumulative sum that starts anew; of an unsigned one 2^63 - 1 is
/// reported at most.
#[derive(Debug, Clone)]
pub struct Counter<N: Measured> {
    /// `None`: nobody collects.
    recorded: Option<Arc<Recorded>>,
    number: PhantomData<N>,
}

/// A sum of known attributes. It is reported from the first collection on, also while it is 0.
#[derive(Debug, Clone)]
pub struct BoundCounter<N: Measured> {
    recorded: Option<(Arc<Recorded>, Slot)>,
    number: PhantomData<N>,
}

impl<N: Measured> Counter<N> {
    pub(super) const fn new(recorded: Option<Arc<Recorded>>) -> Self {
        Self {
            recorded,
            number: PhantomData,
        }
    }

    /// The sum of these attributes, found once. Cost: a lock and a lookup, and for a new set a few
    /// allocations.
    pub fn bind(&self, attributes: &[Attribute<'_>]) -> BoundCounter<N> {
        let bound = self.recorded.as_ref().map(|recorded| {
            let slot = slot(&recorded.series(attributes));
            (Arc::clone(recorded), slot)
        });
        BoundCounter {
            recorded: bound,
            number: PhantomData,
        }
    }

    /// Adds to the sum of these attributes. What is no number, and for a counter what is negative, is
    /// counted as dropped.
    ///
    /// Cost: that of [`BoundCounter::add`], and to encode the attributes and look them up.
    #[inline]
    pub fn add(&self, value: N, attributes: &[Attribute<'_>]) {
        self.measure(value, attributes, None);
    }

    /// As [`add`](Self::add), measured in a span, which an exemplar may name.
    #[inline]
    pub fn add_in(&self, value: N, attributes: &[Attribute<'_>], span: &SpanContext) {
        self.measure(value, attributes, Some(span));
    }

    fn measure(&self, value: N, attributes: &[Attribute<'_>], span: Option<&SpanContext>) {
        if let Some(recorded) = &self.recorded {
            if !recorded.outbox.life.goes_on() {
                return recorded.outbox.drop_measurement();
            }
            let slot = slot(&thread::series(recorded, attributes));
            add(recorded, slot, value, span);
        }
    }
}

impl<N: Measured> BoundCounter<N> {
    /// Adds to the sum. What is no number, and for a counter what is negative, is counted as dropped.
    ///
    /// Cost: some loads of what nobody writes, and a store to memory of this thread. The first one
    /// of a thread allocates.
    #[inline]
    pub fn add(&self, value: N) {
        if let Some((recorded, slot)) = &self.recorded {
            add(recorded, *slot, value, None);
        }
    }

    /// As [`add`](Self::add), measured in a span, which an exemplar may name.
    #[inline]
    pub fn add_in(&self, value: N, span: &SpanContext) {
        if let Some((recorded, slot)) = &self.recorded {
            add(recorded, *slot, value, Some(span));
        }
    }
}

fn slot(series: &Series) -> Slot {
    match series {
        Series::Sum(slot) => *slot,
        Series::Distribution(_) | Series::Last(_) => unreachable!("a counter has sums"),
    }
}

#[inline]
fn add<N: Measured>(recorded: &Arc<Recorded>, slot: Slot, value: N, span: Option<&SpanContext>) {
    let outbox = &recorded.outbox;
    let (kind, bits) = (N::KIND, value.bits());
    let is_valid = kind.is_finite(bits) && !(recorded.is_monotonic && kind.is_negative(bits));
    if !is_valid || !outbox.life.goes_on() {
        return outbox.drop_measurement();
    }
    let is_kept = recorded.exemplars.takes(span);
    let added = thread::with_page(outbox, slot, |page| {
        page.add(slot.place(), kind, bits);
        if is_kept {
            let at = outbox.clock.now().unix;
            page.keep(slot.place(), exemplar(kind, bits, at, span));
        }
    });
    if added.is_none() {
        outbox.drop_measurement();
    }
}
