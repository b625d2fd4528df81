//! The connections of one lane: how many, to which addresses, and which one an attempt takes.
//!
//! ```text
//!   connecting --connected--> up --draining / max age / idle--> draining --closed--> (gone)
//!        |                     |                                              ^
//!        +---------------------+-------------------- closed -----------------+
//! ```
//!
//! A connection is opened when an attempt finds no stream free, never ahead of need. While none can
//! be had, attempts wait here until their deadline; when connecting fails they fail at once, so
//! that the lane's backoff, and not a hidden queue, decides when to try again.

use crate::exchange::{Address, Attempt, ClientCommand, CloseReason};
use crate::time::Instant;
use crate::units::{AttemptId, ConnectionId, LaneId};
use slab::Slab;
use std::collections::VecDeque;
use std::time::Duration;

/// Which lane each outgoing connection of the shard belongs to.
pub type ConnectionTable = Slab<LaneId>;

/// How a lane uses its connections.
#[derive(Debug, Clone)]
pub struct DestinationSettings {
    pub lane: LaneId,
    /// Connections open at once, by this shard.
    pub connections_max: usize,
    /// Attempts on one connection at once, whatever the peer allows: 1 for HTTP/1.1.
    pub streams_max: u32,
    /// Spread over all addresses (`round_robin`), or use the first that answers (`pick_first`).
    pub spread: bool,
    /// A connection this old takes no more attempts. `Duration::MAX`: never.
    pub age_max: Duration,
    /// A connection beyond the first is closed after this long without an attempt.
    pub idle_max: Duration,
}

/// The first wait after a failed connect; doubled up to [`RECONNECT_MAX`] while it fails.
const RECONNECT_MIN: Duration = Duration::from_millis(200);
const RECONNECT_MAX: Duration = Duration::from_secs(10);

/// What the destination asks of the shard.
#[derive(Debug)]
pub enum DestinationOutput {
    Connect {
        connection: ConnectionId,
        address: Address,
    },
    Command {
        connection: ConnectionId,
        command: ClientCommand,
    },
    /// The addresses are unknown, or none answers: ask for them again.
    Resolve,
    /// Could not be sent before its deadline, or nobody answers: certainly not processed.
    Unsent { attempt: AttemptId },
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
    address: usize,
    streams_max: u32,
    open: u32,
    since: Instant,
    idle_since: Instant,
}

/// The connections of one lane in one shard.
#[derive(Debug)]
pub struct Destination {
    settings: DestinationSettings,
    addresses: Vec<Address>,
    connections: Vec<Connection>,
    pending: VecDeque<Attempt>,
    outputs: VecDeque<DestinationOutput>,
    /// The address to try next.
    next_address: usize,
    /// While the destination does not answer: no connect before this, and how long the wait was.
    hold_off: Option<(Instant, Duration)>,
    resolving: bool,
}

impl Destination {
    /// `addresses` may be empty: they are asked for with the first attempt.
    pub const fn new(settings: DestinationSettings, addresses: Vec<Address>) -> Self {
        Self {
            settings,
            addresses,
            connections: Vec::new(),
            pending: VecDeque::new(),
            outputs: VecDeque::new(),
            next_address: 0,
            hold_off: None,
            resolving: false,
        }
    }

    /// Sends an attempt on the least busy connection, or keeps it until there is one.
    pub fn send(&mut self, attempt: Attempt, table: &mut ConnectionTable, now: Instant) {
        self.pending.push_back(attempt);
        self.advance(table, now);
    }

    /// The addresses the endpoint's name stands for now. An empty list changes nothing.
    pub fn handle_resolved(
        &mut self,
        addresses: Vec<Address>,
        table: &mut ConnectionTable,
        now: Instant,
    ) {
        self.resolving = false;
        if !addresses.is_empty() && addresses != self.addresses {
            let gone: Vec<_> = self.addresses_gone(&addresses);
            for id in gone {
                self.retire(id);
            }
            let kept = |old: usize| addresses.iter().position(|a| *a == self.addresses[old]);
            let moved: Vec<_> = self.connections.iter().map(|c| kept(c.address)).collect();
            for (connection, index) in self.connections.iter_mut().zip(moved) {
                connection.address = index.unwrap_or(usize::MAX);
            }
            self.addresses = addresses;
            self.next_address = 0;
        } else if self.addresses.is_empty() {
            self.fail_pending();
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
        self.hold_off = None;
        if let Some(connection) = self.find(id) {
            connection.state = State::Up;
            connection.since = now;
            connection.idle_since = now;
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
        if let Some(connection) = self.find(id) {
            connection.open = connection.open.saturating_sub(1);
            connection.idle_since = now;
        }
        self.advance(table, now);
    }

    pub fn handle_draining(&mut self, id: ConnectionId, table: &mut ConnectionTable, now: Instant) {
        if let Some(connection) = self.find(id) {
            connection.state = State::Draining;
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
        let Some(index) = self.connections.iter().position(|c| c.id == id) else {
            return;
        };
        let closed = self.connections.swap_remove(index);
        if closed.state == State::Connecting {
            self.connect_failed(closed.address, now);
        } else if *reason == CloseReason::TooManyPings {
            // The peer is there and asks for quiet: come back, but not at once.
            self.hold_off = Some((now + RECONNECT_MIN, RECONNECT_MIN));
        }
        self.advance(table, now);
    }

    pub fn handle_timeout(&mut self, table: &mut ConnectionTable, now: Instant) {
        while self
            .pending
            .front()
            .is_some_and(|attempt| attempt.deadline <= now)
        {
            if let Some(attempt) = self.pending.pop_front() {
                self.outputs.push_back(DestinationOutput::Unsent {
                    attempt: attempt.id,
                });
            }
        }
        let settings = &self.settings;
        let up = self
            .connections
            .iter()
            .filter(|c| c.state == State::Up)
            .count();
        let aged = |c: &Connection| now.since(c.since) >= settings.age_max;
        let idle =
            |c: &Connection| up > 1 && c.open == 0 && now.since(c.idle_since) >= settings.idle_max;
        let over = |c: &&Connection| c.state == State::Up && (aged(c) || idle(c));
        if let Some(id) = self.connections.iter().find(over).map(|c| c.id) {
            self.retire(id);
        }
        self.advance(table, now);
    }

    pub fn next_timeout(&self) -> Option<Instant> {
        let deadline = self.pending.front().map(|attempt| attempt.deadline);
        let hold_off = if self.pending.is_empty() {
            None
        } else {
            self.hold_off.map(|(until, _)| until)
        };
        let settings = &self.settings;
        let up = || self.connections.iter().filter(|c| c.state == State::Up);
        let age = up().map(|c| c.since + settings.age_max).min();
        let spare = up().count() > 1;
        let idle = up()
            .filter(|c| spare && c.open == 0)
            .map(|c| c.idle_since + settings.idle_max)
            .min();
        [deadline, hold_off, age, idle].into_iter().flatten().min()
    }

    pub fn poll_output(&mut self) -> Option<DestinationOutput> {
        self.outputs.pop_front()
    }

    /// Closes every connection once what is open on it has ended.
    pub fn drain(&mut self) {
        let live: Vec<_> = self.connections.iter().map(|c| c.id).collect();
        for id in live {
            self.retire(id);
        }
    }

    /// Sends what can be sent, then opens what is needed for the rest.
    fn advance(&mut self, table: &mut ConnectionTable, now: Instant) {
        while !self.pending.is_empty() {
            let Some(connection) = self.least_busy() else {
                break;
            };
            connection.open += 1;
            let id = connection.id;
            if let Some(attempt) = self.pending.pop_front() {
                let command = ClientCommand::Send(attempt);
                self.outputs.push_back(DestinationOutput::Command {
                    connection: id,
                    command,
                });
            }
        }
        while self.wants_connection(now) {
            self.open(table, now);
        }
    }

    /// The connection with the fewest attempts among those that take more.
    fn least_busy(&mut self) -> Option<&mut Connection> {
        self.connections
            .iter_mut()
            .filter(|c| c.state == State::Up && c.open < c.streams_max)
            .min_by_key(|c| c.open)
    }

    fn wants_connection(&mut self, now: Instant) -> bool {
        let live = self
            .connections
            .iter()
            .filter(|c| c.state != State::Draining)
            .count();
        let connecting = self
            .connections
            .iter()
            .any(|c| c.state == State::Connecting);
        // `spread` wants a connection to each address as soon as there is anything to send.
        let unreached =
            self.settings.spread && live > 0 && live < self.addresses.len() && !connecting;
        if self.pending.is_empty() && !unreached {
            return false;
        }
        if self.addresses.is_empty() {
            if !self.resolving {
                self.resolving = true;
                self.outputs.push_back(DestinationOutput::Resolve);
            }
            return false;
        }
        let held_off = self.hold_off.is_some_and(|(until, _)| now < until);
        let room = live < self.settings.connections_max;
        // One at a time: the first to come up may take all that waits.
        room && !held_off && !connecting
    }

    fn open(&mut self, table: &mut ConnectionTable, now: Instant) {
        let address = self.next_address % self.addresses.len();
        if self.settings.spread {
            self.next_address = address + 1;
        }
        let entry = u32::try_from(table.insert(self.settings.lane));
        let id = ConnectionId(entry.expect("fewer than 2^32 connections: each needs a descriptor"));
        self.connections.push(Connection {
            id,
            state: State::Connecting,
            address,
            streams_max: 0,
            open: 0,
            since: now,
            idle_since: now,
        });
        let address = self.addresses[address].clone();
        self.outputs.push_back(DestinationOutput::Connect {
            connection: id,
            address,
        });
    }

    fn connect_failed(&mut self, address: usize, now: Instant) {
        self.next_address = address.wrapping_add(1) % self.addresses.len().max(1);
        let wait = self
            .hold_off
            .map_or(RECONNECT_MIN, |(_, wait)| (wait * 2).min(RECONNECT_MAX));
        // Another address may answer at once; only a whole round of failures waits.
        let until = if self.next_address == 0 {
            now + wait
        } else {
            now
        };
        self.hold_off = Some((until, if until == now { wait / 2 } else { wait }));
        self.outputs.push_back(DestinationOutput::Resolve);
        if until > now && self.connections.is_empty() {
            self.fail_pending();
        }
    }

    fn fail_pending(&mut self) {
        for attempt in self.pending.drain(..) {
            self.outputs.push_back(DestinationOutput::Unsent {
                attempt: attempt.id,
            });
        }
    }

    fn addresses_gone(&self, addresses: &[Address]) -> Vec<ConnectionId> {
        let gone = |c: &&Connection| {
            self.addresses
                .get(c.address)
                .is_none_or(|address| !addresses.contains(address))
        };
        self.connections.iter().filter(gone).map(|c| c.id).collect()
    }

    fn retire(&mut self, id: ConnectionId) {
        let Some(connection) = self.find(id) else {
            return;
        };
        connection.state = State::Draining;
        let command = ClientCommand::Drain;
        self.outputs.push_back(DestinationOutput::Command {
            connection: id,
            command,
        });
    }

    fn find(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.connections
            .iter_mut()
            .find(|connection| connection.id == id)
    }
}
