//! One exporter instance in one shard: what waits for it, what is on its way, what comes back.
//!
//! ```text
//!   admit --> waiting --> open --> ready --> in flight --> delivered | rejected | dropped
//!             (ring)    (batches) (sealed)     |    ^
//!                                              v    |
//!                                           backing off
//! ```
//!
//! A batch occupies one of the lane's slots from its first try to its end, backing off included,
//! as a consumer of the Collector's sending queue does. No bytes move here: parts name payloads
//! of the store, and the wire body is put together when a batch is taken for sending.

mod contents;
mod cut;
mod degrade;
mod gate;

mod resize;
mod settle;
mod slots;
#[cfg(test)]
mod tests;
mod waiting;

pub use degrade::{Degradation, SamplingRule};
pub use settle::{Conclusion, Context};
pub use slots::BatchId;

use crate::batch::{Batching, OpenBatches, Part, SealCause, Sealed, Size, Sizer};
use crate::config::Overflow;
use crate::delivery::Limits;
use crate::flow::BackoffRule;
use crate::flow::breaker::Change;
use crate::flow::estimate::Station;
use crate::flow::fair::FairRule;
use crate::flow::ladder::{self, Ladder};
use crate::flow::sizing::auto::{Auto, AutoRule};
use crate::memory::{PayloadId, Store};
use crate::telemetry::{Hold, LaneCounters, QueueFlow};
use crate::time::Instant;
use crate::units::{Priority, TenantId};
use contents::Contents;
use cut::Cutter;
pub use gate::{Ended, GateRule};
use gate::{Gate, Held, Permit, Try};
use slots::{Batch, Slots};
use std::collections::VecDeque;
use std::time::Duration;
use tailrace_codec::Signal;
use waiting::Waiting;

/// How long what the queue did counts: two scrapes of a usual fifteen seconds.
const HALF_LIFE: Duration = Duration::from_secs(30);

/// What a lane is told once: its share of the exporter's settings.
#[derive(Debug, Clone, Copy)]
pub struct LaneSettings {
    pub signal: Signal,
    /// Batches that may be on their way at once.
    pub slots: usize,
    /// The queue's limit in its own measure, and in bytes whatever the measure.
    pub queue: QueueLimit,
    pub batching: Option<Batching>,
    /// In which order what waits goes; `None`: as it came.
    pub fair: Option<FairRule>,
    /// What it gives up, and when.
    pub degradation: Degradation,
    pub retry: BackoffRule,
    pub gate: GateRule,
    /// What of the above the lane finds by itself, within this shard's bounds.
    pub sizing: Option<AutoRule>,
    /// Whether batches are kept apart by the requests' metadata: `metadata_keys`.
    pub partitions: bool,
    /// Whether the receiver's answer waits for this lane's verdict.
    pub waits: bool,
}

/// How much may be in the lane at once, from admission to settlement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueLimit {
    pub sizer: Sizer,
    pub max: u64,
    /// The lane's share of the shard's memory, whatever the measure.
    pub bytes_max: u64,
    pub overflow: Overflow,
}

/// One part has come to its end; the payload may be let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settlement {
    pub payload: PayloadId,
    pub outcome: Outcome,
}

/// How a part ended, best first: a request with several parts is answered by the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    Delivered,
    /// Some items were refused by the destination, for good.
    Partial {
        rejected_items: u64,
    },
    /// Not delivered and given up; the sender may try again.
    Unavailable {
        after: Option<Duration>,
    },
    /// Refused by the destination, for good.
    Refused,
}

/// Whether open batches go though they are neither full nor old.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flushing {
    No,
    /// Until none is open.
    Once,
    ForGood,
}

/// One exporter instance in one shard.
///
/// Invariant: every admitted item is counted in exactly one place
/// ([`LaneCounters::unaccounted`] is 0) after every call.
#[derive(Debug)]
pub struct Lane {
    settings: LaneSettings,
    waiting: Waiting,
    /// When something that waits may go, where none could.
    waiting_until: Option<Instant>,
    open: Option<OpenBatches>,
    /// Sealed and waiting for a slot: pieces and unmerged parts to be sent again, oldest first.
    ready: VecDeque<Batch>,
    slots: Slots,
    settled: VecDeque<Settlement>,
    /// Everything from admission to settlement.
    held: Contents,
    /// What the destination has taught us by refusing.
    limits: Limits,
    gate: Gate,
    /// What the gate last said, where it lets nothing go.
    held_back: Option<Held>,
    /// When batches that are due may go again, where the retry budget keeps them.
    retries_from: Option<Instant>,
    circuit_change: Option<Change>,
    station: Station,
    /// Boxed: few lanes have it.
    auto: Option<Box<Auto>>,
    /// Boxed: few lanes have it.
    ladder: Option<Box<Ladder>>,
    ladder_changes: VecDeque<ladder::Change>,
    flushing: Flushing,
    counters: LaneCounters,
}

impl Lane {
    pub fn new(settings: LaneSettings) -> Self {
        let sizing = settings.sizing;
        let settings = sizing.map_or(settings, |rule| resize::started(&rule, settings));
        let auto = sizing.map(|rule| Box::new(Auto::new(&rule)));
        Self {
            open: settings.batching.map(OpenBatches::new),
            slots: Slots::new(settings.slots),
            gate: Gate::new(settings.gate, settings.slots),
            held_back: None,
            retries_from: None,
            circuit_change: None,
            station: Station::new(HALF_LIFE),
            auto,
            ladder: settings
                .degradation
                .ladder
                .map(|rule| Box::new(Ladder::new(rule))),
            ladder_changes: VecDeque::new(),
            settings,
            waiting: Waiting::new(settings.fair),
            waiting_until: None,
            ready: VecDeque::new(),
            settled: VecDeque::new(),
            held: Contents::default(),
            limits: Limits::default(),
            flushing: Flushing::No,
            counters: LaneCounters::default(),
        }
    }

    pub const fn settings(&self) -> &LaneSettings {
        &self.settings
    }

    /// The counters, with the gauges of this moment.
    pub fn counters(&self) -> LaneCounters {
        let mut counters = self.counters.clone();
        counters.queue_size = self.queue_size();
        counters.queue_capacity = self.settings.queue.max;
        counters.requests_in_flight = self.slots.len() as u64;
        counters.sizes = self.sizes();
        counters.sorts = self.settings.fair.is_some();
        if let Some(held) = self.held_back {
            counters.held_back[held.by as usize] = 1;
        }
        counters.held_back[Hold::RetryBudget as usize] = u64::from(self.retries_from.is_some());
        if let Some(circuit) = self.gate.circuit() {
            counters.circuit[circuit as usize] = 1;
        }
        if self.ladder.is_some() {
            counters.steps[self.step() as usize] = 1;
        }
        let limit = self.gate.concurrency_limit();
        counters.concurrency_limit = limit.map(|limit| limit as u64);
        counters.metadata_cardinality = self.open.as_ref().map_or(0, OpenBatches::len) as u64;
        counters
    }

    /// What the lane did of late, as a queue.
    pub fn queue_flow(&self, now: Instant) -> QueueFlow {
        let view = self.station.view(now);
        let unit_rate = match self.settings.queue.sizer {
            Sizer::Requests => view.requests_per_second,
            Sizer::Items => view.items_per_second,
            Sizer::Bytes => view.bytes_per_second,
        };
        let left = self.settings.queue.max.saturating_sub(self.queue_size()) as f64;
        QueueFlow {
            servers: self.settings.slots as f64,
            // In items as large as those of late.
            room: left * view.items_per_second / unit_rate.max(f64::MIN_POSITIVE),
            requests_per_second: view.requests_per_second,
            items_per_second: view.items_per_second,
            bytes_per_second: view.bytes_per_second,
            arrival_scv_rate: view.requests_per_second * view.arrival_scv,
            items_out_per_second: view.items_out_per_second,
            items_inside: view.items_inside,
            inside_rate: view.items_out_per_second * view.seconds_inside,
            waiting_rate: view.items_out_per_second * view.seconds_waiting,
            batches_per_second: view.batches_per_second,
            batch_items_rate: view.batches_per_second * view.batch_items,
            service_rate: view.batches_per_second * view.service_seconds,
            service_square_rate: view.batches_per_second
                * view.service_seconds.powi(2)
                * (1.0 + view.service_scv),
            busy: view.busy,
        }
    }

    /// What is in the lane, from admission to settlement.
    pub const fn held(&self) -> Size {
        self.held.all()
    }

    /// Whether it holds anything of a tenant.
    pub fn holds_of(&self, tenant: TenantId) -> bool {
        self.held.of(tenant) != Size::ZERO
    }

    /// The share of the queue that a tenant would fill with so much more; none while it holds
    /// nothing: what is larger than its share could otherwise never pass.
    pub fn share_with(&self, tenant: TenantId, size: Size) -> f64 {
        let held = self.held.of(tenant);
        if held == Size::ZERO {
            return 0.0;
        }
        let limit = self.settings.queue;
        let after = held + size;
        let by_size = after.by(limit.sizer) as f64 / limit.max as f64;
        by_size.max(after.bytes as f64 / limit.bytes_max as f64)
    }

    /// The fill of the queue in its own measure.
    pub const fn queue_size(&self) -> u64 {
        self.held.all().by(self.settings.queue.sizer)
    }

    /// Whether a payload of this size may come in. An empty lane takes any: a payload larger than
    /// the whole queue could otherwise never pass.
    pub fn has_room(&self, size: Size) -> bool {
        let limit = self.settings.queue;
        let after = self.queue_size() + size.by(limit.sizer);
        let held = self.held.all();
        let fits = after <= limit.max && held.bytes + size.bytes <= limit.bytes_max;
        fits || held.requests == 0
    }

    /// Whether a payload of this size may be admitted: there is room, or the lane drops for it.
    /// `best`: the highest priority of its items.
    pub fn takes(&self, size: Size, best: Priority) -> bool {
        let has_room = self.has_room(size) && !self.turns_away(best);
        has_room || self.settings.queue.overflow.drops()
    }

    /// Takes a part in, or drops what its overflow policy says. The caller has asked
    /// [`takes`](Self::takes) of every lane first, and holds the payload for this lane.
    pub fn admit(&mut self, part: Part) {
        let part_arrived = part.arrived;
        self.station.advance(part.arrived);
        self.station
            .handle_arrival(part.size.items, part.size.bytes);
        let drops = self.settings.queue.overflow.drops();
        // Without a policy that drops, a request that was taken is taken whole: its sender has been, or
        // will be, told so.
        let turned_away = drops && self.turns_away(part.class.priority);
        let fits = !turned_away && (!drops || self.has_room(part.size) || self.make_room(&part));
        self.held.add(&part);
        self.counters.admitted += part.size.items;
        self.counters.priorities[part.class.priority as usize].admitted += part.size.items;
        if fits {
            self.counters.waiting += part.size.items;
            self.waiting.push(part);
        } else {
            self.overflow(&part);
        }
        self.watch_fill(part_arrived);
    }

    /// Drops what the policy says until a part has room. `false`: the policy is another, or there
    /// is nothing left to drop for it; batches are not taken apart.
    fn make_room(&mut self, part: &Part) -> bool {
        while !self.has_room(part.size) {
            let dropped = match self.settings.queue.overflow {
                Overflow::DropOldest => self.waiting.drop_oldest(),
                Overflow::DropLowestPriority => self.waiting.drop_lowest(part.class.priority),
                Overflow::Reject | Overflow::Block | Overflow::DropNewest | Overflow::Sample => {
                    None
                }
            };
            let Some(dropped) = dropped else {
                return false;
            };
            self.counters.waiting -= dropped.size.items;
            self.overflow(&dropped);
        }
        true
    }

    /// The next batch to send, until `None`. Its wire body is [`Lane::parts`] of it.
    pub fn poll_send(&mut self, store: &mut Store, now: Instant) -> Option<BatchId> {
        self.station.advance(now);
        self.watch_fill(now);
        self.resize(now);
        self.held_back = match self.gate.permit(self.slots.on_their_way(), now) {
            Permit::Held(held) => Some(held),
            Permit::Go => None,
        };
        if self.held_back.is_some() {
            return None;
        }
        if let Some(id) = self.take_retry(now) {
            return Some(id);
        }
        if self.slots.is_full() {
            return None;
        }
        let batch = self.next_batch(store, now)?;
        self.counters.in_flight += batch.size.items;
        self.station.handle_start();
        for part in &batch.parts {
            self.station.handle_started(part.size.items, part.arrived);
            let class = &mut self.counters.priorities[part.class.priority as usize];
            class.started += 1;
            class.waited_nanos += now.0.saturating_sub(part.arrived.0);
        }
        let in_flight = self.slots.on_their_way() + 1;
        let ticket = self.gate.start(Try::First, batch.size, in_flight, now);
        Some(self.slots.occupy(batch, ticket, now))
    }

    /// A batch whose backoff is over, if the retry budget has room for it.
    fn take_retry(&mut self, now: Instant) -> Option<BatchId> {
        self.retries_from = None;
        let is_due = self.slots.next_due().is_some_and(|due| due <= now);
        if !is_due {
            return None;
        }
        let ready = self.gate.retry_at(now);
        if ready > now && self.flushing != Flushing::ForGood {
            self.retries_from = Some(ready);
            return None;
        }
        let id = self.slots.take_due(now)?;
        let size = self.slots.get(id).size;
        let in_flight = self.slots.on_their_way();
        let ticket = self.gate.start(Try::Again, size, in_flight, now);
        self.slots.set_ticket(id, ticket);
        self.counters.backing_off -= size.items;
        self.counters.in_flight += size.items;
        Some(id)
    }

    /// What has become of the circuit, once.
    pub const fn poll_circuit(&mut self) -> Option<Change> {
        self.circuit_change.take()
    }

    /// The parts of a batch that is on its way.
    pub fn parts(&self, batch: BatchId) -> &[Part] {
        &self.slots.get(batch).parts
    }

    /// One part that has ended, until `None`.
    pub fn poll_settled(&mut self) -> Option<Settlement> {
        self.settled.pop_front()
    }

    /// When [`poll_send`](Self::poll_send) should be asked again though nothing happened.
    pub fn next_timeout(&self) -> Option<Instant> {
        let step = self
            .ladder
            .as_ref()
            .and_then(|ladder| ladder.next_timeout());
        if self.held.all() == Size::ZERO {
            return step;
        }
        let next = self.next_sending();
        [step, next].into_iter().flatten().min()
    }

    fn next_sending(&self) -> Option<Instant> {
        if let Some(held) = self.held_back {
            // The end of an attempt has it asked anyway.
            return Some(held.until).filter(|until| *until != Instant::NEVER);
        }
        let backoff = self.slots.next_due().max(self.retries_from);
        let flush = if self.slots.is_full() {
            None
        } else {
            let open = self.open.as_ref().and_then(OpenBatches::next_timeout);
            [open, self.waiting_until].into_iter().flatten().min()
        };
        [backoff, flush].into_iter().flatten().min()
    }

    /// From now on batches go as they are, however small, and backoffs and pauses end at once. What
    /// fails after this may begin others.
    pub fn flush(&mut self) {
        self.flushing = Flushing::ForGood;
        self.slots.all_due();
        self.gate.lift();
        self.held_back = None;
        self.retries_from = None;
    }

    /// What is inside goes as it is, and backoffs end at once; what comes later is batched again.
    /// What protects the destination holds: a service that flushes now and then would never let it
    /// rest.
    pub fn flush_once(&mut self) {
        if self.flushing == Flushing::No {
            self.flushing = Flushing::Once;
        }
        self.slots.all_due();
    }

    /// The next batch for a free slot: first what was sent before, then what came first.
    fn next_batch(&mut self, store: &mut Store, now: Instant) -> Option<Batch> {
        if let Some(batch) = self.ready.pop_front() {
            self.counters.waiting -= batch.size.items;
            return Some(batch);
        }
        let batch = self.new_batch(store, now)?;
        self.counters.batch_items.record(batch.size.items);
        self.counters.batch_bytes.record(batch.size.bytes);
        self.counters.processor_batch_bytes.record(batch.size.bytes);
        match self.limits.bytes_max() {
            Some(max) if batch.size.bytes > max => Some(self.fit(batch, store)),
            _ => Some(batch),
        }
    }

    fn new_batch(&mut self, store: &mut Store, now: Instant) -> Option<Batch> {
        if self.open.is_none() {
            let part = self.next_waiting(now)?;
            self.counters.waiting -= part.size.items;
            return Some(Batch::new(vec![part], None));
        }
        let sealed = self.fill(store, now)?;
        self.counters.open -= sealed.size.items;
        match sealed.cause {
            SealCause::Size => self.counters.batches_by_size += 1,
            SealCause::Age | SealCause::Flush => self.counters.batches_by_timeout += 1,
        }
        Some(Batch::new(sealed.parts, None))
    }

    /// What goes next of what waits, or when to ask again.
    fn next_waiting(&mut self, now: Instant) -> Option<Part> {
        let deferred = self.deferred();
        let part = self.waiting.pop(deferred, now);
        self.waiting_until = match part {
            Some(_) => None,
            None => self.waiting.poll_ready(),
        };
        part
    }

    /// Moves waiting parts into open batches until one is sealed.
    fn fill(&mut self, store: &mut Store, now: Instant) -> Option<Sealed> {
        let deferred = self.deferred();
        let mut cutter = Cutter::new(&self.settings, store, &mut self.held);
        let open = self.open.as_mut()?;
        let sizer = open.sizer();
        loop {
            let Some(part) = self.waiting.pop(deferred, now) else {
                self.waiting_until = self.waiting.poll_ready();
                break;
            };
            self.counters.waiting -= part.size.items;
            self.counters.open += part.size.items;
            let added = open.add(part, &mut |part, room| cutter.fill(part, sizer, room));
            if let Some(rest) = added.rest {
                self.counters.open -= rest.size.items;
                self.counters.waiting += rest.size.items;
                self.waiting.push_first(rest);
            }
            if added.sealed.is_some() {
                return added.sealed;
            }
        }
        let sealed = match open.seal_aged(now) {
            None if self.flushing != Flushing::No => open.seal_any(),
            aged => aged,
        };
        if sealed.is_none() && self.flushing == Flushing::Once {
            self.flushing = Flushing::No;
        }
        sealed
    }
}
