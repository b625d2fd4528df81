//! Why a connection ended: what h2 says, read with what happened before.

use crate::exchange::CloseReason;
use h2::Reason;

/// What happened on a connection that explains its end.
#[derive(Debug, Default)]
pub(super) struct Ending {
    /// We asked for it: drained, idle or old.
    pub(super) asked: bool,
    /// GOAWAY came.
    going_away: bool,
    /// GOAWAY blamed our PINGs.
    calmed: bool,
    /// No body moved any more.
    pub(super) stalled: bool,
    /// We sent a PING.
    pub(super) pinged: bool,
}

impl Ending {
    /// h2 takes no more streams because of `error`.
    pub(super) fn handle_refusal(&mut self, error: &h2::Error) {
        if error.is_remote() && error.is_go_away() {
            self.going_away = true;
            self.calmed = self.calmed || self.is_about_pings(error);
        }
    }

    /// The reason of an end that h2 reported. `foreign`: what the peer speaks instead of HTTP/2.
    pub(super) fn reason(
        &self,
        result: Result<(), h2::Error>,
        foreign: Option<&'static str>,
    ) -> CloseReason {
        if let Some(what) = foreign {
            return CloseReason::Protocol {
                what: what.to_owned(),
            };
        }
        match result {
            Err(error) if error.is_remote() && self.is_about_pings(&error) => {
                CloseReason::TooManyPings
            }
            _ if self.calmed => CloseReason::TooManyPings,
            Err(error) if error.is_library() => CloseReason::Protocol {
                what: error.to_string(),
            },
            Ok(()) if self.is_orderly() => CloseReason::Drained,
            Ok(()) | Err(_) => CloseReason::Lost,
        }
    }

    /// The reason of an end that we brought about ourselves.
    pub(super) const fn own_reason(&self) -> CloseReason {
        if self.is_orderly() {
            CloseReason::Drained
        } else {
            CloseReason::Lost
        }
    }

    const fn is_orderly(&self) -> bool {
        (self.asked || self.going_away) && !self.stalled
    }

    /// ENHANCE_YOUR_CALM names its cause in the debug data, if at all: `too_many_pings`.
    /// Source: <https://github.com/grpc/proposal/blob/master/A8-client-side-keepalive.md>
    fn is_about_pings(&self, error: &h2::Error) -> bool {
        error.is_go_away()
            && error.reason() == Some(Reason::ENHANCE_YOUR_CALM)
            && (self.pinged || error.to_string().contains("too_many_pings"))
    }
}
