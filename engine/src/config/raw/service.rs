//! `service`: what is used, and how the process reports on itself.

use super::priority::PrioritySection;
use super::protection::RateLimit;
use super::tenants::Tenants;
use crate::config::field::{Field, Reader, Shape, choice, section};
use crate::config::node::{Entry, Node, Value};
use crate::config::printed::Printed;
use crate::config::types::{
    AnyList, AnyMap, Anything, Literal, Map, Optional, Reference, Switched,
};
use crate::config::{LogEncoding, LogLevel, MetricsLevel};
use std::time::Duration;

section! {
    /// `service`
    Service {
        /// Extensions that are started, in order.
        extensions: Vec<Reference> = "[]",
        /// Pipelines by id: `traces`, `metrics`, `logs` or `profiles`, with `/name` if there are several.
        pipelines: Map<Pipeline> = "{}",
        /// Our own logs and metrics.
        telemetry: Telemetry = "{}",
        /// Our own keys of the whole process.
        tailrace: Engine = "{}",
    }
}

section! {
    /// `service.pipelines.<id>`
    Pipeline {
        /// At least one receiver or connector.
        receivers: Vec<Reference> = "[]",
        /// In order.
        processors: Vec<Reference> = "[]",
        /// At least one exporter or connector; each gets everything.
        exporters: Vec<Reference> = "[]",
    }
}

section! {
    /// `service.tailrace`: ours, not the Collector's.
    Engine {
        /// Threads that carry data, each pinned to a core. 0: one for each core the process may use.
        shards: u32 = "0",
        /// What the process may use, in MiB, where no `memory_limiter` says it. 0: half of the
        /// container's or the machine's memory.
        memory_limit_mib: u64 = "0",
        /// How long batches may drain at the end before what is left is counted as dropped.
        shutdown_timeout: Duration = "30s",
        /// Connections open at once to all receivers.
        connections_max: u32 = "10000",
        /// Which items go first where more waits than can be sent; left out: all as they came.
        priority: Switched<PrioritySection> = "",
        /// Whose data it is, and how much each may send; left out: nobody is told apart.
        tenants: Switched<Tenants> = "",
        /// What all senders together may send, in the whole process; left out: no limit. What is over
        /// it is refused with a delay.
        rate_limit: Switched<RateLimit> = "",
    }
}

section! {
    /// `service.telemetry`
    Telemetry {
        /// Log lines of the process.
        logs: Logs = "{}",
        /// Metrics of the process.
        metrics: Metrics = "{}",
        /// Spans of the process.
        traces: AnyMap = "" => NoEffect("no spans are made about the process itself"),
        /// Attributes of `target_info`; null leaves an automatic one out.
        resource: Resource = "{}",
    }
}

section! {
    /// `service.telemetry.logs`
    Logs {
        /// debug, info, warn or error.
        level: LogLevel = "info",
        /// console or json.
        encoding: LogEncoding = "console",
        /// stderr, stdout or paths of files.
        output_paths: Vec<String> = "[stderr]",
        /// Fields on every line.
        initial_fields: Map<Literal> = "{}" => NoEffect("they are logged once, at the start"),
        /// Where zap's own failures go.
        error_output_paths: Vec<String> = "[stderr]" => NoEffect("failures to log go to stderr"),
        /// Zap's development mode.
        development: bool = "false" => NoEffect("there is no development mode"),
        /// Leave out the place in the code.
        disable_caller: bool = "false" => NoEffect("lines carry a target, not a place in the code"),
        /// Leave out stack traces.
        disable_stacktrace: bool = "false" => NoEffect("lines carry no stack traces"),
        /// Drop lines that repeat.
        sampling: AnyMap = "" => NoEffect("no line is written per request, so none is sampled"),
        /// Send the log lines by OTLP.
        processors: AnyList = "" => NoEffect("log lines are written, not sent"),
        /// Leave the resource out of the lines.
        disable_zap_resource: bool = "false" => NoEffect("lines do not carry the resource"),
    }
}

section! {
    /// `service.telemetry.metrics`
    Metrics {
        /// none turns metrics off; basic, normal and detailed give the same metrics.
        level: MetricsLevel = "normal",
        /// Where Prometheus fetches metrics. Left out: localhost:8888.
        readers: Optional<Vec<MetricReader>> = "~",
        /// The older form: `host:port` for Prometheus.
        address: Optional<String> = "~",
        /// Change the metrics.
        views: AnyList = "" => NoEffect("metrics cannot be changed by views"),
    }
}

section! {
    /// One of `service.telemetry.metrics.readers`.
    MetricReader {
        /// Prometheus fetches.
        pull: Optional<PullReader> = "~",
        /// The process sends.
        periodic: AnyMap = "" => NoEffect("metrics are fetched by Prometheus, not sent"),
    }
}

section! {
    /// `pull`
    PullReader {
        /// Only `prometheus`.
        exporter: PullExporter = "{}",
        /// Producers of metrics.
        producers: AnyList = "" => NoEffect("there is one producer"),
        /// Limits of attributes.
        cardinality_limits: Anything = "" => NoEffect("attributes of our metrics are bounded"),
    }
}

section! {
    /// `pull.exporter`
    PullExporter {
        /// Where to listen.
        prometheus: Optional<Prometheus> = "~",
        /// The same under its newer name.
        prometheus_development("prometheus/development"): Optional<Prometheus> = "~",
    }
}

section! {
    /// `pull.exporter.prometheus`
    Prometheus {
        /// The host to listen on.
        host: String = "localhost",
        /// The port to listen on.
        port: u16 = "8888",
        /// Names end in `_total` if false.
        without_type_suffix: bool = "true" => NoEffect("names carry no type, as the Collector's default"),
        /// Names end in their unit if false.
        without_units: bool = "true" => NoEffect("names carry no unit, as the Collector's default"),
        /// Metrics carry their scope if false.
        without_scope_info: bool = "true" => NoEffect("metrics carry no scope, as the Collector's default"),
        /// Leave `target_info` out.
        without_target_info: bool = "false" => NoEffect("target_info is always there"),
        /// How names are written.
        translation_strategy: Anything = "" => NoEffect("names are as in the Collector's default"),
        /// Resource attributes on every metric.
        with_resource_constant_labels: AnyMap = "" => NoEffect("the resource is in target_info"),
    }
}

choice!(LogLevel {
    "debug" => Self::Debug,
    "info" => Self::Info,
    "" => Self::Info,
    "warn" => Self::Warn,
    "error" => Self::Error,
    "dpanic" => Self::Error,
    "panic" => Self::Error,
    "fatal" => Self::Error,
});

choice!(LogEncoding { "console" => Self::Console, "json" => Self::Json });

choice!(MetricsLevel {
    "none" => Self::None,
    "basic" => Self::Basic,
    "normal" => Self::Normal,
    "detailed" => Self::Detailed,
});

/// `resource`: a map of attributes, or the newer form with `attributes: [{name, value}]`.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::config) struct Resource(pub Vec<(String, Option<String>)>);

section! {
    /// One of `resource.attributes`.
    ResourceAttribute {
        /// Its name.
        name: String = "''",
        /// Its value, as text.
        value: Optional<Literal> = "~",
        /// Its type.
        kind("type"): Optional<String> = "~" => NoEffect("labels are text"),
    }
}

section! {
    /// The newer form of `resource`.
    DeclaredResource {
        /// Attributes by name.
        attributes: Vec<ResourceAttribute> = "[]",
        /// The schema of the attributes.
        schema_url: String = "''" => NoEffect("target_info has no schema"),
        /// Attributes as one text.
        attributes_list: Anything = "" => Refused("list the attributes in `attributes`"),
        /// Find attributes in the surroundings.
        detectors: AnyMap = "" => NoEffect("resource detectors are not in this build"),
        /// Find attributes in the surroundings.
        detection("detection/development"): AnyMap = "" => NoEffect(
            "resource detectors are not in this build"
        ),
    }
}

impl Field for Resource {
    fn shape() -> Shape {
        Shape::Map(Box::new(String::shape()))
    }

    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let is_new = |entry: &Entry| match &*entry.key {
            "attributes" => matches!(entry.node.value, Value::Sequence(_)),
            "detectors" | "detection/development" => matches!(entry.node.value, Value::Mapping(_)),
            _ => false,
        };
        let declared = matches!(&node.value, Value::Mapping(all) if all.iter().any(is_new));
        if !declared {
            let map = Map::<Optional<String>>::read(node, reader)?;
            return Some(Self(
                map.0
                    .into_iter()
                    .map(|(key, value)| (key, value.0))
                    .collect(),
            ));
        }
        let resource = DeclaredResource::read(node, reader)?;
        let attribute = |attribute: ResourceAttribute| {
            (
                attribute.name,
                attribute.value.0.map(|Literal(value)| value),
            )
        };
        Some(Self(
            resource.attributes.into_iter().map(attribute).collect(),
        ))
    }

    fn print(&self) -> Printed {
        let value = |value: &Option<String>| match value {
            Some(text) => Printed::Text(text.clone()),
            None => Printed::Null,
        };
        Printed::Map(
            self.0
                .iter()
                .map(|(key, text)| (key.clone(), value(text)))
                .collect(),
        )
    }
}
