//! The series of an instrument: one for each set of attributes, up to a limit.

use super::attributes::{Attribute, canonical};
use super::exemplar::{ExemplarFilter, Reservoir};
use super::instrument::{Aggregation, Identity, Measuring};
use super::observed::Observed;
use super::outbox::{Arrival, Outbox};
use super::page::Slot;
use crate::embed::budget::Lease;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tailrace_codec::otlp::encode::{Envelope, Exemplar, Key, Metric, Temporality, Value};

/// An instrument that is recorded with.
#[derive(Debug)]
pub(super) struct Recorded {
    pub outbox: Arc<Outbox>,
    /// Among those of its engine.
    pub id: u32,
    pub identity: Identity,
    pub temporality: Temporality,
    pub envelope: Arc<Envelope>,
    /// As it is encoded.
    pub metric: Metric,
    pub exemplars: ExemplarFilter,
    /// Its sums only grow.
    pub is_monotonic: bool,
    series_max: usize,
    known: Mutex<Known>,
    /// Of an instrument that is observed, instead of what is known.
    observed: Option<Mutex<Observed>>,
}

#[derive(Debug, Default)]
struct Known {
    /// By their attributes, in canonical order.
    series: HashMap<Box<[u8]>, Series>,
    overflow: Option<Series>,
}

/// Where the measurements of one set of attributes go.
#[derive(Debug, Clone)]
pub(super) enum Series {
    Sum(Slot),
    Distribution(Slot),
    Last(Arc<Last>),
}

#[derive(Debug)]
pub(super) struct NewSeries {
    pub instrument: Arc<Recorded>,
    pub attributes: Box<[u8]>,
    pub series: Series,
    /// Nanoseconds since 1970.
    pub since: u64,
    /// `None` for that of the overflow, of which each instrument has one at most.
    pub _lease: Option<Lease>,
}

/// The last value of a gauge, whichever thread it came from.
#[derive(Debug, Default)]
pub(super) struct Last {
    bits: AtomicU64,
    is_set: AtomicBool,
    exemplars: Mutex<Reservoir>,
}

/// The attribute of the series that takes what has no room in one of its own.
///
/// Source: <https://opentelemetry.io/docs/specs/otel/metrics/sdk/#overflow-attribute>
const OVERFLOW: &str = "otel.metric.overflow";

/// What a series takes beside its buckets and its attributes.
const SERIES_BYTES: usize = 256;

impl Recorded {
    pub fn new(
        outbox: &Arc<Outbox>,
        identity: Identity,
        envelope: &Arc<Envelope>,
        temporality: Temporality,
        cardinality_limit: u32,
        exemplars: ExemplarFilter,
    ) -> Self {
        let kind = identity.aggregation.metric_kind(temporality);
        // One is that of the overflow.
        let series_max = cardinality_limit.saturating_sub(1) as usize;
        let sum = match identity.aggregation {
            Aggregation::Sum { is_monotonic, .. } => Some(is_monotonic),
            Aggregation::Last { .. } | Aggregation::Histogram(_) => None,
        };
        let is_observed = identity.measured == Measuring::Observed;
        let number = identity.aggregation.number().filter(|_| is_observed);
        let observed = number.map(|number| {
            let since = outbox.clock.now().unix;
            Mutex::new(Observed::new(number, sum, temporality, series_max, since))
        });
        let Identity {
            name,
            description,
            unit,
            ..
        } = &identity;
        Self {
            outbox: Arc::clone(outbox),
            id: outbox.next_instrument(),
            metric: Metric::new(name, description, unit, kind),
            exemplars,
            is_monotonic: sum == Some(true),
            identity,
            temporality,
            envelope: Arc::clone(envelope),
            series_max,
            known: Mutex::default(),
            observed,
        }
    }

    /// The series of a set of attributes; where there are too many, or no memory for one more, that of
    /// the overflow.
    ///
    /// Cost: a lock that all threads with a set new to them share, and a few allocations.
    pub fn series(self: &Arc<Self>, attributes: &[Attribute<'_>]) -> Series {
        let attributes = canonical(&self.metric, attributes);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(series) = known.series.get(&attributes) {
            return series.clone();
        }
        let bytes = SERIES_BYTES + 2 * attributes.len() + self.buckets_bytes();
        let is_full = known.series.len() >= self.series_max;
        if let Some(lease) = (!is_full).then(|| self.outbox.lease(bytes)).flatten() {
            let series = self.begin(attributes.clone(), Some(lease));
            known.series.insert(attributes, series.clone());
            return series;
        }
        let begin = || self.begin(self.overflow(), None);
        known.overflow.get_or_insert_with(begin).clone()
    }

    /// The attributes of the series that takes what is beyond the limit.
    pub fn overflow(&self) -> Box<[u8]> {
        let key = Key::new(OVERFLOW);
        canonical(&self.metric, &[(&key, Value::Bool(true))])
    }

    /// What callbacks have observed; `None` of an instrument that is recorded with.
    pub fn observed(&self) -> Option<MutexGuard<'_, Observed>> {
        let observed = self.observed.as_ref()?;
        Some(observed.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// One observation of a callback.
    pub fn observe(&self, round: u64, bits: u64, attributes: &[Attribute<'_>]) {
        let Some(number) = self.identity.aggregation.number() else {
            return;
        };
        if !number.is_finite(bits) || (self.is_monotonic && number.is_negative(bits)) {
            return self.outbox.drop_measurement();
        }
        let attributes = canonical(&self.metric, attributes);
        if let Some(mut observed) = self.observed()
            && observed.is_of(round)
        {
            observed.observe(attributes, bits, |bytes| {
                self.outbox.lease(SERIES_BYTES + bytes)
            });
        }
    }

    /// What the collector holds the series' total in.
    fn buckets_bytes(&self) -> usize {
        match &self.identity.aggregation {
            Aggregation::Histogram(buckets) => buckets.bytes(),
            Aggregation::Sum { .. } | Aggregation::Last { .. } => 0,
        }
    }

    fn begin(self: &Arc<Self>, attributes: Box<[u8]>, lease: Option<Lease>) -> Series {
        let since = self.outbox.clock.now().unix;
        let mut arrivals = self.outbox.arrivals();
        let series = match &self.identity.aggregation {
            Aggregation::Sum { .. } => Series::Sum(arrivals.next_sum()),
            Aggregation::Histogram(_) => Series::Distribution(arrivals.next_distribution()),
            Aggregation::Last { .. } => Series::Last(Arc::default()),
        };
        arrivals.tell(Arrival::Series(Box::new(NewSeries {
            instrument: Arc::clone(self),
            attributes,
            series: series.clone(),
            since,
            _lease: lease,
        })));
        series
    }
}

impl Last {
    /// Cost: two stores to memory that all threads which set this series share.
    #[inline]
    pub fn set(&self, bits: u64) {
        self.bits.store(bits, Ordering::Relaxed);
        if !self.is_set.load(Ordering::Relaxed) {
            // Release: who sees that there is a value sees one.
            self.is_set.store(true, Ordering::Release);
        }
    }

    /// Keeps a measurement, unless another is just being kept or taken.
    #[cold]
    pub fn keep(&self, exemplar: Exemplar) {
        if let Ok(mut exemplars) = self.exemplars.try_lock() {
            exemplars.offer(0, exemplar);
        }
    }

    /// `None`: it was never set.
    pub fn value(&self) -> Option<u64> {
        let is_set = self.is_set.load(Ordering::Acquire);
        is_set.then(|| self.bits.load(Ordering::Relaxed))
    }

    pub fn take_exemplar(&self) -> Option<Exemplar> {
        let mut exemplars = self
            .exemplars
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        exemplars.drain().next().map(|kept| kept.exemplar)
    }
}
