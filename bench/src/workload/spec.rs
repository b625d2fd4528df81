//! What a workload is asked to be.

use tailrace_codec::Signal;

/// Which requests to make. The same spec makes the same requests, byte for byte, but for the
/// numbers and times that each is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// Traces, metrics or logs.
    pub signal: Signal,
    pub mix: Mix,
    /// Spans, data points or log records in each request; at least 1.
    pub items: usize,
    /// Of everything that is chosen at random.
    pub seed: u64,
    /// Of the run: every resource says it as `tailrace.run`, so that two runs are not mixed up.
    pub run: u64,
    /// Different requests, sent in turn; at least 1. The standard spans have one.
    pub templates: usize,
    /// Of the realistic mix: different services, each with a resource of its own, in a request.
    pub services: usize,
    /// Of the realistic mix: different values of what varies most, such as routes, tables,
    /// destinations and hosts. The number of series of a metric grows with it.
    pub cardinality: usize,
    /// Of the realistic mix: attributes that each item has in addition to its conventions'.
    pub extra_attributes: usize,
    /// The length of their values, and of what a log record says beyond its sentence, in bytes.
    pub value_bytes: usize,
}

/// What the items are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mix {
    /// A span of 362 bytes, identity included: seven attributes by the conventions of HTTP.
    Http,
    /// The span of OpenTelemetry's performance benchmark: one integer attribute, one event.
    ///
    /// Source: <https://opentelemetry.io/docs/specs/otel/performance-benchmark/>
    Minimal,
    /// Ten attributes of twenty characters.
    TenAttributes,
    /// About 805 bytes, identity included: an HTTP server span with all that instrumentation
    /// commonly records.
    Conventions,
    /// Items as a fleet of services sends them, by the semantic conventions: HTTP, databases,
    /// messaging; errors; every kind of metric and of log body.
    ///
    /// Source: <https://opentelemetry.io/docs/specs/semconv/>
    Realistic,
}

impl Mix {
    pub const ALL: [Self; 5] = [
        Self::Http,
        Self::Minimal,
        Self::TenAttributes,
        Self::Conventions,
        Self::Realistic,
    ];

    /// The name on a command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Minimal => "minimal",
            Self::TenAttributes => "ten-attributes",
            Self::Conventions => "conventions",
            Self::Realistic => "realistic",
        }
    }

    /// The mix of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mix| mix.name() == name)
    }

    /// Whether a signal has it: all but the realistic one are spans.
    pub const fn is_of(self, signal: Signal) -> bool {
        matches!(
            (self, signal),
            (_, Signal::Traces) | (Self::Realistic, Signal::Metrics | Signal::Logs)
        )
    }
}

impl Spec {
    /// The span that published figures are of; of metrics and logs the realistic mix.
    pub const fn standard(signal: Signal, items: usize) -> Self {
        let mix = match signal {
            Signal::Traces => Mix::Http,
            Signal::Metrics | Signal::Logs | Signal::Profiles => Mix::Realistic,
        };
        Self {
            signal,
            mix,
            items,
            seed: 1,
            run: 0,
            templates: 8,
            services: 4,
            cardinality: 100,
            extra_attributes: 0,
            value_bytes: 24,
        }
    }
}
