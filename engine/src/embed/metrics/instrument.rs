//! What an instrument is: its name, what it measures, and how that is put together.

use super::distribution::Buckets;
use super::number::{Measured, NumberKind};
use std::fmt;
use tailrace_codec::otlp::encode::{MetricKind, Temporality};

/// An instrument as it is asked for. A name alone is enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Instrument<'a> {
    /// A letter, then at most 254 letters, digits, `_`, `.`, `-` or `/`.
    pub name: &'a str,
    pub description: &'a str,
    /// At most 63 characters: `s`, `By`, `{request}`, as <https://ucum.org> has them.
    pub unit: &'a str,
    /// Series it may have, that of the overflow among them; `None`: as the settings say.
    pub cardinality_limit: Option<u32>,
}

impl<'a> From<&'a str> for Instrument<'a> {
    fn from(name: &'a str) -> Self {
        Self {
            name,
            ..Self::default()
        }
    }
}

/// Why there is no such instrument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstrumentError {
    Name {
        name: String,
    },
    Unit {
        name: String,
        unit: String,
    },
    Buckets {
        name: String,
        allowed: &'static str,
    },
    /// There is one of this name in the scope already, which is another in what is named here.
    Conflict {
        name: String,
        differs: &'static str,
    },
}

impl fmt::Display for InstrumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name { name } => write!(
                f,
                "instrument {name:?}: a name is a letter and up to 254 letters, digits, '_', '.', \
                 '-' or '/'"
            ),
            Self::Unit { name, unit } => write!(
                f,
                "instrument {name}: unit {unit:?}: a unit has up to 63 characters of ASCII"
            ),
            Self::Buckets { name, allowed } => write!(f, "instrument {name}: {allowed}"),
            Self::Conflict { name, differs } => write!(
                f,
                "instrument {name}: there is one in this scope whose {differs} is another; give \
                 one of them another name, or make both alike"
            ),
        }
    }
}

impl std::error::Error for InstrumentError {}

/// How measurements are put together.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Aggregation {
    Sum {
        number: NumberKind,
        is_monotonic: bool,
    },
    Last {
        number: NumberKind,
    },
    Histogram(Buckets),
}

impl Aggregation {
    pub const fn sum<N: Measured>(is_monotonic: bool) -> Self {
        Self::Sum {
            number: N::KIND,
            is_monotonic,
        }
    }

    /// The kind of its values; of a histogram there is none.
    pub const fn number(&self) -> Option<NumberKind> {
        match self {
            Self::Sum { number, .. } | Self::Last { number } => Some(*number),
            Self::Histogram(_) => None,
        }
    }

    pub const fn metric_kind(&self, temporality: Temporality) -> MetricKind {
        match self {
            Self::Sum { is_monotonic, .. } => MetricKind::Sum {
                temporality,
                is_monotonic: *is_monotonic,
            },
            Self::Last { .. } => MetricKind::Gauge,
            Self::Histogram(Buckets::Explicit(_)) => MetricKind::Histogram { temporality },
            Self::Histogram(Buckets::Exponential { .. }) => {
                MetricKind::ExponentialHistogram { temporality }
            }
        }
    }

    /// What is asked of an up-down counter is where it stands, not by how much it moved.
    pub const fn is_cumulative_always(&self) -> bool {
        matches!(
            self,
            Self::Sum {
                is_monotonic: false,
                ..
            }
        )
    }
}

/// What two instruments of one name in one scope must have in common.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Identity {
    pub name: String,
    pub description: String,
    pub unit: String,
    pub aggregation: Aggregation,
    pub measured: Measuring,
}

/// When an instrument is measured with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Measuring {
    /// As it happens.
    Recorded,
    /// At collection, by callbacks: of a sum the whole.
    Observed,
}

impl Identity {
    pub fn new(
        asked: &Instrument<'_>,
        aggregation: Aggregation,
        measured: Measuring,
    ) -> Result<Self, InstrumentError> {
        let name = asked.name.to_owned();
        if !is_name(asked.name) {
            return Err(InstrumentError::Name { name });
        }
        if asked.unit.len() > 63 || !asked.unit.is_ascii() {
            let unit = asked.unit.to_owned();
            return Err(InstrumentError::Unit { name, unit });
        }
        if let Aggregation::Histogram(buckets) = &aggregation
            && let Some(allowed) = buckets.fault()
        {
            return Err(InstrumentError::Buckets { name, allowed });
        }
        Ok(Self {
            name,
            description: asked.description.to_owned(),
            unit: asked.unit.to_owned(),
            aggregation,
            measured,
        })
    }

    /// What makes it another instrument than that of the same name. Names are the same in whatever
    /// case they are written.
    pub fn conflict(&self, other: &Self) -> Result<(), InstrumentError> {
        let differs = if self.aggregation != other.aggregation || self.measured != other.measured {
            "kind, number or buckets"
        } else if self.unit != other.unit {
            "unit"
        } else if self.description != other.description {
            "description"
        } else {
            return Ok(());
        };
        let name = self.name.clone();
        Err(InstrumentError::Conflict { name, differs })
    }
}

/// Source: <https://opentelemetry.io/docs/specs/otel/metrics/api/#instrument-name-syntax>
fn is_name(name: &str) -> bool {
    let begins = name.starts_with(|first: char| first.is_ascii_alphabetic());
    let goes_on = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-/".contains(&byte);
    begins && name.len() <= 255 && name.bytes().all(goes_on)
}
