//! How a backend is to misbehave: phases, one after the other, each with its faults.
//!
//! ```yaml
//! seed: 1
//! phases:
//!   - name: healthy
//!     for: 5s
//!   - name: flaky
//!     for: 20s                                  # or requests: 1000
//!     latency: {lognormal: {median: 5ms, sigma: 0.8}}   # or fixed: 5ms, or exponential: 5ms
//!     faults:
//!       - {share: 0.05, refuse: {grpc: UNAVAILABLE, http: 503, retry_after: 100ms}}
//!       - {share: 0.01, reset_stream: REFUSED_STREAM}
//!     items_per_second: 50000
//!     connections: {goaway_after: 200}
//! ```
//!
//! After its last phase a backend behaves.

use http::StatusCode;
use std::time::Duration;
use tailrace_codec::grpc::Code;
use tailrace_engine::config::{Faults, Map, document};

/// Phases in their order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Script {
    /// Of what is left to chance.
    pub seed: u64,
    pub phases: Vec<Phase>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Phase {
    pub name: String,
    pub end: End,
    /// Before every answer.
    pub latency: Latency,
    /// Each with its share of the requests; together at most 1.
    pub faults: Vec<(f64, Fault)>,
    /// Items a second; what is over it is refused until it is made up for.
    pub capacity: Option<u64>,
    pub connections: Connections,
}

/// When the next phase begins.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum End {
    After(Duration),
    /// When so many requests have come in this phase.
    Requests(u64),
    #[default]
    Never,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Latency {
    #[default]
    None,
    Fixed(Duration),
    /// With this mean.
    Exponential(Duration),
    LogNormal {
        median: Duration,
        /// Deviation of the logarithm: 1 puts one answer in six beyond 2.7 medians.
        sigma: f64,
    },
}

/// What becomes of a request instead of success.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    /// Not taken.
    Refuse {
        grpc: Code,
        http: StatusCode,
        /// `RetryInfo`, or `Retry-After` in whole seconds.
        retry_after: Option<Duration>,
    },
    /// Taken but for the first so many items.
    PartialSuccess { rejected: u64 },
    /// RST_STREAM with this code. With REFUSED_STREAM it is not taken, with others it is. Over
    /// HTTP/1.1 the connection ends.
    ResetStream { code: u32 },
    /// Taken, and the connection is reset.
    ResetConnection,
    /// Taken, and never answered.
    Silence,
    /// Taken, and answered with so many bytes.
    Oversize { bytes: usize },
    /// Taken, and answered with so many bytes that mean nothing.
    Garbage { bytes: usize },
}

/// What connections opened in a phase are like.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Connections {
    /// The share that is reset as soon as it is accepted.
    pub refused: f64,
    /// The share whose streams may send nothing: an initial window of 0 (HTTP/2).
    pub closed_windows: f64,
    /// Nothing is read after so many bytes.
    pub frozen_after: Option<u64>,
    /// GOAWAY, or `connection: close`, after so many requests.
    pub goaway_after: Option<u64>,
    /// Answers go out no faster.
    pub bytes_per_second: Option<u64>,
}

impl Fault {
    /// The name in the script, in figures and in metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Refuse { .. } => "refuse",
            Self::PartialSuccess { .. } => "partial_success",
            Self::ResetStream { .. } => "reset_stream",
            Self::ResetConnection => "reset_connection",
            Self::Silence => "silence",
            Self::Oversize { .. } => "oversize",
            Self::Garbage { .. } => "garbage",
        }
    }

    /// Whether the items count as arrived.
    pub const fn takes(&self) -> bool {
        !matches!(
            self,
            Self::Refuse { .. }
                | Self::ResetStream {
                    code: REFUSED_STREAM
                }
        )
    }
}

const REFUSED_STREAM: u32 = 0x7;

/// Source: RFC 9113, section 7.
const RESET_CODES: [(&str, u32); 6] = [
    ("no_error", 0x0),
    ("protocol_error", 0x1),
    ("internal_error", 0x2),
    ("refused_stream", REFUSED_STREAM),
    ("cancel", 0x8),
    ("enhance_your_calm", 0xb),
];

/// The codes a server may refuse with: all but OK. Source:
/// <https://grpc.github.io/grpc/core/md_doc_statuscodes.html>
const GRPC_CODES: [(&str, Code); 16] = [
    ("cancelled", Code::Cancelled),
    ("unknown", Code::Unknown),
    ("invalid_argument", Code::InvalidArgument),
    ("deadline_exceeded", Code::DeadlineExceeded),
    ("not_found", Code::NotFound),
    ("already_exists", Code::AlreadyExists),
    ("permission_denied", Code::PermissionDenied),
    ("resource_exhausted", Code::ResourceExhausted),
    ("failed_precondition", Code::FailedPrecondition),
    ("aborted", Code::Aborted),
    ("out_of_range", Code::OutOfRange),
    ("unimplemented", Code::Unimplemented),
    ("internal", Code::Internal),
    ("unavailable", Code::Unavailable),
    ("data_loss", Code::DataLoss),
    ("unauthenticated", Code::Unauthenticated),
];

/// The longest answer, so that a mistyped number is a message and not all memory.
const ANSWER_MAX: u64 = 1 << 30;

impl Script {
    /// Errors: every fault of the file, with its path and place, and what was meant.
    pub fn read(text: &str, source: &str) -> Result<Self, Faults> {
        document(text, source, script)
    }
}

fn script(map: &mut Map<'_>) -> Script {
    let seed = map.whole("seed", 0..=u64::MAX).unwrap_or(1);
    if !map.has("phases") {
        map.rule("a script has phases");
    }
    let phases = map.list("phases", phase).unwrap_or_default();
    let mut followed = phases.iter().rev().skip(1);
    if followed.any(|phase| phase.end == End::Never) {
        map.rule("only the last phase may do without an end: give the others for or requests");
    }
    Script { seed, phases }
}

fn phase(map: &mut Map<'_>) -> Phase {
    let name = map.text("name").unwrap_or_default();
    let (after, requests) = (map.duration("for"), map.whole("requests", 1..=u64::MAX));
    let end = match (after, requests) {
        (Some(_), Some(_)) => {
            map.rule("a phase ends by for or by requests, not by both");
            End::Never
        }
        (Some(after), None) => End::After(after),
        (None, Some(requests)) => End::Requests(requests),
        (None, None) => End::Never,
    };
    let faults: Vec<_> = map.list("faults", fault).unwrap_or_default();
    let faults: Vec<_> = faults.into_iter().flatten().collect();
    let total: f64 = faults.iter().map(|(share, _)| share).sum();
    if total > 1.0 + f64::EPSILON {
        map.rule("the shares of a phase's faults add up to more than 1");
    }
    Phase {
        name,
        end,
        latency: map.map("latency", latency).flatten().unwrap_or_default(),
        faults,
        capacity: map.whole("items_per_second", 1..=u64::MAX),
        connections: map.map("connections", connections).unwrap_or_default(),
    }
}

fn latency(map: &mut Map<'_>) -> Option<Latency> {
    let fixed = map.duration("fixed").map(Latency::Fixed);
    let exponential = map.duration("exponential").map(Latency::Exponential);
    let log_normal = map.map("lognormal", |map| {
        let median = map.duration("median");
        let sigma = map.parsed("sigma", "a number from 0 to 10", |text| within(text, 10.0));
        if !map.has("median") || !map.has("sigma") {
            map.rule("lognormal needs median and sigma");
        }
        Some(Latency::LogNormal {
            median: median?,
            sigma: sigma?,
        })
    });
    if !has_one(map, &["fixed", "exponential", "lognormal"]) {
        map.rule("a latency is one of fixed, exponential and lognormal");
    }
    fixed.or(exponential).or(log_normal.flatten())
}

/// `None`: it breaks a rule, which was noted.
fn fault(map: &mut Map<'_>) -> Option<(f64, Fault)> {
    let share = share(map, "share").unwrap_or(1.0);
    let refuse = map.map("refuse", |map| {
        let grpc = map.choice("grpc", &GRPC_CODES);
        let http = map.whole("http", 400..=599);
        let http = http.and_then(|status| StatusCode::from_u16(u16::try_from(status).ok()?).ok());
        Fault::Refuse {
            grpc: grpc.unwrap_or(Code::Unavailable),
            http: http.unwrap_or(StatusCode::SERVICE_UNAVAILABLE),
            retry_after: map.duration("retry_after"),
        }
    });
    let partial = map.map("partial_success", |map| Fault::PartialSuccess {
        rejected: map.whole("rejected", 1..=u64::MAX).unwrap_or(1),
    });
    let reset = map.choice("reset_stream", &RESET_CODES);
    let reset = reset.map(|code| Fault::ResetStream { code });
    let plain = [
        ("reset_connection", Fault::ResetConnection),
        ("silence", Fault::Silence),
    ];
    let plain = plain.map(|(key, fault)| map.boolean(key).filter(|on| *on).map(|_| fault));
    let bytes = |map: &mut Map<'_>, key| {
        let bytes = map.whole(key, 1..=ANSWER_MAX)?;
        usize::try_from(bytes).ok()
    };
    let oversize = bytes(map, "oversize").map(|bytes| Fault::Oversize { bytes });
    let garbage = bytes(map, "garbage").map(|bytes| Fault::Garbage { bytes });
    const KINDS: [&str; 7] = [
        "refuse",
        "partial_success",
        "reset_stream",
        "reset_connection",
        "silence",
        "oversize",
        "garbage",
    ];
    if !has_one(map, &KINDS) {
        map.rule(
            "a fault is one of refuse, partial_success, reset_stream, reset_connection, silence, \
             oversize and garbage",
        );
    }
    let [reset_connection, silence] = plain;
    let all = [
        refuse,
        partial,
        reset,
        reset_connection,
        silence,
        oversize,
        garbage,
    ];
    Some((share, all.into_iter().flatten().next()?))
}

fn connections(map: &mut Map<'_>) -> Connections {
    Connections {
        refused: share(map, "refused").unwrap_or(0.0),
        closed_windows: share(map, "closed_windows").unwrap_or(0.0),
        frozen_after: map.whole("frozen_after", 1..=u64::MAX),
        goaway_after: map.whole("goaway_after", 1..=u64::MAX),
        bytes_per_second: map.whole("bytes_per_second", 1..=u64::MAX),
    }
}

fn share(map: &mut Map<'_>, key: &'static str) -> Option<f64> {
    map.parsed(key, "a share from 0 to 1", |text| within(text, 1.0))
}

fn within(text: &str, max: f64) -> Option<f64> {
    let number = text.parse().ok();
    number.filter(|number| (0.0..=max).contains(number))
}

fn has_one(map: &Map<'_>, keys: &[&str]) -> bool {
    keys.iter().filter(|key| map.has(key)).count() == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_read() {
        let text = include_str!("../../../examples/sink/flaky.yaml");
        let script = Script::read(text, "flaky.yaml").expect("the example is a script");
        let names: Vec<_> = script.phases.iter().map(|phase| &*phase.name).collect();
        assert_eq!(
            names,
            ["healthy", "refusing", "flaky", "rude", "healthy again"]
        );
        let faults = script.phases.iter().flat_map(|phase| &phase.faults);
        let mut kinds: Vec<_> = faults.map(|(_, fault)| fault.name()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        assert_eq!(kinds.len(), 7, "the example shows every fault: {kinds:?}");
        let Phase {
            latency, faults, ..
        } = &script.phases[1];
        assert_eq!(*latency, Latency::Fixed(Duration::from_millis(2)));
        let refusal = Fault::Refuse {
            grpc: Code::Unavailable,
            http: StatusCode::SERVICE_UNAVAILABLE,
            retry_after: Some(Duration::from_millis(200)),
        };
        assert_eq!(faults[0], (0.5, refusal));
    }

    #[test]
    fn what_does_not_go_together_is_said_with_its_place() {
        for (text, expected) in [
            ("seed: 1", "a script has phases"),
            (
                "phases: [{}, {for: 1s}]",
                "only the last phase may do without an end",
            ),
            (
                "phases: [{for: 1s, requests: 5}]",
                "phases.0: a phase ends by for or by requests",
            ),
            (
                "phases: [{latency: {}}]",
                "phases.0.latency: a latency is one of",
            ),
            (
                "phases: [{latency: {lognormal: {median: 1s}}}]",
                "lognormal needs median and sigma",
            ),
            (
                "phases: [{faults: [{share: 0.5}]}]",
                "phases.0.faults.0: a fault is one of",
            ),
            (
                "phases: [{faults: [{silence: true, garbage: 1}]}]",
                "a fault is one of",
            ),
            (
                "phases: [{faults: [{share: 2, silence: true}]}]",
                "a share from 0 to 1",
            ),
            (
                "phases: [{faults: [{share: 0.6, silence: true}, {share: 0.6, garbage: 1}]}]",
                "add up to more than 1",
            ),
            (
                "phases: [{faults: [{refuse: {http: 200}}]}]",
                "phases.0.faults.0.refuse.http",
            ),
            ("phases: [{faults: [{refuse: {grpc: ok}}]}]", "unavailable"),
            (
                "phases: [{connections: {goaway: 5}}]",
                "did you mean \"goaway_after\"",
            ),
        ] {
            let faults = Script::read(text, "script.yaml")
                .expect_err(text)
                .to_string();
            assert!(faults.contains(expected), "{text}: {faults}");
        }
    }
}
