//! What the environment says of instruments.

use super::SettingsError;
use super::environment::{count, wrong};
use crate::embed::metrics::{Buckets, ExemplarFilter};
use std::time::Duration;

const INTERVAL: &str = "OTEL_METRIC_EXPORT_INTERVAL";
const FILTER: &str = "OTEL_METRICS_EXEMPLAR_FILTER";
const AGGREGATION: &str = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION";

/// How instruments are put together where they do not say it themselves. Begins with the
/// specification's defaults.
#[derive(Debug, Clone, PartialEq)]
pub struct InstrumentSettings {
    /// How often what was measured is exported; [`flush`](crate::embed::Embedded::flush) and the end
    /// export it, too.
    pub export_interval: Duration,
    /// How long a collection waits for the callbacks of observed instruments. What they observe later is
    /// not in it.
    pub observation_timeout: Duration,
    /// Series of one instrument, that of the overflow among them.
    pub cardinality_limit: u32,
    pub exemplars: ExemplarFilter,
    /// Those of histograms.
    pub buckets: Buckets,
}

impl Default for InstrumentSettings {
    fn default() -> Self {
        Self {
            export_interval: Duration::from_secs(60),
            observation_timeout: Duration::from_secs(1),
            cardinality_limit: 2000,
            exemplars: ExemplarFilter::default(),
            buckets: Buckets::default(),
        }
    }
}

pub(super) fn read(
    set: &impl Fn(&str) -> Option<String>,
) -> Result<InstrumentSettings, SettingsError> {
    let mut settings = InstrumentSettings::default();
    if let Some(value) = set(INTERVAL) {
        settings.export_interval = Duration::from_millis(count(INTERVAL.to_owned(), value)?);
    }
    if let Some(value) = set(FILTER) {
        settings.exemplars = match value.trim().to_ascii_lowercase().as_str() {
            "trace_based" => ExemplarFilter::TraceBased,
            "always_on" => ExemplarFilter::AlwaysOn,
            "always_off" => ExemplarFilter::AlwaysOff,
            _ => return Err(wrong(FILTER, value, "trace_based, always_on or always_off")),
        };
    }
    if let Some(value) = set(AGGREGATION) {
        settings.buckets = match value.trim().to_ascii_lowercase().as_str() {
            "explicit_bucket_histogram" => Buckets::default(),
            "base2_exponential_bucket_histogram" => Buckets::exponential(),
            _ => {
                let allowed = "explicit_bucket_histogram or base2_exponential_bucket_histogram";
                return Err(wrong(AGGREGATION, value, allowed));
            }
        };
    }
    Ok(settings)
}
