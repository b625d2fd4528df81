//! Adaptive concurrency: how many requests a destination is given at once follows from how fast it
//! answers.
//!
//! ```text
//!   each round:   pushed back, or slower than it can be      limit x decrease_ratio
//!                 at the limit, and not slower                limit + 1
//! ```
//!
//! A round is a round trip long, and longer where few answers come. Its mean is compared with the
//! fastest round of the last 16 to 32, which no line at the destination held up; a mean of them would
//! follow a line that grows slowly, and never call it slow. Slower begins at so many standard errors
//! of the two, so that a destination whose times scatter is not shied away from.
//!
//! Source: names and additive increase, multiplicative decrease as in
//! <https://vector.dev/docs/architecture/arc/> (D.-M. Chiu, R. Jain, 1989); the fastest of late as
//! in BBR (<https://datatracker.ietf.org/doc/html/draft-ietf-ccwg-bbr>, 5.5.7).

use crate::time::Instant;
use std::time::Duration;

/// How a limit moves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConcurrencyRule {
    /// At first. 1 to `max`.
    pub initial: usize,
    /// At most.
    pub max: usize,
    /// In (0, 1).
    pub decrease_ratio: f64,
    /// The newest round's weight in what is known of the scatter, in (0, 1).
    pub ewma_alpha: f64,
    /// Standard errors above the fastest from which a round is slow, at least 0.
    pub rtt_deviation_scale: f64,
}

/// One destination's limit. Cost: constant for each request.
#[derive(Debug)]
pub struct Concurrency {
    rule: ConcurrencyRule,
    limit: usize,
    round: Round,
    usual: Option<Usual>,
    /// The round ends at the earliest then: a round trip after it began.
    until: Instant,
}

impl Concurrency {
    pub fn new(rule: ConcurrencyRule) -> Self {
        Self {
            rule,
            limit: rule.initial,
            round: Round::default(),
            usual: None,
            until: Instant(0),
        }
    }

    pub const fn limit(&self) -> usize {
        self.limit
    }

    /// Whether one more request may go.
    pub const fn has_room(&self, in_flight: usize) -> bool {
        in_flight < self.limit
    }

    /// A request goes, and so many are on their way with it.
    pub const fn start(&mut self, in_flight: usize) {
        self.round.reached_limit |= in_flight >= self.limit;
    }

    /// The destination answered after this time.
    pub fn handle_answer(&mut self, round_trip: Duration, now: Instant) {
        self.round.record(round_trip.as_secs_f64());
        if self.round.answers >= ANSWERS_MIN {
            self.end_round(now);
        }
    }

    /// It refused for being busy, or did not answer.
    pub fn handle_push_back(&mut self, now: Instant) {
        self.round.pushed_back = true;
        self.end_round(now);
    }

    fn end_round(&mut self, now: Instant) {
        if now < self.until {
            return;
        }
        let round = std::mem::take(&mut self.round);
        if round.pushed_back || self.is_slow(&round) {
            let limit = self.limit as f64 * self.rule.decrease_ratio;
            self.limit = (limit as usize).max(1);
        } else if round.reached_limit {
            self.limit = (self.limit + 1).min(self.rule.max);
        }
        if round.answers > 0 {
            match &mut self.usual {
                Some(usual) => usual.learn(&round, self.rule.ewma_alpha),
                none => *none = Some(Usual::new(&round)),
            }
        }
        let round_trip = self.usual.map_or(0.0, |usual| usual.latest);
        self.until = now + Duration::try_from_secs_f64(round_trip).unwrap_or(Duration::MAX);
    }

    fn is_slow(&self, round: &Round) -> bool {
        let Some(usual) = self.usual.filter(|_| round.answers > 0) else {
            return false;
        };
        let fastest = usual.fastest();
        // Of the difference of two means of so many answers.
        let error = (2.0 * usual.variance / f64::from(round.answers)).sqrt();
        let error = error.max(ERROR_MIN * fastest);
        round.mean() > fastest + self.rule.rtt_deviation_scale * error
    }
}

/// Answers that a round waits for: of fewer the mean says little.
const ANSWERS_MIN: u32 = 5;

/// Rounds after which the fastest is forgotten, once as many more have passed.
const WINDOW: u32 = 16;

/// A standard error is at least this share of the fastest.
const ERROR_MIN: f64 = 0.04;

/// What was seen since the limit was looked at.
#[derive(Debug, Clone, Copy, Default)]
struct Round {
    answers: u32,
    /// Of the times, in seconds, and of their squares.
    sum: f64,
    squares: f64,
    pushed_back: bool,
    reached_limit: bool,
}

impl Round {
    fn record(&mut self, seconds: f64) {
        self.answers += 1;
        self.sum += seconds;
        self.squares += seconds * seconds;
    }

    fn mean(&self) -> f64 {
        self.sum / f64::from(self.answers)
    }

    /// Of one time, without what differs between rounds.
    fn variance(&self) -> f64 {
        let mean = self.mean();
        (self.squares / f64::from(self.answers) - mean * mean).max(0.0)
    }
}

/// Rounds of late, in seconds.
#[derive(Debug, Clone, Copy)]
struct Usual {
    /// The mean of the newest round.
    latest: f64,
    /// Of one time within its round: weighted by age.
    variance: f64,
    /// The fastest of this window, and of the one before.
    windows: [f64; 2],
    rounds: u32,
}

impl Usual {
    fn new(round: &Round) -> Self {
        Self {
            latest: round.mean(),
            variance: round.variance(),
            windows: [round.mean(); 2],
            rounds: 0,
        }
    }

    const fn fastest(&self) -> f64 {
        self.windows[0].min(self.windows[1])
    }

    fn learn(&mut self, round: &Round, alpha: f64) {
        self.latest = round.mean();
        self.variance += alpha * (round.variance() - self.variance);
        self.rounds += 1;
        if self.rounds == WINDOW {
            self.rounds = 0;
            self.windows = [self.latest, self.windows[0]];
        }
        self.windows[0] = self.windows[0].min(self.latest);
    }
}

#[cfg(test)]
mod tests;
