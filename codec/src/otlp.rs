//! OTLP: the four signals and what can be done with an export request without decoding it.

mod levels;
mod scan;
mod split;

pub use scan::{Scan, scan};
pub use split::{Piece, SplitLimit, cut, split};

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
}
