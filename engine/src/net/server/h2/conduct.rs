//! Whether a peer keeps to what was agreed: its PINGs, and the time its header blocks take.
//!
//! Decisions only: what was seen and `now` in, a verdict out.

use crate::net::server::settings::Pings;
use crate::time::Instant;
use std::time::Duration;

/// PINGs that come too early and are forgiven, as grpc-go does.
const PING_STRIKES_MAX: u32 = 2;

/// How often a peer without open requests may ping, where that is not permitted at all: the two
/// hours that TCP itself would wait.
const UNWELCOME_PING_INTERVAL: Duration = Duration::from_secs(2 * 60 * 60);

/// What follows from what was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(super) enum Verdict {
    Fine,
    /// Close with ENHANCE_YOUR_CALM.
    TooMuch,
}

/// The conduct of one peer.
#[derive(Debug)]
pub(super) struct Conduct {
    policy: Pings,
    head_timeout: Duration,
    pinged_at: Option<Instant>,
    strikes: u32,
    /// The number of the frame or header block that is incomplete, and since when.
    slow_head: Option<(u64, Instant)>,
}

impl Conduct {
    /// `head_timeout`: from the first byte of a header block to its last.
    pub(super) const fn new(policy: Pings, head_timeout: Duration) -> Self {
        Self {
            policy,
            head_timeout,
            pinged_at: None,
            strikes: 0,
            slow_head: None,
        }
    }

    /// `count` PINGs came; `is_open` says whether a request is open.
    pub(super) fn handle_pings(&mut self, count: u64, is_open: bool, now: Instant) -> Verdict {
        // What came in one read came at one time: beyond the strikes the count does not matter.
        for _ in 0..count.min(u64::from(PING_STRIKES_MAX) + 2) {
            if !self.handle_ping(is_open, now) {
                return Verdict::TooMuch;
            }
        }
        Verdict::Fine
    }

    fn handle_ping(&mut self, is_open: bool, now: Instant) -> bool {
        let interval = match is_open || self.policy.permit_without_stream {
            true => self.policy.min_time,
            false => UNWELCOME_PING_INTERVAL,
        };
        let is_early = self.pinged_at.is_some_and(|last| now < last + interval);
        self.pinged_at = Some(now);
        self.strikes += u32::from(is_early);
        self.strikes <= PING_STRIKES_MAX
    }

    /// A reply was sent, which gives a peer reason to measure: its strikes are forgotten.
    pub(super) const fn handle_reply(&mut self) {
        self.strikes = 0;
        self.pinged_at = None;
    }

    /// The number of what is incomplete, if anything is.
    pub(super) fn handle_incomplete(&mut self, number: Option<u64>, now: Instant) {
        self.slow_head = match (number, self.slow_head) {
            (Some(number), Some((known, since))) if number == known => Some((known, since)),
            (Some(number), _) => Some((number, now)),
            (None, _) => None,
        };
    }

    /// When a header block that is incomplete has taken too long.
    pub(super) fn next_timeout(&self) -> Instant {
        self.slow_head
            .map_or(Instant::NEVER, |(_, since)| since + self.head_timeout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::server::settings::Settings;

    fn at(seconds: u64) -> Instant {
        Instant(0) + Duration::from_secs(seconds)
    }

    fn conduct(permit_without_stream: bool) -> Conduct {
        let policy = Pings {
            min_time: Duration::from_secs(300),
            permit_without_stream,
            ..Settings::default().pings
        };
        Conduct::new(policy, Duration::from_secs(10))
    }

    #[test]
    fn pings_at_the_permitted_interval_are_fine_for_ever() {
        let mut conduct = conduct(true);
        for round in 0..100 {
            let verdict = conduct.handle_pings(1, false, at(300 * round));
            assert_eq!(verdict, Verdict::Fine);
        }
    }

    #[test]
    fn early_pings_are_forgiven_twice() {
        for is_open in [true, false] {
            let mut conduct = conduct(false);
            // Without an open request an interval of minutes is still too short.
            let gap = if is_open { 10 } else { 400 };
            for round in 0..3 {
                let verdict = conduct.handle_pings(1, is_open, at(gap * round));
                assert_eq!(verdict, Verdict::Fine);
            }
            let verdict = conduct.handle_pings(1, is_open, at(gap * 3));
            assert_eq!(verdict, Verdict::TooMuch);
        }
    }

    #[test]
    fn a_reply_forgets_the_strikes() {
        let mut conduct = conduct(false);
        for round in 0..100 {
            assert_eq!(conduct.handle_pings(1, true, at(round)), Verdict::Fine);
            conduct.handle_reply();
        }
    }

    #[test]
    fn a_header_block_has_its_time_however_often_it_moves() {
        let mut conduct = conduct(false);
        conduct.handle_incomplete(Some(1), at(0));
        conduct.handle_incomplete(Some(1), at(9));
        assert_eq!(conduct.next_timeout(), at(10));
        conduct.handle_incomplete(Some(2), at(9));
        assert_eq!(conduct.next_timeout(), at(19));
        conduct.handle_incomplete(None, at(12));
        assert_eq!(conduct.next_timeout(), Instant::NEVER);
    }
}
