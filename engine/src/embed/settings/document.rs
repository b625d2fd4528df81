//! The settings as the configuration of an engine.

use super::{Compression, Protocol, Settings, SettingsError, SignalSettings};
use crate::config::limits::{Limits, Machine};
use crate::config::{
    Config, Environment, Inputs, ListenerConfig, ListenerProtocol, MemoryLimit, ProcessEnvironment,
    load,
};
use crate::control::StartError;
use crate::embed::EmbedError;
use crate::units::ByteCount;
use serde_json::{Map, Value, json};
use std::io;
use std::path::Path;
use std::time::Duration;
use tailrace_codec::Signal;

/// Items that wait in the engine for each signal where nothing is said.
const QUEUE_ITEMS: u64 = 1 << 16;

/// The engine's own backoff, for a batch that is tried for less time than its steps take.
const FIRST_BACKOFF: Duration = Duration::from_secs(5);
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);

impl Settings {
    /// The configuration of the engine: one listener, which is never bound, and an exporter for
    /// each signal, or what the service's own says.
    pub(in crate::embed) fn config(&self) -> Result<Config, SettingsError> {
        let mut config = match &self.configuration {
            Some(text) => own(text)?,
            None => self.written()?,
        };
        if config.memory.limit == MemoryLimit::Default {
            config.memory.limit = MemoryLimit::Bytes(ByteCount::mib(self.memory_mib));
        }
        config.memory.recorders = ByteCount::mib(self.recorders_mib);
        Ok(config)
    }

    /// Who holds how much of the memory that the engine may have. Its `table` is for people.
    pub fn limits(&self) -> Result<Limits, EmbedError> {
        let config = self.config().map_err(EmbedError::Settings)?;
        let limits = Limits::plan(&config, 1, Machine::detect());
        limits.map_err(|fault| EmbedError::Start(StartError::Memory(fault)))
    }

    fn written(&self) -> Result<Config, SettingsError> {
        let signals = [
            (Signal::Traces, &self.traces),
            (Signal::Metrics, &self.metrics),
            (Signal::Logs, &self.logs),
        ];
        for (signal, own) in signals.iter().filter(|(_, own)| !own.disabled) {
            self.refuse_tls(*signal, own)?;
        }
        // JSON is YAML; `$` begins an expansion there.
        let text = self.document().to_string().replace('$', "$$");
        read(&text, &Nowhere)
    }

    pub(super) fn document(&self) -> Value {
        let signals = [
            ("traces", &self.traces),
            ("metrics", &self.metrics),
            ("logs", &self.logs),
        ];
        let mut exporters = Map::new();
        let mut pipelines = Map::new();
        for (signal, own) in signals.into_iter().filter(|(_, own)| !own.disabled) {
            let kind = match self.protocol_of(own) {
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
                "tailrace": {"shards": 1},
            },
        })
    }

    fn exporter(&self, signal: &str, own: &SignalSettings) -> Value {
        let headers = own.headers.as_ref().unwrap_or(&self.headers).iter();
        let headers = headers.map(|(name, value)| (name.clone(), json!(value)));
        let timeout = own.timeout.unwrap_or(self.timeout);
        let delay = own.schedule_delay.unwrap_or(self.schedule_delay);
        let queue_items = own.queue_items.unwrap_or(QUEUE_ITEMS);
        let batch_items = own.batch_items.unwrap_or(self.batch_items).min(queue_items);
        let mut exporter = json!({
            "compression": match own.compression.unwrap_or(self.compression) {
                Compression::None => "none",
                Compression::Gzip => "gzip",
            },
            "timeout": millis(timeout),
            "headers": headers.collect::<Map<_, _>>(),
            "sending_queue": {
                "wait_for_result": true,
                "sizer": "items",
                "queue_size": queue_items,
                "batch": {
                    "flush_timeout": millis(delay.max(Duration::from_millis(1))),
                    "min_size": batch_items,
                    "max_size": batch_items,
                },
            },
        });
        if let Some(all) = own.export_timeout {
            let mut retry = json!({"max_elapsed_time": millis(all)});
            if !all.is_zero() {
                retry["initial_interval"] = json!(millis(all.min(FIRST_BACKOFF)));
                retry["max_interval"] = json!(millis(all.min(LONGEST_BACKOFF)));
            }
            exporter["retry_on_failure"] = retry;
        }
        let protocol = self.protocol_of(own);
        let endpoint = self.endpoint_of(own);
        let is_whole = own.endpoint.is_some() && protocol == Protocol::HttpProtobuf;
        let key = match is_whole {
            true => format!("{signal}_endpoint"),
            false => "endpoint".to_owned(),
        };
        exporter[key] = json!(endpoint);
        if protocol == Protocol::Grpc && has_no_scheme(endpoint) {
            exporter["tls"] = json!({"insecure": true});
        }
        exporter
    }

    fn protocol_of(&self, own: &SignalSettings) -> Protocol {
        own.protocol.unwrap_or(self.protocol)
    }

    fn endpoint_of<'a>(&'a self, own: &'a SignalSettings) -> &'a str {
        own.endpoint.as_ref().unwrap_or(&self.endpoint)
    }

    /// Whether TLS is wanted is the specification's decision, not the configuration's: the text
    /// of the error speaks of what a service can set.
    fn refuse_tls(&self, signal: Signal, own: &SignalSettings) -> Result<(), SettingsError> {
        let endpoint = self.endpoint_of(own);
        let no_scheme = self.protocol_of(own) == Protocol::Grpc && has_no_scheme(endpoint);
        let is_insecure = own.insecure.unwrap_or(self.insecure);
        if endpoint.starts_with("https://") || (no_scheme && !is_insecure) {
            return Err(SettingsError::NoTls { signal, no_scheme });
        }
        Ok(())
    }
}

/// A service's own configuration.
fn own(text: &str) -> Result<Config, SettingsError> {
    let mut config = read(text, &ProcessEnvironment)?;
    let is_grpc = |listener: &ListenerConfig| matches!(listener.protocol, ListenerProtocol::Grpc);
    if !matches!(&config.listeners[..], [one] if is_grpc(one)) {
        let found = config.listeners.iter();
        let found = found.map(|listener| {
            let protocol = if is_grpc(listener) { "grpc" } else { "http" };
            format!("{} with {protocol}", listener.receiver)
        });
        let found = found.collect();
        return Err(SettingsError::Receivers { found });
    }
    for lane in &mut config.lanes {
        lane.queue.wait_for_result = true;
    }
    Ok(config)
}

fn read(text: &str, environment: &dyn Environment) -> Result<Config, SettingsError> {
    let inputs = Inputs {
        configs: vec![format!("yaml:{text}")],
        sets: Vec::new(),
    };
    let loaded = load(&inputs, environment).map_err(SettingsError::Invalid)?;
    for warning in &loaded.config.warnings {
        tracing::warn!("{warning}");
    }
    Ok(loaded.config)
}

fn millis(time: Duration) -> String {
    format!("{}ms", time.as_millis())
}

/// Whether it is for others to say if a gRPC endpoint is in the clear.
fn has_no_scheme(endpoint: &str) -> bool {
    let schemes = ["http://", "https://", "unix:"];
    !schemes.iter().any(|scheme| endpoint.starts_with(scheme))
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
