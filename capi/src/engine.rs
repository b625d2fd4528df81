//! The engine: start, flush, shutdown.

use crate::boundary::{Failure, Status, guard, guard_or, put, shared, text};
use std::ffi::c_char;
use std::time::Duration;
use tailrace_engine::embed::{EmbedError, Embedded, FlushError, FlushReport, Settings};

/// A running engine: threads of its own that batch and export. May be used by all threads at once.
pub struct Engine(Embedded);

impl Engine {
    pub(crate) const fn embedded(&self) -> &Embedded {
        &self.0
    }
}

/// Starts an engine as the standard environment variables say: OTEL_SERVICE_NAME,
/// OTEL_RESOURCE_ATTRIBUTES, OTEL_EXPORTER_OTLP_ENDPOINT and its like, OTEL_TRACES_SAMPLER,
/// OTEL_SDK_DISABLED and others. Where telemetry is disabled this succeeds, and nothing is recorded.
///
/// `engine` is set to NULL where it fails. Ends with tailrace_engine_free().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailrace_start_from_environment(engine: *mut *mut Engine) -> Status {
    // SAFETY: the header asks for room for a pointer.
    guard(|| unsafe { start(engine, settings) })
}

/// As tailrace_start_from_environment(), but where telemetry goes is said by `yaml`, a configuration
/// file with one receiver, `otlp` with the protocol `grpc`, which is not bound and stands for this
/// program; `${env:NAME}` and `${file:PATH}` in it are expanded. The resource, the sampler and the
/// limits of spans are those of the environment.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailrace_start_from_yaml(
    yaml: *const c_char,
    engine: *mut *mut Engine,
) -> Status {
    guard(|| {
        let with_yaml = || {
            // SAFETY: the header asks for a text that ends with a NUL.
            let yaml = unsafe { text(yaml, "yaml") }?;
            let configuration = Some(yaml.to_owned());
            Ok(Settings {
                configuration,
                ..settings()?
            })
        };
        // SAFETY: the header asks for room for a pointer.
        unsafe { start(engine, with_yaml) }
    })
}

/// # Safety
///
/// That of [`put`].
unsafe fn start(
    place: *mut *mut Engine,
    settings: impl FnOnce() -> Result<Settings, Failure>,
) -> Result<(), Failure> {
    // First, so that there is something to be freed whatever happens, and a place to put it.
    // SAFETY: as the caller says.
    unsafe { put(place, std::ptr::null_mut(), "engine") }?;
    let engine = Embedded::start(&settings()?).map_err(|error| match &error {
        EmbedError::Settings(_) => Failure::told(Status::InvalidSettings, &error),
        EmbedError::Start(_) | EmbedError::Processors { .. } | EmbedError::Scheduling(_) => {
            Failure::told(Status::NotStarted, &error)
        }
    })?;
    // SAFETY: as the caller says.
    unsafe { put(place, Box::into_raw(Box::new(Engine(engine))), "engine") }
}

fn settings() -> Result<Settings, Failure> {
    Settings::from_environment().map_err(|error| Failure::told(Status::InvalidSettings, &error))
}

/// Waits until everything that was recorded before is delivered, at most for `timeout_ms`. Items of
/// all threads count, and those of spans that have not ended do not.
///
/// `dropped_items`, unless it is NULL, is set on success to what there was no room for since the start.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailrace_flush(
    engine: *const Engine,
    timeout_ms: u64,
    dropped_items: *mut u64,
) -> Status {
    guard(|| {
        // SAFETY: the header asks for an engine that was started and is not freed.
        let engine = unsafe { shared(engine, "engine") }?;
        let flushed = engine.0.flush(Duration::from_millis(timeout_ms));
        // SAFETY: the header asks for room for a number, or NULL.
        unsafe { report(flushed, dropped_items) }
    })
}

/// Flushes, and ends the engine's threads, all within `timeout_ms`; what is not delivered by then is
/// dropped. From then on tracers, loggers and meters drop what they are given, and a flush says that the
/// engine has ended. The engine is still to be freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailrace_shutdown(
    engine: *const Engine,
    timeout_ms: u64,
    dropped_items: *mut u64,
) -> Status {
    guard(|| {
        // SAFETY: the header asks for an engine that was started and is not freed.
        let engine = unsafe { shared(engine, "engine") }?;
        let flushed = engine.0.end(Duration::from_millis(timeout_ms));
        // SAFETY: the header asks for room for a number, or NULL.
        unsafe { report(flushed, dropped_items) }
    })
}

/// # Safety
///
/// Where it is not null, `place` has room for a number.
unsafe fn report(flushed: Result<FlushReport, FlushError>, place: *mut u64) -> Result<(), Failure> {
    let report = flushed.map_err(|error| {
        let status = match error {
            FlushError::TimedOut => Status::TimedOut,
            FlushError::Undelivered { .. } => Status::Undelivered,
            FlushError::Ended(_) => Status::Ended,
        };
        Failure::told(status, &error)
    })?;
    if place.is_null() {
        return Ok(());
    }
    // SAFETY: as the caller says.
    unsafe { put(place, report.dropped_items, "dropped_items") }
}

/// Lets go of an engine; NULL is nothing to do. One that was not shut down delivers what is recorded
/// for as long as the process lives, half a minute at most, and nobody waits for it. No other thread may
/// be using it. Tracers, loggers and meters stay valid, and are freed by themselves.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailrace_engine_free(engine: *mut Engine) {
    guard_or((), || {
        if !engine.is_null() {
            // SAFETY: it came out of a box in `start`, and the header asks that it be freed once.
            drop(unsafe { Box::from_raw(engine) });
        }
    });
}
