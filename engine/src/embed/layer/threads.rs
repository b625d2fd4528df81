//! What each thread that says something has for it.

use super::TracingLayer;
use crate::embed::logs::LogLimits;
use crate::embed::propagation::SpanContext;
use crate::embed::recorder::Recorder;
use crate::embed::service::Embedded;
use crate::embed::span::Tracer;
use std::cell::{Cell, RefCell};
use std::sync::Weak;
use tailrace_codec::Signal;
use tailrace_codec::otlp::encode::Scope;

/// A thread's own, whatever layer it is for.
#[derive(Debug, Default)]
pub(super) struct Here {
    /// Of a span that `tracing` knows no parent of.
    pub(super) remote_parent: Option<SpanContext>,
    /// What a field is formatted into.
    pub(super) scratch: String,
    /// The text of an event.
    pub(super) message: String,
}

/// A thread's own for one layer.
#[derive(Debug)]
pub(super) struct Recording {
    layer: u64,
    engine: Weak<Embedded>,
    pub(super) tracer: Tracer,
    pub(super) logs: Recorder,
    pub(super) log_limits: LogLimits,
}

#[derive(Debug, Default)]
struct Thread {
    here: Here,
    recordings: Vec<Recording>,
}

thread_local! {
    static THREAD: RefCell<Thread> = RefCell::default();
    static IS_LEFT_OUT: Cell<bool> = const { Cell::new(false) };
}

/// Nothing that is said on this thread is recorded: it is an engine's.
pub(in crate::embed) fn leave_out_this_thread() {
    IS_LEFT_OUT.set(true);
}

/// Records for a layer on this thread. `None`, and nothing is recorded: the thread is an engine's, or
/// ends; the engine is gone; or this is said by a field while it is formatted, which might go on for
/// ever.
pub(super) fn with<R>(
    layer: &TracingLayer,
    record: impl FnOnce(&mut Here, &Recording) -> R,
) -> Option<R> {
    if IS_LEFT_OUT.get() {
        return None;
    }
    let recorded = THREAD.try_with(|thread| {
        let mut thread = thread.try_borrow_mut().ok()?;
        let Thread { here, recordings } = &mut *thread;
        let at = recordings.iter().position(|own| own.layer == layer.id);
        let at = match at {
            Some(at) => at,
            None => {
                recordings.retain(|own| own.engine.strong_count() > 0);
                recordings.push(Recording::of(layer)?);
                recordings.len() - 1
            }
        };
        Some(record(here, &recordings[at]))
    });
    recorded.ok().flatten()
}

impl Recording {
    fn of(layer: &TracingLayer) -> Option<Self> {
        let engine = layer.engine.upgrade()?;
        let scope = Scope {
            name: &layer.scope,
            version: &layer.version,
            ..Scope::default()
        };
        Some(Self {
            layer: layer.id,
            engine: Weak::clone(&layer.engine),
            tracer: engine.tracer(&scope),
            logs: engine.recorder(Signal::Logs, &scope),
            log_limits: engine.log_limits(),
        })
    }
}

/// Spans that `make` begins on this thread, and of which `tracing` knows no parent, are children of
/// `parent`. It is said beforehand, and not of a span that has begun, because the sampler has to know.
///
/// ```no_run
/// # use http::HeaderMap;
/// use tailrace_engine::embed::layer::with_remote_parent;
/// use tailrace_engine::embed::propagation::extract_headers;
///
/// # let headers = HeaderMap::new();
/// let parent = extract_headers(&headers);
/// let span = with_remote_parent(parent.as_ref(), || tracing::info_span!("GET /cart"));
/// ```
pub fn with_remote_parent<R>(parent: Option<&SpanContext>, make: impl FnOnce() -> R) -> R {
    /// Puts back what was there, also when `make` panics.
    struct Before(Option<SpanContext>);
    impl Drop for Before {
        fn drop(&mut self) {
            set(self.0.take());
        }
    }
    let _before = Before(set(parent.cloned()));
    make()
}

/// What it was before.
fn set(parent: Option<SpanContext>) -> Option<SpanContext> {
    let before = THREAD.try_with(|thread| {
        let mut thread = thread.try_borrow_mut().ok()?;
        std::mem::replace(&mut thread.here.remote_parent, parent)
    });
    before.ok().flatten()
}
