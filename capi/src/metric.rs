//! Data points of gauges and sums, as the program has them: nothing is added up here.

use crate::boundary::{
    Failure, Status, guard, guard_or, optional, optional_text, put, shared, text,
};
use crate::engine::Engine;
use crate::log::now;
use crate::scope::{self, Scope};
use crate::value::{Attribute, Value, pairs};
use std::ffi::c_char;
use tailrace_codec::Signal;
use tailrace_codec::otlp::encode::{self, Number, Temporality};
use tailrace_engine::embed::Recorder;

/// Records data points in one scope. For one thread at a time.
pub struct Meter(Recorder);

/// What points have in common. May be used by all threads and meters at once.
pub struct Metric {
    encoded: encode::Metric,
    is_gauge: bool,
}

/// What the numbers of a metric are.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub enum MetricKind {
    /// A value as it is now.
    Gauge = 0,
    /// What was added since the point before.
    SumDelta = 1,
    /// What was added since the start.
    SumCumulative = 2,
}

/// What there is to say of a metric. All but `name` may be NULL or 0.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct MetricOptions {
    pub name: *const c_char,
    pub description: *const c_char,
    /// As UCUM has them: `s`, `By`, `{request}`.
    pub unit: *const c_char,
    /// One of tailrace_metric_kind.
    pub kind: u32,
    /// Not 0: a sum that never falls.
    pub is_monotonic: u8,
}

/// A data point.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Point {
    /// Since when a sum was added up, in nanoseconds since 1970; 0: unknown. A gauge has none.
    pub start_unix_ns: u64,
    /// When it was so, in nanoseconds since 1970; 0: now.
    pub unix_ns: u64,
    /// tailrace_int() or tailrace_double().
    pub value: Value,
    pub attributes: *const Attribute,
    pub attributes_len: usize,
}

/// Says what points will have in common. Ends with tailrace_metric_free().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailrace_metric_new(
    options: *const MetricOptions,
    metric: *mut *mut Metric,
) -> Status {
    guard(|| {
        // SAFETY: the header asks for room for a pointer.
        unsafe { put(metric, std::ptr::null_mut(), "metric") }?;
        // SAFETY: the header asks for options.
        let options = unsafe { shared(options, "options") }?;
        // SAFETY: the header asks for a text that ends with a NUL.
        let name = unsafe { text(options.name, "options->name") }?;
        // SAFETY: the header asks for a text that ends with a NUL, or NULL.
        let description = unsafe { optional_text(options.description, "options->description") }?;
        // SAFETY: as above.
        let unit = unsafe { optional_text(options.unit, "options->unit") }?;
        let sum = |temporality| encode::MetricKind::Sum {
            temporality,
            is_monotonic: options.is_monotonic != 0,
        };
        let kind = match options.kind {
            0 => encode::MetricKind::Gauge,
            1 => sum(Temporality::Delta),
            2 => sum(Temporality::Cumulative),
            _ => {
                return Err(Failure::argument(
                    "options->kind",
                    "no tailrace_metric_kind",
                ));
            }
        };
        let made = Metric {
            encoded: encode::Metric::new(name, description, unit, kind),
            is_gauge: kind == encode::MetricKind::Gauge,
        };
        // SAFETY: as above.
        unsafe { put(metric, Box::into_raw(Box::new(made)), "metric") }
    })
}

/// Lets go of a metric; NULL is nothing to do. No other thread may be using it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailrace_metric_free(metric: *mut Metric) {
    guard_or((), || {
        if !metric.is_null() {
            // SAFETY: it came out of a box in `tailrace_metric_new`, and the header asks that it
            // be freed once.
            drop(unsafe { Box::from_raw(metric) });
        }
    });
}

/// Makes what records data points, in one scope. Ends with tailrace_meter_free().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailrace_meter_new(
    engine: *const Engine,
    scope: *const Scope,
    meter: *mut *mut Meter,
) -> Status {
    guard(|| {
        // SAFETY: the header asks for room for a pointer.
        unsafe { put(meter, std::ptr::null_mut(), "meter") }?;
        // SAFETY: the header asks for an engine that is not freed.
        let engine = unsafe { shared(engine, "engine") }?;
        // SAFETY: the header asks for a scope.
        let scope = unsafe { scope::read(scope) }?;
        let recorder = engine.embedded().recorder(Signal::Metrics, &scope.scope());
        // SAFETY: as above.
        unsafe { put(meter, Box::into_raw(Box::new(Meter(recorder))), "meter") }
    })
}

/// Records a data point. TAILRACE_STATUS_DROPPED: there was no room for it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailrace_meter_record(
    meter: *const Meter,
    metric: *const Metric,
    point: *const Point,
) -> Status {
    guard(|| {
        // SAFETY: the header asks for a meter of this thread.
        let Meter(recorder) = unsafe { shared(meter, "meter") }?;
        // SAFETY: the header asks for a metric that is not freed.
        let metric = unsafe { shared(metric, "metric") }?;
        // SAFETY: the header asks for a point.
        let point = unsafe { shared(point, "point") }?;
        // SAFETY: the header asks for a value as its functions make them.
        let number = match unsafe { point.value.read("point->value") }? {
            Some(encode::Value::Int(int)) => Number::Int(int),
            Some(encode::Value::Double(double)) => Number::Double(double),
            _ => return Err(Failure::argument("point->value", "no number")),
        };
        // SAFETY: the header asks for so many attributes.
        let attributes = unsafe { pairs(point.attributes, point.attributes_len) }?;
        if !recorder.is_on() {
            return Ok(());
        }
        let start = if metric.is_gauge {
            0
        } else {
            point.start_unix_ns
        };
        let at = if point.unix_ns == 0 {
            now()
        } else {
            point.unix_ns
        };
        let mut out = recorder.buffer();
        metric
            .encoded
            .write(&mut out, start, at, number, &attributes);
        let is_kept = recorder.record(out.as_slice());
        recorder.give_back(out);
        match is_kept {
            true => Ok(()),
            false => Err(Failure::plain(Status::Dropped)),
        }
    })
}

/// Data points that this meter had no room for; 0 of NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailrace_meter_dropped(meter: *const Meter) -> u64 {
    guard_or(0, || {
        // SAFETY: the header asks for a meter that is not freed, or NULL.
        let meter = unsafe { optional(meter, "meter") }.ok().flatten();
        meter.map_or(0, |meter| meter.0.dropped())
    })
}

/// Lets go of a meter; NULL is nothing to do. What it recorded leaves.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tailrace_meter_free(meter: *mut Meter) {
    guard_or((), || {
        if !meter.is_null() {
            // SAFETY: it came out of a box in `tailrace_meter_new`, and the header asks that it
            // be freed once.
            drop(unsafe { Box::from_raw(meter) });
        }
    });
}
