//! What is told about the process itself: `service.telemetry` and the health check.

use super::{ComponentId, ListenAddress};
use std::path::PathBuf;

/// `service.telemetry`.
#[derive(Debug, Clone, PartialEq)]
pub struct TelemetryConfig {
    pub logs: LogsConfig,
    pub metrics: MetricsConfig,
    /// Attributes of `target_info`, `service.name`, `service.version` and `service.instance.id`
    /// apart where the file does not say them. `None`: the attribute is left out.
    pub resource: Vec<(String, Option<String>)>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct LogsConfig {
    pub level: LogLevel,
    pub encoding: LogEncoding,
    /// Never empty.
    pub outputs: Vec<LogOutput>,
    /// Fields that every line carries.
    pub initial_fields: Vec<(String, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    Debug,
    Info,
    Warn,
    Error,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogEncoding {
    Console,
    Json,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogOutput {
    Stderr,
    Stdout,
    File(PathBuf),
}

/// How the engine's own metrics are offered.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricsConfig {
    pub level: MetricsLevel,
    /// Where Prometheus may fetch them. Empty where `level` is none or no reader is a pull.
    pub prometheus: Vec<ListenAddress>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MetricsLevel {
    None,
    Basic,
    Normal,
    Detailed,
}

/// `health_check`, version 1.
#[derive(Debug, Clone, PartialEq)]
pub struct HealthCheckConfig {
    pub id: ComponentId,
    pub address: ListenAddress,
    pub path: String,
    /// `None`: the Collector's own JSON body.
    pub response_body: Option<HealthCheckBody>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheckBody {
    pub healthy: String,
    pub unhealthy: String,
}
