//! Senders that keep the contract of [`Inbound`](crate::exchange::Inbound), and nothing else.

use super::network::{chance, pick};
use super::{GRPC, HTTP, is_success};
use crate::exchange::{Admission, Body, Credit, Reply, RequestHead};
use crate::flow::Random;
use crate::pipeline::Pipeline;
use crate::pipeline::tests::world::encode;
use crate::time::Instant;
use crate::units::{ConnectionId, RequestId};
use bytes::Bytes;
use http::Request;
use std::collections::BTreeMap;
use tailrace_codec::compress::{Compressor, Encoding, Level};
use tailrace_codec::otlp::json;
use tailrace_codec::{Rope, Signal};

/// A request between its headers and its answer.
#[derive(Debug)]
struct Open {
    connection: ConnectionId,
    items: u64,
    /// What is still to be sent; `None` once complete.
    body: Option<Body>,
}

#[derive(Debug, Default)]
pub struct Senders {
    connections: Vec<ConnectionId>,
    open: BTreeMap<RequestId, Open>,
    next_name: u64,
    pub begun: u64,
    pub sent_items: u64,
    pub accepted_items: u64,
    pub refused_items: u64,
    /// Of those who left before they were answered.
    pub left_items: u64,
}

impl Senders {
    /// One sender does one thing.
    pub fn step(&mut self, pipeline: &mut Pipeline, random: &mut Random, now: Instant) {
        match pick(random, 16) {
            0 | 1 => {
                let terms = pipeline.handle_opened(None);
                self.connections.extend(terms.map(|terms| terms.connection));
            }
            2 if !self.connections.is_empty() => {
                let index = pick(random, self.connections.len());
                self.close(pipeline, index);
            }
            3 if !self.open.is_empty() => {
                let index = pick(random, self.open.len());
                let id = *self.open.keys().nth(index).expect("fewer than are open");
                self.leave(pipeline, id);
            }
            4..9 => self.complete_any(pipeline, random, now),
            _ if !self.connections.is_empty() => self.begin(pipeline, random, now),
            _ => {}
        }
    }

    fn begin(&mut self, pipeline: &mut Pipeline, random: &mut Random, now: Instant) {
        let connection = self.connections[pick(random, self.connections.len())];
        let items = [0, 1, 1, 2, 3, 5, 8, 20][pick(random, 8)];
        let length = [1, 1, 1, 10, 10, 100, 4_000, 20_000][pick(random, 8)];
        let names: Vec<String> = (0..items).map(|_| self.name(length)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let protobuf = match items {
            0 => Vec::new(),
            _ => encode(&names),
        };
        let is_json = chance(random, 4);
        let gzip = chance(random, 4);
        let mut message = Rope::from(protobuf);
        if is_json {
            let text = json::encode(Signal::Traces, &message, usize::MAX, Vec::new());
            message = Rope::from(text.expect("what prost wrote is OTLP"));
        }
        if gzip {
            let mut compressor = Compressor::new();
            let compressed = compressor.compress(Encoding::Gzip, Level::DEFAULT, &message);
            message = compressed.expect("gzip takes everything");
        }
        if chance(random, 12) {
            message = Rope::from(Bytes::from_static(&[0xff; 9]));
        }
        let listener = if is_json { HTTP } else { GRPC };
        let parts = head(random, is_json, gzip);
        let head = RequestHead {
            listener,
            connection,
            parts: &parts,
        };
        self.begun += 1;
        self.sent_items += items;
        match pipeline.handle_head(&head, now) {
            Admission::Answer(reply) => self.count(items, &reply),
            Admission::Receive { request, .. } => {
                let compressed = gzip && !is_json;
                let body = Body {
                    message,
                    compressed,
                };
                let body = Some(body);
                let open = Open {
                    connection,
                    items,
                    body,
                };
                assert!(self.open.insert(request, open).is_none(), "an id in use");
            }
        }
    }

    /// Sends the rest of one body.
    fn complete_any(&mut self, pipeline: &mut Pipeline, random: &mut Random, now: Instant) {
        let reading = self.open.iter().filter(|(_, open)| open.body.is_some());
        let reading: Vec<RequestId> = reading.map(|(id, _)| *id).collect();
        if reading.is_empty() {
            return;
        }
        let id = reading[pick(random, reading.len())];
        let body = self.open.get_mut(&id).and_then(|open| open.body.take());
        let body = body.expect("it was just seen");
        let mut left = body.message.len() as u64;
        while left > 0 {
            let bytes = left.min(1 + pick(random, 40_000) as u64);
            left -= bytes;
            if let Credit::Refused(reply) = pipeline.handle_reserve(id, bytes, now) {
                return self.answered(id, &reply);
            }
        }
        if let Some(reply) = pipeline.handle_complete(id, body, now) {
            self.answered(id, &reply);
        }
    }

    /// A reply came by mailbox.
    pub fn replied(&mut self, connection: ConnectionId, id: RequestId, reply: &Reply) {
        // Who left meanwhile does not hear it.
        if let Some(open) = self.open.get(&id) {
            assert_eq!(open.connection, connection, "another's reply");
            assert!(open.body.is_none(), "answered by mailbox while it was read");
            self.answered(id, reply);
        }
    }

    fn answered(&mut self, id: RequestId, reply: &Reply) {
        let open = self.open.remove(&id).expect("answered once");
        self.count(open.items, reply);
    }

    fn count(&mut self, items: u64, reply: &Reply) {
        if is_success(reply) {
            self.accepted_items += items;
        } else {
            self.refused_items += items;
        }
    }

    fn leave(&mut self, pipeline: &mut Pipeline, id: RequestId) {
        let open = self.open.remove(&id).expect("an open request");
        self.left_items += open.items;
        pipeline.handle_abandoned(id);
    }

    fn close(&mut self, pipeline: &mut Pipeline, index: usize) {
        let connection = self.connections.swap_remove(index);
        let of_it = self
            .open
            .iter()
            .filter(|(_, open)| open.connection == connection);
        let of_it: Vec<RequestId> = of_it.map(|(id, _)| *id).collect();
        for id in of_it {
            self.leave(pipeline, id);
        }
        pipeline.handle_closed_incoming(connection);
    }

    /// Those that never complete their body leave.
    pub fn abandon_bodies(&mut self, pipeline: &mut Pipeline) {
        let reading = self.open.iter().filter(|(_, open)| open.body.is_some());
        let reading: Vec<RequestId> = reading.map(|(id, _)| *id).collect();
        for id in reading {
            self.leave(pipeline, id);
        }
    }

    pub fn close_all(&mut self, pipeline: &mut Pipeline) {
        while !self.connections.is_empty() {
            self.close(pipeline, 0);
        }
    }

    pub fn unanswered(&self) -> usize {
        self.open.len()
    }

    /// A name no other span has.
    fn name(&mut self, length: usize) -> String {
        self.next_name += 1;
        format!("{:0length$}", self.next_name)
    }
}

fn head(random: &mut Random, is_json: bool, gzip: bool) -> http::request::Parts {
    let mut request = if is_json {
        Request::post("/v1/traces").header("content-type", "application/json")
    } else {
        let path = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
        let request = Request::post(path).header("te", "trailers");
        request.header("content-type", "application/grpc")
    };
    if gzip {
        let name = if is_json {
            "content-encoding"
        } else {
            "grpc-encoding"
        };
        request = request.header(name, "gzip");
    }
    if chance(random, 2) {
        request = request.header("x-tenant", ["a", "b", "c"][pick(random, 3)]);
    }
    if !is_json && chance(random, 4) {
        request = request.header("grpc-timeout", "300m");
    }
    let (parts, ()) = request.body(()).expect("a request").into_parts();
    parts
}
