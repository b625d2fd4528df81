//! Connections to the backends, and what is on its way on them.

use super::backend::{Backend, End, Plan};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::{Duration, SystemTime};
use tailrace_engine::Pipeline;
use tailrace_engine::exchange::{Address, Answer, Attempt, ClientCommand, CloseReason, Failure};
use tailrace_engine::time::Instant;
use tailrace_engine::units::{AttemptId, ConnectionId};

/// From asking for a connection to having it or not.
const CONNECT: Duration = Duration::from_millis(1);

/// A gRPC message's length stands before it.
const PREFIX: usize = 5;

/// Nobody asks for the date.
const WALL: SystemTime = SystemTime::UNIX_EPOCH;

/// Streams at once on a connection.
const STREAMS: u32 = 100;

pub struct Network {
    /// The backend of port 10,000 and those after it.
    pub backends: Vec<Backend>,
    connections: BTreeMap<ConnectionId, Connection>,
    agenda: BinaryHeap<Reverse<(Instant, u64, Event)>>,
    /// Names each event, connection and attempt: their ids come again.
    next: u64,
}

struct Connection {
    backend: usize,
    name: u64,
    is_up: bool,
    draining: bool,
    open: BTreeMap<u64, Open>,
}

/// An attempt on its way.
struct Open {
    id: AttemptId,
    answer: Answer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// An outage begins.
    Break(usize),
    Connected(ConnectionId, u64),
    Refused(ConnectionId, u64),
    /// The attempt of this name is answered.
    Answered(ConnectionId, u64),
    Lost(ConnectionId, u64),
}

impl Network {
    pub fn new(plans: Vec<Plan>, seed: u64) -> Self {
        let seeds = (0..).map(|lane: u64| seed ^ (lane << 32));
        let backends = plans.into_iter().zip(seeds);
        let mut network = Self {
            backends: backends
                .map(|(plan, seed)| Backend::new(plan, seed))
                .collect(),
            connections: BTreeMap::new(),
            agenda: BinaryHeap::new(),
            next: 0,
        };
        let backends = network.backends.iter().enumerate();
        let breaks =
            backends.flat_map(|(index, backend)| backend.breaks().map(move |at| (index, at)));
        for (index, at) in breaks.collect::<Vec<_>>() {
            network.plan(Instant(0) + at, Event::Break(index));
        }
        network
    }

    /// When something happens next.
    pub fn next(&self) -> Option<Instant> {
        self.agenda.peek().map(|Reverse((at, _, _))| *at)
    }

    /// The next thing happens.
    pub fn happen(&mut self, pipeline: &mut Pipeline, now: Instant) {
        let Some(Reverse((_, _, event))) = self.agenda.pop() else {
            return;
        };
        match event {
            Event::Break(index) => {
                let broken = self.connections.iter();
                let broken = broken.filter(|(_, connection)| connection.backend == index);
                let ids: Vec<_> = broken.map(|(id, _)| *id).collect();
                ids.into_iter().for_each(|id| self.lose(id, pipeline, now));
            }
            Event::Connected(id, name) => {
                if let Some(connection) = self.named(id, name) {
                    connection.is_up = true;
                    pipeline.handle_connected(id, STREAMS, now);
                    self.close_drained(id, pipeline, now);
                }
            }
            Event::Refused(id, name) => {
                if self.named(id, name).is_some() {
                    self.connections.remove(&id);
                    let os_error = Some(111);
                    pipeline.handle_closed(id, &CloseReason::Unreachable { os_error }, now);
                }
            }
            Event::Answered(id, name) => self.answered(id, name, pipeline, now),
            Event::Lost(id, name) => {
                if self.named(id, name).is_some() {
                    self.lose(id, pipeline, now);
                }
            }
        }
    }

    /// The pipeline opens a connection.
    pub fn connect(&mut self, address: &Address, id: ConnectionId, now: Instant) {
        let backend = match address {
            Address::Tcp(address) => usize::from(address.port() - super::setup::PORT),
            Address::Unix(_) => panic!("no backend has a path"),
        };
        let name = self.name();
        let connection = Connection {
            backend,
            name,
            is_up: false,
            draining: false,
            open: BTreeMap::new(),
        };
        let before = self.connections.insert(id, connection);
        assert!(before.is_none(), "{id:?} is open already");
        let event = match self.backends[backend].connect(now) {
            true => Event::Connected(id, name),
            false => Event::Refused(id, name),
        };
        self.plan(now + CONNECT, event);
    }

    /// The pipeline tells a connection something. What is for one that has ended was certainly not
    /// processed.
    pub fn command(
        &mut self,
        id: ConnectionId,
        command: ClientCommand,
        pipeline: &mut Pipeline,
        now: Instant,
    ) {
        match command {
            ClientCommand::Send(attempt) if !self.connections.contains_key(&id) => {
                let answer = Answer::Failed(Failure::Unprocessed);
                pipeline.handle_answered(id, attempt.id, answer, now, WALL);
            }
            ClientCommand::Send(attempt) => self.send(id, &attempt, now),
            ClientCommand::Cancel(attempt) => {
                if let Some(connection) = self.connections.get_mut(&id) {
                    connection.open.retain(|_, open| open.id != attempt);
                    self.close_drained(id, pipeline, now);
                }
            }
            ClientCommand::Drain => {
                if let Some(connection) = self.connections.get_mut(&id) {
                    connection.draining = true;
                    self.close_drained(id, pipeline, now);
                }
            }
        }
    }

    fn send(&mut self, id: ConnectionId, attempt: &Attempt, now: Instant) {
        let name = self.name();
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        assert!(connection.is_up, "sent on a connection that is not up");
        let message = attempt.body.slice(PREFIX..attempt.body.len());
        let backend = &mut self.backends[connection.backend];
        let (at, end) = backend.request(&message, now);
        let (lost, connection_name) = (matches!(end, End::Lost), connection.name);
        let in_time = at <= attempt.deadline;
        let (at_most, answer) = match end {
            End::Answer(answer) if in_time => (at, answer),
            End::Answer(_) | End::Lost | End::Silence => {
                (attempt.deadline, Answer::Failed(Failure::TimedOut))
            }
        };
        let id_at_pipeline = attempt.id;
        connection.open.insert(
            name,
            Open {
                id: id_at_pipeline,
                answer,
            },
        );
        self.plan(at_most, Event::Answered(id, name));
        if lost {
            self.plan(at, Event::Lost(id, connection_name));
        }
    }

    fn answered(&mut self, id: ConnectionId, name: u64, pipeline: &mut Pipeline, now: Instant) {
        // Cancelled, or lost with its connection, if it is not there.
        let connection = self.connections.get_mut(&id);
        if let Some(open) = connection.and_then(|connection| connection.open.remove(&name)) {
            pipeline.handle_answered(id, open.id, open.answer, now, WALL);
            self.close_drained(id, pipeline, now);
        }
    }

    fn lose(&mut self, id: ConnectionId, pipeline: &mut Pipeline, now: Instant) {
        let Some(connection) = self.connections.remove(&id) else {
            return;
        };
        for open in connection.open.into_values() {
            let answer = Answer::Failed(Failure::ConnectionLost);
            pipeline.handle_answered(id, open.id, answer, now, WALL);
        }
        pipeline.handle_closed(id, &CloseReason::Lost, now);
    }

    fn close_drained(&mut self, id: ConnectionId, pipeline: &mut Pipeline, now: Instant) {
        let drained = |connection: &Connection| connection.draining && connection.open.is_empty();
        if self.connections.get(&id).is_some_and(drained) {
            self.connections.remove(&id);
            pipeline.handle_closed(id, &CloseReason::Drained, now);
        }
    }

    fn named(&mut self, id: ConnectionId, name: u64) -> Option<&mut Connection> {
        let connection = self.connections.get_mut(&id);
        connection.filter(|connection| connection.name == name)
    }

    const fn name(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn plan(&mut self, at: Instant, event: Event) {
        let name = self.name();
        self.agenda.push(Reverse((at, name, event)));
    }
}
