//! The connections to one endpoint of a lane: how many, to which addresses, and which one an attempt takes.
//!
//! ```text
//!   connecting --connected--> up --GOAWAY / spare / address gone--> draining --closed--> (gone)
//!        |                     |                                                  ^
//!        +---------------------+---------------------- closed --------------------+
//! ```
//!
//! A connection is opened when an attempt finds no stream free, never ahead of need; one exception:
//! `spread` keeps a connection to each address while there is something to send. Attempts fill the
//! connections of an address one after the other, so that those that a burst needed fall idle after
//! it and are closed. While no stream can be had, attempts wait here until their deadline; when no
//! address answers they fail at once, so that the lane's backoff, and not a hidden queue, decides
//! when to try again.

mod addresses;
mod need;
#[cfg(test)]
mod tests;

use crate::exchange::{Address, Attempt, ClientCommand, CloseReason};
use crate::flow::Random;
use crate::time::Instant;
use crate::units::{ConnectionId, EndpointId};
use addresses::{Addresses, HOLD_OFF_MAX, HOLD_OFF_MIN};
use slab::Slab;
use std::collections::VecDeque;
use std::time::Duration;

/// Which endpoint each outgoing connection of the shard goes to.
pub type ConnectionTable = Slab<EndpointId>;

/// How a lane uses its connections.
#[derive(Debug, Clone)]
pub struct DestinationSettings {
    pub endpoint: EndpointId,
    /// Connections that take attempts at once, by this shard.
    pub connections_max: usize,
    /// Attempts on one connection at once, whatever the peer allows: 1 for HTTP/1.1.
    pub streams_max: u32,
    /// Spread over all addresses (`round_robin`), or use the first that answers (`pick_first`).
    pub spread: bool,
    /// A connection this old takes no more attempts, give or take a tenth. `Duration::MAX`: never.
    pub age_max: Duration,
    /// A connection that another could stand in for is closed after this long without an attempt.
    pub spare_idle_max: Duration,
}

/// What one connection is told beside its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    pub age_max: Duration,
    /// How often the time between PINGs is doubled: once for each time a peer asked for calm.
    /// Source: <https://github.com/grpc/proposal/blob/master/A8-client-side-keepalive.md>
    pub calmed: u32,
}

/// 10 s between PINGs become almost three hours; servers ask for five minutes by default.
const CALMED_MAX: u32 = 10;

/// What the destination asks of the shard.
#[derive(Debug)]
pub enum DestinationOutput {
    Connect {
        connection: ConnectionId,
        address: Address,
        terms: Terms,
    },
    Command {
        connection: ConnectionId,
        command: ClientCommand,
    },
    /// The addresses are unknown, or one does not answer any more: ask for them again.
    Resolve,
    /// Could not be sent before its deadline, or nobody answers: certainly not processed.
    Unsent { attempt: Attempt },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Connecting,
    Up,
    Draining,
}

#[derive(Debug)]
struct Connection {
    id: ConnectionId,
    state: State,
    /// `None`: its address is not the destination's any more.
    place: Option<usize>,
    streams_max: u32,
    open: u32,
    /// When it began to connect, then when it was connected.
    since: Instant,
    idle_since: Instant,
}

/// The connections of one lane in one shard.
///
/// Invariant: a place's `live` and `load` are the sums over the connections that stand at it.
#[derive(Debug)]
pub struct Destination {
    settings: DestinationSettings,
    addresses: Addresses,
    /// In the order in which they were opened.
    connections: Vec<Connection>,
    pending: VecDeque<Attempt>,
    outputs: VecDeque<DestinationOutput>,
    /// While attempts wait and no address may be tried: when the first may.
    held_off_until: Option<Instant>,
    resolving: bool,
    calmed: u32,
    random: Random,
    /// The place that comes first among equals: shards begin with different addresses.
    first_place: usize,
}

impl Destination {
    /// `addresses` may be empty: they are asked for with the first attempt. `seed`: of the jitter.
    pub fn new(settings: DestinationSettings, addresses: Vec<Address>, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let first_place = (random.next_u64() >> 32) as usize;
        Self {
            settings,
            addresses: Addresses::new(addresses),
            connections: Vec::new(),
            pending: VecDeque::new(),
            outputs: VecDeque::new(),
            held_off_until: None,
            resolving: false,
            calmed: 0,
            random,
            first_place,
        }
    }

    /// Sends an attempt where there is a stream for it, or keeps it until there is one.
    pub fn send(&mut self, attempt: Attempt, table: &mut ConnectionTable, now: Instant) {
        self.pending.push_back(attempt);
        self.advance(table, now);
        if self.settings.spread {
            self.reach_all(table, now);
        }
    }

    /// The addresses the endpoint's name stands for now. An empty list changes nothing.
    pub fn handle_resolved(
        &mut self,
        addresses: Vec<Address>,
        table: &mut ConnectionTable,
        now: Instant,
    ) {
        self.resolving = false;
        if addresses.is_empty() {
            if self.addresses.is_empty() {
                self.fail_pending();
            }
            return;
        }
        let moved = self.addresses.replace(addresses);
        let mut gone = Vec::new();
        for connection in &mut self.connections {
            let Some(place) = connection.place else {
                continue;
            };
            connection.place = moved[place];
            if connection.place.is_none() {
                gone.push(connection.id);
            }
        }
        for id in gone {
            self.retire(id);
        }
        self.advance(table, now);
    }

    pub fn handle_connected(
        &mut self,
        id: ConnectionId,
        streams_max: u32,
        table: &mut ConnectionTable,
        now: Instant,
    ) {
        if let Some(connection) = self.find(id)
            && connection.state == State::Connecting
        {
            connection.state = State::Up;
            connection.since = now;
            connection.idle_since = now;
            if let Some(place) = connection.place {
                self.addresses.handle_connected(place);
            }
            self.make_room();
        }
        self.handle_streams_max(id, streams_max, table, now);
    }

    pub fn handle_streams_max(
        &mut self,
        id: ConnectionId,
        streams_max: u32,
        table: &mut ConnectionTable,
        now: Instant,
    ) {
        let most = self.settings.streams_max;
        if let Some(connection) = self.find(id) {
            connection.streams_max = streams_max.min(most);
        }
        self.advance(table, now);
    }

    /// An attempt on this connection has ended.
    pub fn handle_answered(&mut self, id: ConnectionId, table: &mut ConnectionTable, now: Instant) {
        if let Some(connection) = self.find(id)
            && connection.open > 0
        {
            connection.open -= 1;
            connection.idle_since = now;
            if let Some(place) = connection.place {
                self.addresses.handle_ended(place, 1);
            }
        }
        self.advance(table, now);
    }

    /// The connection takes no more attempts: GOAWAY, or its age. The peer may be about to move.
    pub fn handle_draining(&mut self, id: ConnectionId, table: &mut ConnectionTable, now: Instant) {
        if self.leave(id) {
            self.outputs.push_back(DestinationOutput::Resolve);
        }
        self.advance(table, now);
    }

    /// The connection is gone, every attempt on it answered.
    pub fn handle_closed(
        &mut self,
        id: ConnectionId,
        reason: &CloseReason,
        table: &mut ConnectionTable,
        now: Instant,
    ) {
        table.try_remove(id.index());
        let state = self.find(id).map(|connection| connection.state);
        self.leave(id);
        let Some(index) = self.connections.iter().position(|c| c.id == id) else {
            return;
        };
        let closed = self.connections.remove(index);
        if *reason == CloseReason::TooManyPings {
            self.calmed = (self.calmed + 1).min(CALMED_MAX);
        }
        if let Some(place) = closed.place {
            self.addresses.handle_ended(place, closed.open);
            self.learn(place, &closed, state, reason, now);
        }
        self.advance(table, now);
    }

    /// Notes what the end of a connection says about its address.
    fn learn(
        &mut self,
        place: usize,
        closed: &Connection,
        state: Option<State>,
        reason: &CloseReason,
        now: Instant,
    ) {
        let lived = now.since(closed.since);
        match state {
            Some(State::Connecting) => {
                self.addresses.handle_failed(place, closed.since, now);
                self.outputs.push_back(DestinationOutput::Resolve);
                let nobody = self.live() == 0;
                let any_open = (0..self.addresses.len()).any(|p| self.addresses.is_open(p, now));
                if nobody && !any_open {
                    self.fail_pending();
                }
                return;
            }
            // Taken and dropped at once, as a proxy does that has nobody behind it.
            Some(State::Up) if *reason != CloseReason::Drained && lived < HOLD_OFF_MIN => {
                self.addresses.handle_failed(place, closed.since, now);
            }
            _ if lived >= HOLD_OFF_MAX => self.addresses.handle_lasted(place),
            _ => {}
        }
        if *reason == CloseReason::TooManyPings {
            self.addresses.hold_off(place, now);
        }
        if *reason != CloseReason::Drained {
            self.outputs.push_back(DestinationOutput::Resolve);
        }
    }

    pub fn handle_timeout(&mut self, table: &mut ConnectionTable, now: Instant) {
        let is_late = |attempt: &Attempt| attempt.deadline <= now;
        while self.pending.front().is_some_and(is_late) {
            if let Some(attempt) = self.pending.pop_front() {
                self.outputs
                    .push_back(DestinationOutput::Unsent { attempt });
            }
            // Whoever was asked for the addresses may have missed it: the next attempt asks again.
            self.resolving = false;
        }
        while let Some(id) = self.outlived(now) {
            self.retire(id);
        }
        self.advance(table, now);
    }

    pub fn next_timeout(&self) -> Option<Instant> {
        let deadline = self.pending.front().map(|attempt| attempt.deadline);
        let spare = self.spares().map(|c| c.idle_since).min();
        let spare = spare.map(|since| since + self.settings.spare_idle_max);
        let timeouts = [deadline, self.held_off_until, spare];
        timeouts.into_iter().flatten().min()
    }

    pub fn poll_output(&mut self) -> Option<DestinationOutput> {
        self.outputs.pop_front()
    }

    /// Where there is no connection and no address may be tried: when the first may.
    pub fn unreachable_until(&self, now: Instant) -> Option<Instant> {
        let may_try = |place| self.addresses.is_open(place, now);
        if self.live() > 0 || (0..self.addresses.len()).any(may_try) {
            return None;
        }
        self.addresses.next_open(now)
    }

    /// What waits for a connection, given back.
    pub fn take_pending(&mut self) -> impl Iterator<Item = Attempt> + '_ {
        self.held_off_until = None;
        self.pending.drain(..)
    }

    /// Closes every connection once what is open on it has ended; what waits for one fails.
    pub fn drain(&mut self) {
        self.fail_pending();
        let ids: Vec<_> = self.connections.iter().map(|c| c.id).collect();
        for id in ids {
            self.retire(id);
        }
    }

    /// Sends what can be sent, then opens what is needed for the rest.
    fn advance(&mut self, table: &mut ConnectionTable, now: Instant) {
        self.held_off_until = None;
        while let Some(index) = self.free_connection() {
            let Some(attempt) = self.pending.pop_front() else {
                break;
            };
            let connection = &mut self.connections[index];
            connection.open += 1;
            if let Some(place) = connection.place {
                self.addresses.handle_sent(place);
            }
            self.outputs.push_back(DestinationOutput::Command {
                connection: connection.id,
                command: ClientCommand::Send(attempt),
            });
        }
        while self.wants_connection() {
            let Some(place) = self.next_place(now) else {
                self.held_off_until = self.addresses.next_open(now);
                return;
            };
            self.open(place, table, now);
        }
    }

    /// The connection for the next attempt: of the address that has had the least where attempts
    /// are spread; there, the first with a free stream.
    fn free_connection(&self) -> Option<usize> {
        if self.pending.is_empty() {
            return None;
        }
        let free = |c: &Connection| c.state == State::Up && c.open < c.streams_max;
        let free = self.connections.iter().enumerate().filter(|(_, c)| free(c));
        let place = |c: &Connection| c.place.filter(|_| self.settings.spread);
        let share = |c: &Connection| place(c).map(|place| self.addresses.share(place));
        let (index, _) = free.min_by_key(|(_, c)| share(c))?;
        Some(index)
    }

    fn fail_pending(&mut self) {
        for attempt in self.pending.drain(..) {
            self.outputs
                .push_back(DestinationOutput::Unsent { attempt });
        }
    }

    /// Has a connection end once what is open on it has ended.
    fn retire(&mut self, id: ConnectionId) {
        if self.leave(id) {
            self.outputs.push_back(DestinationOutput::Command {
                connection: id,
                command: ClientCommand::Drain,
            });
        }
    }

    /// A connection takes no more attempts. Says whether it did before.
    fn leave(&mut self, id: ConnectionId) -> bool {
        let Some(connection) = self.find(id) else {
            return false;
        };
        if connection.state == State::Draining {
            return false;
        }
        connection.state = State::Draining;
        if let Some(place) = connection.place {
            self.addresses.handle_left(place);
        }
        true
    }

    /// Connections that take attempts, or will.
    fn live(&self) -> usize {
        let live = |c: &&Connection| c.state != State::Draining;
        self.connections.iter().filter(live).count()
    }

    fn connecting(&self) -> usize {
        let connecting = |c: &&Connection| c.state == State::Connecting;
        self.connections.iter().filter(connecting).count()
    }

    fn find(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.connections
            .iter_mut()
            .find(|connection| connection.id == id)
    }
}
