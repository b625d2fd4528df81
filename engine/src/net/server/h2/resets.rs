//! How often a peer may reset requests that were begun.
//!
//! h2 counts resets of streams that nobody accepted yet; those that were accepted cost us more,
//! and resetting them is as cheap for the peer (CVE-2023-44487). A bucket of tokens, filled with
//! time, tells a client that gives up now and then from one that does nothing else.

use super::conduct::Verdict;
use crate::time::Instant;

/// Resets at once, and each second. Values of nghttp2, for the same purpose:
/// <https://nghttp2.org/documentation/nghttp2_option_set_stream_reset_rate_limit.html>
const BURST: u64 = 1000;
const PER_SECOND: u64 = 33;

const NANOS_PER_TOKEN: u64 = 1_000_000_000 / PER_SECOND;

/// Invariant: `tokens <= BURST`.
#[derive(Debug)]
pub(super) struct ResetMeter {
    tokens: u64,
    /// When the last token was added.
    filled_at: Instant,
}

impl ResetMeter {
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            tokens: BURST,
            filled_at: now,
        }
    }

    /// Counts a reset.
    pub(super) fn handle_reset(&mut self, now: Instant) -> Verdict {
        let earned = now.0.saturating_sub(self.filled_at.0) / NANOS_PER_TOKEN;
        self.filled_at = Instant(self.filled_at.0 + earned * NANOS_PER_TOKEN);
        self.tokens = self.tokens.saturating_add(earned).min(BURST);
        match self.tokens.checked_sub(1) {
            Some(left) => {
                self.tokens = left;
                Verdict::Fine
            }
            None => Verdict::TooMuch,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_burst_passes_and_a_flood_does_not() {
        let start = Instant(0);
        let mut meter = ResetMeter::new(start);
        for _ in 0..BURST {
            assert_eq!(meter.handle_reset(start), Verdict::Fine);
        }
        assert_eq!(meter.handle_reset(start), Verdict::TooMuch);
        let later = start + Duration::from_secs(2);
        let passed = (0..100)
            .filter(|_| meter.handle_reset(later) == Verdict::Fine)
            .count();
        assert_eq!(passed, 2 * PER_SECOND as usize);
    }

    #[test]
    fn a_steady_rate_passes_for_ever() {
        let mut meter = ResetMeter::new(Instant(0));
        for reset in 0..100_000 {
            let verdict = meter.handle_reset(Instant(reset * NANOS_PER_TOKEN));
            assert_eq!(verdict, Verdict::Fine);
        }
    }
}
