//! Gauges: the last value that was set.

use super::attributes::Attribute;
use super::exemplar::exemplar;
use super::number::Measured;
use super::series::{Last, Recorded, Series};
use super::thread;
use crate::embed::propagation::SpanContext;
use std::marker::PhantomData;
use std::sync::Arc;

/// A value by attributes, of which the last one counts, whichever thread it comes from.
#[derive(Debug, Clone)]
pub struct Gauge<N: Measured> {
    /// `None`: nobody collects.
    recorded: Option<Arc<Recorded>>,
    number: PhantomData<N>,
}

/// A value of known attributes. It is reported once it is set.
#[derive(Debug, Clone)]
pub struct BoundGauge<N: Measured> {
    recorded: Option<(Arc<Recorded>, Arc<Last>)>,
    number: PhantomData<N>,
}

impl<N: Measured> Gauge<N> {
    pub(super) const fn new(recorded: Option<Arc<Recorded>>) -> Self {
        Self {
            recorded,
            number: PhantomData,
        }
    }

    /// The value of these attributes, found once. Cost: a lock and a lookup, and for a new set a few
    /// allocations.
    pub fn bind(&self, attributes: &[Attribute<'_>]) -> BoundGauge<N> {
        let bound = self.recorded.as_ref().map(|recorded| {
            let last = last(recorded.series(attributes));
            (Arc::clone(recorded), last)
        });
        BoundGauge {
            recorded: bound,
            number: PhantomData,
        }
    }

    /// Sets the value of these attributes. What is no number is counted as dropped.
    ///
    /// Cost: that of [`BoundGauge::set`], and to encode the attributes and look them up.
    pub fn set(&self, value: N, attributes: &[Attribute<'_>]) {
        self.measure(value, attributes, None);
    }

    /// As [`set`](Self::set), measured in a span, which an exemplar may name.
    pub fn set_in(&self, value: N, attributes: &[Attribute<'_>], span: &SpanContext) {
        self.measure(value, attributes, Some(span));
    }

    fn measure(&self, value: N, attributes: &[Attribute<'_>], span: Option<&SpanContext>) {
        if let Some(recorded) = &self.recorded {
            if !recorded.outbox.life.goes_on() {
                return recorded.outbox.drop_measurement();
            }
            let last = last(thread::series(recorded, attributes));
            set(recorded, &last, value, span);
        }
    }
}

impl<N: Measured> BoundGauge<N> {
    /// Sets the value. What is no number is counted as dropped.
    ///
    /// Cost: a store, to memory that all threads which set this series share.
    #[inline]
    pub fn set(&self, value: N) {
        if let Some((recorded, last)) = &self.recorded {
            set(recorded, last, value, None);
        }
    }

    /// As [`set`](Self::set), measured in a span, which an exemplar may name.
    #[inline]
    pub fn set_in(&self, value: N, span: &SpanContext) {
        if let Some((recorded, last)) = &self.recorded {
            set(recorded, last, value, Some(span));
        }
    }
}

fn last(series: Series) -> Arc<Last> {
    match series {
        Series::Last(last) => last,
        Series::Sum(_) | Series::Distribution(_) => unreachable!("a gauge has last values"),
    }
}

#[inline]
fn set<N: Measured>(recorded: &Recorded, last: &Last, value: N, span: Option<&SpanContext>) {
    let outbox = &recorded.outbox;
    let (kind, bits) = (N::KIND, value.bits());
    if !kind.is_finite(bits) || !outbox.life.goes_on() {
        return outbox.drop_measurement();
    }
    last.set(bits);
    if recorded.exemplars.takes(span) {
        last.keep(exemplar(kind, bits, outbox.clock.now().unix, span));
    }
}
