//! `service`: extensions, telemetry and our own keys.

use super::{Declared, find};
use crate::config::endpoint;
use crate::config::fault::FaultKind;
use crate::config::field::Reader;
use crate::config::nearest::nearest;
use crate::config::raw::extensions::HealthCheck;
use crate::config::raw::service::{Engine, Logs, Metrics, Prometheus, Telemetry};
use crate::config::types::Literal;
use crate::config::{
    ComponentId, EngineConfig, HealthCheckBody, HealthCheckConfig, ListenAddress, LogOutput,
    LogsConfig, MetricsConfig, MetricsLevel, TelemetryConfig,
};
use std::num::NonZeroU32;

/// The health checks that `service.extensions` names. Others are checked and left out.
pub(super) fn health_checks(declared: &Declared, reader: &mut Reader) -> Vec<HealthCheckConfig> {
    reader.path = vec!["extensions".into()];
    let mut checks = Vec::new();
    for (id, extension) in &declared.extensions {
        let check = reader.at(id.as_str(), |reader| health_check(id, extension, reader));
        checks.extend(check);
    }
    reader.path = vec!["service".into(), "extensions".into()];
    let named = &declared.service.extensions;
    for (index, reference) in named.iter().enumerate() {
        let id = &reference.id;
        reader.at(&index.to_string(), |reader| {
            if find(&declared.extensions, id).is_none() {
                let valid = declared.extensions.iter().map(|(id, _)| id.as_str());
                let nearest = nearest(id, valid);
                let class = "extension";
                reader.fault(FaultKind::NotConfigured {
                    class,
                    id: reference.shown(),
                    nearest,
                });
            } else if named[..index].iter().any(|other| other.id == *id) {
                reader.fault(FaultKind::Twice {
                    class: "extension",
                    id: id.clone(),
                });
            }
        });
    }
    reader.path.clear();
    checks.retain(|check| named.iter().any(|named| named.id == check.id.as_str()));
    checks
}

fn health_check(
    id: &ComponentId,
    check: &HealthCheck,
    reader: &mut Reader,
) -> Option<HealthCheckConfig> {
    if !check.path.starts_with('/') {
        reader.rule("path", "bad config: path must start with /");
    }
    let address = match endpoint::listen(&check.endpoint.0, check.transport) {
        Ok(address) => address,
        Err(wrong) => {
            reader.rule("endpoint", wrong);
            return None;
        }
    };
    Some(HealthCheckConfig {
        id: id.clone(),
        address,
        path: check.path.clone(),
        response_body: check.response_body.0.as_ref().map(|body| HealthCheckBody {
            healthy: body.healthy.clone(),
            unhealthy: body.unhealthy.clone(),
        }),
    })
}

pub(super) fn telemetry(telemetry: &Telemetry, reader: &mut Reader) -> TelemetryConfig {
    reader.path = vec!["service".into(), "telemetry".into()];
    let config = TelemetryConfig {
        logs: reader.at("logs", |reader| logs(&telemetry.logs, reader)),
        metrics: reader.at("metrics", |reader| metrics(&telemetry.metrics, reader)),
        resource: telemetry.resource.0.clone(),
    };
    reader.path.clear();
    config
}

fn logs(logs: &Logs, reader: &mut Reader) -> LogsConfig {
    let mut outputs = Vec::new();
    for (index, path) in logs.output_paths.iter().enumerate() {
        outputs.push(match path.as_str() {
            "stderr" => LogOutput::Stderr,
            "stdout" => LogOutput::Stdout,
            path => {
                let file = path.strip_prefix("file://").unwrap_or(path);
                if file.is_empty() || file.contains("://") {
                    reader.at("output_paths", |reader| {
                        reader.rule(&index.to_string(), "is not stderr, stdout or a path");
                    });
                }
                LogOutput::File(file.into())
            }
        });
    }
    let initial_fields = logs.initial_fields.0.iter();
    LogsConfig {
        level: logs.level,
        encoding: logs.encoding,
        outputs,
        initial_fields: initial_fields
            .map(|(name, Literal(value))| (name.clone(), value.clone()))
            .collect(),
    }
}

fn metrics(metrics: &Metrics, reader: &mut Reader) -> MetricsConfig {
    warn_of_metrics(metrics, reader);
    let mut prometheus = Vec::new();
    match (&metrics.readers.0, &metrics.address.0) {
        (Some(readers), _) => {
            if readers.is_empty() && metrics.level != MetricsLevel::None {
                let rule = "collector telemetry metrics reader should exist when metric level is \
                            not none";
                reader.rule("readers", rule);
            }
            for metric_reader in readers {
                let exporter = metric_reader.pull.0.as_ref().map(|pull| &pull.exporter);
                let fetched = exporter.and_then(|exporter| {
                    exporter
                        .prometheus
                        .0
                        .as_ref()
                        .or(exporter.prometheus_development.0.as_ref())
                });
                prometheus.extend(fetched.map(address));
            }
        }
        (None, Some(text)) if !text.is_empty() => {
            match endpoint::listen(text, crate::config::raw::shared::Transport::Tcp) {
                Ok(address) => prometheus.push(address),
                Err(wrong) => reader.rule("address", wrong),
            }
        }
        (None, _) => prometheus.push(ListenAddress::Tcp {
            host: "localhost".into(),
            port: 8888,
        }),
    }
    if metrics.level == MetricsLevel::None {
        prometheus.clear();
    }
    MetricsConfig {
        level: metrics.level,
        prometheus,
    }
}

fn warn_of_metrics(metrics: &Metrics, reader: &mut Reader) {
    if matches!(metrics.level, MetricsLevel::Basic | MetricsLevel::Detailed) {
        reader.no_effect("level", "basic, normal and detailed give the same metrics");
    }
    if metrics.readers.0.is_some() && metrics.address.0.is_some() {
        reader.no_effect("address", "readers are given and win");
    }
    for (index, metric_reader) in metrics.readers.0.iter().flatten().enumerate() {
        let exporter = metric_reader.pull.0.as_ref().map(|pull| &pull.exporter);
        let given = exporter.map(|exporter| {
            let older = exporter.prometheus.0.is_some();
            (older, exporter.prometheus_development.0.is_some())
        });
        reader.path.extend(["readers".into(), index.to_string()]);
        match given {
            Some((true, true)) => reader.at("pull", |reader| {
                reader.at("exporter", |reader| {
                    reader.no_effect("prometheus/development", "prometheus is given and wins");
                });
            }),
            Some((true, false) | (false, true)) => {}
            None | Some((false, false)) => {
                reader.warn("has no effect here: no pull.exporter.prometheus is given");
            }
        }
        reader.path.truncate(reader.path.len() - 2);
    }
}

fn address(prometheus: &Prometheus) -> ListenAddress {
    let host = prometheus
        .host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    ListenAddress::Tcp {
        host,
        port: prometheus.port,
    }
}

pub(super) fn engine(engine: &Engine, reader: &mut Reader) -> EngineConfig {
    /// Far more than any machine has cores.
    const SHARDS_MAX: u32 = 1024;
    reader.path = vec!["service".into(), "tailrace".into()];
    if engine.shards > SHARDS_MAX {
        reader.rule("shards", "at most 1024");
    }
    if engine.connections_max == 0 {
        reader.rule("connections_max", "must be positive");
    }
    reader.path.clear();
    EngineConfig {
        shards: NonZeroU32::new(engine.shards),
        shutdown_timeout: engine.shutdown_timeout,
        connections_max: engine.connections_max,
    }
}
