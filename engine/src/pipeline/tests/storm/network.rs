//! A network that does anything its contract allows, and remembers what it carried.

use crate::exchange::{Address, Answer, ClientCommand, CloseReason, Failure};
use crate::flow::Random;
use crate::pipeline::tests::world::{decode, ok, status};
use crate::pipeline::{Output, Pipeline};
use crate::time::Instant;
use crate::units::{AttemptId, ConnectionId, EndpointId, LaneId};
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceResponse,
};
use prost::Message;
use std::collections::{BTreeMap, HashMap};
use std::time::SystemTime;
use tailrace_codec::grpc::Code;

/// Where one item stands with one lane's destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// On its way: must not be sent beside itself.
    Sent,
    /// Answered so that it must, or may, be sent again.
    SendAgain,
    /// Answered with success, a partial one included: must not be sent again.
    Taken,
    /// Answered with a refusal of its request: only a smaller request may have it again.
    Refused { items: usize },
}

#[derive(Debug)]
struct Connection {
    lane: LaneId,
    is_up: bool,
    draining: bool,
    open: Vec<(AttemptId, Vec<String>)>,
}

/// The destinations of all lanes, and the connections to them.
#[derive(Debug, Default)]
pub struct Network {
    connections: BTreeMap<ConnectionId, Connection>,
    unresolved: Vec<EndpointId>,
    seen: HashMap<(LaneId, String), Seen>,
    /// Items answered with success, of which the destination rejected `partial`.
    pub taken: HashMap<LaneId, u64>,
    pub partial: HashMap<LaneId, u64>,
    /// From now on every connection comes up and every answer is a success.
    pub calm: bool,
}

impl Network {
    /// Performs an output that is for the network.
    pub fn perform(&mut self, output: Output, pipeline: &mut Pipeline, now: Instant) {
        match output {
            Output::Connect {
                lane, connection, ..
            } => {
                let (is_up, draining, open) = (false, false, Vec::new());
                let connection_state = Connection {
                    lane,
                    is_up,
                    draining,
                    open,
                };
                let before = self.connections.insert(connection, connection_state);
                assert!(before.is_none(), "{connection:?} is open already");
            }
            Output::Command {
                connection,
                command,
            } => self.command(connection, command, pipeline, now),
            Output::Resolve { endpoint } => self.unresolved.push(endpoint),
            Output::Notice { .. } => {}
            other => panic!("not for the network: {other:?}"),
        }
    }

    /// As the shell does: what is for a connection that has ended was certainly not processed.
    fn command(
        &mut self,
        id: ConnectionId,
        command: ClientCommand,
        pipeline: &mut Pipeline,
        now: Instant,
    ) {
        let Some(connection) = self.connections.get_mut(&id) else {
            if let ClientCommand::Send(attempt) = command {
                let answer = Answer::Failed(Failure::Unprocessed);
                pipeline.handle_answered(id, attempt.id, answer, now, SystemTime::UNIX_EPOCH);
            }
            return;
        };
        match command {
            ClientCommand::Send(attempt) => {
                assert!(connection.is_up, "sent on a connection that is not up");
                let names = decode(&attempt.body.to_bytes()[5..]);
                for name in &names {
                    let key = (connection.lane, name.clone());
                    let before = self.seen.insert(key, Seen::Sent);
                    let may_go = match before {
                        None | Some(Seen::SendAgain) => true,
                        Some(Seen::Refused { items }) => names.len() < items,
                        Some(Seen::Sent | Seen::Taken) => false,
                    };
                    assert!(may_go, "{name} is sent after {before:?} in {}", names.len());
                }
                connection.open.push((attempt.id, names));
            }
            ClientCommand::Cancel(attempt) => {
                let index = connection.open.iter().position(|(id, _)| *id == attempt);
                let lane = connection.lane;
                if let Some((_, names)) = index.map(|index| connection.open.swap_remove(index)) {
                    self.note(lane, &names, Seen::SendAgain);
                }
            }
            ClientCommand::Drain => connection.draining = true,
        }
    }

    /// Lets one thing happen; `false` if nothing could.
    pub fn step(&mut self, pipeline: &mut Pipeline, random: &mut Random, now: Instant) -> bool {
        if let Some(endpoint) = self.unresolved.pop() {
            let address = Address::Tcp(([127, 0, 0, 1], 4317).into());
            pipeline.handle_resolved(endpoint, vec![address], now);
            return true;
        }
        let waiting = |(_, connection): &(&ConnectionId, &Connection)| {
            !connection.is_up || connection.draining || !connection.open.is_empty()
        };
        let waiting: Vec<ConnectionId> = self
            .connections
            .iter()
            .filter(waiting)
            .map(|(id, _)| *id)
            .collect();
        if waiting.is_empty() {
            return false;
        }
        let id = waiting[pick(random, waiting.len())];
        let connection = self.connections.get_mut(&id).expect("it was just seen");
        if !connection.is_up {
            if self.calm || !chance(random, 4) {
                connection.is_up = true;
                let streams = 1 + pick(random, 4) as u32;
                pipeline.handle_connected(id, streams, now);
            } else {
                self.connections.remove(&id);
                let os_error = Some(111);
                pipeline.handle_closed(id, &CloseReason::Unreachable { os_error }, now);
            }
        } else if connection.open.is_empty() {
            self.connections.remove(&id);
            pipeline.handle_closed(id, &CloseReason::Drained, now);
        } else if !self.calm && chance(random, 8) {
            self.lose(pipeline, random, id, now);
        } else {
            let index = pick(random, connection.open.len());
            let (attempt, names) = connection.open.swap_remove(index);
            let lane = connection.lane;
            let answer = self.answer(random, lane, &names);
            pipeline.handle_answered(id, attempt, answer, now, SystemTime::UNIX_EPOCH);
        }
        true
    }

    fn lose(
        &mut self,
        pipeline: &mut Pipeline,
        random: &mut Random,
        id: ConnectionId,
        now: Instant,
    ) {
        if chance(random, 2) {
            pipeline.handle_draining(id, now);
        }
        let connection = self.connections.remove(&id).expect("an open connection");
        for (attempt, names) in connection.open {
            let failure = if chance(random, 2) {
                Failure::Unprocessed
            } else {
                Failure::ConnectionLost
            };
            self.note(connection.lane, &names, Seen::SendAgain);
            let answer = Answer::Failed(failure);
            pipeline.handle_answered(id, attempt, answer, now, SystemTime::UNIX_EPOCH);
        }
        pipeline.handle_closed(id, &CloseReason::Lost, now);
    }

    fn answer(&mut self, random: &mut Random, lane: LaneId, names: &[String]) -> Answer {
        let items = names.len();
        let die = if self.calm { 0 } else { pick(random, 16) };
        match die {
            0..9 => {
                self.note(lane, names, Seen::Taken);
                *self.taken.entry(lane).or_default() += items as u64;
                ok()
            }
            9 => {
                self.note(lane, names, Seen::Taken);
                let rejected = 1 + pick(random, items);
                *self.taken.entry(lane).or_default() += items as u64;
                *self.partial.entry(lane).or_default() += rejected as u64;
                partial(rejected as i64)
            }
            10 | 11 => {
                self.note(lane, names, Seen::SendAgain);
                status(Code::Unavailable)
            }
            12 => {
                self.note(lane, names, Seen::SendAgain);
                Answer::Failed(Failure::TimedOut)
            }
            13 => {
                self.note(lane, names, Seen::SendAgain);
                Answer::Failed(Failure::Unprocessed)
            }
            14 => {
                self.note(lane, names, Seen::Refused { items });
                status(Code::InvalidArgument)
            }
            _ => {
                self.note(lane, names, Seen::Refused { items });
                status(Code::PermissionDenied)
            }
        }
    }

    fn note(&mut self, lane: LaneId, names: &[String], seen: Seen) {
        for name in names {
            self.seen.insert((lane, name.clone()), seen);
        }
    }
}

fn partial(rejected_spans: i64) -> Answer {
    let body = ExportTraceServiceResponse {
        partial_success: Some(ExportTracePartialSuccess {
            rejected_spans,
            error_message: "some".into(),
        }),
    };
    Answer::Grpc {
        code: Code::Ok,
        message: String::new(),
        details: Bytes::new(),
        body: body.encode_to_vec().into(),
    }
}

/// One of `0..below`.
pub fn pick(random: &mut Random, below: usize) -> usize {
    (random.next_u64() % below as u64) as usize
}

/// Once in `of` times.
pub fn chance(random: &mut Random, of: usize) -> bool {
    pick(random, of) == 0
}
