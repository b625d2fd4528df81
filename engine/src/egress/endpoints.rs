//! The endpoints of one lane: one, or several that share its attempts.
//!
//! Each endpoint has a [`Destination`] of its own, with its own addresses and connections. With
//! several, [`Balancing`] says which takes an attempt. One that certainly was not sent, because
//! nobody answers where it was to go, goes to another endpoint at once: the lane hears of a failure
//! only where no endpoint is left to try.

#[cfg(test)]
mod tests;

use super::destination::{ConnectionTable, Destination, DestinationOutput, DestinationSettings};
use crate::exchange::{Address, Attempt, AttemptHead};
use crate::flow::balancing::{Balancing, BalancingRule, Change, Ended, HashBy, Pick};
use crate::telemetry::EndpointCounters;
use crate::time::Instant;
use crate::units::{AttemptId, EndpointId};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

/// One endpoint: where it is, and what its requests are headed by.
#[derive(Debug)]
pub struct Endpoint {
    pub addresses: Vec<Address>,
    pub head: Rc<AttemptHead>,
}

/// The endpoints of one lane in one shard.
#[derive(Debug)]
pub struct Endpoints {
    members: Vec<Member>,
    sharing: Option<Sharing>,
    /// What was asked for, and by which endpoint.
    outputs: VecDeque<(u16, DestinationOutput)>,
}

#[derive(Debug)]
struct Member {
    destination: Destination,
    head: Rc<AttemptHead>,
}

/// What only several endpoints need.
#[derive(Debug)]
struct Sharing {
    balancing: Balancing,
    /// Where each attempt on its way went.
    ways: HashMap<AttemptId, Way>,
    /// Nothing is sent elsewhere any more.
    draining: bool,
}

#[derive(Debug, Clone, Copy)]
struct Way {
    pick: Pick,
    key: u64,
}

/// Before an endpoint is asked again whose name nobody knows.
const UNKNOWN_PAUSE: Duration = Duration::from_secs(1);

impl Endpoints {
    /// Invariant: `endpoints` is not empty, and `rule` has as many.
    pub fn new(
        settings: &DestinationSettings,
        endpoints: Vec<Endpoint>,
        rule: Option<BalancingRule>,
        seed: u64,
    ) -> Self {
        let member = |(index, endpoint): (u16, Endpoint)| {
            let id = EndpointId {
                index,
                ..settings.endpoint
            };
            let settings = DestinationSettings {
                endpoint: id,
                ..settings.clone()
            };
            Member {
                destination: Destination::new(settings, endpoint.addresses, seed),
                head: endpoint.head,
            }
        };
        Self {
            members: (0..).zip(endpoints).map(member).collect(),
            sharing: rule.map(|rule| Sharing {
                balancing: Balancing::new(rule, seed),
                ways: HashMap::new(),
                draining: false,
            }),
            outputs: VecDeque::new(),
        }
    }

    /// Sends an attempt to one of the endpoints. `key`: of its data, for who hashes.
    pub fn send(
        &mut self,
        mut attempt: Attempt,
        key: u64,
        table: &mut ConnectionTable,
        now: Instant,
    ) {
        let mut index = 0;
        if let Some(sharing) = &mut self.sharing {
            let pick = sharing.balancing.pick(key, now);
            sharing.ways.insert(attempt.id, Way { pick, key });
            index = pick.endpoint;
            attempt.head = Rc::clone(&self.members[index].head);
        }
        self.members[index].destination.send(attempt, table, now);
        self.absorb(index, table, now);
    }

    /// What data is kept together by, where it is hashed.
    pub fn hash_by(&self) -> Option<HashBy> {
        self.sharing.as_ref()?.balancing.hash_by()
    }

    /// The bucket of a hash: what is of one can share a batch.
    pub fn bucket(&self, hash: u64) -> u64 {
        let sharing = self.sharing.as_ref();
        sharing.map_or(0, |sharing| sharing.balancing.bucket(hash))
    }

    /// Tells one endpoint's destination something.
    pub fn act(
        &mut self,
        endpoint: EndpointId,
        table: &mut ConnectionTable,
        now: Instant,
        act: impl FnOnce(&mut Destination, &mut ConnectionTable),
    ) {
        let index = usize::from(endpoint.index);
        let Some(member) = self.members.get_mut(index) else {
            return;
        };
        act(&mut member.destination, table);
        self.absorb(index, table, now);
    }

    /// An attempt has ended, and what that says of its endpoint.
    pub fn handle_ended(&mut self, attempt: AttemptId, ended: Ended, now: Instant) {
        let sharing = self.sharing.as_mut();
        let way = sharing.and_then(|sharing| sharing.ways.remove(&attempt));
        self.end(way, ended, now);
    }

    pub fn handle_timeout(&mut self, table: &mut ConnectionTable, now: Instant) {
        for index in 0..self.members.len() {
            self.members[index].destination.handle_timeout(table, now);
            self.absorb(index, table, now);
        }
    }

    pub fn next_timeout(&self) -> Option<Instant> {
        let members = self.members.iter();
        members
            .filter_map(|member| member.destination.next_timeout())
            .min()
    }

    /// Closes every connection once what is open on it has ended; what waits for one fails.
    pub fn drain(&mut self, now: Instant) {
        if let Some(sharing) = &mut self.sharing {
            sharing.draining = true;
        }
        for index in 0..self.members.len() {
            self.members[index].destination.drain();
            self.take_outputs(index, now);
        }
    }

    pub fn poll_output(&mut self) -> Option<(u16, DestinationOutput)> {
        self.outputs.pop_front()
    }

    /// An endpoint that was left alone or came back, or another level.
    pub fn poll_change(&mut self) -> Option<Change> {
        self.sharing.as_mut()?.balancing.poll_change()
    }

    pub fn name(&self, endpoint: usize) -> &str {
        let sharing = self.sharing.as_ref();
        sharing.map_or("", |sharing| sharing.balancing.name(endpoint))
    }

    /// By endpoint, where there are several.
    pub fn counters(&self) -> Vec<EndpointCounters> {
        let Some(sharing) = &self.sharing else {
            return Vec::new();
        };
        let level = sharing.balancing.level();
        let counters = |index| {
            let (tally, in_flight, is_out) = sharing.balancing.tally(index);
            EndpointCounters {
                requests: tally.requests,
                failed: tally.failed,
                ejections: tally.ejections,
                in_flight: in_flight.into(),
                ejected: is_out.into(),
                in_use: u64::from(sharing.balancing.level_of(index) == level),
            }
        };
        (0..self.members.len()).map(counters).collect()
    }

    /// What a destination wants done; what it could not send goes elsewhere where it can.
    fn absorb(&mut self, index: usize, table: &mut ConnectionTable, now: Instant) {
        let nobody_answers = self.take_outputs(index, now);
        let Some(sharing) = &mut self.sharing else {
            return;
        };
        let destination = &mut self.members[index].destination;
        let until = destination.unreachable_until(now);
        // Without an address there is no telling; a name is asked for once a second.
        let until = until.or_else(|| nobody_answers.then_some(now + UNKNOWN_PAUSE));
        if let Some(until) = until {
            sharing.balancing.handle_unreachable(index, until, now);
            if !sharing.draining && sharing.balancing.has_choice(now) {
                let unsent = |attempt| DestinationOutput::Unsent { attempt };
                let stranded = destination.take_pending().map(unsent);
                self.outputs
                    .extend(stranded.map(|output| (endpoint_index(index), output)));
            }
        }
        self.send_elsewhere(table, now);
    }

    /// Whether nobody answered where attempts were to go, their deadlines apart.
    fn take_outputs(&mut self, index: usize, now: Instant) -> bool {
        let mut nobody_answers = false;
        while let Some(output) = self.members[index].destination.poll_output() {
            if let DestinationOutput::Unsent { attempt } = &output {
                nobody_answers |= attempt.deadline > now;
            }
            self.outputs.push_back((endpoint_index(index), output));
        }
        nobody_answers
    }

    /// Gives what was not sent to other endpoints. Ends: each attempt that comes back has put the
    /// endpoint it comes from out, and where all are out it stays.
    fn send_elsewhere(&mut self, table: &mut ConnectionTable, now: Instant) {
        let may_move = |endpoints: &Self| {
            let movable = |(_, output): &(u16, DestinationOutput)| match output {
                DestinationOutput::Unsent { attempt } => endpoints.may_move(attempt, now),
                _ => false,
            };
            endpoints.outputs.iter().position(movable)
        };
        while let Some(position) = may_move(self) {
            let Some((_, DestinationOutput::Unsent { attempt })) = self.outputs.remove(position)
            else {
                return;
            };
            let sharing = self.sharing.as_mut();
            let way = sharing.and_then(|sharing| sharing.ways.remove(&attempt.id));
            let key = way.map_or(0, |way| way.key);
            self.end(way, Ended::Unknown, now);
            self.send(attempt, key, table, now);
        }
    }

    fn end(&mut self, way: Option<Way>, ended: Ended, now: Instant) {
        if let (Some(sharing), Some(way)) = (&mut self.sharing, way) {
            sharing.balancing.handle_ended(way.pick, ended, now);
        }
    }

    fn may_move(&self, attempt: &Attempt, now: Instant) -> bool {
        attempt.deadline > now
            && self
                .sharing
                .as_ref()
                .is_some_and(|sharing| !sharing.draining && sharing.balancing.has_choice(now))
    }
}

fn endpoint_index(index: usize) -> u16 {
    u16::try_from(index).unwrap_or(u16::MAX)
}
