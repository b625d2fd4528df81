//! The second half of a batch's life: its verdict, and the end of its parts.

use super::cut::Cutter;
use super::gate::Ended;
use super::slots::{Batch, BatchId, SharedRecovery};
use super::{Lane, Outcome, Settlement};
use crate::batch::{OpenBatches, Part};
use crate::delivery::{Cut, Limits, Recovery, Rejected, TooLarge, Try, Verdict, Why};
use crate::flow::Random;
use crate::flow::breaker::{Change, Tripped};
use crate::memory::Store;
use crate::telemetry::{DropReason, OpenedBy, RejectReason};
use crate::time::Instant;
use std::rc::Rc;
use std::time::Duration;

/// How an attempt ended.
#[derive(Debug)]
pub enum Conclusion {
    Answered(Verdict),
    /// It could not be sent in time, or nobody answers: to be tried again after a while.
    Unsent,
    /// It has no form in the destination's format.
    Unfit,
}

/// What the machines behind a verdict need beside the lane itself.
#[derive(Debug)]
pub struct Context<'a> {
    pub store: &'a mut Store,
    pub random: &'a mut Random,
    pub now: Instant,
}

impl Lane {
    /// A batch that was on its way has ended. `wire_bytes` is how long its body was when it was
    /// sent, compressed.
    pub fn handle_conclusion(
        &mut self,
        id: BatchId,
        conclusion: Conclusion,
        wire_bytes: u64,
        context: &mut Context<'_>,
    ) {
        self.station.advance(context.now);
        self.take_back(id);
        let ticket = self.slots.ticket(id);
        let told = self
            .gate
            .record(ticket, Ended::of(&conclusion), context.now);
        self.counters.throttled += u64::from(told.throttled);
        if let Some(change) = told.circuit {
            if let Change::Opened(tripped) = change {
                self.counters.circuit_opened[opened_by(tripped) as usize] += 1;
            }
            self.circuit_change = Some(change);
        }
        match conclusion {
            Conclusion::Answered(verdict) => self.handle_verdict(id, verdict, wire_bytes, context),
            Conclusion::Unsent => self.retry(id, None, context),
            Conclusion::Unfit => {
                let batch = self.end(id);
                self.give_up(&batch.parts, DropReason::Unconvertible, Outcome::Refused);
            }
        }
        self.check();
    }

    fn handle_verdict(
        &mut self,
        id: BatchId,
        verdict: Verdict,
        wire_bytes: u64,
        context: &mut Context<'_>,
    ) {
        match verdict {
            Verdict::Delivered { .. } => self.deliver(id, 0),
            Verdict::Partial { rejected_items, .. } => self.deliver(id, rejected_items),
            Verdict::RetryNow => self.retry_now(id, context),
            Verdict::Retry { after, .. } => self.retry(id, after, context),
            Verdict::TooLarge(TooLarge { limit }) => {
                let bytes = self.slots.get(id).size.bytes;
                let named = limit.map(|limit| limit.uncompressed(bytes, wire_bytes));
                self.take_apart(id, context.store, |recovery, at| {
                    recovery.handle_too_large(at.parts, named, at.limits, at.cut)
                });
            }
            Verdict::Refused { cause, .. } if cause.blames_data() => {
                self.take_apart(id, context.store, |recovery, at| {
                    recovery.handle_refused(at.parts, at.limits, at.cut)
                });
            }
            Verdict::Refused { .. } => {
                let batch = self.end(id);
                self.counters.send_failed += batch.size.items;
                self.reject(&batch.parts, RejectReason::Refused);
                if let Some(recovery) = batch.recovery {
                    recovery.borrow_mut().handle_gone();
                    self.wait_for_tries(&recovery);
                }
            }
        }
    }

    /// A peer shard sends the batch.
    pub fn hand_over(&mut self, id: BatchId) {
        let items = self.slots.get(id).size.items;
        if !self.slots.mark_handed_over(id, true) {
            self.counters.in_flight -= items;
            self.counters.handed_over += items;
        }
    }

    /// A sender was turned away because the queue was full.
    pub const fn count_enqueue_failed(&mut self, items: u64) {
        self.counters.enqueue_failed += items;
    }

    /// Gives up a part for which there is no room. Its sender, if it waits, may come again.
    pub(super) fn overflow(&mut self, part: &Part) {
        let outcome = Outcome::Unavailable { after: None };
        self.give_up(std::slice::from_ref(part), DropReason::Overflow, outcome);
    }

    /// Gives up everything that is left. Returns the items.
    pub fn drop_all(&mut self, reason: DropReason) -> u64 {
        let dropped = self.held.all().items;
        let outcome = Outcome::Unavailable { after: None };
        for part in self.waiting.drain() {
            self.counters.waiting -= part.size.items;
            self.give_up(&[part], reason, outcome);
        }
        while let Some(sealed) = self.open.as_mut().and_then(OpenBatches::seal_any) {
            self.counters.open -= sealed.size.items;
            self.give_up(&sealed.parts, reason, outcome);
        }
        for batch in std::mem::take(&mut self.ready) {
            self.counters.waiting -= batch.size.items;
            self.give_up(&batch.parts, reason, outcome);
        }
        while let Some(id) = self.slots.any() {
            let batch = if self.slots.is_backing_off(id) {
                let batch = self.vacate(id);
                self.counters.backing_off -= batch.size.items;
                batch
            } else {
                self.take_back(id);
                self.end(id)
            };
            self.give_up(&batch.parts, reason, outcome);
        }
        self.check();
        dropped
    }

    /// Cuts a new batch to the limit the destination has taught us, before it refuses again.
    pub(super) fn fit(&mut self, batch: Batch, store: &mut Store) -> Batch {
        let Some(max) = self.limits.bytes_max() else {
            return batch;
        };
        let mut cutter = Cutter::new(&self.settings, store, &mut self.held);
        let mut pieces = Vec::new();
        for part in batch.parts {
            let mut rest = part;
            while rest.size.bytes > max {
                match cutter.cut(rest, Cut::Bytes(max)) {
                    Ok((head, tail)) => {
                        pieces.push(head);
                        rest = tail;
                    }
                    Err(whole) => {
                        rest = whole;
                        break;
                    }
                }
            }
            pieces.push(rest);
        }
        self.within(pieces, max)
    }

    /// Groups parts into batches of at most `max` bytes: the first is returned, the rest wait.
    fn within(&mut self, parts: Vec<Part>, max: u64) -> Batch {
        let mut batches: Vec<Vec<Part>> = Vec::new();
        let mut bytes = 0;
        for part in parts {
            bytes += part.size.bytes;
            match batches.last_mut() {
                Some(last) if bytes <= max => last.push(part),
                _ => {
                    bytes = part.size.bytes;
                    batches.push(vec![part]);
                }
            }
        }
        let mut batches = batches.into_iter().map(|parts| Batch::new(parts, None));
        let first = batches
            .next()
            .unwrap_or_else(|| Batch::new(Vec::new(), None));
        self.wait_again(batches.collect());
        first
    }

    /// From a peer, if one had it, to in flight.
    fn take_back(&mut self, id: BatchId) {
        let items = self.slots.get(id).size.items;
        if self.slots.mark_handed_over(id, false) {
            self.counters.handed_over -= items;
            self.counters.in_flight += items;
        }
    }

    /// Takes a batch that is in flight out of its slot.
    fn end(&mut self, id: BatchId) -> Batch {
        let batch = self.vacate(id);
        self.counters.in_flight -= batch.size.items;
        batch
    }

    fn vacate(&mut self, id: BatchId) -> Batch {
        let started = self.slots.first_try(id);
        let batch = self.slots.vacate(id);
        self.station.handle_end(batch.size.items, started);
        batch
    }

    /// Of a merged batch that was taken in part, nobody says whose items were rejected: each
    /// sender that waits hears of as many as it could have been.
    fn deliver(&mut self, id: BatchId, rejected_items: u64) {
        let batch = self.end(id);
        let rejected = rejected_items.min(batch.size.items);
        self.counters.delivered += batch.size.items - rejected;
        self.counters.reject(RejectReason::PartialSuccess, rejected);
        self.limits.handle_delivered();
        if let Some(recovery) = &batch.recovery {
            let mut recovery = recovery.borrow_mut();
            recovery.handle_delivered(&batch.parts, &mut self.limits);
        }
        for part in &batch.parts {
            let rejected_items = rejected.min(part.size.items);
            let outcome = match rejected_items {
                0 => Outcome::Delivered,
                _ => Outcome::Partial { rejected_items },
            };
            self.settle(part, outcome);
        }
        if let Some(recovery) = batch.recovery {
            self.wait_for_tries(&recovery);
        }
    }

    /// Puts a batch into backoff, or gives it up where its time is over.
    fn retry(&mut self, id: BatchId, after: Option<Duration>, context: &mut Context<'_>) {
        let items = self.slots.get(id).size.items;
        self.counters.send_failed += items;
        let rule = &self.settings.retry;
        let Context { random, now, .. } = context;
        if self.slots.back_off(id, rule, after, random, *now) {
            self.counters.in_flight -= items;
            self.counters.backing_off += items;
            return;
        }
        let batch = self.end(id);
        let outcome = Outcome::Unavailable { after };
        self.give_up(&batch.parts, DropReason::RetriesExhausted, outcome);
        if let Some(recovery) = batch.recovery {
            recovery.borrow_mut().handle_gone();
            self.wait_for_tries(&recovery);
        }
    }

    /// The destination has certainly not seen the batch: it goes again without backoff, but not
    /// for ever: a destination that refuses every stream would be asked in a loop.
    fn retry_now(&mut self, id: BatchId, context: &mut Context<'_>) {
        if !self.slots.may_retry_at_once(id) {
            return self.retry(id, None, context);
        }
        let items = self.slots.get(id).size.items;
        self.slots.make_due(id, context.now);
        self.counters.in_flight -= items;
        self.counters.backing_off += items;
    }

    /// Sends a batch that will not be taken as it is again in pieces, or counts it as rejected.
    fn take_apart(
        &mut self,
        id: BatchId,
        store: &mut Store,
        verdict: impl FnOnce(&mut Recovery<Part>, TakenApart<'_>) -> Option<Rejected<Part>>,
    ) {
        let batch = self.end(id);
        self.counters.send_failed += batch.size.items;
        let recovery = batch.recovery.unwrap_or_default();
        let mut cutter = Cutter::new(&self.settings, store, &mut self.held);
        let mut cut = |part: Part, at: Cut| cutter.cut(part, at);
        let at = TakenApart {
            parts: batch.parts,
            limits: &mut self.limits,
            cut: &mut cut,
        };
        let rejected = verdict(&mut recovery.borrow_mut(), at);
        if let Some(Rejected { parts, why }) = rejected {
            let reason = match why {
                Why::Refused => RejectReason::Refused,
                Why::TooLarge => RejectReason::TooLarge,
            };
            self.reject(&parts, reason);
        }
        self.wait_for_tries(&recovery);
    }

    /// Pieces to be tried go before everything else, and among those of their batch in the order
    /// that its recovery asks for.
    fn wait_for_tries(&mut self, recovery: &SharedRecovery) {
        let is_of_batch = |piece: &Batch| {
            let other = piece.recovery.as_ref();
            other.is_some_and(|other| Rc::ptr_eq(other, recovery))
        };
        let mut first = Vec::new();
        while let Some(Try { parts, first: goes }) = recovery.borrow_mut().poll_try() {
            let piece = Batch::new(parts, Some(Rc::clone(recovery)));
            if goes {
                first.push(piece);
                continue;
            }
            let last = self.ready.iter().rposition(is_of_batch);
            let behind = last.map_or(0, |last| last + 1);
            self.counters.waiting += piece.size.items;
            self.ready.insert(behind, piece);
        }
        self.wait_again(first);
    }

    fn wait_again(&mut self, pieces: Vec<Batch>) {
        for piece in pieces.into_iter().rev() {
            self.counters.waiting += piece.size.items;
            self.ready.push_front(piece);
        }
    }

    fn reject(&mut self, parts: &[Part], reason: RejectReason) {
        for part in parts {
            self.counters.reject(reason, part.size.items);
            self.settle(part, Outcome::Refused);
        }
    }

    fn give_up(&mut self, parts: &[Part], reason: DropReason, outcome: Outcome) {
        for part in parts {
            self.counters.drop_items(reason, part.size.items);
            self.settle(part, outcome);
        }
    }

    fn settle(&mut self, part: &Part, outcome: Outcome) {
        self.held.remove(part);
        let lost = match outcome {
            Outcome::Delivered => 0,
            Outcome::Partial { rejected_items } => rejected_items,
            Outcome::Unavailable { .. } | Outcome::Refused => part.size.items,
        };
        let class = &mut self.counters.priorities[part.class.priority as usize];
        class.lost += lost;
        class.delivered += part.size.items - lost;
        self.station.handle_departure(part.size.items, part.arrived);
        self.settled.push_back(Settlement {
            payload: part.payload,
            outcome,
        });
    }

    fn check(&self) {
        debug_assert_eq!(self.counters.unaccounted(), 0, "{:?}", self.counters);
    }
}

const fn opened_by(tripped: Tripped) -> OpenedBy {
    match tripped {
        Tripped::ConsecutiveFailures(_) => OpenedBy::ConsecutiveFailures,
        Tripped::FailureRatio { .. } => OpenedBy::FailureRatio,
        Tripped::Probe => OpenedBy::Probe,
    }
}

/// What a [`Recovery`] needs to take a batch apart.
struct TakenApart<'a> {
    parts: Vec<Part>,
    limits: &'a mut Limits,
    cut: &'a mut dyn FnMut(Part, Cut) -> Result<(Part, Part), Part>,
}
