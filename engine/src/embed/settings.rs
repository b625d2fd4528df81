//! What a service says about its telemetry, by calls or by the standard environment variables.
//!
//! Source: <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/> and
//! <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>

use super::recorder::RecorderLimits;
use crate::config::{Config, Environment, Faults, Inputs, load};
use crate::runtime::Requested;
use serde_json::{Value, json};
use std::fmt;
use std::io;
use std::path::Path;
use std::time::Duration;

/// How the engine is embedded. Begins with the specification's defaults.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `service.name`.
    pub service_name: String,
    /// Further attributes of the resource.
    pub resource: Vec<(String, String)>,
    /// `http://host:port`, the base URL for [`Protocol::HttpProtobuf`].
    pub endpoint: String,
    pub protocol: Protocol,
    pub headers: Vec<(String, String)>,
    /// For one try of one batch.
    pub timeout: Duration,
    /// How long items wait for others to be sent with.
    pub schedule_delay: Duration,
    /// Items of one batch.
    pub batch_items: u64,
    pub recorder: RecorderLimits,
    /// What the engine may hold beside the recorders (MiB).
    pub memory_mib: u64,
    pub runtime: Requested,
    pub temporality: TemporalityPreference,
}

/// `OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TemporalityPreference {
    #[default]
    Cumulative,
    Delta,
    /// Delta, where that needs no memory of what was.
    LowMemory,
}

/// What is spoken to the destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Grpc,
    HttpProtobuf,
}

/// What is wrong with the settings.
#[derive(Debug)]
pub enum SettingsError {
    /// An environment variable's value cannot be read.
    Variable {
        name: &'static str,
        value: String,
        allowed: &'static str,
    },
    /// As the configuration of an engine they are not valid.
    Invalid(Faults),
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable {
                name,
                value,
                allowed,
            } => write!(f, "{name}: found {value:?}, allowed is {allowed}"),
            Self::Invalid(faults) => write!(f, "{faults}"),
        }
    }
}

impl std::error::Error for SettingsError {}

impl Default for Settings {
    fn default() -> Self {
        Self {
            service_name: "unknown_service".to_owned(),
            resource: Vec::new(),
            endpoint: "http://localhost:4318".to_owned(),
            protocol: Protocol::HttpProtobuf,
            headers: Vec::new(),
            timeout: Duration::from_secs(10),
            schedule_delay: Duration::from_secs(5),
            batch_items: 512,
            recorder: RecorderLimits::default(),
            memory_mib: 64,
            runtime: Requested::default(),
            temporality: TemporalityPreference::default(),
        }
    }
}

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
        if let Some(protocol) = set(PROTOCOL) {
            settings.protocol = match protocol.trim() {
                "grpc" => Protocol::Grpc,
                "http/protobuf" => Protocol::HttpProtobuf,
                _ => return Err(wrong(PROTOCOL, protocol, "grpc or http/protobuf")),
            };
        }
        if settings.protocol == Protocol::Grpc {
            settings.endpoint = "http://localhost:4317".to_owned();
        }
        if let Some(endpoint) = set("OTEL_EXPORTER_OTLP_ENDPOINT") {
            settings.endpoint = endpoint;
        }
        for (name, pairs) in [
            (HEADERS, &mut settings.headers),
            (RESOURCE, &mut settings.resource),
        ] {
            if let Some(list) = set(name) {
                *pairs = self::pairs(&list).ok_or_else(|| wrong(name, list, "key=value,..."))?;
            }
        }
        let named = |(key, _): &(String, String)| key == "service.name";
        if let Some(at) = settings.resource.iter().position(named) {
            settings.service_name = settings.resource.remove(at).1;
        }
        if let Some(name) = set("OTEL_SERVICE_NAME") {
            settings.service_name = name;
        }
        for (name, target) in [
            (TIMEOUT, &mut settings.timeout),
            (DELAY, &mut settings.schedule_delay),
        ] {
            if let Some(value) = set(name) {
                let millis = value.trim().parse().map(Duration::from_millis);
                *target = millis.map_err(|_| wrong(name, value, "milliseconds"))?;
            }
        }
        if let Some(value) = set(TEMPORALITY) {
            settings.temporality = match value.trim().to_ascii_lowercase().as_str() {
                "cumulative" => TemporalityPreference::Cumulative,
                "delta" => TemporalityPreference::Delta,
                "lowmemory" => TemporalityPreference::LowMemory,
                _ => return Err(wrong(TEMPORALITY, value, "cumulative, delta or lowmemory")),
            };
        }
        if let Some(value) = set(BATCH) {
            let items = value.trim().parse().ok().filter(|items| *items > 0);
            settings.batch_items = items.ok_or_else(|| wrong(BATCH, value, "a number above 0"))?;
        }
        Ok(settings)
    }

    /// The attributes of the resource.
    pub(super) fn resource(&self) -> Vec<(String, String)> {
        let name = ("service.name".to_owned(), self.service_name.clone());
        std::iter::once(name).chain(self.resource.clone()).collect()
    }

    /// The configuration of the engine: one listener, which is never bound, and one exporter.
    pub(super) fn config(&self) -> Result<Config, SettingsError> {
        // JSON is YAML; `$` begins an expansion there.
        let text = self.document().to_string().replace('$', "$$");
        let inputs = Inputs {
            configs: vec![format!("yaml:{text}")],
            sets: Vec::new(),
        };
        let loaded = load(&inputs, &Nowhere).map_err(SettingsError::Invalid)?;
        Ok(loaded.config)
    }

    fn document(&self) -> Value {
        let headers = self.headers.iter();
        let headers = headers.map(|(name, value)| (name.clone(), json!(value)));
        let exporter = json!({
            "endpoint": self.endpoint,
            "compression": "none",
            "timeout": format!("{}ms", self.timeout.as_millis()),
            "headers": headers.collect::<serde_json::Map<_, _>>(),
            "sending_queue": {
                "wait_for_result": true,
                "sizer": "items",
                "queue_size": QUEUE_ITEMS,
                "batch": {
                    "flush_timeout": format!("{}ms", self.schedule_delay.as_millis().max(1)),
                    "min_size": self.batch_items,
                    "max_size": self.batch_items,
                },
            },
        });
        let kind = match self.protocol {
            Protocol::Grpc => "otlp_grpc",
            Protocol::HttpProtobuf => "otlp_http",
        };
        let pipeline = json!({"receivers": ["otlp"], "exporters": [kind]});
        json!({
            "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": "localhost:0"}}}},
            "exporters": {kind: exporter},
            "service": {
                "pipelines": {"traces": pipeline, "metrics": pipeline, "logs": pipeline},
                "telemetry": {"metrics": {"level": "none"}},
                "tailrace": {"shards": 1, "memory_limit_mib": self.memory_mib},
            },
        })
    }
}

/// Items that wait in the engine for each signal; those beyond wait in their recorders.
const QUEUE_ITEMS: u64 = 1 << 16;

const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";
const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
const RESOURCE: &str = "OTEL_RESOURCE_ATTRIBUTES";
const TIMEOUT: &str = "OTEL_EXPORTER_OTLP_TIMEOUT";
const DELAY: &str = "OTEL_BSP_SCHEDULE_DELAY";
const TEMPORALITY: &str = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
const BATCH: &str = "OTEL_BSP_MAX_EXPORT_BATCH_SIZE";

const fn wrong(name: &'static str, value: String, allowed: &'static str) -> SettingsError {
    SettingsError::Variable {
        name,
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

/// The configuration is complete: nothing is fetched for it.
struct Nowhere;

impl Environment for Nowhere {
    fn variable(&self, _: &str) -> io::Result<Option<String>> {
        Ok(None)
    }

    fn read(&self, _: &Path, _: u64) -> io::Result<String> {
        Err(io::ErrorKind::NotFound.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        Settings::from_variables(|name| {
            let found = variables.iter().find(|(set, _)| *set == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_environment_says_where_and_who() {
        let settings = from(&[
            (PROTOCOL, "grpc"),
            (HEADERS, "api-key=a%20b, x=$1"),
            (
                RESOURCE,
                "service.name=cart,deployment.environment.name=prod",
            ),
            (DELAY, "200"),
            (TIMEOUT, " "),
            (TEMPORALITY, "Delta"),
        ])
        .expect("valid");
        assert_eq!(settings.endpoint, "http://localhost:4317");
        assert_eq!(settings.headers[0], ("api-key".into(), "a b".into()));
        assert_eq!(settings.schedule_delay, Duration::from_millis(200));
        assert_eq!(settings.timeout, Duration::from_secs(10));
        assert_eq!(settings.temporality, TemporalityPreference::Delta);
        let resource = settings.resource();
        assert_eq!(resource[0], ("service.name".into(), "cart".into()));
        assert_eq!(resource.len(), 2);
        let config = settings.config().expect("valid");
        assert_eq!(config.lanes.len(), 3);
        assert!(config.lanes.iter().all(|lane| lane.queue.wait_for_result));
    }

    #[test]
    fn the_defaults_are_valid() {
        let config = Settings::default().config().expect("valid");
        assert_eq!((config.listeners.len(), config.lanes.len()), (1, 3));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (name, value) in [
            (PROTOCOL, "http/json"),
            (RESOURCE, "novalue"),
            (HEADERS, "a=%zz"),
            (DELAY, "-1"),
            (BATCH, "0"),
            (TEMPORALITY, "sometimes"),
        ] {
            let error = from(&[(name, value)]).expect_err(value);
            assert!(error.to_string().contains(name), "{error}");
        }
        let endpoint = Settings {
            endpoint: "gopher://localhost".to_owned(),
            ..Settings::default()
        };
        let error = endpoint.config().expect_err("another scheme");
        assert!(matches!(error, SettingsError::Invalid(_)), "{error}");
    }
}
