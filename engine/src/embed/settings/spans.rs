//! What the environment says of spans, which are recorded, and how much of each, and of log records.

use super::environment::wrong;
use super::{Settings, SettingsError};
use crate::embed::sampling::{RootSampler, Sampler};
use crate::embed::span::SpanLimits;

const SAMPLER: &str = "OTEL_TRACES_SAMPLER";
const SAMPLER_ARG: &str = "OTEL_TRACES_SAMPLER_ARG";

/// For the attributes of everything, unless something is said of spans or log records.
const VALUE_LEN: &str = "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT";
const COUNT: &str = "OTEL_ATTRIBUTE_COUNT_LIMIT";

const SPAN_VALUE_LEN: &str = "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT";
const SPAN_COUNT: &str = "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT";

const LOG_VALUE_LEN: &str = "OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT";
const LOG_COUNT: &str = "OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT";

pub(super) fn read(
    set: &impl Fn(&str) -> Option<String>,
    settings: &mut Settings,
) -> Result<(), SettingsError> {
    settings.sampler = sampler(set)?;
    let limit = |name: &str| match set(name) {
        None => Ok(None),
        Some(value) => match value.trim().parse::<u32>() {
            Ok(limit) => Ok(Some(limit)),
            Err(_) => Err(wrong(name, value, "a number from 0 on")),
        },
    };
    let limits = &mut settings.span_limits;
    let SpanLimits {
        attributes,
        attribute_value_len,
        events,
        links,
        event_attributes,
        link_attributes,
    } = limits;
    *attribute_value_len = limit(SPAN_VALUE_LEN)?.or(limit(VALUE_LEN)?);
    let count = limit(COUNT)?;
    for (name, general, field) in [
        (SPAN_COUNT, count, attributes),
        ("OTEL_SPAN_EVENT_COUNT_LIMIT", None, events),
        ("OTEL_SPAN_LINK_COUNT_LIMIT", None, links),
        ("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", count, event_attributes),
        ("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", count, link_attributes),
    ] {
        *field = limit(name)?.or(general).unwrap_or(*field);
    }
    let logs = &mut settings.log_limits;
    logs.attribute_value_len = limit(LOG_VALUE_LEN)?.or(limit(VALUE_LEN)?);
    logs.attributes = limit(LOG_COUNT)?.or(count).unwrap_or(logs.attributes);
    Ok(())
}

/// What the specification names. A sampler that is not here is an error and not the default: others
/// would be recorded than are meant. An argument that cannot be read counts as none, with a warning.
fn sampler(set: &impl Fn(&str) -> Option<String>) -> Result<Sampler, SettingsError> {
    let Some(name) = set(SAMPLER) else {
        return Ok(Sampler::default());
    };
    let of_parent = name.trim().strip_prefix("parentbased_");
    let root = match of_parent.unwrap_or(name.trim()) {
        "always_on" => RootSampler::AlwaysOn,
        "always_off" => RootSampler::AlwaysOff,
        "traceidratio" => RootSampler::TraceIdRatio(ratio(set)),
        _ => {
            let allowed = "always_on, always_off, traceidratio, or one of them after parentbased_";
            return Err(wrong(SAMPLER, name, allowed));
        }
    };
    Ok(Sampler {
        root,
        parent_based: of_parent.is_some(),
    })
}

fn ratio(set: &impl Fn(&str) -> Option<String>) -> f64 {
    let Some(value) = set(SAMPLER_ARG) else {
        return 1.0;
    };
    let ratio = value.trim().parse().ok();
    ratio
        .filter(|ratio| (0.0..=1.0).contains(ratio))
        .unwrap_or_else(|| {
            tracing::warn!(
                "{SAMPLER_ARG}: found {value:?}, allowed is a number from 0 to 1; taken for 1"
            );
            1.0
        })
}
