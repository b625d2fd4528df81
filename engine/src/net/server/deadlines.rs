//! When a connection is asked to leave, pinged, or cut. Decisions only: events and `now` in, the
//! next thing that is due out.
//!
//! ```text
//!   open --idle or age--> draining --grace, or idle and unanswered--> cut
//!    |                        |
//!    +------- PING unanswered, or a reply not taken in time --------> cut
//! ```

use super::settings::{Lifetime, Pings, Settings};
use crate::time::Instant;
use std::time::Duration;

/// The times of one connection.
///
/// Invariant: while draining, `drain_at` is never; while a PING is out, `ping_at` is when it must
/// have been answered.
#[derive(Debug)]
pub(super) struct Deadlines {
    lifetime: Lifetime,
    pings: Pings,
    reply_timeout: Duration,
    /// Since when no request is open. `None` while one is.
    idle_since: Option<Instant>,
    /// The age at which the connection drains.
    drain_at: Instant,
    /// Since when the connection drains.
    draining_since: Option<Instant>,
    cut_at: Instant,
    /// The last sign of life from the peer.
    seen_at: Instant,
    /// When the PING that is out was sent.
    pinged_at: Option<Instant>,
    /// Since when replies wait for the peer to take them, and nothing else happens.
    owing_since: Option<Instant>,
}

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// Idle or old: GOAWAY, finish what is open.
    Drain,
    /// Send a PING.
    Ping,
    /// Close without waiting.
    Cut,
}

impl Deadlines {
    /// A connection opened at `now`. `seed` spreads the ages of connections opened together, by
    /// 10 % each way as grpc-go does, so that they do not all come back in the same moment.
    pub(super) fn new(settings: &Settings, now: Instant, seed: u32) -> Self {
        let Settings {
            lifetime, pings, ..
        } = *settings;
        Self {
            lifetime,
            pings,
            reply_timeout: settings.timeouts.reply,
            idle_since: Some(now),
            drain_at: now + spread(lifetime.age_max, seed),
            draining_since: None,
            cut_at: Instant::NEVER,
            seen_at: now,
            pinged_at: None,
            owing_since: None,
        }
    }

    /// Something came from the peer.
    pub(super) fn handle_sign(&mut self, now: Instant) {
        self.seen_at = now;
    }

    /// The PING was answered.
    pub(super) fn handle_pong(&mut self, now: Instant) {
        self.seen_at = now;
        self.pinged_at = None;
    }

    /// Says how the connection stands: whether requests are open, and whether replies that are
    /// done here still wait for the peer to take them.
    pub(super) fn handle_load(&mut self, open: bool, owing: bool, now: Instant) {
        self.idle_since = match (open || owing, self.idle_since) {
            (true, _) => None,
            (false, None) => Some(now),
            (false, since) => since,
        };
        self.owing_since = match (owing && !open, self.owing_since) {
            (false, _) => None,
            (true, None) => Some(now),
            (true, since) => since,
        };
    }

    /// The connection drains from now on, for whatever reason.
    pub(super) fn handle_drain(&mut self, now: Instant) {
        if self.draining_since.is_none() {
            self.draining_since = Some(now);
            self.drain_at = Instant::NEVER;
        }
    }

    /// Whether a PING is out.
    pub(super) const fn pinged(&self) -> bool {
        self.pinged_at.is_some()
    }

    /// What is due at `now`; called until it returns `None`.
    pub(super) fn poll(&mut self, now: Instant) -> Option<Due> {
        if now >= self.cut_at || now >= self.owing_until() || now >= self.farewell_until() {
            return Some(Due::Cut);
        }
        if self.pinged_at.is_some() {
            if now >= self.ping_at() {
                return Some(Due::Cut);
            }
        } else if now >= self.ping_at() {
            self.pinged_at = Some(now);
            return Some(Due::Ping);
        }
        if self.draining_since.is_none() && now >= self.drain_at.min(self.idle_until()) {
            self.handle_drain(now);
            self.cut_at = now + self.lifetime.age_grace;
            return Some(Due::Drain);
        }
        None
    }

    /// When [`Self::poll`] may have something to say next.
    pub(super) fn next_timeout(&self) -> Instant {
        self.cut_at
            .min(self.owing_until())
            .min(self.farewell_until())
            .min(self.ping_at())
            .min(self.drain_at)
            .min(self.idle_until())
    }

    fn idle_until(&self) -> Instant {
        match (self.draining_since, self.idle_since) {
            (None, Some(since)) => since + self.lifetime.idle_max,
            _ => Instant::NEVER,
        }
    }

    /// A draining connection without requests only waits for the peer to see that: a peer that
    /// does not answer in the time of a PING is gone.
    fn farewell_until(&self) -> Instant {
        match (self.draining_since, self.idle_since) {
            (Some(draining), Some(idle)) => draining.max(idle) + self.pings.timeout,
            _ => Instant::NEVER,
        }
    }

    fn owing_until(&self) -> Instant {
        self.owing_since
            .map_or(Instant::NEVER, |since| since + self.reply_timeout)
    }

    /// When the next PING is due, or the one that is out must have been answered.
    fn ping_at(&self) -> Instant {
        match self.pinged_at {
            Some(sent) => sent.max(self.seen_at) + self.pings.timeout,
            None => self.seen_at + self.pings.time,
        }
    }
}

/// `age` less or more 10 %, by a hash of `seed`.
fn spread(age: Duration, seed: u32) -> Duration {
    let permille = 900 + u64::from(seed.wrapping_mul(0x9e37_79b9) >> 8) % 201;
    let nanos = age.as_nanos() * u128::from(permille) / 1000;
    u64::try_from(nanos).map_or(Duration::MAX, Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn at(seconds: u64) -> Instant {
        Instant(seconds * SECOND)
    }

    fn settings() -> Settings {
        Settings {
            lifetime: Lifetime {
                idle_max: Duration::from_secs(60),
                age_max: Duration::from_secs(1000),
                age_grace: Duration::from_secs(30),
            },
            pings: Pings {
                time: Duration::from_secs(7200),
                timeout: Duration::from_secs(20),
                ..Settings::default().pings
            },
            ..Settings::default()
        }
    }

    /// Everything due at `now`.
    fn due(deadlines: &mut Deadlines, now: Instant) -> Vec<Due> {
        let mut all = Vec::new();
        while let Some(due) = deadlines.poll(now) {
            all.push(due);
            if due == Due::Cut {
                break;
            }
        }
        all
    }

    #[test]
    fn an_idle_connection_drains_and_is_cut_if_the_peer_is_silent() {
        let mut deadlines = Deadlines::new(&settings(), at(0), 0);
        assert_eq!(deadlines.next_timeout(), at(60));
        assert_eq!(due(&mut deadlines, at(59)), []);
        assert_eq!(due(&mut deadlines, at(60)), [Due::Drain]);
        assert_eq!(due(&mut deadlines, at(79)), []);
        assert_eq!(due(&mut deadlines, at(80)), [Due::Cut]);
    }

    #[test]
    fn an_open_request_keeps_a_connection_from_being_idle() {
        let mut deadlines = Deadlines::new(&settings(), at(0), 0);
        deadlines.handle_load(true, false, at(50));
        assert_eq!(due(&mut deadlines, at(100)), []);
        deadlines.handle_load(false, false, at(100));
        assert_eq!(due(&mut deadlines, at(159)), []);
        assert_eq!(due(&mut deadlines, at(160)), [Due::Drain]);
    }

    #[test]
    fn an_old_connection_drains_and_its_requests_get_the_grace() {
        let mut deadlines = Deadlines::new(&settings(), at(0), 0);
        deadlines.handle_load(true, false, at(0));
        let old = deadlines.next_timeout();
        assert!((at(900)..=at(1100)).contains(&old), "{old:?}");
        assert_eq!(due(&mut deadlines, old), [Due::Drain]);
        assert_eq!(due(&mut deadlines, old + Duration::from_secs(29)), []);
        assert_eq!(
            due(&mut deadlines, old + Duration::from_secs(30)),
            [Due::Cut]
        );
    }

    #[test]
    fn a_silent_peer_is_pinged_then_cut_and_an_answer_saves_it() {
        let mut settings = settings();
        settings.lifetime.idle_max = Duration::MAX;
        settings.lifetime.age_max = Duration::MAX;
        let mut deadlines = Deadlines::new(&settings, at(0), 0);
        assert_eq!(due(&mut deadlines, at(7200)), [Due::Ping]);
        deadlines.handle_pong(at(7201));
        assert_eq!(due(&mut deadlines, at(7300)), []);
        assert_eq!(due(&mut deadlines, at(14_401)), [Due::Ping]);
        assert_eq!(deadlines.next_timeout(), at(14_421));
        assert_eq!(due(&mut deadlines, at(14_421)), [Due::Cut]);
    }

    #[test]
    fn replies_that_are_not_taken_cut_the_connection() {
        let mut deadlines = Deadlines::new(&settings(), at(0), 0);
        deadlines.handle_load(false, true, at(10));
        deadlines.handle_load(false, true, at(20));
        assert_eq!(due(&mut deadlines, at(39)), []);
        assert_eq!(due(&mut deadlines, at(40)), [Due::Cut]);
    }

    #[test]
    fn without_limits_nothing_is_ever_due() {
        let mut settings = Settings::default();
        settings.pings.time = Duration::MAX;
        let mut deadlines = Deadlines::new(&settings, at(0), 7);
        assert_eq!(deadlines.next_timeout(), Instant::NEVER);
        assert_eq!(due(&mut deadlines, Instant(u64::MAX - 1)), []);
    }

    #[test]
    fn ages_spread_by_a_tenth_each_way() {
        let ages: Vec<_> = (0..1000)
            .map(|seed| spread(Duration::from_secs(1000), seed).as_secs())
            .collect();
        assert!(ages.iter().all(|age| (900..=1100).contains(age)));
        assert!(ages.iter().any(|age| *age < 920) && ages.iter().any(|age| *age > 1080));
    }
}
