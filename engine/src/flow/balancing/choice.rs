//! Who is asked: probes first, then a level on its way back, then the level in use by the policy.

use super::standing::{Ejection, State};
use super::{ASKED_MIN, Balancing, Change, Endpoint, Policy};
use crate::time::Instant;

impl Balancing {
    /// The endpoint whose pause is over first, asked by this attempt.
    pub(super) fn probe(&mut self, now: Instant) -> Option<usize> {
        if self.probe_at > now {
            return None;
        }
        let (until, probed) = self.next_out()?;
        if until > now {
            return None;
        }
        self.endpoints[probed].standing.begin_probe();
        self.refresh(now);
        Some(probed)
    }

    /// An endpoint of the level on its way back, where its next request is due.
    pub(super) fn asked(&mut self, now: Instant) -> Option<usize> {
        let (better, _) = self.better?;
        if self.ask_at > now {
            return None;
        }
        let at = |endpoint: &&Endpoint| endpoint.level == better;
        if self.endpoints.iter().filter(at).any(|e| e.in_flight > 0) {
            return None;
        }
        self.ask_at = now + self.rule.failback_after / ASKED_MIN;
        let is_in = |endpoint: &Endpoint| endpoint.level == better && endpoint.standing.is_in();
        self.endpoints.iter().position(is_in)
    }

    pub(super) fn chosen(&mut self, key: u64, now: Instant) -> usize {
        let count = self.eligible.len();
        if count == 0 {
            return self.least_bad();
        }
        match self.rule.policy {
            Policy::RoundRobin => {
                self.turn = self.turn.wrapping_add(1);
                self.eligible[self.turn % count]
            }
            Policy::LeastRequest => self.better_of_two(now),
            Policy::ConsistentHash { bound, .. } => self.by_key(key, bound),
        }
    }

    fn better_of_two(&mut self, now: Instant) -> usize {
        let count = self.eligible.len();
        let bits = self.random.next_u64();
        let first = (bits >> 32) as usize % count;
        // Another than the first, where there is one.
        let step = 1 + (bits & u64::from(u32::MAX)) as usize % (count - 1).max(1);
        let pair = [first, (first + step) % count].map(|index| self.eligible[index]);
        let cost = |index: usize| {
            let endpoint = &self.endpoints[index];
            endpoint.latency.cost(endpoint.in_flight, now)
        };
        if cost(pair[1]) < cost(pair[0]) {
            pair[1]
        } else {
            pair[0]
        }
    }

    fn by_key(&self, key: u64, bound: f64) -> usize {
        let mean = f64::from(self.in_flight + 1) / self.eligible.len() as f64;
        let most = (bound * mean).ceil();
        let has_room = |index: &usize| {
            let endpoint = &self.endpoints[*index];
            self.is_eligible(endpoint) && f64::from(endpoint.in_flight) < most
        };
        let mut after = self
            .ring
            .iter()
            .flat_map(|ring| ring.after(key))
            .map(usize::from);
        // One has room always, for not all can have more than the mean.
        after.find(has_room).unwrap_or(self.eligible[0])
    }

    const fn is_eligible(&self, endpoint: &Endpoint) -> bool {
        endpoint.level == self.level && endpoint.standing.is_in()
    }

    /// Where all are out: the one whose pause is over first, for its connections to hold back.
    fn least_bad(&self) -> usize {
        self.next_out().map_or(0, |(_, index)| index)
    }

    /// The endpoint that is out and comes first, among the levels in use or better.
    fn next_out(&self) -> Option<(Instant, usize)> {
        let out = |(index, endpoint): (usize, &Endpoint)| match endpoint.standing.state() {
            State::Out { until } if endpoint.level <= self.level => Some((until, index)),
            State::Out { .. } | State::In | State::Probing => None,
        };
        self.endpoints.iter().enumerate().filter_map(out).min()
    }

    /// Whether failures may put an endpoint out: not where too many of its level are, unless
    /// another level stands in for it.
    pub(super) fn may_eject(&self, endpoint: usize) -> bool {
        let level = self.endpoints[endpoint].level;
        let is_in = |endpoint: &&Endpoint| endpoint.standing.is_in();
        if self.endpoints.iter().filter(is_in).any(|e| e.level > level) {
            return true;
        }
        let peers = || self.endpoints.iter().filter(|e| e.level == level);
        let (all, others_in) = (peers().count(), peers().filter(is_in).count());
        let out = all - others_in;
        let ratio = self
            .rule
            .outlier
            .map_or(0.0, |rule| rule.max_ejection_ratio);
        others_in > 1 && out < ((ratio * all as f64) as usize).max(1)
    }

    pub(super) fn note_out(&mut self, endpoint: usize, why: Ejection, now: Instant) {
        self.endpoints[endpoint].tally.ejections += 1;
        // On its way back it had not returned: people know already.
        if why != Ejection::Probe {
            self.changes.push_back(Change::Ejected { endpoint, why });
        }
        self.refresh(now);
    }

    /// Goes back to a better level that has lasted.
    pub(super) fn fail_back(&mut self, now: Instant) {
        if let Some((better, since)) = self.better
            && now.since(since) >= self.rule.failback_after
        {
            self.enter(better, now);
        }
    }

    /// Some endpoint's state has changed: who is eligible, at which level, and what comes next.
    pub(super) fn refresh(&mut self, now: Instant) {
        let is_in = |endpoint: &&Endpoint| endpoint.standing.is_in();
        let best = self.endpoints.iter().filter(is_in).map(|e| e.level).min();
        let in_use = self
            .endpoints
            .iter()
            .filter(is_in)
            .any(|e| e.level == self.level);
        match best {
            Some(best) if best < self.level && in_use => {
                // It lasts since somebody was in whom nobody has put out: an endpoint that comes
                // and goes begins anew each time it goes.
                if self.better.is_none_or(|(level, _)| level != best) {
                    self.better = Some((best, now));
                    self.ask_at = now;
                }
            }
            Some(best) if best != self.level => self.enter_level(best),
            _ => self.better = None,
        }
        self.eligible.clear();
        for index in 0..self.endpoints.len() {
            if self.is_eligible(&self.endpoints[index]) {
                self.eligible.push(index);
            }
        }
        self.probe_at = self.next_out().map_or(Instant::NEVER, |(until, _)| until);
    }

    fn enter(&mut self, level: usize, now: Instant) {
        self.enter_level(level);
        self.refresh(now);
    }

    fn enter_level(&mut self, to: usize) {
        let from = std::mem::replace(&mut self.level, to);
        self.better = None;
        self.changes.push_back(Change::Level { from, to });
    }
}
