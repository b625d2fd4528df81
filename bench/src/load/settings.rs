//! What a user asks for, by flags, by a scenario file or by both: one list of keys for the two.
//!
//! ```yaml
//! endpoint: 127.0.0.1:4317
//! signal: traces
//! items: 100
//! streams: 16
//! phases:
//!   - {ramp: {from: 0/s, to: 50000/s}, duration: 10s}
//!   - {steady: 50000/s, duration: 30s, arrivals: poisson}
//!   - {burst: {requests: 1000, every: 1s}, duration: 10s}
//!   - {pause: 5s}
//!   - {steady: max, duration: 10s}
//! ```

mod endpoint;
mod rate;

pub use endpoint::EndpointError;
pub use rate::Rate;

use super::arrivals::{Phase, Shape, Spacing};
use super::plan::{Plan, Protocol, Retry, Version, Wire};
use crate::workload::{Mix, Spec};
use std::fmt;
use std::time::Duration;
use tailrace_codec::Signal;
use tailrace_codec::compress::Encoding;
use tailrace_engine::config::{Faults, Map, document, format_duration};

/// What was given; the rest has defaults, which [`Settings::plan`] fills in.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    pub endpoint: Option<String>,
    pub protocol: Option<Protocol>,
    pub http: Option<Version>,
    pub compression: Option<Encoding>,
    pub connections: Option<usize>,
    pub streams: Option<usize>,
    pub frame_bytes_max: Option<usize>,
    pub signal: Option<Signal>,
    pub items: Option<usize>,
    pub seed: Option<u64>,
    pub mix: Option<Mix>,
    pub templates: Option<usize>,
    pub services: Option<usize>,
    pub cardinality: Option<usize>,
    pub extra_attributes: Option<usize>,
    pub value_bytes: Option<usize>,
    pub timeout: Option<Duration>,
    /// How long a request is tried again; without it, it is not.
    pub retry: Option<Duration>,
    pub requests: Option<u64>,
    pub rate: Option<Rate>,
    pub arrivals: Option<Spacing>,
    pub duration: Option<Duration>,
    pub phases: Option<Vec<PhaseSettings>>,
}

/// A phase as a scenario has it: its rates may count items.
#[derive(Debug, Clone, PartialEq)]
pub struct PhaseSettings {
    pub name: Option<String>,
    pub duration: Option<Duration>,
    pub arrivals: Option<Spacing>,
    pub shape: ShapeSettings,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ShapeSettings {
    Steady(Rate),
    Ramp { from: Rate, to: Rate },
    Burst { requests: u64, every: Duration },
    Pause(Duration),
}

/// Settings that do not go together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingsError {
    NoEndpoint,
    Endpoint(EndpointError),
    GrpcOverHttp1,
    StreamsOverHttp1 { streams: usize },
    RateAndPhases,
    MixOfAnother { mix: Mix, signal: Signal },
    TooManyPlaces { connections: usize, streams: usize },
}

impl std::error::Error for SettingsError {}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoEndpoint => f.write_str("no endpoint: give --endpoint HOST:PORT"),
            Self::Endpoint(error) => write!(f, "{error}"),
            Self::GrpcOverHttp1 => f.write_str("gRPC needs HTTP/2: leave --http out"),
            Self::StreamsOverHttp1 { streams } => write!(
                f,
                "HTTP/1.1 has one request at a time on a connection: --connections {streams} \
                 rather than --streams {streams}"
            ),
            Self::RateAndPhases => f.write_str(
                "the scenario has phases, each with its rate and duration: leave --rate, \
                 --duration and --arrivals out",
            ),
            Self::MixOfAnother { mix, signal } => {
                write!(f, "the mix {} has no {}", mix.name(), signal.name())
            }
            Self::TooManyPlaces {
                connections,
                streams,
            } => write!(
                f,
                "{connections} connections x {streams} streams is more than {PLACES_MAX} requests \
                 in flight"
            ),
        }
    }
}

/// Connections x streams, so that a mistyped number is a message and not all memory.
const PLACES_MAX: usize = 1 << 20;

pub const SIGNALS: [(&str, Signal); 3] = [
    ("traces", Signal::Traces),
    ("metrics", Signal::Metrics),
    ("logs", Signal::Logs),
];

pub const COMPRESSIONS: [(&str, Encoding); 4] = [
    ("none", Encoding::Identity),
    ("identity", Encoding::Identity),
    ("gzip", Encoding::Gzip),
    ("zstd", Encoding::Zstd),
];

pub const SPACINGS: [(&str, Spacing); 2] = [
    ("constant", Spacing::Constant),
    ("poisson", Spacing::Poisson),
];

const COUNT_MAX: u64 = 1 << 20;

impl Settings {
    pub const CONNECTIONS: usize = 1;
    pub const STREAMS: usize = 64;
    pub const ITEMS: usize = 100;
    pub const DURATION: Duration = Duration::from_secs(10);

    /// Reads a scenario. Errors: every fault, with its path and place, and what was meant.
    pub fn read(text: &str, source: &str) -> Result<Self, Faults> {
        document(text, source, settings)
    }

    /// These, and where they say nothing, `other`.
    pub fn or(self, other: Self) -> Self {
        Self {
            endpoint: self.endpoint.or(other.endpoint),
            protocol: self.protocol.or(other.protocol),
            http: self.http.or(other.http),
            compression: self.compression.or(other.compression),
            connections: self.connections.or(other.connections),
            streams: self.streams.or(other.streams),
            frame_bytes_max: self.frame_bytes_max.or(other.frame_bytes_max),
            signal: self.signal.or(other.signal),
            items: self.items.or(other.items),
            seed: self.seed.or(other.seed),
            mix: self.mix.or(other.mix),
            templates: self.templates.or(other.templates),
            services: self.services.or(other.services),
            cardinality: self.cardinality.or(other.cardinality),
            extra_attributes: self.extra_attributes.or(other.extra_attributes),
            value_bytes: self.value_bytes.or(other.value_bytes),
            timeout: self.timeout.or(other.timeout),
            retry: self.retry.or(other.retry),
            requests: self.requests.or(other.requests),
            rate: self.rate.or(other.rate),
            arrivals: self.arrivals.or(other.arrivals),
            duration: self.duration.or(other.duration),
            phases: self.phases.or(other.phases),
        }
    }

    /// The plan, defaults filled in. Resolves the endpoint's name, which may ask the network.
    pub fn plan(&self) -> Result<Plan, SettingsError> {
        let protocol = self.protocol.unwrap_or(Protocol::Grpc);
        let version = self.http.unwrap_or(Version::Http2);
        if protocol == Protocol::Grpc && version == Version::Http1 {
            return Err(SettingsError::GrpcOverHttp1);
        }
        let streams = match (version, self.streams) {
            (Version::Http1, Some(streams)) if streams > 1 => {
                return Err(SettingsError::StreamsOverHttp1 { streams });
            }
            (Version::Http1, _) => 1,
            (Version::Http2, streams) => streams.unwrap_or(Self::STREAMS),
        };
        let connections = self.connections.unwrap_or(Self::CONNECTIONS);
        if connections.saturating_mul(streams) > PLACES_MAX {
            return Err(SettingsError::TooManyPlaces {
                connections,
                streams,
            });
        }
        let endpoint = self.endpoint.as_deref().ok_or(SettingsError::NoEndpoint)?;
        let spec = self.spec()?;
        Ok(Plan {
            target: endpoint::resolve(endpoint, protocol).map_err(SettingsError::Endpoint)?,
            wire: Wire {
                protocol,
                version,
                encoding: self.compression.unwrap_or(Encoding::Identity),
                frame_bytes_max: self.frame_bytes_max.unwrap_or(usize::MAX),
            },
            connections,
            streams,
            phases: self.phases(spec.items)?,
            requests_max: self.requests.unwrap_or(u64::MAX),
            timeout: self.timeout.unwrap_or(Plan::TIMEOUT),
            retry: self.retry.map(|give_up_after| Retry { give_up_after }),
            first_item: 0,
            cpu: None,
            spec,
        })
    }

    fn spec(&self) -> Result<Spec, SettingsError> {
        let signal = self.signal.unwrap_or(Signal::Traces);
        let items = self.items.unwrap_or(Self::ITEMS);
        let standard = Spec::standard(signal, items);
        let mix = self.mix.unwrap_or(standard.mix);
        if !mix.is_of(signal) {
            return Err(SettingsError::MixOfAnother { mix, signal });
        }
        Ok(Spec {
            mix,
            seed: self.seed.unwrap_or(standard.seed),
            templates: self.templates.unwrap_or(standard.templates),
            services: self.services.unwrap_or(standard.services),
            cardinality: self.cardinality.unwrap_or(standard.cardinality),
            extra_attributes: self.extra_attributes.unwrap_or(standard.extra_attributes),
            value_bytes: self.value_bytes.unwrap_or(standard.value_bytes),
            ..standard
        })
    }

    fn phases(&self, items: usize) -> Result<Vec<Phase>, SettingsError> {
        let alone = self.rate.is_some() || self.duration.is_some() || self.arrivals.is_some();
        match &self.phases {
            Some(_) if alone => Err(SettingsError::RateAndPhases),
            Some(phases) => Ok(phases.iter().map(|phase| phase.compile(items)).collect()),
            None => {
                let phase = PhaseSettings {
                    name: None,
                    duration: self.duration,
                    arrivals: self.arrivals,
                    shape: ShapeSettings::Steady(self.rate.unwrap_or(Rate::Max)),
                };
                Ok(vec![phase.compile(items)])
            }
        }
    }
}

impl PhaseSettings {
    fn compile(&self, items: usize) -> Phase {
        let spacing = self.arrivals.unwrap_or_default();
        let per_second = |rate: Rate| rate.requests_per_second(items);
        let shape = match self.shape {
            ShapeSettings::Steady(Rate::Max) => Shape::Max,
            ShapeSettings::Steady(rate) => Shape::steady(per_second(rate), spacing),
            ShapeSettings::Ramp { from, to } => Shape::Ramp {
                from: per_second(from),
                to: per_second(to),
                spacing,
            },
            ShapeSettings::Burst { requests, every } => Shape::Burst { requests, every },
            ShapeSettings::Pause(_) => Shape::Pause,
        };
        let duration = match self.shape {
            ShapeSettings::Pause(duration) => duration,
            _ => self.duration.unwrap_or(Settings::DURATION),
        };
        let name = self.name.clone().unwrap_or_else(|| self.shape.to_string());
        Phase {
            name,
            duration,
            shape,
        }
    }
}

impl fmt::Display for ShapeSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Steady(rate) => write!(f, "steady {rate}"),
            Self::Ramp { from, to } => write!(f, "ramp {from} to {to}"),
            Self::Burst { requests, every } => {
                write!(f, "burst of {requests} every {}", format_duration(*every))
            }
            Self::Pause(duration) => write!(f, "pause {}", format_duration(*duration)),
        }
    }
}

fn settings(map: &mut Map<'_>) -> Settings {
    let count = |map: &mut Map<'_>, key| {
        let count = map.whole(key, 1..=COUNT_MAX)?;
        usize::try_from(count).ok()
    };
    Settings {
        endpoint: map.text("endpoint"),
        protocol: map.choice("protocol", &Protocol::NAMES),
        http: map.choice("http", &Version::NAMES),
        compression: map.choice("compression", &COMPRESSIONS),
        connections: count(map, "connections"),
        streams: count(map, "streams"),
        frame_bytes_max: count(map, "frame_bytes_max"),
        signal: map.choice("signal", &SIGNALS),
        items: count(map, "items"),
        seed: map.whole("seed", 0..=u64::MAX),
        mix: map.choice("mix", &Mix::ALL.map(|mix| (mix.name(), mix))),
        templates: count(map, "templates"),
        services: count(map, "services"),
        cardinality: count(map, "cardinality"),
        extra_attributes: count(map, "extra_attributes"),
        value_bytes: count(map, "value_bytes"),
        timeout: map.duration("timeout"),
        retry: map.duration("retry"),
        requests: map.whole("requests", 1..=u64::MAX),
        rate: map.parsed("rate", Rate::EXPECTED, Rate::parse),
        arrivals: map.choice("arrivals", &SPACINGS),
        duration: map.duration("duration"),
        phases: map
            .list("phases", phase)
            .and_then(|phases| phases.into_iter().collect()),
    }
}

/// `None`: the phase breaks the rule that was noted.
fn phase(map: &mut Map<'_>) -> Option<PhaseSettings> {
    const RULE: &str = "a phase is one of steady, ramp, burst and pause";
    let steady = map.parsed("steady", Rate::EXPECTED, Rate::parse);
    let ramp = map.map("ramp", |map| {
        let ends = ["from", "to"].map(|key| map.parsed(key, Rate::OPEN, Rate::parse_open));
        if ["from", "to"].iter().any(|key| !map.has(key)) {
            map.rule("a ramp needs from and to");
        }
        Some((ends[0]?, ends[1]?))
    });
    let burst = map.map("burst", |map| {
        let requests = map.whole("requests", 1..=COUNT_MAX).unwrap_or(1);
        let every = map.duration("every").unwrap_or(Duration::from_secs(1));
        if every.is_zero() {
            map.rule("bursts cannot follow one another every 0s");
        }
        (requests, every)
    });
    let pause = map.duration("pause");
    let (name, duration) = (map.text("name"), map.duration("duration"));
    let arrivals = map.choice("arrivals", &SPACINGS);
    let given = ["steady", "ramp", "burst", "pause"]
        .iter()
        .filter(|key| map.has(key))
        .count();
    if given != 1 {
        map.rule(RULE);
        return None;
    }
    let shape = match (steady, ramp.flatten(), burst, pause) {
        (Some(rate), ..) => ShapeSettings::Steady(rate),
        (_, Some((from, to)), ..) => ShapeSettings::Ramp { from, to },
        (_, _, Some((requests, every)), _) => ShapeSettings::Burst { requests, every },
        (.., Some(pause)) => ShapeSettings::Pause(pause),
        // The fault of its value was noted.
        _ => return None,
    };
    Some(PhaseSettings {
        name,
        duration,
        arrivals,
        shape,
    })
}

#[cfg(test)]
mod tests;
