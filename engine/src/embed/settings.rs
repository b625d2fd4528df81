//! What a service says about its telemetry, by calls or by the standard environment variables.
//!
//! Source: <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/> and
//! <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>

mod document;
mod environment;
mod instruments;
mod propagators;
mod spans;

pub use instruments::InstrumentSettings;

use super::logs::LogLimits;
use super::propagation::Propagators;
use super::recorder::RecorderLimits;
use super::sampling::Sampler;
use super::span::SpanLimits;
use crate::config::Faults;
use crate::runtime::{Requested, RuntimeKind};
use std::fmt;
use std::time::Duration;
use tailrace_codec::Signal;

/// How the engine is embedded. Begins with the specification's defaults.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Nothing is recorded and nothing started: `OTEL_SDK_DISABLED`.
    pub disabled: bool,
    /// `service.name`.
    pub service_name: String,
    /// Further attributes of the resource.
    pub resource: Vec<(String, String)>,
    /// `http://host:port`, the base URL for [`Protocol::HttpProtobuf`]. There is no TLS yet: https
    /// is refused.
    pub endpoint: String,
    /// Whether an endpoint of [`Protocol::Grpc`] without a scheme is in the clear. Otherwise it
    /// wants TLS, and is refused.
    pub insecure: bool,
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
    /// What all recorders may hold together (MiB): those beyond it drop and count.
    pub recorders_mib: u64,
    /// What the engine may hold, its recorders included (MiB).
    pub memory_mib: u64,
    /// Where telemetry goes, as the YAML of a configuration file, instead of what is said above of
    /// endpoints, protocols and batches. Its pipelines have one receiver, `otlp` with the protocol
    /// `grpc`, which is not bound and stands for the recorders. `${env:…}` and `${file:…}` are
    /// expanded. Every `sending_queue` waits for results, so that a flush can tell them; a limit of
    /// memory in it holds instead of `memory_mib`.
    pub configuration: Option<String>,
    /// What the engine's threads wait with: epoll, if nothing else is said. A shard that sleeps and wakes
    /// often costs less on it; one that is busy all the time costs less on io_uring.
    pub runtime: Requested,
    /// What the engine's threads may run on, as Linux numbers processors; all others are left alone.
    /// Empty: where the thread that starts the engine may run.
    pub processors: Vec<usize>,
    /// When the engine's threads run, where the service's want to as well.
    pub scheduling: Scheduling,
    pub temporality: TemporalityPreference,
    /// How what instruments measure is put together.
    pub instruments: InstrumentSettings,
    /// Which headers carry the identity of a span: for the service's own clients and servers to ask.
    pub propagators: Propagators,
    /// Which spans of a [`Tracer`](super::Tracer) are recorded.
    pub sampler: Sampler,
    /// What a span of a [`Tracer`](super::Tracer) may hold.
    pub span_limits: SpanLimits,
    /// What a log record may hold, however it is recorded but as finished content.
    pub log_limits: LogLimits,
}

/// How the engine's threads share processors with the service's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scheduling {
    /// As the thread that starts the engine: a batch may hold up a request for as long as it takes to
    /// send, a few tenths of a millisecond.
    #[default]
    Inherited,
    /// `SCHED_IDLE`: a thread of the service that wakes takes the processor at once. While all
    /// processors are busy without a pause the engine has 3 thousandths of one, and recorders that
    /// fill up meanwhile drop and count.
    Idle,
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
    /// Nothing of this signal is recorded: `OTEL_TRACES_EXPORTER=none` and its like.
    pub disabled: bool,
    /// Over HTTP the whole URL: nothing is put behind it.
    pub endpoint: Option<String>,
    pub insecure: Option<bool>,
    pub protocol: Option<Protocol>,
    pub headers: Option<Vec<(String, String)>>,
    pub compression: Option<Compression>,
    pub timeout: Option<Duration>,
    pub schedule_delay: Option<Duration>,
    pub batch_items: Option<u64>,
    /// Items that wait in the engine, 65,536 where nothing is said; those beyond wait in their
    /// recorders. A batch is never larger.
    pub queue_items: Option<u64>,
    /// How long a batch is tried for, from the first try, 5 minutes where nothing is said. 0: for
    /// as long as the engine runs.
    pub export_timeout: Option<Duration>,
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
    /// An endpoint wants TLS.
    NoTls {
        signal: Signal,
        /// It is gRPC's and has no scheme, which means TLS where nothing else is said.
        no_scheme: bool,
    },
    /// The configuration's receivers are not the one that stands for the recorders.
    Receivers { found: Vec<String> },
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
            Self::NoTls { signal, no_scheme } => {
                let signal = signal.name();
                write!(
                    f,
                    "the endpoint for {signal} wants TLS, which this build does not have; send in \
                     the clear to a collector on this host (http://localhost:4318), and from there \
                     with TLS"
                )?;
                if *no_scheme {
                    f.write_str(
                        "; an endpoint in the clear begins with http://, or has \
                         OTEL_EXPORTER_OTLP_INSECURE=true beside it",
                    )?;
                }
                Ok(())
            }
            Self::Receivers { found } => write!(
                f,
                "receivers: found {}, allowed is one that stands for the recorders: \
                 {{otlp: {{protocols: {{grpc: {{}}}}}}}}",
                found.join(", ")
            ),
            Self::Invalid(faults) => write!(f, "{faults}"),
        }
    }
}

impl std::error::Error for SettingsError {}

/// What the specification calls a service that has no name.
const UNKNOWN_SERVICE: &str = "unknown_service";

impl Default for Settings {
    fn default() -> Self {
        Self {
            disabled: false,
            service_name: UNKNOWN_SERVICE.to_owned(),
            resource: Vec::new(),
            endpoint: "http://localhost:4318".to_owned(),
            insecure: false,
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
            recorders_mib: 32,
            memory_mib: 96,
            configuration: None,
            runtime: Requested::Only(RuntimeKind::Epoll),
            processors: Vec::new(),
            scheduling: Scheduling::default(),
            temporality: TemporalityPreference::default(),
            instruments: InstrumentSettings::default(),
            propagators: Propagators::default(),
            sampler: Sampler::default(),
            span_limits: SpanLimits::default(),
            log_limits: LogLimits::default(),
        }
    }
}

impl Settings {
    /// Whether items of this signal go anywhere.
    pub(super) const fn takes(&self, signal: Signal) -> bool {
        let own = match signal {
            Signal::Traces => &self.traces,
            Signal::Metrics => &self.metrics,
            Signal::Logs => &self.logs,
            // Nothing is said of them: where they go nowhere they are refused and counted.
            Signal::Profiles => return !self.disabled,
        };
        !self.disabled && !own.disabled
    }

    /// The attributes of the resource.
    pub(super) fn resource(&self) -> Vec<(String, String)> {
        let name = ("service.name".to_owned(), self.service_name.clone());
        std::iter::once(name).chain(self.resource.clone()).collect()
    }
}

#[cfg(test)]
mod tests;
