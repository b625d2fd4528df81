//! The configuration: parsed once, valid by construction, trusted ever after.
//!
//! What the file calls receivers, processors, connectors and pipelines is compiled here into what
//! the engine runs: listeners (where requests come in), lanes (one for each exporter and signal)
//! and, for each listener and signal, the lanes its requests go to.
//!
//! ```text
//!   receivers  --protocols-->  listeners --routes[signal]--> lanes  <--signal-- exporters
//!   pipelines  -------------------------/                      ^
//!   processors: batch, sending_queue.batch  -> LaneConfig::batch
//!               memory_limiter              -> MemoryConfig
//!   connectors: forward                     -> followed, and gone
//! ```
//!
//! No field is an `Option` that means "default": what the file leaves out is filled in.

pub mod components;
pub mod limits;

mod balancing;
mod compile;
mod degradation;
mod document;
mod duration;
mod endpoint;
mod expand;
mod exporter;
mod fault;
mod field;
mod lane;
mod listener;
mod load;
mod nearest;
mod node;
mod printed;
mod priority;
mod protection;
mod raw;
mod scalar;
mod secret;
mod service;
mod source;
mod tenants;
mod types;
mod yaml;

pub use balancing::{BalancingPolicy, EndpointConfig, HashKey, LoadBalancingConfig, OutlierConfig};
pub use degradation::{DegradationConfig, LadderConfig, OnlySampled};
pub use document::{Map, document};
pub use duration::{format as format_duration, parse as parse_duration};
pub use exporter::{
    Balancer, Compression, ConnectionsConfig, DebugConfig, ExporterConfig, FileConfig,
    HttpEncoding, HttpVersion, KeepaliveConfig, OtlpGrpcConfig, OtlpHttpConfig, Target, Verbosity,
};
pub use fault::{Fault, FaultKind};
pub use field::{Effect, Key, Shape};
pub use lane::{
    BatchConfig, Jitter, LaneConfig, Overflow, QueueConfig, RetryConfig, Sizer, SizingConfig,
};
pub use listener::{
    CorsConfig, HttpListenerConfig, ListenAddress, ListenerConfig, ListenerProtocol, ListenerTimes,
    ServerKeepalive, SignalPaths,
};
pub use load::{Faults, Loaded, load};
pub use node::Position;
pub use printed::Printed;
pub use priority::{CatchUpConfig, CatchUpOrder, PriorityConfig, PriorityRuleConfig};
pub use protection::{
    AdaptiveConcurrencyConfig, CircuitBreakerConfig, ProtectionConfig, RateLimitConfig,
    RetryBudgetConfig,
};
pub use secret::{MASK, Secret};
pub use source::{Environment, Inputs, ProcessEnvironment};

pub use tenants::{TenantQuotaConfig, TenantSourceConfig, TenantsConfig};

pub use service::{
    HealthCheckBody, HealthCheckConfig, LogEncoding, LogLevel, LogOutput, LogsConfig,
    MetricsConfig, MetricsLevel, TelemetryConfig,
};

use crate::units::ByteCount;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;
use tailrace_codec::Signal;

/// Everything the engine is told at start.
///
/// Invariant: `listeners` is indexed by [`ListenerId`](crate::units::ListenerId), `lanes` by
/// [`LaneId`](crate::units::LaneId); every lane that a route names exists and has the route's
/// signal. A lane behind `nop` receivers alone has no route.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    pub listeners: Vec<ListenerConfig>,
    pub lanes: Vec<LaneConfig>,
    /// As the file has them, for reports: the engine follows the listeners' routes.
    pub pipelines: Vec<PipelineConfig>,
    pub health_checks: Vec<HealthCheckConfig>,
    pub telemetry: TelemetryConfig,
    pub memory: MemoryConfig,
    pub engine: EngineConfig,
    /// `None`: nothing goes before anything else.
    pub priority: Option<PriorityConfig>,
    /// `None`: nobody is told apart.
    pub tenants: Option<TenantsConfig>,
    /// What comes in at most, in the whole process.
    pub ingress: Option<RateLimitConfig>,
    /// Keys that were accepted and have no effect, or one that may surprise. Printed at start.
    pub warnings: Vec<Warning>,
}

/// A component's id as the file writes it: `type` or `type/name`. Metrics carry it as a label.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ComponentId(Arc<str>);

impl ComponentId {
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the slash, as written: an old name stays old.
    pub fn kind(&self) -> &str {
        self.0.split_once('/').map_or(&*self.0, |(kind, _)| kind)
    }
}

impl fmt::Display for ComponentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ComponentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One pipeline of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PipelineConfig {
    /// `traces`, `logs/audit`.
    pub id: ComponentId,
    pub signal: Signal,
    pub receivers: Vec<ComponentId>,
    pub processors: Vec<ComponentId>,
    pub exporters: Vec<ComponentId>,
}

/// What the process may use, before it is divided: see [`limits`](self).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryConfig {
    pub limit: MemoryLimit,
    /// `memory_limiter`'s spike limit: requests are refused above limit - spike. Zero where the
    /// file has no `memory_limiter`.
    pub spike: MemoryLimit,
    /// Of an engine inside a service: what its recorders hold together. No file says it.
    pub recorders: ByteCount,
}

/// An amount of memory, in bytes or as a share of what the machine or the container has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryLimit {
    /// Nothing was said: half of what there is, or a fifth of the limit for a spike.
    Default,
    Bytes(ByteCount),
    /// 1 to 100.
    Percent(u8),
}

/// Our own keys of the whole process: `service.tailrace`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EngineConfig {
    /// `None` (0 in the file): one for each core that the process may run on.
    pub shards: Option<NonZeroU32>,
    /// How long lanes may drain after SIGTERM before what is left is counted and dropped.
    pub shutdown_timeout: Duration,
    /// Connections open at once, all listeners and shards together.
    pub connections_max: u32,
}

/// A key that was accepted but will surprise whoever relies on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// `exporters.otlp.read_buffer_size`
    pub path: String,
    pub why: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.why)
    }
}

#[cfg(test)]
mod tests;
