//! The standard environment variables.

use super::{
    Compression, Protocol, Settings, SettingsError, SignalSettings, TemporalityPreference,
};
use std::time::Duration;

const RESOURCE: &str = "OTEL_RESOURCE_ATTRIBUTES";
const SERVICE: &str = "OTEL_SERVICE_NAME";
const TEMPORALITY: &str = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";

/// Of all signals, and of one: what stands between `OTEL_EXPORTER_OTLP_` and the rest.
const PREFIXES: [&str; 4] = ["", "TRACES_", "METRICS_", "LOGS_"];

impl Settings {
    /// The defaults, changed by the environment of the process.
    pub fn from_environment() -> Result<Self, SettingsError> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    /// The defaults, changed by `variable`. An empty value is as good as none.
    pub fn from_variables(
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, SettingsError> {
        let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let mut settings = Self::default();
        let [all, traces, metrics, logs] = PREFIXES.map(|prefix| exporter(&set, prefix));
        let all = all?;
        settings.protocol = all.protocol.unwrap_or(settings.protocol);
        let is_told = all.endpoint.is_some();
        let default = default_endpoint(settings.protocol);
        settings.endpoint = all.endpoint.unwrap_or(default);
        settings.headers = all.headers.unwrap_or_default();
        settings.compression = all.compression.unwrap_or(settings.compression);
        settings.timeout = all.timeout.unwrap_or(settings.timeout);
        for (own, read) in [
            (&mut settings.traces, traces?),
            (&mut settings.metrics, metrics?),
            (&mut settings.logs, logs?),
        ] {
            let schedule_delay = own.schedule_delay;
            *own = SignalSettings {
                schedule_delay,
                ..read
            };
            // Another protocol has another default port.
            let protocol = own.protocol.filter(|own| *own != settings.protocol);
            if let (None, false, Some(protocol)) = (&own.endpoint, is_told, protocol) {
                own.endpoint = Some(default_endpoint(protocol));
            }
        }
        batches(&set, "OTEL_BSP_", &mut settings.traces)?;
        batches(&set, "OTEL_BLRP_", &mut settings.logs)?;
        resource(&set, &mut settings)?;
        if let Some(value) = set(TEMPORALITY) {
            settings.temporality = match value.trim().to_ascii_lowercase().as_str() {
                "cumulative" => TemporalityPreference::Cumulative,
                "delta" => TemporalityPreference::Delta,
                "lowmemory" => TemporalityPreference::LowMemory,
                _ => return Err(wrong(TEMPORALITY, value, "cumulative, delta or lowmemory")),
            };
        }
        Ok(settings)
    }
}

fn default_endpoint(protocol: Protocol) -> String {
    match protocol {
        Protocol::Grpc => "http://localhost:4317".to_owned(),
        Protocol::HttpProtobuf => "http://localhost:4318".to_owned(),
    }
}

/// `OTEL_EXPORTER_OTLP_*` of all signals or one.
fn exporter(
    set: &impl Fn(&str) -> Option<String>,
    prefix: &str,
) -> Result<SignalSettings, SettingsError> {
    let get = |key: &str| {
        let name = format!("OTEL_EXPORTER_OTLP_{prefix}{key}");
        set(&name).map(|value| (name, value))
    };
    let mut read = SignalSettings {
        endpoint: get("ENDPOINT").map(|(_, endpoint)| endpoint),
        ..SignalSettings::default()
    };
    if let Some((name, value)) = get("PROTOCOL") {
        read.protocol = Some(match value.trim() {
            "grpc" => Protocol::Grpc,
            "http/protobuf" => Protocol::HttpProtobuf,
            _ => return Err(wrong(name, value, "grpc or http/protobuf")),
        });
    }
    if let Some((name, value)) = get("HEADERS") {
        read.headers = Some(pairs(&value).ok_or_else(|| wrong(name, value, "key=value,..."))?);
    }
    if let Some((name, value)) = get("COMPRESSION") {
        read.compression = Some(match value.trim() {
            "gzip" => Compression::Gzip,
            "none" => Compression::None,
            _ => return Err(wrong(name, value, "gzip or none")),
        });
    }
    if let Some((name, value)) = get("TIMEOUT") {
        read.timeout = Some(millis(name, value)?);
    }
    Ok(read)
}

/// `OTEL_BSP_*` and `OTEL_BLRP_*`: how long items wait, and how many go together. The others of them
/// bound a queue that is not here: recorders are bounded in bytes, and a try by its timeout.
fn batches(
    set: &impl Fn(&str) -> Option<String>,
    prefix: &str,
    own: &mut SignalSettings,
) -> Result<(), SettingsError> {
    let get = |key: &str| {
        let name = format!("{prefix}{key}");
        set(&name).map(|value| (name, value))
    };
    if let Some((name, value)) = get("SCHEDULE_DELAY") {
        own.schedule_delay = Some(millis(name, value)?);
    }
    if let Some((name, value)) = get("MAX_EXPORT_BATCH_SIZE") {
        let items = value.trim().parse().ok().filter(|items| *items > 0);
        own.batch_items = Some(items.ok_or_else(|| wrong(name, value, "a number above 0"))?);
    }
    Ok(())
}

fn resource(
    set: &impl Fn(&str) -> Option<String>,
    settings: &mut Settings,
) -> Result<(), SettingsError> {
    if let Some(list) = set(RESOURCE) {
        settings.resource = pairs(&list).ok_or_else(|| wrong(RESOURCE, list, "key=value,..."))?;
    }
    let named = |(key, _): &(String, String)| key == "service.name";
    if let Some(at) = settings.resource.iter().position(named) {
        settings.service_name = settings.resource.remove(at).1;
    }
    if let Some(name) = set(SERVICE) {
        settings.service_name = name;
    }
    Ok(())
}

fn millis(name: String, value: String) -> Result<Duration, SettingsError> {
    let millis = value.trim().parse().map(Duration::from_millis);
    millis.map_err(|_| wrong(name, value, "milliseconds"))
}

fn wrong(name: impl Into<String>, value: String, allowed: &'static str) -> SettingsError {
    SettingsError::Variable {
        name: name.into(),
        value,
        allowed,
    }
}
/// `a=1,b=2`, percent-encoded as W3C baggage is.
fn pairs(list: &str) -> Option<Vec<(String, String)>> {
    let entries = list.split(',').filter(|entry| !entry.trim().is_empty());
    entries
        .map(|entry| {
            let (key, value) = entry.split_once('=')?;
            Some((decoded(key.trim())?, decoded(value.trim())?))
        })
        .collect()
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, tail) = tail.split_at_checked(2)?;
        let digits = std::str::from_utf8(digits).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = tail;
    }
    String::from_utf8(bytes).ok()
}
