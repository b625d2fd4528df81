//! Which items go first: `service.tailrace.priority`.

use crate::config::field::{Field, Reader, Shape, choice, section};
use crate::config::node::Node;
use crate::config::printed::Printed;
use crate::config::types::{Literal, Map, Optional};
use crate::units::Priority;
use std::time::Duration;
use tailrace_codec::Signal;

section! {
    /// `priority`: three classes of items. A request whose items differ is taken apart by class, and
    /// where more waits than can be sent, classes take turns by weight.
    PrioritySection {
        /// At most 64; the first that matches an item decides. Cost: a pass over each request of a
        /// signal that a rule looks into.
        rules: Vec<Rule> = "[]",
        /// Where no rule matches.
        default: Priority = "medium",
        /// Each class's share of the bytes that are sent while all classes wait.
        weights: Weights = "{}",
        /// A class whose oldest item has waited as long gets every fourth turn besides.
        max_age: Duration = "10s",
    }
}

section! {
    /// `weights`, each at least 1.
    Weights {
        /// Of high.
        high: u32 = "16",
        /// Of medium.
        medium: u32 = "4",
        /// Of low.
        low: u32 = "1",
    }
}

section! {
    /// One of `rules`. All that it asks must hold.
    Rule {
        /// traces, metrics, logs or profiles.
        signal: Optional<Signal> = "~",
        /// Data of tenants of these names; needs `tenants` beside `priority`.
        tenants: Vec<String> = "[]",
        /// Log records of this severity or a higher one.
        severity_min: Optional<Severity> = "~",
        /// Spans with this status.
        span_status: Optional<SpanStatus> = "~",
        /// Attributes of the resource, by key: strings, whole numbers and truth values, as text.
        resource_attributes: Map<Literal> = "{}",
        /// Attributes of the scope.
        scope_attributes: Map<Literal> = "{}",
        /// Attributes of the span, log record or point.
        attributes: Map<Literal> = "{}",
        /// What it is then: high, medium or low.
        priority: Optional<Priority> = "~",
    }
}

choice!(Priority {
    "high" => Self::High,
    "medium" => Self::Medium,
    "low" => Self::Low,
});

choice!(Signal {
    "traces" => Self::Traces,
    "metrics" => Self::Metrics,
    "logs" => Self::Logs,
    "profiles" => Self::Profiles,
});

/// The code of a span's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum SpanStatus {
    Unset,
    Ok,
    Error,
}

choice!(SpanStatus {
    "unset" => Self::Unset,
    "ok" => Self::Ok,
    "error" => Self::Error,
});

/// A severity by name, as OpenTelemetry's short names have it: `warn` is `WARN`, number 13.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) struct Severity(pub u8);

/// The short names of the ranges; a digit 2 to 4 behind one names a number within it.
const SEVERITIES: [&str; 6] = ["trace", "debug", "info", "warn", "error", "fatal"];

impl Field for Severity {
    fn shape() -> Shape {
        Shape::Choice(&SEVERITIES)
    }

    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let number = node.text().and_then(|text| severity(&text.to_lowercase()));
        if number.is_none() {
            let expected = "a severity such as info, warn, error or error2";
            return reader.wrong_type(expected, node);
        }
        number.map(Self)
    }

    fn print(&self) -> Printed {
        let range = usize::from((self.0 - 1) / 4);
        let within = match (self.0 - 1) % 4 {
            0 => String::new(),
            more => (more + 1).to_string(),
        };
        Printed::Word(format!("{}{within}", SEVERITIES[range]))
    }
}

/// Source: <https://opentelemetry.io/docs/specs/otel/logs/data-model/#displaying-severity>
fn severity(name: &str) -> Option<u8> {
    let letters = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let range = SEVERITIES.iter().position(|known| *known == letters)?;
    let within = match &name[letters.len()..] {
        "" => 1,
        digit => digit.parse().ok().filter(|digit| (2..=4).contains(digit))?,
    };
    u8::try_from(range * 4 + within).ok()
}
