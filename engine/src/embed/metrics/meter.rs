//! Makes the instruments of a scope.

use super::collector::Collector;
use super::counter::Counter;
use super::distribution::Buckets;
use super::gauge::Gauge;
use super::histogram::Histogram;
use super::instrument::{Aggregation, Identity, Instrument, InstrumentError, Measuring};
use super::number::{Increment, Measured, Signed};
use super::observable::{Callback, Observable, Observer};
use super::outbox::{Arrival, Outbox};
use super::series::Recorded;
use crate::embed::budget::Budget;
use crate::embed::clock::Clock;
use crate::embed::life::Life;
use crate::embed::settings::{InstrumentSettings, Settings, TemporalityPreference};
use bytes::Bytes;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};
use tailrace_codec::otlp::encode::{Envelope, Temporality};

/// Makes the instruments of one scope; made by [`Embedded::meter`](crate::embed::Embedded::meter). An
/// instrument that is there already is the same one, whoever asks for it.
#[derive(Debug, Clone)]
pub struct Meter {
    registry: Arc<Registry>,
    /// `None`: nobody collects.
    scope: Option<Arc<InScope>>,
}

/// All instruments of an engine.
#[derive(Debug)]
pub(in crate::embed) struct Registry {
    outbox: Arc<Outbox>,
    settings: InstrumentSettings,
    temporality: TemporalityPreference,
    /// By what stands before their items.
    scopes: Mutex<HashMap<Bytes, Arc<InScope>>>,
}

#[derive(Debug)]
struct InScope {
    envelope: Arc<Envelope>,
    /// By their names in lower case.
    instruments: Mutex<HashMap<String, Arc<Recorded>>>,
}

impl Meter {
    /// A sum that only grows.
    pub fn counter<'a, N: Increment>(
        &self,
        instrument: impl Into<Instrument<'a>>,
    ) -> Result<Counter<N>, InstrumentError> {
        self.sum(&instrument.into(), true)
    }

    /// A sum that moves both ways.
    pub fn up_down_counter<'a, N: Signed>(
        &self,
        instrument: impl Into<Instrument<'a>>,
    ) -> Result<Counter<N>, InstrumentError> {
        self.sum(&instrument.into(), false)
    }

    /// A value of which the last one counts.
    pub fn gauge<'a, N: Signed>(
        &self,
        instrument: impl Into<Instrument<'a>>,
    ) -> Result<Gauge<N>, InstrumentError> {
        let aggregation = Aggregation::Last { number: N::KIND };
        let recorded = self.instrument(&instrument.into(), aggregation, Measuring::Recorded)?;
        Ok(Gauge::new(recorded))
    }

    /// A distribution, in the buckets of the settings.
    pub fn histogram<'a>(
        &self,
        instrument: impl Into<Instrument<'a>>,
    ) -> Result<Histogram, InstrumentError> {
        self.histogram_with(instrument, &self.registry.settings.buckets)
    }

    /// A distribution, in buckets of its own.
    pub fn histogram_with<'a>(
        &self,
        instrument: impl Into<Instrument<'a>>,
        buckets: &Buckets,
    ) -> Result<Histogram, InstrumentError> {
        let aggregation = Aggregation::Histogram(buckets.clone());
        let recorded = self.instrument(&instrument.into(), aggregation, Measuring::Recorded)?;
        Ok(Histogram::new(recorded))
    }

    /// A sum that only grows, of which the callback says where it stands: what the operating system or a
    /// library counts already.
    ///
    /// The callback is called before each collection, that of a flush among them, on a thread of the
    /// engine's which is there for callbacks alone. Attributes that it does not observe again vanish. If
    /// it takes longer than [`observation_timeout`], what it observes is missing from that collection;
    /// if it panics it is called no more. Further callbacks may observe the same instrument.
    ///
    /// [`observation_timeout`]: crate::embed::InstrumentSettings::observation_timeout
    pub fn observable_counter<'a, N: Increment>(
        &self,
        instrument: impl Into<Instrument<'a>>,
        callback: impl FnMut(&Observer<'_, N>) + Send + 'static,
    ) -> Result<Observable, InstrumentError> {
        let aggregation = Aggregation::sum::<N>(true);
        self.observable(&instrument.into(), aggregation, callback)
    }

    /// A sum that moves both ways, of which the callback says where it stands. Callbacks are called as
    /// those of [`observable_counter`](Self::observable_counter) are.
    pub fn observable_up_down_counter<'a, N: Signed>(
        &self,
        instrument: impl Into<Instrument<'a>>,
        callback: impl FnMut(&Observer<'_, N>) + Send + 'static,
    ) -> Result<Observable, InstrumentError> {
        let aggregation = Aggregation::sum::<N>(false);
        self.observable(&instrument.into(), aggregation, callback)
    }

    /// A value that the callback says. Callbacks are called as those of
    /// [`observable_counter`](Self::observable_counter) are.
    pub fn observable_gauge<'a, N: Signed>(
        &self,
        instrument: impl Into<Instrument<'a>>,
        callback: impl FnMut(&Observer<'_, N>) + Send + 'static,
    ) -> Result<Observable, InstrumentError> {
        let aggregation = Aggregation::Last { number: N::KIND };
        self.observable(&instrument.into(), aggregation, callback)
    }

    fn observable<N: Measured>(
        &self,
        asked: &Instrument<'_>,
        aggregation: Aggregation,
        callback: impl FnMut(&Observer<'_, N>) + Send + 'static,
    ) -> Result<Observable, InstrumentError> {
        let recorded = self.instrument(asked, aggregation, Measuring::Observed)?;
        // In a forked process nobody calls it.
        let is_on = |recorded: &Arc<Recorded>| recorded.outbox.life.goes_on();
        let callback = recorded.filter(is_on).map(|recorded| {
            let callback = Arc::new(Callback::new(recorded, callback));
            self.registry.outbox.observers.register(&callback);
            callback
        });
        Ok(Observable::new(callback))
    }

    fn sum<N: Measured>(
        &self,
        asked: &Instrument<'_>,
        is_monotonic: bool,
    ) -> Result<Counter<N>, InstrumentError> {
        let aggregation = Aggregation::sum::<N>(is_monotonic);
        let recorded = self.instrument(asked, aggregation, Measuring::Recorded)?;
        Ok(Counter::new(recorded))
    }

    /// A fault is told where nobody collects, too: it is the program's.
    fn instrument(
        &self,
        asked: &Instrument<'_>,
        aggregation: Aggregation,
        measured: Measuring,
    ) -> Result<Option<Arc<Recorded>>, InstrumentError> {
        let identity = Identity::new(asked, aggregation, measured)?;
        let Some(scope) = &self.scope else {
            return Ok(None);
        };
        let mut instruments = scope
            .instruments
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match instruments.entry(asked.name.to_ascii_lowercase()) {
            Entry::Occupied(known) => {
                identity.conflict(&known.get().identity)?;
                Ok(Some(Arc::clone(known.get())))
            }
            Entry::Vacant(place) => {
                let limit = asked.cardinality_limit;
                let recorded = self.registry.record(identity, &scope.envelope, limit);
                Ok(Some(Arc::clone(place.insert(recorded))))
            }
        }
    }
}

impl Registry {
    pub fn new(
        life: &Arc<Life>,
        budget: &Arc<Budget>,
        clock: &Arc<Clock>,
        settings: &Settings,
    ) -> Self {
        let (life, budget, clock) = (Arc::clone(life), Arc::clone(budget), Arc::clone(clock));
        Self {
            outbox: Arc::new(Outbox::new(life, budget, clock)),
            settings: settings.instruments.clone(),
            temporality: settings.temporality,
            scopes: Mutex::default(),
        }
    }

    /// What puts all that is measured together. There is one.
    pub fn collector(&self) -> Collector {
        Collector::new(Arc::clone(&self.outbox))
    }

    /// `is_on`: somebody collects.
    pub fn meter(self: &Arc<Self>, envelope: Envelope, is_on: bool) -> Meter {
        let scope = is_on.then(|| {
            let mut scopes = self.scopes.lock().unwrap_or_else(PoisonError::into_inner);
            let scope = scopes.entry(envelope.head(0)).or_insert_with(|| {
                Arc::new(InScope {
                    envelope: Arc::new(envelope),
                    instruments: Mutex::default(),
                })
            });
            Arc::clone(scope)
        });
        Meter {
            registry: Arc::clone(self),
            scope,
        }
    }

    fn record(
        &self,
        identity: Identity,
        envelope: &Arc<Envelope>,
        cardinality_limit: Option<u32>,
    ) -> Arc<Recorded> {
        let is_observed = identity.measured == Measuring::Observed;
        let is_delta = match self.temporality {
            TemporalityPreference::Cumulative => false,
            TemporalityPreference::Delta => true,
            // The difference of what is observed needs what was.
            TemporalityPreference::LowMemory => !is_observed,
        };
        let temporality = if is_delta && !identity.aggregation.is_cumulative_always() {
            Temporality::Delta
        } else {
            Temporality::Cumulative
        };
        let limit = cardinality_limit.unwrap_or(self.settings.cardinality_limit);
        let recorded = Arc::new(Recorded::new(
            &self.outbox,
            identity,
            envelope,
            temporality,
            limit,
            self.settings.exemplars,
        ));
        if is_observed {
            let arrival = Arrival::Observed(Arc::clone(&recorded));
            self.outbox.arrivals().tell(arrival);
        }
        recorded
    }
}
