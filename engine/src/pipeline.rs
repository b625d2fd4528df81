//! The life of a request, from its headers to the last destination's answer, without I/O.
//!
//! ```text
//!   opened            a connection is given windows from free credit
//!   head              ingress decides on the headers            -> receive | reply
//!   reserve           credit for the body, before it is read    -> granted | reply
//!   complete          inflate, convert, scan, classify; every lane must have room
//!                     store it, put its parts into each lane    -> reply | wait
//!   turn              lanes form batches, outlets send them     -> outputs
//!   answered          the verdict settles, retries or takes apart
//!   settle            the last lane lets go: credit returns, who waited is answered
//! ```
//!
//! The shell feeds events in and performs what [`Pipeline::poll_output`] yields; it decides
//! nothing. The same machine runs in simulation.

mod admission;
mod blocked;
mod hashing;
mod quotas;
mod reading;
mod requests;
mod senders;
mod sending;
mod settings;
mod thinning;

#[cfg(test)]
mod tests;

pub use settings::{ListenerSettings, PipelineSettings};

use crate::classify::Classifier;
use crate::delivery::{Notice, Notices};
use crate::egress::balance::{Balance, BusyPermille};
use crate::egress::destination::{ConnectionTable, Terms};
use crate::egress::lane::{Conclusion, Lane, Outcome};
use crate::egress::outlet::{Outlet, Parcel};
use crate::exchange::{Address, ClientCommand, Reply};
use crate::flow::Random;
use crate::flow::estimate::DrainRate;
use crate::ingress::{Ingress, SharedMetadata};
use crate::memory::{Credit, PayloadId, Pool, Scratch, Store};
use crate::telemetry::{Counters, DropReason, LaneCounters, ReceiverCounters};
use crate::time::Instant;
use crate::units::{
    AttemptId, ConnectionId, EndpointId, ItemCount, LaneId, ListenerId, RequestId, SenderId,
    ShardId,
};
use blocked::Blocked;
use bytes::Bytes;
use quotas::Rejected;
use reading::Message;
use requests::Requests;
use senders::Senders;
use sending::InFlight;
use slab::Slab;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;
use tailrace_codec::Signal;
use tailrace_codec::compress::Decompressor;

/// What the shell is to do.
#[derive(Debug)]
pub enum Output {
    /// Answer a request on an incoming connection.
    Reply {
        connection: ConnectionId,
        request: RequestId,
        reply: Reply,
    },
    /// Open a connection for a lane.
    Connect {
        lane: LaneId,
        connection: ConnectionId,
        address: Address,
        terms: Terms,
    },
    /// Tell an outgoing connection.
    Command {
        connection: ConnectionId,
        command: ClientCommand,
    },
    /// Tell people what a lane's destination said.
    Notice { lane: LaneId, notice: Notice },
    /// Ask the control thread for the addresses of an endpoint.
    Resolve { endpoint: EndpointId },
    /// Append to the lane's file, then call [`Pipeline::handle_written`].
    Append {
        lane: LaneId,
        attempt: AttemptId,
        bytes: Bytes,
    },
    /// Print to the console, then call [`Pipeline::handle_written`].
    Print { attempt: AttemptId, text: String },
    /// Let another shard send this; its verdict comes back under `attempt`.
    HandOver {
        to: ShardId,
        lane: LaneId,
        attempt: AttemptId,
        parcel: Parcel,
    },
    /// How what another shard handed over has ended.
    HandBack {
        to: ShardId,
        attempt: AttemptId,
        conclusion: Conclusion,
        wire_bytes: u64,
    },
}

/// One shard's share of everything between receivers and destinations.
///
/// Invariant: the credit taken is the sum of connection windows, request reservations and what the
/// store's payloads are charged.
#[derive(Debug)]
pub struct Pipeline {
    settings: Rc<PipelineSettings>,
    shard: ShardId,
    credit: Credit,
    store: Store,
    /// By listener and signal, as routes are.
    pools: Vec<[Pool; Signal::ALL.len()]>,
    /// By [`LaneId`], the same in every shard.
    lanes: Vec<Lane>,
    outlets: Vec<Outlet>,
    notices: Vec<Notices>,
    /// What the destination said of the batch that ends just now.
    said: Option<Box<str>>,
    senders: Senders,
    outgoing: ConnectionTable,
    requests: Requests,
    attempts: Slab<InFlight>,
    /// Complete requests that wait for room in a queue that blocks.
    blocked: Blocked<Message>,
    balance: Balance,
    /// By shard: the batches it was given and has not handed back.
    handed_over: Vec<usize>,
    /// Batches given to other shards since the start.
    batches_given: u64,
    drain_rate: DrainRate,
    random: Random,
    decompressor: Decompressor,
    classifier: Classifier,
    /// Whether what waits may leave in another order than it came.
    sorts: bool,
    scratch: Scratch,
    /// One copy of each distinct metadata, so that comparing two is comparing pointers.
    metadata: SharedMetadata,
    receivers: Vec<ReceiverCounters>,
    outputs: VecDeque<Output>,
    /// Since when the shard stops taking requests.
    stopping: Option<Instant>,
    /// What was inside has been given up: what would come in now would be lost without a word.
    given_up: bool,
}

/// A request between its headers and its answer.
#[derive(Debug)]
struct Request {
    connection: ConnectionId,
    sender: SenderId,
    listener: ListenerId,
    ingress: Ingress,
    deadline: Instant,
    /// Credit taken for its body, until the payload takes it over.
    reserved: u64,
    /// Known once its body was read.
    items: ItemCount,
    /// Its payload, while the answer waits for delivery. The payload lives as long as the request
    /// does: its last awaited holder answers the request.
    payload: Option<PayloadId>,
    /// The worst that became of its parts so far.
    worst: Outcome,
    /// What of it was not taken for its tenants' quotas.
    rejected: Option<Box<Rejected>>,
    /// What a destination said of what it did not take.
    said: Option<Box<str>>,
}

impl Pipeline {
    /// `seed` makes backoff jitter differ between shards and repeat in a simulation.
    pub fn new(settings: Rc<PipelineSettings>, shard: ShardId, seed: u64) -> Self {
        let lanes = settings.lanes.iter().copied().map(Lane::new).collect();
        let outlets = settings
            .outlets
            .iter()
            .map(|outlet| outlet.outlet(seed))
            .collect();
        Self {
            credit: Credit::new(settings.credit_high, settings.credit_bytes),
            store: Store::default(),
            notices: vec![Notices::default(); settings.lanes.len()],
            said: None,
            pools: settings
                .listeners
                .iter()
                .map(|_| Default::default())
                .collect(),
            outlets,
            senders: Senders::default(),
            outgoing: ConnectionTable::new(),
            requests: Requests::default(),
            attempts: Slab::new(),
            blocked: Blocked::default(),
            balance: Balance::default(),
            handed_over: Vec::new(),
            batches_given: 0,
            drain_rate: DrainRate::default(),
            random: Random::new(seed),
            decompressor: Decompressor::new(),
            classifier: Classifier::new(settings.classifier.clone()),
            sorts: settings.lanes.iter().any(|lane| lane.fair.is_some()),
            scratch: Scratch::default(),
            metadata: SharedMetadata::default(),
            receivers: vec![ReceiverCounters::default(); settings.listeners.len()],
            outputs: VecDeque::new(),
            stopping: None,
            given_up: false,
            settings,
            shard,
            lanes,
        }
    }

    /// What the shell is to do next, until `None`. Batches are formed here, so that everything
    /// that came in since the last turn can be in them.
    pub fn poll_output(&mut self, now: Instant) -> Option<Output> {
        if self.outputs.is_empty() {
            self.send_batches(now);
        }
        self.outputs.pop_front()
    }

    /// Time has passed: backoffs, flush timeouts, deadlines.
    pub fn handle_timeout(&mut self, now: Instant) {
        for index in 0..self.outlets.len() {
            if let Outlet::Network(network) = &mut self.outlets[index] {
                network.endpoints.handle_timeout(&mut self.outgoing, now);
            }
            self.collect(index, now);
        }
        self.expire_blocked(now);
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) though nothing happened.
    pub fn next_timeout(&self) -> Option<Instant> {
        let lanes = (0..self.lanes.len()).filter(|&lane| !self.is_held_up(lane));
        let lanes = lanes.filter_map(|lane| self.lanes[lane].next_timeout());
        let outlets = self.outlets.iter().filter_map(|outlet| match outlet {
            Outlet::Network(network) => network.endpoints.next_timeout(),
            Outlet::File | Outlet::Debug(_) | Outlet::Nop => None,
        });
        let blocked = self.blocked.next_deadline();
        lanes.chain(outlets).chain(blocked).min()
    }

    /// The busy times of all shards.
    pub fn handle_busy(&mut self, busy: &[BusyPermille]) {
        self.balance.update(busy, self.shard.index());
    }

    /// What is inside goes out as it is, without waiting to be batched.
    pub fn flush(&mut self) {
        for lane in &mut self.lanes {
            lane.flush_once();
        }
    }

    /// Takes no more requests; what is inside goes out as it is, without waiting to be batched.
    pub fn stop(&mut self, now: Instant) {
        self.stopping = Some(now);
        for lane in &mut self.lanes {
            lane.flush();
        }
    }

    /// Whether nothing is left to be delivered or answered.
    pub fn is_idle(&self) -> bool {
        self.store.is_empty() && self.blocked.is_empty() && self.attempts.is_empty()
    }

    /// Gives up what is left, counted as dropped by shutdown; who waits is told to come again, and
    /// so is who completes a request after this. Returns the items given up.
    pub fn abandon_all(&mut self, now: Instant) -> u64 {
        self.given_up = true;
        self.refuse_blocked();
        let mut dropped = 0;
        for index in 0..self.lanes.len() {
            dropped += self.lanes[index].drop_all(DropReason::Shutdown);
            self.settle(index, now);
        }
        self.attempts.clear();
        self.handed_over.clear();
        dropped
    }

    /// Ends every outgoing connection once what is open on it has ended.
    pub fn close_connections(&mut self, now: Instant) {
        for index in 0..self.outlets.len() {
            if let Outlet::Network(network) = &mut self.outlets[index] {
                network.endpoints.drain(now);
            }
            self.collect(index, now);
        }
    }

    /// A lane's exporter and signal, for the log.
    pub fn name(&self, lane: LaneId) -> (&str, &'static str) {
        let signal = self.settings.lanes[lane.index()].signal;
        (&self.settings.exporters[lane.index()], signal.name())
    }

    #[cfg(test)]
    pub fn lanes(&self) -> &[Lane] {
        &self.lanes
    }

    /// Everything the shard counts, with the gauges of this moment.
    pub fn counters(&self, now: Instant) -> Counters {
        let mut counters = Counters::new(0, 0);
        counters.receivers.clone_from(&self.receivers);
        let lanes = self.lanes.iter().map(|lane| LaneCounters {
            queue: lane.queue_flow(now),
            ..lane.counters()
        });
        counters.lanes = lanes.collect();
        counters.tenants = self.classifier.tenants().counters();
        for (lane, outlet) in counters.lanes.iter_mut().zip(&self.outlets) {
            if let Outlet::Network(network) = outlet {
                lane.endpoints = network.endpoints.counters();
            }
        }
        counters.shard.buffered_bytes = self.credit.taken();
        counters.shard.buffered_bytes_max = self.credit.capacity();
        counters.shard.connections_in = self.senders.len() as u64;
        counters.shard.connections_out = self.outgoing.len() as u64;
        counters.shard.batches_given = self.batches_given;
        counters
    }

    /// The credit that connections, open requests and stored payloads account for: what
    /// [`counters`](Self::counters) has as `buffered_bytes`, added up by its holders.
    pub fn owed(&self) -> u64 {
        self.senders.windows() + self.requests.reserved() + self.store.charged()
    }

    #[cfg(test)]
    pub const fn credit(&self) -> &Credit {
        &self.credit
    }

    /// How long a refused sender should wait for `bytes` to be let go.
    fn delay(&self, bytes: u64, now: Instant) -> Duration {
        self.drain_rate.time_for(bytes, now)
    }
}
