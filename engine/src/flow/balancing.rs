//! Which of several endpoints takes the next batch.
//!
//! ```text
//!   level 0  [a] [b] [c]     in use while one of them is in
//!   level 1  [d] [e]         in use when all above are out; left again `failback_after` they are not
//! ```
//!
//! Within the level in use a policy chooses among the endpoints that are in. One that is out is
//! asked by single probes when its pause is over; a level that came back is asked one request at a
//! time until it has lasted.

mod choice;
pub mod latency;
pub mod ring;
pub mod standing;
#[cfg(test)]
mod tests;

use super::Random;
use crate::time::Instant;
use latency::Latency;
use ring::Ring;
use standing::{Ejection, OutlierRule, Standing, State};
use std::collections::VecDeque;
use std::time::Duration;

/// How one of several endpoints is chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Policy {
    /// Each in turn.
    RoundRobin,
    /// The better of two taken at random, by what is on its way times how long it takes.
    ///
    /// Source: Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing" (2001).
    LeastRequest,
    /// By the batch's key; one with more than `bound` times the mean on its way is passed over.
    ///
    /// Source: Mirrokni, Thorup, Zadimoghaddam, "Consistent Hashing with Bounded Loads" (2016),
    /// <https://arxiv.org/abs/1608.01350>.
    ConsistentHash { by: HashBy, bound: f64 },
}

/// What is kept together on one endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashBy {
    TraceId,
    /// The resource's `service.name`.
    Service,
    /// All of the resource.
    Resource,
}

/// One exporter's endpoints, and how they are used.
#[derive(Debug, Clone, PartialEq)]
pub struct BalancingRule {
    pub policy: Policy,
    /// Name and level of each endpoint. Invariant: not empty; levels count from 0 without a gap.
    pub endpoints: Vec<(String, usize)>,
    pub outlier: Option<OutlierRule>,
    /// How long a better level must have lasted before it is in use again.
    pub failback_after: Duration,
}

/// What people should know of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Ejected { endpoint: usize, why: Ejection },
    Returned { endpoint: usize },
    Level { from: usize, to: usize },
}

/// An attempt on its way to an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pick {
    pub endpoint: usize,
    epoch: u32,
    sent_at: Instant,
}

/// How an attempt ended, for the endpoint's sake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    Answered,
    Failed,
    /// Says nothing of the endpoint: it was never sent.
    Unknown,
}

/// What one endpoint counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    pub requests: u64,
    pub failed: u64,
    pub ejections: u64,
}

#[derive(Debug)]
struct Endpoint {
    level: usize,
    standing: Standing,
    latency: Latency,
    in_flight: u32,
    tally: Tally,
}

/// The endpoints of one exporter in one shard. Cost of a choice: constant, or O(log n) by key,
/// unless an endpoint's state has changed; then O(n) once.
///
/// Invariant: `eligible` are the endpoints of `level` that are in.
#[derive(Debug)]
pub struct Balancing {
    rule: BalancingRule,
    endpoints: Vec<Endpoint>,
    ring: Option<Ring>,
    level: usize,
    eligible: Vec<usize>,
    turn: usize,
    in_flight: u32,
    /// When the first endpoint that is out, of the level in use or a better, may be probed.
    probe_at: Instant,
    /// A better level than the one in use that has somebody in, and since when.
    better: Option<(usize, Instant)>,
    /// When the better level is asked again.
    ask_at: Instant,
    changes: VecDeque<Change>,
    random: Random,
}

/// Requests that a level on its way back is asked at least.
const ASKED_MIN: u32 = 10;

impl Balancing {
    /// `seed`: of the pairs that are compared, and of who comes first.
    pub fn new(rule: BalancingRule, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let endpoint = |(_, level): &(String, usize)| Endpoint {
            level: *level,
            standing: Standing::new(rule.outlier),
            latency: Latency::default(),
            in_flight: 0,
            tally: Tally::default(),
        };
        let endpoints: Vec<_> = rule.endpoints.iter().map(endpoint).collect();
        let by_key = matches!(rule.policy, Policy::ConsistentHash { .. });
        let names = (0..).zip(&rule.endpoints);
        let names = names.map(|(index, (name, _))| (index, name.as_str()));
        let ring = by_key.then(|| Ring::new(names));
        let turn = (random.next_u64() >> 32) as usize;
        let mut balancing = Self {
            rule,
            endpoints,
            ring,
            level: 0,
            eligible: Vec::new(),
            turn,
            in_flight: 0,
            probe_at: Instant::NEVER,
            better: None,
            ask_at: Instant(0),
            changes: VecDeque::new(),
            random,
        };
        balancing.refresh(Instant(0));
        balancing
    }

    /// The endpoint for an attempt, which is on its way to it from here on. `key`: of its data.
    pub fn pick(&mut self, key: u64, now: Instant) -> Pick {
        self.fail_back(now);
        let endpoint = match self.probe(now) {
            Some(probed) => probed,
            None => self.asked(now).unwrap_or_else(|| self.chosen(key, now)),
        };
        let chosen = &mut self.endpoints[endpoint];
        chosen.in_flight += 1;
        chosen.tally.requests += 1;
        self.in_flight += 1;
        Pick {
            endpoint,
            epoch: chosen.standing.epoch(),
            sent_at: now,
        }
    }

    /// An attempt has ended. Every pick ends once.
    pub fn handle_ended(&mut self, pick: Pick, ended: Ended, now: Instant) {
        self.in_flight = self.in_flight.saturating_sub(1);
        let endpoint = &mut self.endpoints[pick.endpoint];
        endpoint.in_flight = endpoint.in_flight.saturating_sub(1);
        match ended {
            Ended::Answered => {
                endpoint.latency.record(now.since(pick.sent_at), now);
                if endpoint.standing.handle_answered(pick.epoch, now) {
                    let endpoint = pick.endpoint;
                    self.changes.push_back(Change::Returned { endpoint });
                    self.refresh(now);
                }
            }
            Ended::Failed => {
                endpoint.tally.failed += 1;
                if let Some(why) = endpoint.standing.handle_failed(pick.epoch, now)
                    && (why == Ejection::Probe || self.may_eject(pick.endpoint))
                {
                    self.endpoints[pick.endpoint].standing.eject(None, now);
                    self.note_out(pick.endpoint, why, now);
                }
            }
            // A probe that was not sent leaves the question open.
            Ended::Unknown => {
                let is_probe = endpoint.standing.state() == State::Probing;
                if is_probe && endpoint.standing.epoch() == pick.epoch {
                    endpoint.standing.leave_until(now, now);
                    self.refresh(now);
                }
            }
        }
    }

    /// None of an endpoint's addresses takes a connection before `until`.
    pub fn handle_unreachable(&mut self, endpoint: usize, until: Instant, now: Instant) {
        let standing = &mut self.endpoints[endpoint].standing;
        match standing.state() {
            State::In => {
                standing.leave_until(until, now);
                self.note_out(endpoint, Ejection::Unreachable, now);
            }
            State::Probing => {
                standing.eject(Some(until), now);
                self.note_out(endpoint, Ejection::Probe, now);
            }
            State::Out { until: known } if known < until => {
                standing.leave_until(until, now);
                self.refresh(now);
            }
            State::Out { .. } => {}
        }
    }

    /// Whether an attempt that came back from one endpoint has another to go to.
    pub fn has_choice(&self, now: Instant) -> bool {
        !self.eligible.is_empty() || self.probe_at <= now
    }

    pub fn poll_change(&mut self) -> Option<Change> {
        self.changes.pop_front()
    }

    /// What data is kept together by, where it is hashed.
    pub const fn hash_by(&self) -> Option<HashBy> {
        match self.rule.policy {
            Policy::ConsistentHash { by, .. } => Some(by),
            Policy::RoundRobin | Policy::LeastRequest => None,
        }
    }

    /// The key of the bucket that a hash is in: see [`Ring::bucket`].
    pub fn bucket(&self, hash: u64) -> u64 {
        self.ring.as_ref().map_or(0, |ring| ring.bucket(hash))
    }

    /// The level in use.
    pub const fn level(&self) -> usize {
        self.level
    }

    /// What an endpoint counted, what is on its way to it, and whether it is out.
    pub fn tally(&self, endpoint: usize) -> (Tally, u32, bool) {
        let endpoint = &self.endpoints[endpoint];
        (
            endpoint.tally,
            endpoint.in_flight,
            !endpoint.standing.is_in(),
        )
    }

    pub fn level_of(&self, endpoint: usize) -> usize {
        self.endpoints[endpoint].level
    }

    pub fn name(&self, endpoint: usize) -> &str {
        &self.rule.endpoints[endpoint].0
    }
}
