//! A destination with a clock, and names for what it does. Attempts and connections are numbered
//! from nought; an address is a port.

use super::super::*;
use crate::exchange::{AttemptHead, Framing};
use crate::units::{AttemptId, LaneId};
use http::{HeaderMap, Method, Uri};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use tailrace_codec::Rope;

pub const TIMEOUT: Duration = Duration::from_secs(5);
pub const SPARE: Duration = Duration::from_secs(30);
pub const UNREACHABLE: CloseReason = CloseReason::Unreachable {
    os_error: Some(111),
};

pub fn settings() -> DestinationSettings {
    DestinationSettings {
        endpoint: EndpointId::first(LaneId(0)),
        connections_max: 10,
        streams_max: u32::MAX,
        spread: false,
        age_max: Duration::MAX,
        spare_idle_max: SPARE,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Did {
    /// Connection, address.
    Connect(u32, u16),
    /// Attempt, connection.
    Sent(u32, u32),
    Drain(u32),
    Unsent(u32),
    Resolve,
}

impl Did {
    pub fn address(&self) -> Option<u16> {
        match self {
            Self::Connect(_, address) => Some(*address),
            _ => None,
        }
    }

    pub fn connection(&self) -> Option<u32> {
        match self {
            Self::Sent(_, connection) => Some(*connection),
            _ => None,
        }
    }
}

pub struct Rig {
    pub destination: Destination,
    pub table: ConnectionTable,
    pub now: Instant,
    pub terms: Vec<Terms>,
    /// Addresses that do not answer; [`Rig::settle`] heeds them.
    pub dead: BTreeSet<u16>,
    /// Everything it did.
    pub history: Vec<Did>,
    head: Rc<AttemptHead>,
    attempts: u32,
    /// By connection.
    ids: Vec<ConnectionId>,
    addresses: Vec<u16>,
    connecting: Vec<u32>,
    /// By attempt: its connection.
    open: BTreeMap<u32, u32>,
}

impl Rig {
    pub fn new(settings: DestinationSettings, ports: &[u16]) -> Self {
        let head = AttemptHead {
            method: Method::POST,
            uri: Uri::from_static("http://localhost/"),
            headers: HeaderMap::new(),
            framing: Framing::Plain,
        };
        Self {
            destination: Destination::new(settings, addresses(ports), 1),
            table: ConnectionTable::new(),
            now: Instant(1),
            terms: Vec::new(),
            dead: BTreeSet::new(),
            history: Vec::new(),
            head: Rc::new(head),
            attempts: 0,
            ids: Vec::new(),
            addresses: Vec::new(),
            connecting: Vec::new(),
            open: BTreeMap::new(),
        }
    }

    pub fn send(&mut self, count: u32) -> Vec<Did> {
        for _ in 0..count {
            let attempt = Attempt {
                id: AttemptId(self.attempts),
                head: Rc::clone(&self.head),
                extra: None,
                body: Rope::new(),
                deadline: self.now + TIMEOUT,
            };
            self.attempts += 1;
            self.destination.send(attempt, &mut self.table, self.now);
        }
        self.outputs()
    }

    pub fn resolved(&mut self, ports: &[u16]) -> Vec<Did> {
        let addresses = addresses(ports);
        self.destination
            .handle_resolved(addresses, &mut self.table, self.now);
        self.outputs()
    }

    pub fn connected(&mut self, connection: u32, streams_max: u32) -> Vec<Did> {
        self.connecting.retain(|c| *c != connection);
        let id = self.ids[connection as usize];
        self.destination
            .handle_connected(id, streams_max, &mut self.table, self.now);
        self.outputs()
    }

    /// Connects whatever is connecting, what that brings about included.
    pub fn connect_all(&mut self, streams_max: u32) {
        while let Some(connection) = self.connecting.first().copied() {
            self.connected(connection, streams_max);
        }
    }

    /// Ends every connect as its address does. Returns how many there were.
    pub fn settle(&mut self) -> usize {
        let mut connects = 0;
        while let Some(connection) = self.connecting.first().copied() {
            connects += 1;
            if self.dead.contains(&self.addresses[connection as usize]) {
                self.closed(connection, UNREACHABLE);
            } else {
                self.connected(connection, 1000);
            }
        }
        connects
    }

    pub fn streams_max(&mut self, connection: u32, streams_max: u32) -> Vec<Did> {
        let id = self.ids[connection as usize];
        self.destination
            .handle_streams_max(id, streams_max, &mut self.table, self.now);
        self.outputs()
    }

    /// The oldest attempt on a connection is answered.
    pub fn answered(&mut self, connection: u32) -> Vec<Did> {
        let attempt = self.open.iter().find(|(_, c)| **c == connection);
        let attempt = *attempt.expect("an attempt is open").0;
        self.open.remove(&attempt);
        let id = self.ids[connection as usize];
        self.destination
            .handle_answered(id, &mut self.table, self.now);
        self.outputs()
    }

    pub fn answered_all(&mut self) {
        while let Some((_, connection)) = self.open.first_key_value() {
            self.answered(*connection);
        }
    }

    pub fn draining(&mut self, connection: u32) -> Vec<Did> {
        let id = self.ids[connection as usize];
        self.destination
            .handle_draining(id, &mut self.table, self.now);
        self.outputs()
    }

    /// Ends a connection, and first what is open on it, as `net` does.
    pub fn closed(&mut self, connection: u32, reason: CloseReason) -> Vec<Did> {
        self.connecting.retain(|c| *c != connection);
        let from = self.history.len();
        // Nothing is sent on a connection that is gone while its attempts are answered.
        let id = self.ids[connection as usize];
        let open = self.open_on(connection);
        for _ in 0..open {
            self.answered(connection);
        }
        self.destination
            .handle_closed(id, &reason, &mut self.table, self.now);
        // What was sent on it in between comes back unprocessed.
        self.open.retain(|_, c| *c != connection);
        self.outputs();
        self.history[from..].to_vec()
    }

    /// Lets time pass, a timeout at a time, and fails where one would come for ever.
    pub fn wait(&mut self, time: Duration) -> Vec<Did> {
        let end = self.now + time;
        let from = self.history.len();
        while let Some(next) = self.next_timeout().filter(|next| *next <= end) {
            self.now = next.max(self.now);
            self.destination.handle_timeout(&mut self.table, self.now);
            self.outputs();
            let later = self.next_timeout().unwrap_or(Instant::NEVER);
            assert!(later > self.now, "what was due is due again");
        }
        self.now = end;
        self.destination.handle_timeout(&mut self.table, end);
        self.outputs();
        self.history[from..].to_vec()
    }

    pub fn drain(&mut self) -> Vec<Did> {
        self.destination.drain();
        self.outputs()
    }

    pub fn next_timeout(&self) -> Option<Instant> {
        self.destination.next_timeout()
    }

    pub fn live(&self) -> usize {
        self.destination.live()
    }

    pub fn unsent(&self) -> usize {
        let unsent = |did: &&Did| matches!(did, Did::Unsent(_));
        self.history.iter().filter(unsent).count()
    }

    pub fn is_open(&self, attempt: u32) -> bool {
        self.open.contains_key(&attempt)
    }

    pub fn open_on(&self, connection: u32) -> usize {
        self.open.values().filter(|c| **c == connection).count()
    }

    /// The connections that are up and take attempts.
    pub fn up(&self) -> Vec<u32> {
        let up = self.destination.connections.iter();
        let up = up.filter(|c| c.state == State::Up);
        up.map(|c| self.number(c.id)).collect()
    }

    /// The addresses of the connections that take attempts, or will, sorted.
    pub fn live_addresses(&self) -> Vec<u16> {
        let live = self.destination.connections.iter();
        let live = live.filter(|c| c.state != State::Draining);
        let mut ports: Vec<_> = live
            .map(|c| self.addresses[self.number(c.id) as usize])
            .collect();
        ports.sort_unstable();
        ports
    }

    pub fn connection_to(&self, port: u16) -> u32 {
        let found = self.addresses.iter().position(|address| *address == port);
        found.expect("a connection to it") as u32
    }

    /// Ids are used again: the last connection with this one is meant.
    fn number(&self, id: ConnectionId) -> u32 {
        let number = self.ids.iter().rposition(|known| *known == id);
        number.expect("a connection that was opened") as u32
    }

    fn outputs(&mut self) -> Vec<Did> {
        let mut did = Vec::new();
        while let Some(output) = self.destination.poll_output() {
            did.push(self.note(output));
        }
        self.history.extend(&did);
        self.check();
        did
    }

    fn note(&mut self, output: DestinationOutput) -> Did {
        match output {
            DestinationOutput::Connect {
                connection,
                address: Address::Tcp(address),
                terms,
            } => {
                let number = self.ids.len() as u32;
                self.ids.push(connection);
                self.addresses.push(address.port());
                self.connecting.push(number);
                self.terms.push(terms);
                Did::Connect(number, address.port())
            }
            DestinationOutput::Command {
                connection,
                command: ClientCommand::Send(attempt),
            } => {
                let connection = self.number(connection);
                self.open.insert(attempt.id.0, connection);
                Did::Sent(attempt.id.0, connection)
            }
            DestinationOutput::Command {
                connection,
                command: ClientCommand::Drain,
            } => Did::Drain(self.number(connection)),
            DestinationOutput::Resolve => Did::Resolve,
            DestinationOutput::Unsent { attempt } => Did::Unsent(attempt.id.0),
            other => panic!("{other:?}"),
        }
    }

    /// The invariants of the machine.
    fn check(&self) {
        let Destination {
            connections,
            addresses,
            settings,
            ..
        } = &self.destination;
        for place in 0..addresses.len() {
            let at = connections.iter().filter(|c| c.place == Some(place));
            let live = at.clone().filter(|c| c.state != State::Draining).count();
            let load: u32 = at.map(|c| c.open).sum();
            assert_eq!(addresses.live(place) as usize, live);
            assert_eq!(addresses.share(place).0, load);
        }
        assert!(self.live() <= settings.connections_max + 1);
        assert_eq!(self.table.len(), connections.len());
        let over = connections.iter().find(|c| c.open > settings.streams_max);
        assert!(over.is_none(), "{over:?}");
        let open: u32 = connections.iter().map(|c| c.open).sum();
        assert_eq!(open as usize, self.open.len());
    }
}

fn addresses(ports: &[u16]) -> Vec<Address> {
    let address = |port: &u16| Address::Tcp(([127, 0, 0, 1], *port).into());
    ports.iter().map(address).collect()
}
