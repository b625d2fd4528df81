//! The incoming half: from a connection to a payload in every lane it goes to.

use super::blocked::Place;
use super::reading::{self, Message};
use super::{Output, Pipeline, Request};
use crate::batch::{Part, Size};
use crate::config::Overflow;
use crate::delivery::What;
use crate::egress::lane::{Lane, Outcome};
use crate::exchange::{Admission, Body, Credit as Answer, Reply, RequestHead, Terms, Windows};
use crate::ingress::{self, Ingress, Refusal};
use crate::memory::store::{ENTRY_BYTES, Payload};
use crate::time::Instant;
use crate::units::{ConnectionId, LaneId, ListenerId, RequestId, SenderId};
use std::time::Duration;
use tailrace_codec::{Rope, Signal};

/// What a lane needs for a part that waits in it. Twice its size: the queue doubles when it grows.
const PART_BYTES: u64 = 2 * size_of::<Part>() as u64;

/// A round trip from which one stream's window of 1 MiB is what limits it.
const LONG_PATH: Duration = Duration::from_millis(10);

/// What a shard that is stopping tells its senders: to come again after the time a restart takes.
const SHUTTING_DOWN: Refusal = Refusal::ShuttingDown {
    retry_after: Duration::from_secs(5),
};

impl Pipeline {
    /// A connection was accepted: gives it windows from free credit, or refuses it.
    pub fn handle_opened(&mut self, round_trip: Option<Duration>) -> Option<Terms> {
        if self.stopping.is_some() || self.senders.len() >= self.settings.connections_max {
            return None;
        }
        let windows = windows_for(self.credit.free(), round_trip);
        let reserved = u64::from(windows.connection);
        self.credit.take(reserved).ok()?;
        let connection = self.senders.open(reserved)?;
        Some(Terms {
            connection,
            windows,
        })
    }

    pub fn handle_closed_incoming(&mut self, connection: ConnectionId) {
        if let Some(window) = self.senders.close(connection) {
            self.credit.give(window);
        }
    }

    /// Decides on a request's headers.
    pub fn handle_head(&mut self, head: &RequestHead<'_>, now: Instant) -> Admission {
        let listener = &self.settings.listeners[head.listener.index()];
        let mut ingress = match ingress::admit(head, &listener.receiver) {
            Ok(ingress) => ingress,
            Err(reply) => {
                self.receivers[head.listener.index()].requests_failed += 1;
                return Admission::Answer(*reply);
            }
        };
        if self.stopping.is_some() {
            return self.refuse_head(head.listener, &ingress, &SHUTTING_DOWN);
        }
        if let Err(refusal) = self.check_quotas(ingress.metadata.as_ref(), now) {
            return self.refuse_head(head.listener, &ingress, &refusal);
        }
        // A queue without room for anything refuses before the body is read.
        if let Some(refusal) = self.full_for(head.listener, ingress.signal, Size::LEAST, now) {
            return self.refuse_head(head.listener, &ingress, &refusal);
        }
        ingress.metadata = ingress
            .metadata
            .map(|metadata| self.metadata.share(metadata));
        let deadline = now + ingress.timeout.unwrap_or(Duration::MAX);
        let framing = ingress.framing;
        let request = self.requests.insert(Request {
            connection: head.connection,
            sender: self.senders.id(head.connection),
            listener: head.listener,
            ingress,
            deadline,
            reserved: 0,
            items: 0,
            payload: None,
            worst: Outcome::Delivered,
            rejected: None,
            said: None,
        });
        Admission::Receive {
            request,
            framing,
            deadline,
        }
    }

    fn refuse_head(
        &mut self,
        listener: ListenerId,
        ingress: &Ingress,
        refusal: &Refusal,
    ) -> Admission {
        self.receivers[listener.index()].refuse(ingress.signal, 0);
        Admission::Answer(ingress.reply.refusal(refusal))
    }

    /// Takes credit for `bytes` more of a request's body. On refusal the request is gone.
    pub fn handle_reserve(&mut self, id: RequestId, bytes: u64, now: Instant) -> Answer {
        let Some(request) = self.requests.get_mut(id) else {
            return Answer::Granted;
        };
        let limit = self.settings.listeners[request.listener.index()]
            .receiver
            .message_max;
        let total = request.reserved.saturating_add(bytes);
        if total > limit {
            let bytes = total;
            let refusal = Refusal::TooLarge { bytes, limit };
            return Answer::Refused(self.refuse_and_forget(id, &refusal));
        }
        // What is stored as it comes needs as much room in a queue as it needs here.
        let (listener, signal) = (request.listener, request.ingress.signal);
        let least = Size {
            bytes: total,
            ..Size::LEAST
        };
        if request.ingress.is_stored_as_received()
            && let Some(refusal) = self.full_for(listener, signal, least, now)
        {
            return Answer::Refused(self.refuse_and_forget(id, &refusal));
        }
        let sender = self.requests[id].sender;
        if let Some(over) = self.over_share(sender, bytes) {
            let retry_after = self.delay(over, now);
            let refusal = Refusal::MemoryShare { retry_after };
            return Answer::Refused(self.refuse_and_forget(id, &refusal));
        }
        if let Err(short) = self.credit.take(bytes) {
            let retry_after = self.delay(short.bytes, now);
            let refusal = Refusal::Memory { retry_after };
            return Answer::Refused(self.refuse_and_forget(id, &refusal));
        }
        self.requests[id].reserved += bytes;
        self.senders.hold(sender, bytes);
        Answer::Granted
    }

    /// A request's body is complete.
    pub fn handle_complete(&mut self, id: RequestId, body: Body, now: Instant) -> Option<Reply> {
        if self.given_up {
            return Some(self.refuse_and_forget(id, &SHUTTING_DOWN));
        }
        let mut message = match self.read(id, body, now) {
            Ok(message) => message,
            Err(refusal) => return Some(self.refuse_and_forget(id, &refusal)),
        };
        self.requests[id].items = message.items;
        if let Err(refusal) = self.hold_to_quotas(id, &mut message, now) {
            return Some(self.refuse_and_forget(id, &refusal));
        }
        if message.items == 0 {
            return Some(self.accept_and_forget(id));
        }
        self.admit(id, message, now)
    }

    /// The sender is gone. What was accepted stays accepted.
    pub fn handle_abandoned(&mut self, id: RequestId) {
        if let Some(message) = self.blocked.remove(id) {
            self.give_back_quotas(&message);
        }
        if let Some(request) = self.requests.remove(id) {
            let receiver = &mut self.receivers[request.listener.index()];
            if let Some(payload) = request.payload {
                self.store.forget_waiter(payload);
                let rejected = request.rejected.map_or(0, |rejected| rejected.items);
                receiver.accept(request.ingress.signal, request.items - rejected);
                receiver.refuse_items(request.ingress.signal, rejected);
            } else {
                receiver.fail(request.ingress.signal, request.items);
            }
            self.credit.give(request.reserved);
            self.senders.let_go(request.sender, request.reserved);
        }
    }

    /// How much more a sender would hold than its share, where memory has become scarce.
    fn over_share(&self, sender: SenderId, bytes: u64) -> Option<u64> {
        let high = self.settings.credit_high;
        let is_scarce = self.credit.taken() >= high / 2;
        let over = is_scarce.then(|| self.senders.over_share(sender, bytes, high));
        over.flatten()
    }

    /// Turns away who waits for room: there will be none.
    pub(super) fn refuse_blocked(&mut self) {
        while let Some((id, message)) = self.blocked.pop() {
            self.give_back_quotas(&message);
            let connection = self.requests[id].connection;
            let reply = self.refuse_and_forget(id, &SHUTTING_DOWN);
            self.reply(connection, id, reply);
        }
    }

    /// A lane has room: lets in what waited for it, on each route the most important first. One that
    /// does not fit keeps those behind it waiting, or a large request would never come in.
    pub(super) fn let_in(&mut self, lane: LaneId, now: Instant) {
        for (listener, signal) in self.blocked.routes() {
            let route = self.settings.listeners[listener.index()].route(signal);
            if !route.contains(&lane) {
                continue;
            }
            let aged = self.aged(listener, signal, now);
            while let Some((id, message)) = self.blocked.first((listener, signal), aged) {
                if self.full(listener, message, now).is_some() {
                    break;
                }
                let Some(message) = self.blocked.remove(id) else {
                    break;
                };
                let connection = self.requests[id].connection;
                if let Some(reply) = self.store(id, message, now) {
                    self.reply(connection, id, reply);
                }
            }
        }
    }

    /// Refuses what has waited until its deadline.
    pub(super) fn expire_blocked(&mut self, now: Instant) {
        while let Some((id, message)) = self.blocked.pop_expired(now) {
            let Request {
                connection,
                listener,
                ..
            } = self.requests[id];
            self.count_enqueue_failed(listener, &message);
            self.give_back_quotas(&message);
            let reply = self.refuse_and_forget(id, &Refusal::TimedOut);
            self.reply(connection, id, reply);
        }
    }

    fn reply(&mut self, connection: ConnectionId, request: RequestId, reply: Reply) {
        self.outputs.push_back(Output::Reply {
            connection,
            request,
            reply,
        });
    }

    /// Puts a message into every lane of its route, or none; or behind those that wait for room.
    fn admit(&mut self, id: RequestId, message: Message, now: Instant) -> Option<Reply> {
        let route = (self.requests[id].listener, message.signal);
        let (listener, signal) = route;
        let (priority, aged) = (message.classes.best(), self.aged(listener, signal, now));
        let is_behind = self.blocked.would_wait(route, priority, aged);
        let full = self.full(listener, &message, now);
        if full.is_none() && !is_behind {
            self.spend_quotas(&message, now);
            return self.store(id, message, now);
        }
        let blocks = self.blocks(listener, signal);
        if blocks && now < message.deadline {
            // Spent while it waits, or any number could wait of a tenant that has a little left.
            self.spend_quotas(&message, now);
            let place = Place {
                route,
                priority,
                since: now,
                deadline: message.deadline,
            };
            self.blocked.insert(id, place, message);
            return None;
        }
        self.count_enqueue_failed(listener, &message);
        let refusal = full.filter(|_| !blocks).unwrap_or(Refusal::TimedOut);
        Some(self.refuse_and_forget(id, &refusal))
    }

    /// Those that have waited since then come in by their age.
    fn aged(&self, listener: ListenerId, signal: Signal, now: Instant) -> Instant {
        let route = self.settings.listeners[listener.index()].route(signal);
        let rules = route
            .iter()
            .filter_map(|lane| self.lanes[lane.index()].settings().fair);
        let age_max = rules.map(|rule| rule.age_max).min();
        now.before(age_max.unwrap_or(Duration::MAX))
    }

    fn store(&mut self, id: RequestId, message: Message, now: Instant) -> Option<Reply> {
        let size = message.size();
        self.count_accepted(&message);
        let Message {
            body,
            classes,
            pinned,
            signal,
            ..
        } = message;
        let hashed = self.hashed(self.requests[id].listener, signal, &classes, size, &body);
        let request = &mut self.requests[id];
        let listener = request.listener.index();
        let lanes = self.settings.listeners[listener].route(signal).len();
        let alike = (lanes - hashed.len()) as u64;
        // Pieces repeat the messages around their items.
        let repeated = size.bytes.saturating_sub(body.len() as u64);
        let repeated = repeated + hashed.iter().map(|lane| lane.repeated).sum::<u64>();
        let parts = alike * reading::parts(&classes, size).len() as u64;
        let parts = parts
            + hashed
                .iter()
                .map(|lane| lane.parts.len() as u64)
                .sum::<u64>();
        let charged = pinned + repeated + ENTRY_BYTES + parts * PART_BYTES;
        self.credit.adjust(request.reserved, charged);
        let sender = request.sender;
        self.senders.let_go(sender, request.reserved);
        self.senders.hold(sender, charged);
        request.reserved = 0;
        let metadata = request.ingress.metadata.clone();
        let payload = self.store.insert(Payload {
            body,
            charged,
            sender: Some(sender),
            waiter: None,
        });
        let mut awaited = false;
        let mut hashed = hashed.into_iter().peekable();
        for at in 0..self.settings.listeners[listener].route(signal).len() {
            let lane = self.settings.listeners[listener].route(signal)[at];
            let settings = self.lanes[lane.index()].settings();
            let (waits, partitions) = (settings.waits, settings.partitions);
            let part = |class, bucket, piece: Option<Rope>, size| Part {
                payload,
                piece: piece.map(Box::new),
                size,
                metadata: metadata.clone().filter(|_| partitions),
                class,
                bucket,
                arrived: now,
            };
            if let Some(own) = hashed.next_if(|hashed| hashed.lane == lane) {
                for (class, bucket, piece, size) in own.parts {
                    awaited |= self.admit_part(lane, part(class, bucket, piece, size), waits);
                }
            } else {
                for (class, piece, size) in reading::parts(&classes, size) {
                    let part = part(class, 0, piece.cloned(), size);
                    awaited |= self.admit_part(lane, part, waits);
                }
            }
        }
        if awaited {
            self.store.set_waiter(payload, id);
            self.requests[id].payload = Some(payload);
        }
        self.drop_overflow(listener, signal, now);
        // The hold of `insert` was this function's.
        self.release(payload, false, now);
        if awaited {
            None
        } else {
            Some(self.accept_and_forget(id))
        }
    }

    /// Gives a lane a part, without what it leaves out. Whether the sender waits for what is left.
    fn admit_part(&mut self, lane: LaneId, part: Part, waits: bool) -> bool {
        let payload = part.payload;
        let Some(part) = self.thin(lane, part) else {
            return false;
        };
        self.store.hold(payload, waits);
        self.lanes[lane.index()].admit(part);
        waits
    }

    /// Lets go of what lanes have dropped for a payload, or of it. The room was the payload's, so
    /// nobody who waits is let in.
    fn drop_overflow(&mut self, listener: usize, signal: Signal, now: Instant) {
        for at in 0..self.settings.listeners[listener].route(signal).len() {
            let lane = self.settings.listeners[listener].route(signal)[at];
            let overflow = self.lanes[lane.index()].settings().queue.overflow;
            if overflow.drops() && self.let_go(lane.index(), now) {
                self.tell(lane, now, || What::Overflow);
            }
        }
    }

    /// The refusal of the first lane on the route that does not take a message.
    fn full(&self, listener: ListenerId, message: &Message, now: Instant) -> Option<Refusal> {
        let route = self.settings.listeners[listener.index()].route(message.signal);
        let (size, best) = (message.size(), message.classes.best());
        let mut lanes = route.iter().map(|lane| &self.lanes[lane.index()]);
        let full = lanes.find(|lane| !lane.takes(size, best))?;
        Some(self.full_lane(full, now))
    }

    /// The refusal of the first lane on the route that has no room for a request of at least this
    /// size, and does not let its sender wait.
    fn full_for(
        &self,
        listener: ListenerId,
        signal: Signal,
        least: Size,
        now: Instant,
    ) -> Option<Refusal> {
        let route = self.settings.listeners[listener.index()].route(signal);
        let lanes = route.iter().map(|lane| &self.lanes[lane.index()]);
        let rejects = |lane: &&Lane| lane.settings().queue.overflow == Overflow::Reject;
        let full = lanes.filter(rejects).find(|lane| !lane.has_room(least))?;
        Some(self.full_lane(full, now))
    }

    fn full_lane(&self, lane: &Lane, now: Instant) -> Refusal {
        Refusal::Full {
            retry_after: self.delay(lane.held().bytes / 2, now),
        }
    }

    /// Whether a sender waits for room: where no lane on the route would refuse it.
    fn blocks(&self, listener: ListenerId, signal: Signal) -> bool {
        let route = self.settings.listeners[listener.index()].route(signal);
        route
            .iter()
            .all(|lane| self.lanes[lane.index()].settings().queue.overflow != Overflow::Reject)
    }

    fn count_enqueue_failed(&mut self, listener: ListenerId, message: &Message) {
        let (signal, size, best) = (message.signal, message.size(), message.classes.best());
        for lane in self.settings.listeners[listener.index()].route(signal) {
            let lane = &mut self.lanes[lane.index()];
            if !lane.takes(size, best) {
                lane.count_enqueue_failed(size.items);
            }
        }
    }

    fn accept_and_forget(&mut self, id: RequestId) -> Reply {
        let request = self.requests.remove(id).expect("an open request");
        self.credit.give(request.reserved);
        self.senders.let_go(request.sender, request.reserved);
        let receiver = &mut self.receivers[request.listener.index()];
        let signal = request.ingress.signal;
        let Some(rejected) = request.rejected else {
            receiver.accept(signal, request.items);
            return request.ingress.reply.success(ingress::Outcome::Accepted);
        };
        receiver.accept(signal, request.items - rejected.items);
        receiver.refuse_items(signal, rejected.items);
        request.ingress.reply.success(ingress::Outcome::Partial {
            rejected_items: rejected.items,
            message: &rejected.message,
        })
    }

    pub(super) fn refuse_and_forget(&mut self, id: RequestId, refusal: &Refusal) -> Reply {
        let request = self.requests.remove(id).expect("an open request");
        self.credit.give(request.reserved);
        self.senders.let_go(request.sender, request.reserved);
        let receiver = &mut self.receivers[request.listener.index()];
        if refusal.is_the_requests_fault() {
            receiver.fail(request.ingress.signal, request.items);
        } else {
            receiver.refuse(request.ingress.signal, request.items);
        }
        match refusal {
            Refusal::Memory { .. } => receiver.requests_without_memory += 1,
            Refusal::MemoryShare { .. } => receiver.requests_over_share += 1,
            _ => {}
        }
        request.ingress.reply.refusal(refusal)
    }
}

/// Sizes for a new connection: a sixteenth of what is free, in powers of two, so that the first
/// senders get long paths filled and the ten-thousandth still gets in.
///
/// A stream gets 1 MiB, which at 10 ms carries 100 MB/s, and on a longer path all that its connection
/// has: one stream may have to fill it. It holds no more memory for that, because what is read of a
/// connection is bounded by the connection's window.
fn windows_for(free: u64, round_trip: Option<Duration>) -> Windows {
    let share = u32::try_from(free / 16)
        .unwrap_or(u32::MAX)
        .clamp(64 << 10, 8 << 20);
    let connection = 1 << share.ilog2();
    let stream = match round_trip {
        Some(round_trip) if round_trip >= LONG_PATH => connection,
        Some(_) | None => connection.min(1 << 20),
    };
    let frame = (connection / 4).clamp(16 << 10, 1 << 20);
    Windows {
        frame,
        stream,
        connection,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_stream_may_fill_a_long_path() {
        let near = windows_for(u64::MAX, Some(Duration::from_millis(1)));
        assert_eq!((near.stream, near.connection), (1 << 20, 8 << 20));
        let far = windows_for(u64::MAX, Some(Duration::from_millis(80)));
        assert_eq!((far.stream, far.connection), (8 << 20, 8 << 20));
        let poor = windows_for(1 << 20, Some(Duration::from_millis(80)));
        assert_eq!(poor.stream, poor.connection);
    }

    #[test]
    fn windows_shrink_with_what_is_free() {
        let all = windows_for(u64::MAX, None);
        assert_eq!(
            (all.frame, all.stream, all.connection),
            (1 << 20, 1 << 20, 8 << 20)
        );
        let some = windows_for(10 << 20, None);
        assert_eq!(
            (some.frame, some.stream, some.connection),
            (128 << 10, 512 << 10, 512 << 10)
        );
        let little = windows_for(0, None);
        assert_eq!(
            (little.frame, little.stream, little.connection),
            (16 << 10, 64 << 10, 64 << 10)
        );
    }
}
