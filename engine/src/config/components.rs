//! What this build has: receivers, processors, exporters, connectors, extensions.
//!
//! Names and aliases are data, because the Collector is renaming its components one by one.

use super::field::{Key, Section};
use super::raw::exporters::{DebugExporter, FileExporter, OtlpGrpcExporter, OtlpHttpExporter};
use super::raw::extensions::HealthCheck;
use super::raw::processors::{BatchProcessor, MemoryLimiter};
use super::raw::receivers::OtlpReceiver;
use super::types::Empty;
use std::fmt;
use tailrace_codec::Signal;

/// One kind of component, with all that this build has of it.
#[derive(Debug)]
pub struct Class {
    /// `receiver`, as errors say it; the section of the file is its plural.
    pub name: &'static str,
    pub components: &'static [Component],
    /// Names of the Collector's that people use and this build has not.
    absent: &'static [&'static str],
}

/// One component.
#[derive(Debug)]
pub struct Component {
    /// The name that reports use.
    pub name: &'static str,
    /// Names that mean the same.
    pub aliases: &'static [&'static str],
    /// For each signal, or once for an extension.
    pub stability: &'static [(&'static str, Stability)],
    /// The keys of its section.
    pub keys: fn() -> Vec<Key>,
}

/// How far a component can be relied on, in the Collector's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stability {
    Alpha,
    Beta,
}

impl fmt::Display for Stability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Alpha => "Alpha",
            Self::Beta => "Beta",
        })
    }
}

/// What a name of the file stands for.
pub(super) enum Lookup {
    Found(&'static Component),
    /// A component of the Collector that is not in this build.
    Absent,
    Unknown,
}

impl Class {
    pub(super) fn look_up(&self, kind: &str) -> Lookup {
        let named =
            |component: &&Component| component.name == kind || component.aliases.contains(&kind);
        match self.components.iter().find(named) {
            Some(component) => Lookup::Found(component),
            None if self.absent.contains(&kind) => Lookup::Absent,
            None => Lookup::Unknown,
        }
    }

    /// All names, aliases included.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        let names = |component: &'static Component| {
            std::iter::once(component.name).chain(component.aliases.iter().copied())
        };
        self.components.iter().flat_map(names)
    }
}

const SIGNALS: &[(&str, Stability)] = &[
    (Signal::Traces.name(), Stability::Beta),
    (Signal::Metrics.name(), Stability::Beta),
    (Signal::Logs.name(), Stability::Beta),
    (Signal::Profiles.name(), Stability::Alpha),
];

pub static RECEIVERS: Class = Class {
    name: "receiver",
    components: &[
        Component {
            name: "otlp",
            aliases: &[],
            stability: SIGNALS,
            keys: OtlpReceiver::keys,
        },
        Component {
            name: "nop",
            aliases: &[],
            stability: SIGNALS,
            keys: Empty::keys,
        },
    ],
    absent: &[
        "jaeger",
        "zipkin",
        "prometheus",
        "kafka",
        "hostmetrics",
        "host_metrics",
        "filelog",
        "file_log",
        "otlpjsonfile",
        "syslog",
        "statsd",
        "fluentforward",
        "opencensus",
        "k8s_cluster",
        "kubeletstats",
        "kubelet_stats",
        "prometheusremotewrite",
        "prometheus_remote_write",
    ],
};

pub static PROCESSORS: Class = Class {
    name: "processor",
    components: &[
        Component {
            name: "batch",
            aliases: &[],
            stability: SIGNALS,
            keys: BatchProcessor::keys,
        },
        Component {
            name: "memory_limiter",
            aliases: &[],
            stability: SIGNALS,
            keys: MemoryLimiter::keys,
        },
    ],
    absent: &[
        "attributes",
        "resource",
        "span",
        "filter",
        "transform",
        "probabilistic_sampler",
        "tail_sampling",
        "k8sattributes",
        "k8s_attributes",
        "resourcedetection",
        "resource_detection",
        "metricstransform",
        "groupbyattrs",
        "cumulativetodelta",
        "redaction",
        "routing",
        "queuebatch",
    ],
};

pub static EXPORTERS: Class = Class {
    name: "exporter",
    components: &[
        Component {
            name: "otlp_grpc",
            aliases: &["otlp"],
            stability: SIGNALS,
            keys: OtlpGrpcExporter::keys,
        },
        Component {
            name: "otlp_http",
            aliases: &["otlphttp"],
            stability: SIGNALS,
            keys: OtlpHttpExporter::keys,
        },
        Component {
            name: "debug",
            aliases: &[],
            stability: SIGNALS,
            keys: DebugExporter::keys,
        },
        Component {
            name: "nop",
            aliases: &[],
            stability: SIGNALS,
            keys: Empty::keys,
        },
        Component {
            name: "file",
            aliases: &[],
            stability: SIGNALS,
            keys: FileExporter::keys,
        },
    ],
    absent: &[
        "logging",
        "prometheus",
        "prometheusremotewrite",
        "prometheus_remote_write",
        "zipkin",
        "jaeger",
        "kafka",
        "loadbalancing",
        "load_balancing",
        "loki",
        "datadog",
        "elasticsearch",
        "awsxray",
        "awsemf",
        "googlecloud",
        "splunk_hec",
        "opencensus",
        "clickhouse",
        "syslog",
    ],
};

pub static CONNECTORS: Class = Class {
    name: "connector",
    components: &[Component {
        name: "forward",
        aliases: &[],
        stability: SIGNALS,
        keys: Empty::keys,
    }],
    absent: &[
        "spanmetrics",
        "servicegraph",
        "routing",
        "count",
        "failover",
        "roundrobin",
        "exceptions",
    ],
};

pub static EXTENSIONS: Class = Class {
    name: "extension",
    components: &[Component {
        name: "health_check",
        aliases: &[],
        stability: &[("extension", Stability::Beta)],
        keys: HealthCheck::keys,
    }],
    absent: &[
        "zpages",
        "pprof",
        "healthcheckv2",
        "file_storage",
        "basicauth",
        "bearertokenauth",
        "oauth2client",
        "oidc",
        "headers_setter",
        "memory_ballast",
        "memory_limiter",
        "sigv4auth",
        "opamp",
        "k8s_observer",
        "googleclientauth",
    ],
};

/// In the order in which the file has them.
pub static CLASSES: [&Class; 5] = [
    &RECEIVERS,
    &PROCESSORS,
    &EXPORTERS,
    &CONNECTORS,
    &EXTENSIONS,
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_name_means_one_thing() {
        for class in CLASSES {
            let mut seen = HashSet::new();
            for name in class.names().chain(class.absent.iter().copied()) {
                assert!(seen.insert(name), "{} {name}", class.name);
            }
        }
    }
}
