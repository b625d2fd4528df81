//! The standard environment variables.

use super::{
    Compression, Protocol, Settings, SettingsError, SignalSettings, TemporalityPreference,
    UNKNOWN_SERVICE, instruments, propagators, spans,
};
use std::time::Duration;

const RESOURCE: &str = "OTEL_RESOURCE_ATTRIBUTES";
const SERVICE: &str = "OTEL_SERVICE_NAME";
const TEMPORALITY: &str = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
const DISABLED: &str = "OTEL_SDK_DISABLED";
const METRICS_TIMEOUT: &str = "OTEL_METRIC_EXPORT_TIMEOUT";

/// What TLS would need. There is none yet, so that they have no effect where all is in the clear.
const CERTIFICATES: [&str; 3] = ["CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY"];

/// Of all signals, and of one: what stands between `OTEL_EXPORTER_OTLP_` and the rest.
const PREFIXES: [&str; 4] = ["", "TRACES_", "METRICS_", "LOGS_"];

impl Settings {
    /// The defaults, changed by the environment of the process.
    ///
    /// A service without a name is called after its program.
    pub fn from_environment() -> Result<Self, SettingsError> {
        let mut settings = Self::from_variables(|name| std::env::var(name).ok())?;
        let program = std::env::current_exe().ok();
        let name = program.as_ref().and_then(|program| program.file_name());
        if let (UNKNOWN_SERVICE, Some(name)) = (&settings.service_name[..], name) {
            settings.service_name = format!("{UNKNOWN_SERVICE}:{}", name.to_string_lossy());
        }
        Ok(settings)
    }

    /// The defaults, changed by `variable`. An empty value is as good as none.
    pub fn from_variables(
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, SettingsError> {
        let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let mut settings = Self {
            disabled: set(DISABLED).is_some_and(|value| truth(DISABLED, &value)),
            ..Self::default()
        };
        let [all, traces, metrics, logs] = PREFIXES.map(|prefix| exporter(&set, prefix));
        let all = all?;
        settings.protocol = all.protocol.unwrap_or(settings.protocol);
        let is_told = all.endpoint.is_some();
        let default = default_endpoint(settings.protocol);
        settings.endpoint = all.endpoint.unwrap_or(default);
        settings.insecure = all.insecure.unwrap_or(settings.insecure);
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
        for (name, own) in [
            ("OTEL_TRACES_EXPORTER", &mut settings.traces),
            ("OTEL_METRICS_EXPORTER", &mut settings.metrics),
            ("OTEL_LOGS_EXPORTER", &mut settings.logs),
        ] {
            own.disabled = match set(name) {
                Some(value) => exporter_is_none(name, value)?,
                None => false,
            };
        }
        if let Some(value) = set(METRICS_TIMEOUT) {
            settings.metrics.export_timeout = Some(millis(METRICS_TIMEOUT.to_owned(), value)?);
        }
        batches(&set, "OTEL_BSP_", &mut settings.traces)?;
        batches(&set, "OTEL_BLRP_", &mut settings.logs)?;
        resource(&set, &mut settings)?;
        spans::read(&set, &mut settings)?;
        settings.propagators = propagators::read(&set);
        settings.instruments = instruments::read(&set)?;
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
    if let Some((name, value)) = get("INSECURE") {
        read.insecure = Some(truth(&name, &value));
    }
    for (name, _) in CERTIFICATES.into_iter().filter_map(get) {
        tracing::warn!("{name} has no effect: this build has no TLS, and sends in the clear");
    }
    Ok(read)
}

/// Of the exporters that the specification names, two are here.
fn exporter_is_none(name: &str, value: String) -> Result<bool, SettingsError> {
    match value.trim() {
        "otlp" => Ok(false),
        "none" => Ok(true),
        _ => Err(wrong(name, value, "otlp or none")),
    }
}

/// The specification's booleans: what is not `true` is false, with a warning where it is neither.
fn truth(name: &str, value: &str) -> bool {
    let value = value.trim();
    let is_true = value.eq_ignore_ascii_case("true");
    if !is_true && !value.eq_ignore_ascii_case("false") {
        tracing::warn!("{name}: found {value:?}, allowed is true or false; taken for false");
    }
    is_true
}

/// `OTEL_BSP_*` and `OTEL_BLRP_*`: how long items wait, how many wait, how many go together, and how
/// long they are tried for.
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
        own.batch_items = Some(count(name, value)?);
    }
    if let Some((name, value)) = get("MAX_QUEUE_SIZE") {
        own.queue_items = Some(count(name, value)?);
    }
    if let Some((name, value)) = get("EXPORT_TIMEOUT") {
        own.export_timeout = Some(millis(name, value)?);
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

pub(super) fn count(name: String, value: String) -> Result<u64, SettingsError> {
    let items = value.trim().parse().ok().filter(|items| *items > 0);
    items.ok_or_else(|| wrong(name, value, "a number above 0"))
}

fn millis(name: String, value: String) -> Result<Duration, SettingsError> {
    let millis = value.trim().parse().map(Duration::from_millis);
    millis.map_err(|_| wrong(name, value, "milliseconds"))
}

pub(super) fn wrong(
    name: impl Into<String>,
    value: String,
    allowed: &'static str,
) -> SettingsError {
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
