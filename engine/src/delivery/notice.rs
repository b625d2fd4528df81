//! What people should know of a destination's answers, and how often they are told.
//!
//! One line for each failed batch would bury everything else when a destination is down, so of all
//! that happens to a lane within [`PERIOD`] the first is told, with how many were not.

use super::Verdict;
use super::verdict::Cause;
use crate::exchange::Failure;
use crate::flow::balancing::standing::Ejection;
use crate::flow::breaker::Tripped;
use crate::flow::ladder;
use crate::time::Instant;
use std::fmt;
use std::time::Duration;

/// Between two notices of one lane.
const PERIOD: Duration = Duration::from_secs(10);

/// One thing worth a line in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub what: What,
    /// Notices of the lane since the last that was told.
    pub untold: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Any verdict but a plain success.
    Answered(Verdict),
    /// Nobody took a connection, none had room in time, or the file could not be written.
    Unsent,
    /// The bytes could not be made into what the destination takes.
    Unfit,
    /// The queue was full, and its overflow policy dropped something.
    Overflow,
    /// The destination failed too often: it is left alone for a while.
    CircuitOpened(Tripped),
    CircuitClosed,
    /// One of several endpoints is left alone for a while.
    EndpointOut {
        name: Box<str>,
        why: Ejection,
    },
    EndpointBack {
        name: Box<str>,
    },
    /// The queue fills, or empties again, and the next step of its ladder is taken.
    Degraded(ladder::Change),
    /// Another level of endpoints is in use.
    Level {
        from: usize,
        to: usize,
    },
}

/// Says which notices of one lane are told.
#[derive(Debug, Clone, Copy, Default)]
pub struct Notices {
    silent_until: Instant,
    untold: u64,
}

impl Notices {
    /// `None`: not now. `what` is made for those that are told.
    pub fn tell(&mut self, now: Instant, what: impl FnOnce() -> What) -> Option<Notice> {
        if now < self.silent_until {
            self.untold += 1;
            return None;
        }
        self.silent_until = now + PERIOD;
        Some(Notice {
            what: what(),
            untold: std::mem::take(&mut self.untold),
        })
    }
}

impl Notices {
    /// For what happens once and must not be missed.
    pub const fn announce(&mut self, what: What) -> Notice {
        let untold = std::mem::replace(&mut self.untold, 0);
        Notice { what, untold }
    }
}

impl Verdict {
    /// Whether anybody would want to know.
    pub const fn is_notable(&self) -> bool {
        !matches!(self, Self::Delivered { warning: None } | Self::RetryNow)
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.what.fmt(f)
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered(verdict) => verdict.fmt(f),
            Self::Unsent => f.write_str("could not be sent: nobody took it"),
            Self::Unfit => f.write_str("a batch cannot be put into the destination's format"),
            Self::Overflow => {
                f.write_str("the queue is full: items were dropped, as `overflow` says")
            }
            Self::CircuitOpened(tripped) => write!(f, "the circuit is open: {tripped}"),
            Self::CircuitClosed => f.write_str("the circuit is closed: it answers again"),
            Self::Degraded(ladder::Change { from, to }) if to > from => write!(
                f,
                "the queue fills: it goes from {} to {}",
                from.name(),
                to.name()
            ),
            Self::Degraded(ladder::Change { from, to }) => write!(
                f,
                "the queue empties: it goes back from {} to {}",
                from.name(),
                to.name()
            ),
            Self::EndpointOut { name, why } => {
                write!(f, "the endpoint {name} is left alone: {why}")
            }
            Self::EndpointBack { name } => write!(f, "the endpoint {name} is back"),
            Self::Level { from, to } if to > from => {
                write!(
                    f,
                    "no endpoint of priority level {from} is left: level {to} takes over"
                )
            }
            Self::Level { from, to } => {
                write!(f, "priority level {to} has lasted: back from level {from}")
            }
        }
    }
}

impl fmt::Display for Ejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConsecutiveFailures(failures) => write!(f, "{failures} failures in a row"),
            Self::FailureRatio { failed, requests } => {
                write!(f, "{failed} of {requests} requests failed")
            }
            Self::Unreachable => f.write_str("it takes no connection"),
            Self::Probe => f.write_str("a probe failed"),
        }
    }
}

impl fmt::Display for Tripped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConsecutiveFailures(failures) => write!(f, "{failures} failures in a row"),
            Self::FailureRatio { failed, requests } => {
                write!(f, "{failed} of {requests} requests failed")
            }
            Self::Probe => f.write_str("a probe failed"),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delivered { warning: None } => f.write_str("delivered"),
            Self::Delivered {
                warning: Some(warning),
            } => write!(f, "delivered, with a warning: {warning}"),
            Self::Partial {
                rejected_items,
                message,
            } => write!(f, "{rejected_items} items rejected: {message}"),
            Self::Retry { after: None, cause } => write!(f, "not taken for now: {cause}"),
            Self::Retry {
                after: Some(after),
                cause,
            } => write!(f, "not taken for the next {after:?}: {cause}"),
            Self::RetryNow => f.write_str("not processed"),
            Self::TooLarge(_) => f.write_str("too large for the destination, will be split"),
            Self::Refused { cause, message } if message.is_empty() => write!(f, "refused: {cause}"),
            Self::Refused { cause, message } => write!(f, "refused: {cause}: {message}"),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Grpc(code) => f.write_str(code.name()),
            Self::Http(status) => write!(f, "HTTP {status}"),
            Self::Failed(failure) => f.write_str(match failure {
                Failure::Unprocessed => "not processed",
                Failure::ConnectionLost => "the connection was lost",
                Failure::TimedOut => "no answer in time",
                Failure::ResponseTooLarge => "the answer is larger than 4 MiB",
                Failure::Malformed => "the answer is not what the protocol allows",
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;
    use tailrace_codec::grpc::Code;

    #[test]
    fn the_first_is_told_and_then_how_many_were_not() {
        let mut notices = Notices::default();
        let mut tell = |seconds: u64| {
            let now = Instant(0) + Duration::from_secs(seconds);
            let told = notices.tell(now, || What::Unsent);
            told.map(|notice| notice.untold)
        };
        assert_eq!(tell(1), Some(0));
        assert_eq!([tell(2), tell(10)], [None, None]);
        assert_eq!(tell(11), Some(2));
        assert_eq!(tell(30), Some(0));
    }

    #[test]
    fn lines_say_who_said_what() {
        let cause = Cause::Http(StatusCode::UNAUTHORIZED);
        let message = "bad token".into();
        let refused = Verdict::Refused { cause, message };
        assert_eq!(
            refused.to_string(),
            "refused: HTTP 401 Unauthorized: bad token"
        );
        let retry = Verdict::Retry {
            after: Some(Duration::from_secs(3)),
            cause: Cause::Grpc(Code::Unavailable),
        };
        let said = "not taken for the next 3s: UNAVAILABLE";
        assert_eq!(retry.to_string(), said);
    }

    #[test]
    fn a_plain_success_is_nothing_to_tell() {
        assert!(!Verdict::Delivered { warning: None }.is_notable());
        let warning = Some("deprecated".into());
        assert!(Verdict::Delivered { warning }.is_notable());
    }
}
