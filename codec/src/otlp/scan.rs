//! Framing and item count of an export request, in one pass that stops at item borders.

use super::Signal;
use super::fields::{
    DATA_POINTS, ENTRY_SCOPES, METRIC_DATA, PROFILE_SAMPLES, REQUEST_RESOURCES, SCOPE_ENTRY_ITEMS,
};
use crate::Rope;
use crate::field::{Fields, Malformed, each};
use crate::rope::Cursor;

/// What a request holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scan {
    /// Spans, log records, metric data points or profile samples, as the Collector counts them.
    pub items: u64,
}

/// Checks the framing of a request down to its items, and counts them.
///
/// Shape: `request` is one uncompressed `Export*ServiceRequest`. What is inside an item is not
/// looked at, nor are the resource and the scope; [`scan_deep`](super::scan_deep) does.
/// Errors: [`Malformed`] with its offset.
/// Cost: one pass over the tags above the items; no copy, no allocation.
/// Source: <https://opentelemetry.io/docs/specs/otlp/#binary-protobuf-encoding>
pub fn scan(signal: Signal, request: &Rope) -> Result<Scan, Malformed> {
    let mut items = 0;
    each(request.cursor(), REQUEST_RESOURCES, |entry| {
        each(entry, ENTRY_SCOPES, |scope| {
            items += scope_items(signal, scope)?;
            Ok(())
        })
    })?;
    Ok(Scan { items })
}

fn scope_items(signal: Signal, scope: Cursor<'_>) -> Result<u64, Malformed> {
    let mut items = 0;
    match signal {
        Signal::Traces | Signal::Logs => items = count(scope, SCOPE_ENTRY_ITEMS)?,
        Signal::Metrics => each(scope, SCOPE_ENTRY_ITEMS, |metric| {
            items += metric_points(metric)?;
            Ok(())
        })?,
        Signal::Profiles => each(scope, SCOPE_ENTRY_ITEMS, |profile| {
            items += profile_samples(profile)?;
            Ok(())
        })?,
    }
    Ok(items)
}

/// The points of a metric.
///
/// Its data is a `oneof`: of several, the last is meant, and several of the same field are merged.
pub(super) fn metric_points(metric: Cursor<'_>) -> Result<u64, Malformed> {
    let (mut data, mut points) = (0, 0);
    let mut fields = Fields::new(metric);
    while let Some(field) = fields.next_of(|number| METRIC_DATA.contains(&number)) {
        let field = field?;
        let held = count(field.content()?, DATA_POINTS)?;
        points = if data == field.number {
            points + held
        } else {
            held
        };
        data = field.number;
    }
    Ok(points)
}

pub(super) fn profile_samples(profile: Cursor<'_>) -> Result<u64, Malformed> {
    count(profile, PROFILE_SAMPLES)
}

/// How often a message has the field `number`, which holds messages.
fn count(message: Cursor<'_>, number: u32) -> Result<u64, Malformed> {
    let mut fields = Fields::new(message);
    let mut n = 0;
    loop {
        // Items stand in long runs, of which only tags and lengths are read.
        n += fields.skip_run(number) as u64;
        match fields.next_of(|found| found == number) {
            Some(field) => {
                field?.content()?;
                n += 1;
            }
            None => return Ok(n),
        }
    }
}
