//! The outgoing half: batches to outlets, answers to verdicts, and the end of payloads.

use super::{Output, Pipeline, Request};
use crate::delivery::{self, Sent as WasSent, Verdict, What};
use crate::egress::balance::HANDED_OVER_MAX;
use crate::egress::destination::{ConnectionTable, Destination, DestinationOutput};
use crate::egress::lane::{self, BatchId, Conclusion, Context, Outcome};
use crate::egress::outlet::{Outlet, Parcel, Sent};
use crate::exchange::{Address, Answer, CloseReason, Framing, Reply};
use crate::flow::balancing::Change;
use crate::flow::breaker::{self, Tripped};
use crate::ingress::{self, Refusal};
use crate::memory::PayloadId;
use crate::time::Instant;
use crate::units::{AttemptId, ConnectionId, EndpointId, ItemCount, LaneId, RequestId, ShardId};
use std::time::SystemTime;
use tailrace_codec::Rope;

/// An attempt that awaits its answer.
#[derive(Debug)]
pub(super) struct InFlight {
    lane: LaneId,
    origin: Origin,
    items: ItemCount,
    /// As long as its body went on the wire.
    wire_bytes: u64,
    /// The shard that sends it, where it is another.
    given_to: Option<ShardId>,
}

/// Whose batch an attempt sends.
#[derive(Debug, Clone, Copy)]
enum Origin {
    Own(BatchId),
    Peer { shard: ShardId, attempt: AttemptId },
}

impl Pipeline {
    /// Forms what batches can be formed and sends them.
    pub(super) fn send_batches(&mut self, now: Instant) {
        for index in 0..self.lanes.len() {
            while !self.is_held_up(index)
                && let Some(batch) = self.lanes[index].poll_send(&mut self.store, now)
            {
                self.dispatch(lane_id(index), batch, now);
            }
            // It may come back long after the last part left, which let nobody in.
            if self.follow_ladder(lane_id(index)) && !self.blocked.is_empty() {
                self.let_in(lane_id(index), now);
            }
        }
    }

    /// Whether a lane's home is another shard that has as much as it may be given.
    pub(super) fn is_held_up(&self, lane: usize) -> bool {
        let home = self.settings.homes[lane];
        home.is_some_and(|home| home != self.shard && !self.may_hand_over(home))
    }

    fn may_hand_over(&self, to: ShardId) -> bool {
        let given = self.handed_over.get(to.index()).copied();
        given.unwrap_or_default() < HANDED_OVER_MAX
    }

    fn dispatch(&mut self, lane: LaneId, batch: BatchId, now: Instant) {
        let parcel = self.parcel(lane, batch);
        let to = match self.settings.homes[lane.index()] {
            Some(home) => Some(home).filter(|home| *home != self.shard),
            None => {
                let peer = self.balance.next_peer();
                peer.filter(|peer| self.may_hand_over(*peer))
            }
        };
        let attempt = self.track(lane, Origin::Own(batch), &parcel);
        match to {
            Some(to) => {
                self.lanes[lane.index()].hand_over(batch);
                let shards = self.handed_over.len().max(to.index() + 1);
                self.handed_over.resize(shards, 0);
                self.handed_over[to.index()] += 1;
                self.batches_given += 1;
                self.attempts[attempt.index()].given_to = Some(to);
                self.outputs.push_back(Output::HandOver {
                    to,
                    lane,
                    attempt,
                    parcel,
                });
            }
            None => self.send(lane, attempt, parcel, now),
        }
    }

    /// Sends a parcel for another shard, or hands it back where this one has closed its
    /// connections.
    pub fn handle_parcel(
        &mut self,
        from: ShardId,
        lane: LaneId,
        attempt: AttemptId,
        parcel: Parcel,
        now: Instant,
    ) {
        if self.given_up {
            // Tracked, it could stand where an attempt stood whose verdict is still to come.
            let wire_bytes = parcel.body.len() as u64;
            self.outputs.push_back(Output::HandBack {
                to: from,
                attempt,
                conclusion: Conclusion::Unsent,
                wire_bytes,
            });
            return;
        }
        let own = self.track(
            lane,
            Origin::Peer {
                shard: from,
                attempt,
            },
            &parcel,
        );
        self.send(lane, own, parcel, now);
    }

    /// Another shard has sent what was handed over, or could not.
    pub fn handle_hand_back(
        &mut self,
        attempt: AttemptId,
        conclusion: Conclusion,
        wire_bytes: u64,
        now: Instant,
    ) {
        if let Some(in_flight) = self.attempts.get_mut(attempt.index()) {
            in_flight.wire_bytes = wire_bytes;
            if let Some(shard) = in_flight.given_to {
                self.handed_over[shard.index()] -= 1;
            }
            self.conclude(attempt, conclusion, now);
        }
    }

    /// A destination answered.
    pub fn handle_answered(
        &mut self,
        connection: ConnectionId,
        attempt: AttemptId,
        answer: Answer,
        now: Instant,
        wall_clock: SystemTime,
    ) {
        let Some(in_flight) = self.attempts.get(attempt.index()) else {
            return;
        };
        let (lane, items) = (in_flight.lane, in_flight.items);
        let signal = self.lanes[lane.index()].settings().signal;
        let mut framing = Framing::Plain;
        if let Outlet::Network(network) = &mut self.outlets[lane.index()] {
            framing = network.head.framing;
        }
        self.with_destination(connection, now, |destination, table| {
            destination.handle_answered(connection, table, now);
        });
        let sent = WasSent {
            signal,
            items,
            framing,
        };
        let verdict = delivery::verdict(answer, sent, wall_clock);
        self.conclude(attempt, Conclusion::Answered(verdict), now);
    }

    /// The lane's file took the bytes, or did not.
    pub fn handle_written(&mut self, attempt: AttemptId, written: bool, now: Instant) {
        let conclusion = if written {
            delivered()
        } else {
            Conclusion::Unsent
        };
        self.conclude(attempt, conclusion, now);
    }

    pub fn handle_resolved(&mut self, endpoint: EndpointId, addresses: Vec<Address>, now: Instant) {
        self.with_endpoint(endpoint, now, |destination, table| {
            destination.handle_resolved(addresses, table, now);
        });
    }

    pub fn handle_connected(&mut self, connection: ConnectionId, streams_max: u32, now: Instant) {
        self.with_destination(connection, now, |destination, table| {
            destination.handle_connected(connection, streams_max, table, now);
        });
    }

    pub fn handle_streams_max(&mut self, connection: ConnectionId, streams: u32, now: Instant) {
        self.with_destination(connection, now, |destination, table| {
            destination.handle_streams_max(connection, streams, table, now);
        });
    }

    pub fn handle_draining(&mut self, connection: ConnectionId, now: Instant) {
        self.with_destination(connection, now, |destination, table| {
            destination.handle_draining(connection, table, now);
        });
    }

    /// An outgoing connection is gone.
    pub fn handle_closed(&mut self, connection: ConnectionId, reason: &CloseReason, now: Instant) {
        self.with_destination(connection, now, |destination, table| {
            destination.handle_closed(connection, reason, table, now);
        });
    }

    fn with_destination(
        &mut self,
        connection: ConnectionId,
        now: Instant,
        act: impl FnOnce(&mut Destination, &mut ConnectionTable),
    ) {
        if let Some(&endpoint) = self.outgoing.get(connection.index()) {
            self.with_endpoint(endpoint, now, act);
        }
    }

    fn with_endpoint(
        &mut self,
        endpoint: EndpointId,
        now: Instant,
        act: impl FnOnce(&mut Destination, &mut ConnectionTable),
    ) {
        let lane = endpoint.lane.index();
        if let Outlet::Network(network) = &mut self.outlets[lane] {
            network
                .endpoints
                .act(endpoint, &mut self.outgoing, now, act);
        }
        self.collect(lane, now);
    }

    /// Takes what a lane's destination wants done.
    pub(super) fn collect(&mut self, index: usize, now: Instant) {
        let lane = lane_id(index);
        loop {
            let Outlet::Network(network) = &mut self.outlets[index] else {
                return;
            };
            let Some((index, output)) = network.endpoints.poll_output() else {
                self.tell_of_endpoints(lane);
                return;
            };
            match output {
                DestinationOutput::Connect {
                    connection,
                    address,
                    terms,
                } => {
                    self.outputs.push_back(Output::Connect {
                        lane,
                        connection,
                        address,
                        terms,
                    });
                }
                DestinationOutput::Command {
                    connection,
                    command,
                } => {
                    self.outputs.push_back(Output::Command {
                        connection,
                        command,
                    });
                }
                DestinationOutput::Resolve => {
                    let endpoint = EndpointId { lane, index };
                    self.outputs.push_back(Output::Resolve { endpoint });
                }
                DestinationOutput::Unsent { attempt } => {
                    self.conclude(attempt.id, Conclusion::Unsent, now);
                }
            }
        }
    }

    fn send(&mut self, lane: LaneId, attempt: AttemptId, parcel: Parcel, now: Instant) {
        let outlet = &mut self.outlets[lane.index()];
        match outlet.send(attempt, parcel, &mut self.outgoing, now) {
            Sent::Queued => {}
            Sent::OnItsWay { wire_bytes } => {
                self.attempts[attempt.index()].wire_bytes = wire_bytes;
                self.collect(lane.index(), now);
            }
            Sent::Append(bytes) => {
                self.outputs.push_back(Output::Append {
                    lane,
                    attempt,
                    bytes,
                });
            }
            Sent::Print(text) => {
                self.outputs.push_back(Output::Print { attempt, text });
            }
            Sent::Discarded => self.conclude(attempt, delivered(), now),
            Sent::Unfit => self.conclude(attempt, Conclusion::Unfit, now),
        }
    }

    /// An attempt has ended: its lane, or the shard it came from, hears how.
    fn conclude(&mut self, attempt: AttemptId, conclusion: Conclusion, now: Instant) {
        let Some(in_flight) = self.attempts.try_remove(attempt.index()) else {
            return;
        };
        let InFlight {
            lane,
            origin,
            wire_bytes,
            given_to,
            ..
        } = in_flight;
        if given_to.is_none()
            && let Outlet::Network(network) = &mut self.outlets[lane.index()]
        {
            let ended = lane::Ended::of(&conclusion).of_endpoint();
            network.endpoints.handle_ended(attempt, ended, now);
        }
        match origin {
            Origin::Own(batch) => {
                self.notice(lane, &conclusion, now);
                self.said = said(&conclusion);
                let Self {
                    store,
                    random,
                    lanes,
                    ..
                } = self;
                let mut context = Context { store, random, now };
                lanes[lane.index()].handle_conclusion(batch, conclusion, wire_bytes, &mut context);
                self.tell_of_circuit(lane);
                self.settle(lane.index(), now);
                self.said = None;
            }
            Origin::Peer { shard: to, attempt } => {
                self.outputs.push_back(Output::HandBack {
                    to,
                    attempt,
                    conclusion,
                    wire_bytes,
                });
            }
        }
        if given_to.is_none()
            && let Some((next, parcel)) = self.outlets[lane.index()].next_in_window()
        {
            self.send(lane, next, parcel, now);
        }
    }

    /// Has people told what they should know of a batch's end.
    fn notice(&mut self, lane: LaneId, conclusion: &Conclusion, now: Instant) {
        let what = || match conclusion {
            Conclusion::Answered(verdict) => What::Answered(verdict.clone()),
            Conclusion::Unsent => What::Unsent,
            Conclusion::Unfit => What::Unfit,
        };
        let is_plain = matches!(conclusion, Conclusion::Answered(v) if !v.is_notable());
        if is_plain {
            return;
        }
        self.tell(lane, now, what);
    }

    fn tell_of_circuit(&mut self, lane: LaneId) {
        let what = match self.lanes[lane.index()].poll_circuit() {
            // Half open it had not recovered: the circuit stays as it was told.
            None | Some(breaker::Change::Opened(Tripped::Probe)) => return,
            Some(breaker::Change::Opened(tripped)) => What::CircuitOpened(tripped),
            Some(breaker::Change::Closed) => What::CircuitClosed,
        };
        let notice = self.notices[lane.index()].announce(what);
        self.outputs.push_back(Output::Notice { lane, notice });
    }

    /// Each is told: what is left alone is asked again by a pause that grows.
    fn tell_of_endpoints(&mut self, lane: LaneId) {
        loop {
            let Outlet::Network(network) = &mut self.outlets[lane.index()] else {
                return;
            };
            let Some(change) = network.endpoints.poll_change() else {
                return;
            };
            let name = |endpoint| network.endpoints.name(endpoint).into();
            let what = match change {
                Change::Level { from, to } => What::Level { from, to },
                Change::Ejected { endpoint, why } => What::EndpointOut {
                    name: name(endpoint),
                    why,
                },
                Change::Returned { endpoint } => What::EndpointBack {
                    name: name(endpoint),
                },
            };
            let notice = self.notices[lane.index()].announce(what);
            self.outputs.push_back(Output::Notice { lane, notice });
        }
    }

    pub(super) fn tell(&mut self, lane: LaneId, now: Instant, what: impl FnOnce() -> What) {
        if let Some(notice) = self.notices[lane.index()].tell(now, what) {
            self.outputs.push_back(Output::Notice { lane, notice });
        }
    }

    /// Lets go of the parts of a lane that have ended, and answers who waited for them.
    pub(super) fn settle(&mut self, index: usize, now: Instant) {
        if self.let_go(index, now) && !self.blocked.is_empty() {
            self.let_in(lane_id(index), now);
        }
    }

    /// Lets go of the parts of a lane that have ended. Whether there were any.
    pub(super) fn let_go(&mut self, index: usize, now: Instant) -> bool {
        let awaited = self.lanes[index].settings().waits;
        let mut ended = false;
        while let Some(settlement) = self.lanes[index].poll_settled() {
            if awaited {
                self.note(settlement.payload, settlement.outcome);
            }
            self.release(settlement.payload, awaited, now);
            ended = true;
        }
        ended
    }

    /// Takes one holder from a payload, which goes with its last.
    pub(super) fn release(&mut self, payload: PayloadId, awaited: bool, now: Instant) {
        let released = self.store.release(payload, awaited);
        if let Some(request) = released.answered {
            self.answer(request);
        }
        let Some(payload) = released.freed else {
            return;
        };
        self.credit.give(payload.charged);
        if let Some(sender) = payload.sender {
            self.senders.let_go(sender, payload.charged);
        }
        self.drain_rate.record(payload.charged, now);
    }

    /// A waiting request is told the worst that became of any of its parts.
    fn note(&mut self, payload: PayloadId, outcome: Outcome) {
        let Some(request) = self.store.get(payload).waiter else {
            return;
        };
        if let Some(request) = self.requests.get_mut(request) {
            request.worst = request.worst.max(outcome);
            if outcome != Outcome::Delivered && self.said.is_some() {
                request.said.clone_from(&self.said);
            }
        }
    }

    fn answer(&mut self, id: RequestId) {
        let Some(request) = self.requests.remove(id) else {
            return;
        };
        let receiver = &mut self.receivers[request.listener.index()];
        let rejected = request
            .rejected
            .as_ref()
            .map_or(0, |rejected| rejected.items);
        match request.worst {
            Outcome::Delivered | Outcome::Partial { .. } => {
                receiver.accept(request.ingress.signal, request.items - rejected);
                receiver.refuse_items(request.ingress.signal, rejected);
            }
            Outcome::Unavailable { .. } | Outcome::Refused => {
                receiver.refuse(request.ingress.signal, request.items);
            }
        }
        let reply = reply_to(&request);
        let connection = request.connection;
        self.outputs.push_back(Output::Reply {
            connection,
            request: id,
            reply,
        });
    }

    fn parcel(&self, lane: LaneId, batch: BatchId) -> Parcel {
        let lane = &self.lanes[lane.index()];
        let mut body = Rope::new();
        let mut items = 0;
        // A batch is of one bucket.
        let bucket = lane.parts(batch).first().map_or(0, |part| part.bucket);
        for part in lane.parts(batch) {
            // The merge of export requests is their concatenation.
            body.append(part.body(&self.store));
            items += part.size.items;
        }
        Parcel {
            signal: lane.settings().signal,
            body,
            items,
            bucket,
        }
    }

    fn track(&mut self, lane: LaneId, origin: Origin, parcel: &Parcel) -> AttemptId {
        let wire_bytes = parcel.body.len() as u64;
        let items = parcel.items;
        let in_flight = InFlight {
            lane,
            origin,
            items,
            wire_bytes,
            given_to: None,
        };
        let index = self.attempts.insert(in_flight);
        AttemptId(u32::try_from(index).expect("bounded by the lanes' slots"))
    }
}

/// What a destination said of what it did not take. Cost: a copy, for these alone.
fn said(conclusion: &Conclusion) -> Option<Box<str>> {
    match conclusion {
        Conclusion::Answered(
            Verdict::Partial { message, .. } | Verdict::Refused { message, .. },
        ) if !message.is_empty() => Some(message.clone()),
        _ => None,
    }
}

fn reply_to(request: &Request) -> Reply {
    let (kind, worst) = (&request.ingress.reply, request.worst);
    let (rejected, said) = (request.rejected.as_deref(), request.said.as_deref());
    if let (Outcome::Delivered | Outcome::Partial { .. }, Some(rejected)) = (worst, rejected) {
        let by_destination = match worst {
            Outcome::Partial { rejected_items } => rejected_items,
            _ => 0,
        };
        return kind.success(ingress::Outcome::Partial {
            rejected_items: rejected.items + by_destination,
            message: &rejected.message,
        });
    }
    match worst {
        Outcome::Delivered => kind.success(ingress::Outcome::Accepted),
        Outcome::Partial { rejected_items } => {
            let message = said.unwrap_or("rejected by the destination");
            kind.success(ingress::Outcome::Partial {
                rejected_items,
                message,
            })
        }
        Outcome::Unavailable { after } => {
            kind.refusal(&Refusal::Undelivered { retry_after: after })
        }
        Outcome::Refused => kind.refusal_saying(&Refusal::RefusedUpstream, said),
    }
}

const fn delivered() -> Conclusion {
    Conclusion::Answered(Verdict::Delivered { warning: None })
}

fn lane_id(index: usize) -> LaneId {
    LaneId(u32::try_from(index).expect("as many lanes as the configuration names"))
}
