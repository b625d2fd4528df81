//! What a service says about its telemetry, by calls or by the standard environment variables.
//!
//! Source: <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/> and
//! <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>

mod environment;

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
    pub compression: Compression,
    /// For one try of one batch.
    pub timeout: Duration,
    /// How long items wait for others to be sent with.
    pub schedule_delay: Duration,
    /// Items of one batch.
    pub batch_items: u64,
    /// What is said otherwise of one signal.
    pub traces: SignalSettings,
    pub metrics: SignalSettings,
    pub logs: SignalSettings,
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

/// How messages are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    None,
    Gzip,
}

/// What is said of one signal alone; what is not is as for all.
#[derive(Debug, Clone, Default)]
pub struct SignalSettings {
    /// Over HTTP the whole URL: nothing is put behind it.
    pub endpoint: Option<String>,
    pub protocol: Option<Protocol>,
    pub headers: Option<Vec<(String, String)>>,
    pub compression: Option<Compression>,
    pub timeout: Option<Duration>,
    pub schedule_delay: Option<Duration>,
    pub batch_items: Option<u64>,
}

/// What is wrong with the settings.
#[derive(Debug)]
pub enum SettingsError {
    /// An environment variable's value cannot be read.
    Variable {
        name: String,
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
            compression: Compression::None,
            timeout: Duration::from_secs(10),
            schedule_delay: Duration::from_secs(5),
            batch_items: 512,
            traces: SignalSettings::default(),
            metrics: SignalSettings::default(),
            // The specification gives log records a second, and spans five.
            logs: SignalSettings {
                schedule_delay: Some(Duration::from_secs(1)),
                ..SignalSettings::default()
            },
            recorder: RecorderLimits::default(),
            memory_mib: 64,
            runtime: Requested::default(),
            temporality: TemporalityPreference::default(),
        }
    }
}

impl Settings {
    /// The attributes of the resource.
    pub(super) fn resource(&self) -> Vec<(String, String)> {
        let name = ("service.name".to_owned(), self.service_name.clone());
        std::iter::once(name).chain(self.resource.clone()).collect()
    }

    /// The configuration of the engine: one listener, which is never bound, and an exporter for
    /// each signal.
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
        let signals = [
            ("traces", &self.traces),
            ("metrics", &self.metrics),
            ("logs", &self.logs),
        ];
        let mut exporters = serde_json::Map::new();
        let mut pipelines = serde_json::Map::new();
        for (signal, own) in signals {
            let kind = match own.protocol.unwrap_or(self.protocol) {
                Protocol::Grpc => "otlp_grpc",
                Protocol::HttpProtobuf => "otlp_http",
            };
            let id = format!("{kind}/{signal}");
            exporters.insert(id.clone(), self.exporter(signal, own));
            pipelines.insert(
                signal.to_owned(),
                json!({"receivers": ["otlp"], "exporters": [id]}),
            );
        }
        json!({
            "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": "localhost:0"}}}},
            "exporters": exporters,
            "service": {
                "pipelines": pipelines,
                "telemetry": {"metrics": {"level": "none"}},
                "tailrace": {"shards": 1, "memory_limit_mib": self.memory_mib},
            },
        })
    }

    fn exporter(&self, signal: &str, own: &SignalSettings) -> Value {
        let headers = own.headers.as_ref().unwrap_or(&self.headers).iter();
        let headers = headers.map(|(name, value)| (name.clone(), json!(value)));
        let timeout = own.timeout.unwrap_or(self.timeout);
        let delay = own.schedule_delay.unwrap_or(self.schedule_delay);
        let batch_items = own.batch_items.unwrap_or(self.batch_items);
        let mut exporter = json!({
            "compression": match own.compression.unwrap_or(self.compression) {
                Compression::None => "none",
                Compression::Gzip => "gzip",
            },
            "timeout": format!("{}ms", timeout.as_millis()),
            "headers": headers.collect::<serde_json::Map<_, _>>(),
            "sending_queue": {
                "wait_for_result": true,
                "sizer": "items",
                "queue_size": QUEUE_ITEMS,
                "batch": {
                    "flush_timeout": format!("{}ms", delay.as_millis().max(1)),
                    "min_size": batch_items,
                    "max_size": batch_items,
                },
            },
        });
        let is_http = own.protocol.unwrap_or(self.protocol) == Protocol::HttpProtobuf;
        let (key, endpoint) = match &own.endpoint {
            Some(whole) if is_http => (format!("{signal}_endpoint"), whole),
            own => (
                "endpoint".to_owned(),
                own.as_ref().unwrap_or(&self.endpoint),
            ),
        };
        exporter[key] = json!(endpoint);
        exporter
    }
}

/// Items that wait in the engine for each signal; those beyond wait in their recorders.
const QUEUE_ITEMS: u64 = 1 << 16;

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
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20b, x=$1"),
            (
                "OTEL_RESOURCE_ATTRIBUTES",
                "service.name=cart,deployment.environment.name=prod",
            ),
            ("OTEL_BSP_SCHEDULE_DELAY", "200"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", " "),
            ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "Delta"),
        ])
        .expect("valid");
        assert_eq!(settings.endpoint, "http://localhost:4317");
        assert_eq!(settings.headers[0], ("api-key".into(), "a b".into()));
        assert_eq!(
            settings.traces.schedule_delay,
            Some(Duration::from_millis(200))
        );
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
    fn what_is_said_of_one_signal_is_that_signal_s() {
        let settings = from(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://all:4318"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://own:1/mine"),
            ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "700"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
            ("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "none"),
            ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "x=1"),
            ("OTEL_BSP_SCHEDULE_DELAY", "200"),
            ("OTEL_BLRP_SCHEDULE_DELAY", "300"),
            ("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "7"),
        ]);
        let document = settings.expect("valid").document();
        let exporters = &document["exporters"];
        let traces = &exporters["otlp_http/traces"];
        assert_eq!(traces["traces_endpoint"], "http://own:1/mine");
        assert_eq!(traces["sending_queue"]["batch"]["flush_timeout"], "200ms");
        assert_eq!(traces["compression"], "gzip");
        let metrics = &exporters["otlp_http/metrics"];
        assert_eq!(metrics["endpoint"], "http://all:4318");
        assert_eq!(
            (&metrics["compression"], &metrics["headers"]["x"]),
            (&json!("none"), &json!("1"))
        );
        assert_eq!(metrics["sending_queue"]["batch"]["flush_timeout"], "5000ms");
        let logs = &exporters["otlp_grpc/logs"];
        assert_eq!(
            (&logs["endpoint"], &logs["timeout"]),
            (&json!("http://all:4318"), &json!("700ms"))
        );
        assert_eq!(logs["sending_queue"]["batch"]["flush_timeout"], "300ms");
        assert_eq!(logs["sending_queue"]["batch"]["max_size"], 7);
    }

    #[test]
    fn another_protocol_has_another_port_unless_one_is_said() {
        let settings = from(&[("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "grpc")]).expect("valid");
        assert_eq!(settings.endpoint, "http://localhost:4318");
        let own = settings.logs.endpoint.as_deref();
        assert_eq!(own, Some("http://localhost:4317"));
        settings.config().expect("valid");
    }

    #[test]
    fn the_defaults_are_valid() {
        let config = Settings::default().config().expect("valid");
        assert_eq!((config.listeners.len(), config.lanes.len()), (1, 3));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (name, value) in [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
            ("OTEL_RESOURCE_ATTRIBUTES", "novalue"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=%zz"),
            ("OTEL_BSP_SCHEDULE_DELAY", "-1"),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "0"),
            (
                "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
                "sometimes",
            ),
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
