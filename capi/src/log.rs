//! Log records.

use crate::boundary::{Failure, Status, guard, guard_or, optional, optional_text, put, shared};
use crate::context::Context;
use crate::engine::Engine;
use crate::scope::{self, Scope};
use crate::value::{Attribute, Value, pairs};
use std::ffi::c_char;
use std::time::{SystemTime, UNIX_EPOCH};
use tailrace_codec::Signal;
use tailrace_codec::otlp::encode;
use tailrace_engine::embed::{LogAttributes, LogLimits, Recorder};

/// Records log records in one scope. For one thread at a time.
pub struct Logger {
    recorder: Recorder,
    limits: LogLimits,
}

/// How grave a log record is. Numbers between these are finer steps of the same.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub enum Severity {
    Unspecified = 0,
    Trace = 1,
    Debug = 5,
    Info = 9,
    Warn = 13,
    Error = 17,
    Fatal = 21,
}

/// The greatest there is: the last step of FATAL.
const SEVERITY_MAX: u32 = 24;

/// A log record. Zeroed it is one that says nothing, and is from now.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct LogRecord {
    /// When it happened, in nanoseconds since 1970; 0: now.
    pub unix_ns: u64,
    /// tailrace_severity, 0 to 24.
    pub severity: u32,
    /// What its source calls the severity. May be NULL.
    pub severity_text: *const c_char,
    /// The name of the event that it is, by which its attributes are understood. May be NULL.
    pub event_name: *const c_char,
    /// What it says; may be of the kind that has no value.
    pub body: Value,
    /// The span it was written in, or NULL.
    pub context: *const Context,
    pub attributes: *const Attribute,
    pub attributes_len: usize,
}

/// Makes what records log records, in one scope. Ends with tailrace_logger_free().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailrace_logger_new(
    engine: *const Engine,
    scope: *const Scope,
    logger: *mut *mut Logger,
) -> Status {
    guard(|| {
        // SAFETY: the header asks for room for a pointer.
        unsafe { put(logger, std::ptr::null_mut(), "logger") }?;
        // SAFETY: the header asks for an engine that is not freed.
        let engine = unsafe { shared(engine, "engine") }?;
        // SAFETY: the header asks for a scope.
        let scope = unsafe { scope::read(scope) }?;
        let recorder = engine.embedded().recorder(Signal::Logs, &scope.scope());
        // SAFETY: as above.
        let limits = engine.embedded().log_limits();
        let made = Box::into_raw(Box::new(Logger { recorder, limits }));
        // SAFETY: as above.
        unsafe { put(logger, made, "logger") }
    })
}

/// Records a log record. TAILRACE_STATUS_DROPPED: there was no room for it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailrace_logger_record(
    logger: *const Logger,
    record: *const LogRecord,
) -> Status {
    guard(|| {
        // SAFETY: the header asks for a logger of this thread.
        let Logger { recorder, limits } = unsafe { shared(logger, "logger") }?;
        // SAFETY: the header asks for a record.
        let record = unsafe { shared(record, "record") }?;
        if record.severity > SEVERITY_MAX {
            return Err(Failure::argument("record->severity", "more than 24"));
        }
        // SAFETY: the header asks for pointers that lead to what they should, or NULL.
        let content = unsafe { record.read() }?;
        // SAFETY: the header asks for so many attributes.
        let attributes = unsafe { pairs(record.attributes, record.attributes_len) }?;
        if !recorder.is_on() {
            return Ok(());
        }
        let mut out = recorder.buffer();
        content.write(&mut out);
        let mut kept = LogAttributes::new(*limits, &mut out);
        for (key, value) in &attributes {
            kept.write(*key, *value);
        }
        kept.finish();
        let is_kept = recorder.record(out.as_slice());
        recorder.give_back(out);
        match is_kept {
            true => Ok(()),
            false => Err(Failure::plain(Status::Dropped)),
        }
    })
}

impl LogRecord {
    /// # Safety
    ///
    /// The pointers are as [`optional`], [`optional_text`] and [`Value::read`] want them.
    unsafe fn read<'a>(&self) -> Result<encode::LogRecord<'a>, Failure> {
        // SAFETY: as the caller says, here and below.
        let context = unsafe { optional(self.context, "record->context") }?;
        let now = now();
        Ok(encode::LogRecord {
            time: if self.unix_ns == 0 { now } else { self.unix_ns },
            observed_time: now,
            severity_number: self.severity as u8,
            // SAFETY: as above.
            severity_text: unsafe { optional_text(self.severity_text, "record->severity_text") }?,
            // SAFETY: as above.
            event_name: unsafe { optional_text(self.event_name, "record->event_name") }?,
            // SAFETY: as above.
            body: unsafe { self.body.read("record->body") }?,
            trace_id: context.map_or([0; 16], |context| context.trace_id),
            span_id: context.map_or([0; 8], |context| context.span_id),
            flags: context.map_or(0, |context| context.trace_flags.into()),
            dropped_attributes: 0,
        })
    }
}

/// Log records that this logger had no room for; 0 of NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailrace_logger_dropped(logger: *const Logger) -> u64 {
    guard_or(0, || {
        // SAFETY: the header asks for a logger that is not freed, or NULL.
        let logger = unsafe { optional(logger, "logger") }.ok().flatten();
        logger.map_or(0, |logger| logger.recorder.dropped())
    })
}

/// Lets go of a logger; NULL is nothing to do. What it recorded leaves.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailrace_logger_free(logger: *mut Logger) {
    guard_or((), || {
        if !logger.is_null() {
            // SAFETY: it came out of a box in `tailrace_logger_new`, and the header asks that it
            // be freed once.
            drop(unsafe { Box::from_raw(logger) });
        }
    });
}

/// Nanoseconds since 1970.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_nanos()).unwrap_or(u64::MAX)
}
