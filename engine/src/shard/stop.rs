//! How a shard stops, step by step. Pure: the shell does what a step says.
//!
//! ```text
//!   running -> draining -> closing -> ended
//! ```
//!
//! Draining, it takes no requests and delivers what is inside. A shard that is drained says so and
//! goes on serving the others, which may still hand it batches, or owe it verdicts. It closes when
//! control says that all are drained, or when its time is up. Closing, it gives up what is left,
//! and lets the last replies and GOAWAYs out.

use crate::time::Instant;
use std::time::Duration;

/// How long connections get to write their last words.
const CLOSE_GRACE: Duration = Duration::from_millis(500);

/// Where a shard stands.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum Stop {
    #[default]
    Running,
    Draining {
        /// When it closes whatever is left.
        until: Instant,
        /// Control was told that it is drained.
        told: bool,
        /// Control says that every shard is.
        all_drained: bool,
    },
    Closing {
        until: Instant,
    },
    Ended,
}

/// What the shell does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Tell control that nothing of this shard is left.
    TellDrained,
    /// Give up what is left and close every connection.
    Close,
    /// Every connection is gone, or had its time.
    End,
}

impl Stop {
    pub const fn is_running(self) -> bool {
        matches!(self, Self::Running)
    }

    /// Begins to stop. `false` if it had begun.
    pub const fn begin(&mut self, until: Instant) -> bool {
        let first = self.is_running();
        if first {
            *self = Self::Draining {
                until,
                told: false,
                all_drained: false,
            };
        }
        first
    }

    /// Every shard is drained: nothing comes from the others any more.
    pub const fn handle_all_drained(&mut self) {
        if let Self::Draining { all_drained, .. } = self {
            *all_drained = true;
        }
    }

    /// The next step, if one is due. `drained`: nothing is left to deliver or answer.
    /// `connected`: connections are open, in or out.
    pub fn advance(&mut self, now: Instant, drained: bool, connected: bool) -> Option<Step> {
        match self {
            Self::Draining {
                until,
                told,
                all_drained,
            } => {
                if *all_drained || now >= *until {
                    let until = now + CLOSE_GRACE;
                    *self = Self::Closing { until };
                    return Some(Step::Close);
                }
                let tell = drained && !*told;
                *told |= tell;
                tell.then_some(Step::TellDrained)
            }
            Self::Closing { until } if !connected || now >= *until => {
                *self = Self::Ended;
                Some(Step::End)
            }
            Self::Running | Self::Closing { .. } | Self::Ended => None,
        }
    }

    /// When to ask again though nothing happened.
    pub const fn next_timeout(self) -> Option<Instant> {
        match self {
            Self::Draining { until, .. } | Self::Closing { until } => Some(until),
            Self::Running | Self::Ended => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: Instant = Instant(1_000_000_000);

    fn draining() -> Stop {
        let mut stop = Stop::default();
        assert!(stop.begin(END));
        stop
    }

    #[test]
    fn a_drained_shard_says_so_once_and_waits_for_the_others() {
        let mut stop = draining();
        assert_eq!(stop.advance(Instant(1), false, true), None);
        assert_eq!(
            stop.advance(Instant(2), true, false),
            Some(Step::TellDrained)
        );
        // A peer's batch comes and goes.
        assert_eq!(stop.advance(Instant(3), false, true), None);
        assert_eq!(stop.advance(Instant(4), true, false), None);
        stop.handle_all_drained();
        assert_eq!(stop.advance(Instant(5), true, true), Some(Step::Close));
        assert_eq!(
            stop.advance(Instant(6), true, true),
            None,
            "GOAWAYs are out"
        );
        assert_eq!(stop.advance(Instant(7), true, false), Some(Step::End));
        assert_eq!(stop.advance(Instant(8), true, false), None);
    }

    #[test]
    fn time_ends_every_wait() {
        let mut stop = draining();
        assert_eq!(stop.next_timeout(), Some(END));
        assert_eq!(stop.advance(END, false, true), Some(Step::Close));
        let last = stop.next_timeout().expect("a grace");
        assert_eq!(stop.advance(last, false, true), Some(Step::End));
        assert_eq!(stop.next_timeout(), None);
    }

    #[test]
    fn it_begins_once() {
        let mut stop = draining();
        assert!(!stop.begin(Instant(5)));
        assert_eq!(stop.next_timeout(), Some(END));
        let mut running = Stop::default();
        running.handle_all_drained();
        assert!(running.is_running());
    }
}
