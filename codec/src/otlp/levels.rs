//! The one table of field numbers that finding an item takes.
//!
//! An export request is the same Russian doll in every signal: the request holds resources, a
//! resource holds scopes, a scope holds spans, log records, metrics or profiles. For spans and log
//! records that is the item; the items of a metric are its data points, one or two messages
//! further in, and those of a profile its samples.
//! Source: <https://github.com/open-telemetry/opentelemetry-proto/tree/v1.9.0/opentelemetry/proto>

use super::Signal;

/// The field numbers that lead one level further in.
pub(super) type Level = &'static [u32];

const REQUEST_RESOURCE: Level = &[1];
const RESOURCE_SCOPE: Level = &[2];
const SCOPE_ITEM: Level = &[2];
/// `gauge`, `sum`, `histogram`, `exponential_histogram`, `summary`.
const METRIC_DATA: Level = &[5, 7, 9, 10, 11];
const DATA_POINT: Level = &[1];
const PROFILE_SAMPLE: Level = &[2];

/// The way from the request to its items, outermost first.
pub(super) const fn levels(signal: Signal) -> &'static [Level] {
    match signal {
        Signal::Traces | Signal::Logs => &[REQUEST_RESOURCE, RESOURCE_SCOPE, SCOPE_ITEM],
        Signal::Metrics => &[
            REQUEST_RESOURCE,
            RESOURCE_SCOPE,
            SCOPE_ITEM,
            METRIC_DATA,
            DATA_POINT,
        ],
        Signal::Profiles => &[REQUEST_RESOURCE, RESOURCE_SCOPE, SCOPE_ITEM, PROFILE_SAMPLE],
    }
}

/// The deepest way.
pub(super) const LEVELS_MAX: usize = 5;
