//! The recorders of a thread: one for each provider's processor or exporter, and scope.

use super::value;
use crate::embed::recorder::{Recorder, RecorderLimits};
use crate::embed::service::Embedded;
use opentelemetry::InstrumentationScope;
use opentelemetry_sdk::Resource;
use std::borrow::Cow;
use std::cell::RefCell;
use std::sync::{Arc, Weak};
use tailrace_codec::Signal;
use tailrace_codec::otlp::encode::{Envelope, Scope};
use tailrace_codec::otlp::fields::{RESOURCE_ATTRIBUTES, SCOPE_ATTRIBUTES};

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
    pub fn new(engine: &Arc<Embedded>, signal: Signal, resource: Resource) -> Self {
        Self(Arc::new(Inside {
            engine: Arc::clone(engine),
            signal,
            resource,
            limits: engine.recorder_limits(),
        }))
    }

    /// The same with other limits.
    pub fn with_limits(self, limits: RecorderLimits) -> Self {
        let Inside {
            engine,
            signal,
            resource,
            ..
        } = &*self.0;
        Self(Arc::new(Inside {
            engine: Arc::clone(engine),
            signal: *signal,
            resource: resource.clone(),
            limits,
        }))
    }

    /// The same for another resource: a provider says which when it is built.
    pub fn with_resource(&self, resource: Resource) -> Self {
        Self::new(self.engine(), self.0.signal, resource).with_limits(self.0.limits)
    }

    pub fn engine(&self) -> &Arc<Embedded> {
        &self.0.engine
    }

    pub fn resource(&self) -> &Resource {
        &self.0.resource
    }

    /// Records by the thread's recorder for a scope. `None`: the thread is about to end.
    pub fn record<R>(&self, scope: ScopeOf<'_>, record: impl FnOnce(&Recorder) -> R) -> Option<R> {
        let recorded = RECORDERS.try_with(|recorders| {
            let mut recorders = recorders.try_borrow_mut().ok()?;
            let found = recorders.iter().position(|entry| entry.is(self, scope));
            let at = found.unwrap_or_else(|| {
                // The processors of providers that are gone need none any more.
                recorders.retain(|entry| entry.origin.strong_count() > 0);
                recorders.push(self.entry(scope));
                recorders.len() - 1
            });
            recorders.swap(0, at);
            Some(record(&recorders[0].recorder))
        });
        recorded.ok().flatten()
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
