//! When to PING a silent peer, and when to give it up.

use crate::exchange::Keepalive;
use crate::time::Instant;

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Nothing,
    Ping,
    /// The peer did not answer in time.
    GiveUp,
}

/// The keepalive of one connection, as a state machine.
///
/// Anything the peer sends counts as a sign of life, and a PING is sent after a silence of
/// `time`; without `permit_without_stream` only while a stream is open.
/// Source: <https://github.com/grpc/proposal/blob/master/A8-client-side-keepalive.md>
#[derive(Debug)]
pub(super) struct Pinger {
    keepalive: Option<Keepalive>,
    heard: Instant,
    /// When the unanswered PING was sent.
    pinged: Option<Instant>,
}

impl Pinger {
    pub(super) const fn new(keepalive: Option<Keepalive>, now: Instant) -> Self {
        Self {
            keepalive,
            heard: now,
            pinged: None,
        }
    }

    /// The peer sent something.
    pub(super) const fn handle_heard(&mut self, now: Instant) {
        self.heard = now;
        self.pinged = None;
    }

    /// A stream opens while none was: the silence before it says nothing about the peer, but is
    /// long enough to ask.
    pub(super) fn poll(&mut self, streams_open: bool, now: Instant) -> Action {
        if now < self.next_timeout(streams_open) {
            return Action::Nothing;
        }
        if self.pinged.is_some() {
            return Action::GiveUp;
        }
        self.pinged = Some(now);
        Action::Ping
    }

    /// When [`Self::poll`] has something to say, unless the peer is heard before.
    pub(super) fn next_timeout(&self, streams_open: bool) -> Instant {
        match (self.keepalive, self.pinged) {
            (None, _) => Instant::NEVER,
            (Some(keepalive), Some(pinged)) => pinged + keepalive.timeout,
            (Some(keepalive), None) if streams_open || keepalive.permit_without_stream => {
                self.heard + keepalive.time
            }
            (Some(_), None) => Instant::NEVER,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const SECOND: u64 = 1_000_000_000;

    fn pinger(permit_without_stream: bool) -> Pinger {
        let keepalive = Keepalive {
            time: Duration::from_secs(10),
            timeout: Duration::from_secs(2),
            permit_without_stream,
        };
        Pinger::new(Some(keepalive), Instant(0))
    }

    #[test]
    fn a_silent_peer_is_asked_once_and_then_given_up() {
        let mut pinger = pinger(false);
        assert_eq!(pinger.poll(true, Instant(9 * SECOND)), Action::Nothing);
        assert_eq!(pinger.poll(true, Instant(10 * SECOND)), Action::Ping);
        assert_eq!(pinger.poll(true, Instant(11 * SECOND)), Action::Nothing);
        assert_eq!(pinger.next_timeout(true), Instant(12 * SECOND));
        assert_eq!(pinger.poll(true, Instant(12 * SECOND)), Action::GiveUp);
    }

    #[test]
    fn any_sign_of_life_starts_anew() {
        let mut pinger = pinger(false);
        assert_eq!(pinger.poll(true, Instant(10 * SECOND)), Action::Ping);
        pinger.handle_heard(Instant(11 * SECOND));
        assert_eq!(pinger.poll(true, Instant(12 * SECOND)), Action::Nothing);
        assert_eq!(pinger.next_timeout(true), Instant(21 * SECOND));
    }

    #[test]
    fn without_a_stream_only_when_permitted() {
        assert_eq!(
            pinger(false).poll(false, Instant(60 * SECOND)),
            Action::Nothing
        );
        assert_eq!(pinger(true).poll(false, Instant(60 * SECOND)), Action::Ping);
        let mut none = Pinger::new(None, Instant(0));
        assert_eq!(none.poll(true, Instant(60 * SECOND)), Action::Nothing);
        assert_eq!(none.next_timeout(true), Instant::NEVER);
    }
}
