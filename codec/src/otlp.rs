//! OTLP: the four signals and what can be done with an export request without decoding it.

pub mod edit;
pub mod encode;
pub mod fields;
pub mod json;
mod merge;
mod partition;
mod piece;
pub mod response;
mod runs;
pub mod sampling;
mod scan;
mod scan_deep;
mod splice;
mod split;
mod view;
mod walk;

pub use edit::{Edit, Edits};
pub use merge::merge;
pub use partition::{Sorted, partition, sort};
pub use piece::Piece;
pub use scan::{Scan, scan};
pub use scan_deep::{check, scan_deep};
pub use split::{SplitLimit, cut, split};
pub use view::{ItemView, attribute};

/// How deep attribute values may nest: an AnyValue that holds none is at depth 1.
///
/// Source: <https://github.com/open-telemetry/opentelemetry-specification/pull/5186>
pub const NESTING_MAX: usize = 64;

/// One of OpenTelemetry's four kinds of telemetry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Signal {
    Traces,
    Metrics,
    Logs,
    Profiles,
}

impl Signal {
    pub const ALL: [Self; 4] = [Self::Traces, Self::Metrics, Self::Logs, Self::Profiles];

    /// The name in configuration files and metric attributes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Metrics => "metrics",
            Self::Logs => "logs",
            Self::Profiles => "profiles",
        }
    }

    /// The path of the export method of OTLP/gRPC.
    ///
    /// Source: the `service` definitions of
    /// <https://github.com/open-telemetry/opentelemetry-proto/tree/main/opentelemetry/proto/collector>
    pub const fn grpc_path(self) -> &'static str {
        match self {
            Self::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            Self::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
            Self::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
            Self::Profiles => {
                "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export"
            }
        }
    }

    /// The default path of OTLP/HTTP.
    ///
    /// Source: <https://opentelemetry.io/docs/specs/otlp/#otlphttp-request>
    pub const fn http_path(self) -> &'static str {
        match self {
            Self::Traces => "/v1/traces",
            Self::Metrics => "/v1/metrics",
            Self::Logs => "/v1/logs",
            Self::Profiles => "/v1development/profiles",
        }
    }

    /// Whether two export requests, one after the other, are the request with the items of both.
    ///
    /// True where the request is nothing but a repeated field. A profiles request also holds the
    /// dictionary that its profiles point into by index; the dictionaries would merge, and the
    /// second request's indices point at the first one's entries.
    pub const fn merges_by_concatenation(self) -> bool {
        !matches!(self, Self::Profiles)
    }
}
