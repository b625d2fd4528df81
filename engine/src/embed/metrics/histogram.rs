//! Histograms: how values are distributed.

use super::attributes::Attribute;
use super::distribution::Buckets;
use super::instrument::Aggregation;
use super::page::Slot;
use super::series::{Recorded, Series};
use super::thread;
use crate::embed::propagation::SpanContext;
use std::sync::Arc;

/// A distribution by attributes. May be shared between threads, each of which counts by itself.
#[derive(Debug, Clone)]
pub struct Histogram {
    /// `None`: nobody collects.
    recorded: Option<Arc<Recorded>>,
}

/// A distribution of known attributes.
#[derive(Debug, Clone)]
pub struct BoundHistogram {
    recorded: Option<(Arc<Recorded>, Slot)>,
}

impl Histogram {
    pub(super) const fn new(recorded: Option<Arc<Recorded>>) -> Self {
        Self { recorded }
    }

    /// The distribution of these attributes, found once. Cost: a lock and a lookup, and for a new
    /// set a few allocations.
    pub fn bind(&self, attributes: &[Attribute<'_>]) -> BoundHistogram {
        let bound = self.recorded.as_ref().map(|recorded| {
            let slot = slot(&recorded.series(attributes));
            (Arc::clone(recorded), slot)
        });
        BoundHistogram { recorded: bound }
    }

    /// Counts a value of these attributes. What is no number is counted as dropped.
    ///
    /// Cost: that of [`BoundHistogram::record`], and to encode the attributes and look them up.
    pub fn record(&self, value: f64, attributes: &[Attribute<'_>]) {
        self.measure(value, attributes, None);
    }

    /// As [`record`](Self::record), measured in a span, which an exemplar may name.
    pub fn record_in(&self, value: f64, attributes: &[Attribute<'_>], span: &SpanContext) {
        self.measure(value, attributes, Some(span));
    }

    fn measure(&self, value: f64, attributes: &[Attribute<'_>], span: Option<&SpanContext>) {
        if let Some(recorded) = &self.recorded {
            if !recorded.outbox.life.goes_on() {
                return recorded.outbox.drop_measurement();
            }
            let slot = slot(&thread::series(recorded, attributes));
            record(recorded, slot, value, span);
        }
    }
}

impl BoundHistogram {
    /// Counts a value. What is no number is counted as dropped.
    ///
    /// Cost: a lock that no other thread measures under, and the search for a bucket. The first one
    /// of a thread allocates.
    #[inline]
    pub fn record(&self, value: f64) {
        if let Some((recorded, slot)) = &self.recorded {
            record(recorded, *slot, value, None);
        }
    }

    /// As [`record`](Self::record), measured in a span, which an exemplar may name.
    #[inline]
    pub fn record_in(&self, value: f64, span: &SpanContext) {
        if let Some((recorded, slot)) = &self.recorded {
            record(recorded, *slot, value, Some(span));
        }
    }
}

fn slot(series: &Series) -> Slot {
    match series {
        Series::Distribution(slot) => *slot,
        Series::Sum(_) | Series::Last(_) => unreachable!("a histogram has distributions"),
    }
}

fn buckets(recorded: &Recorded) -> &Buckets {
    match &recorded.identity.aggregation {
        Aggregation::Histogram(buckets) => buckets,
        Aggregation::Sum { .. } | Aggregation::Last { .. } => {
            unreachable!("a histogram has buckets")
        }
    }
}

#[inline]
fn record(recorded: &Arc<Recorded>, slot: Slot, value: f64, span: Option<&SpanContext>) {
    let outbox = &recorded.outbox;
    if !value.is_finite() || !outbox.life.goes_on() {
        return outbox.drop_measurement();
    }
    let is_kept = recorded.exemplars.takes(span);
    let kept = is_kept.then(|| (outbox.clock.now().unix, span));
    let counted = thread::with_local(outbox, slot, buckets(recorded), |local| {
        local.record(value, kept)
    });
    if counted != Some(true) {
        outbox.drop_measurement();
    }
}
