//! The recorders of a thread: one for each provider's processor or exporter, and scope.

use super::{FLUSH_TIMEOUT, flush, value};
use crate::embed::logs::LogLimits;
use crate::embed::recorder::{Recorder, RecorderLimits};
use crate::embed::service::Embedded;
use opentelemetry::InstrumentationScope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use std::borrow::Cow;
use std::cell::RefCell;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tailrace_codec::Signal;
use tailrace_codec::otlp::encode::{Envelope, Scope};
use tailrace_codec::otlp::fields::{RESOURCE_ATTRIBUTES, SCOPE_ATTRIBUTES};
use tailrace_codec::writer::Writer;

/// What one processor or exporter records for, whichever thread it is on.
#[derive(Debug, Clone)]
pub(super) struct Origin(Arc<Inside>);

#[derive(Debug)]
struct Inside {
    engine: Arc<Embedded>,
    signal: Signal,
    resource: Resource,
    limits: RecorderLimits,
}

/// A scope as items are grouped by: a log record's target stands for the scope's name.
#[derive(Debug, Clone, Copy)]
pub(super) struct ScopeOf<'a> {
    pub scope: &'a InstrumentationScope,
    pub target: Option<&'a Cow<'static, str>>,
}

struct Entry {
    origin: Weak<Inside>,
    scope: InstrumentationScope,
    target: Option<Cow<'static, str>>,
    recorder: Recorder,
}

thread_local! {
    /// The one used last comes first: a thread mostly stays in a scope.
    static RECORDERS: RefCell<Vec<Entry>> = const { RefCell::new(Vec::new()) };
}

impl Origin {
    pub fn new(
        engine: &Arc<Embedded>,
        signal: Signal,
        resource: Resource,
        limits: RecorderLimits,
    ) -> Self {
        Self(Arc::new(Inside {
            engine: Arc::clone(engine),
            signal,
            resource,
            limits,
        }))
    }

    /// Before a provider says for which resource.
    pub fn of(engine: &Arc<Embedded>, signal: Signal) -> Self {
        let resource = Resource::builder().build();
        Self::new(engine, signal, resource, engine.recorder_limits())
    }

    /// From now on for another resource: a provider says which when it is built.
    pub fn set_resource(&mut self, resource: &Resource) {
        let Inside {
            engine,
            signal,
            limits,
            ..
        } = &*self.0;
        *self = Self::new(engine, *signal, resource.clone(), *limits);
    }

    pub fn resource(&self) -> &Resource {
        &self.0.resource
    }

    pub fn log_limits(&self) -> LogLimits {
        self.0.engine.log_limits()
    }

    /// Whether items go anywhere.
    pub fn is_on(&self) -> bool {
        self.0.engine.records(self.0.signal)
    }

    /// Records one item, which `write` writes. `false`: it was dropped and counted. Where the
    /// signal is disabled nothing is written.
    pub fn record(&self, scope: ScopeOf<'_>, write: impl FnOnce(&mut Writer)) -> bool {
        if !self.is_on() {
            return true;
        }
        self.with_recorder(scope, |recorder| {
            let mut out = recorder.buffer();
            write(&mut out);
            let recorded = recorder.record(out.as_slice());
            recorder.give_back(out);
            recorded
        })
    }

    /// The thread's recorder for a scope; in a thread that is about to end, one for this once.
    pub fn with_recorder<R>(&self, scope: ScopeOf<'_>, act: impl FnOnce(&Recorder) -> R) -> R {
        if RECORDERS.try_with(|_| ()).is_err() {
            return act(&self.entry(scope).recorder);
        }
        RECORDERS.with_borrow_mut(|recorders| {
            let found = recorders.iter().position(|entry| entry.is(self, scope));
            let at = found.unwrap_or_else(|| {
                // The processors of providers that are gone need none any more.
                recorders.retain(|entry| entry.origin.strong_count() > 0);
                recorders.push(self.entry(scope));
                recorders.len() - 1
            });
            recorders.swap(0, at);
            act(&recorders[0].recorder)
        })
    }

    /// Waits until what was recorded is delivered.
    pub fn flush(&self, timeout: Duration) -> OTelSdkResult {
        flush(&self.0.engine, timeout)
    }

    /// What an exporter answers once it has recorded a batch, of which so many were dropped.
    pub fn answer(&self, dropped: usize) -> OTelSdkResult {
        self.flush(FLUSH_TIMEOUT)?;
        match dropped {
            0 => Ok(()),
            dropped => Err(OTelSdkError::InternalFailure(format!(
                "{dropped} items were dropped: their recorder is full, or they are larger than \
                 its chunks"
            ))),
        }
    }

    fn entry(&self, of: ScopeOf<'_>) -> Entry {
        let Inside {
            engine,
            signal,
            resource,
            limits,
        } = &*self.0;
        let name = of.target.map_or(of.scope.name(), |target| target);
        let scope = Scope {
            name,
            version: of.scope.version().unwrap_or_default(),
            schema_url: of.scope.schema_url().unwrap_or_default(),
            attributes: &[],
        };
        let envelope = Envelope::with(
            resource.schema_url().unwrap_or_default(),
            |out| {
                for (key, value) in resource {
                    let attribute = opentelemetry::KeyValue::new(key.clone(), value.clone());
                    value::attributes(out, RESOURCE_ATTRIBUTES, [&attribute]);
                }
            },
            &scope,
            |out| value::attributes(out, SCOPE_ATTRIBUTES, of.scope.attributes()),
        );
        Entry {
            origin: Arc::downgrade(&self.0),
            scope: of.scope.clone(),
            target: of.target.cloned(),
            recorder: engine.recorder_in(*signal, envelope, *limits),
        }
    }
}

impl Entry {
    fn is(&self, origin: &Origin, of: ScopeOf<'_>) -> bool {
        std::ptr::eq(self.origin.as_ptr(), Arc::as_ptr(&origin.0))
            && self.target.as_ref() == of.target
            && self.scope == *of.scope
    }
}
