//! The batches on their way: each holds one of the lane's slots from its first try to its end.

use super::gate::Ticket;
use crate::batch::{Part, Size};
use crate::delivery::Recovery;
use crate::flow::{Backoff, BackoffRule, Next, Random};
use crate::time::Instant;
use slab::Slab;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

/// A batch that holds a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchId(u32);

/// What the pieces of a batch that was taken apart have in common.
pub(super) type SharedRecovery = Rc<RefCell<Recovery<Part>>>;

/// Parts that are sent together.
#[derive(Debug)]
pub(super) struct Batch {
    pub parts: Vec<Part>,
    pub size: Size,
    /// For a piece of a batch that was refused or too large.
    pub recovery: Option<SharedRecovery>,
}

impl Batch {
    pub fn new(parts: Vec<Part>, recovery: Option<SharedRecovery>) -> Self {
        let size = parts.iter().fold(Size::ZERO, |sum, part| sum + part.size);
        Self {
            parts,
            size,
            recovery,
        }
    }
}

#[derive(Debug)]
struct Slot {
    batch: Batch,
    first_try: Instant,
    /// Of the latest try.
    ticket: Ticket,
    backoff: Option<Backoff>,
    /// While backing off: when the next try is due.
    due: Option<Instant>,
    /// Tries at once, without backoff, that are left.
    at_once: u8,
    /// A peer shard is sending it.
    handed_over: bool,
}

/// A batch the destination has certainly not processed goes again at once this often; after that
/// it backs off like any other.
const AT_ONCE_MAX: u8 = 3;

/// The slots of one lane. Memory: for the batches on their way, not for `max`, which is without
/// limit where the exporter's queue is off. Cost: log(n) in the batches that back off.
///
/// Invariant: `due` holds the slots with a `due`, and nothing else.
#[derive(Debug)]
pub(super) struct Slots {
    slots: Slab<Slot>,
    max: usize,
    due: BTreeSet<(Instant, BatchId)>,
}

impl Slots {
    pub const fn new(max: usize) -> Self {
        Self {
            slots: Slab::new(),
            max,
            due: BTreeSet::new(),
        }
    }

    /// What is on its way stays there, though it be more.
    pub const fn set_max(&mut self, max: usize) {
        self.max = max;
    }

    pub fn is_full(&self) -> bool {
        self.slots.len() >= self.max
    }

    pub fn get(&self, id: BatchId) -> &Batch {
        &self.slots[id.0 as usize].batch
    }

    pub fn occupy(&mut self, batch: Batch, ticket: Ticket, now: Instant) -> BatchId {
        let slot = Slot {
            batch,
            first_try: now,
            ticket,
            backoff: None,
            due: None,
            at_once: AT_ONCE_MAX,
            handed_over: false,
        };
        BatchId(u32::try_from(self.slots.insert(slot)).expect("bounded by the slots"))
    }

    /// When a batch got its slot.
    pub fn first_try(&self, id: BatchId) -> Instant {
        self.slots[id.0 as usize].first_try
    }

    pub fn vacate(&mut self, id: BatchId) -> Batch {
        self.set_due(id, None);
        self.slots.remove(id.0 as usize).batch
    }

    /// A batch that holds a slot, if there is any.
    pub fn any(&self) -> Option<BatchId> {
        let (index, _) = self.slots.iter().next()?;
        Some(BatchId(u32::try_from(index).expect("bounded by the slots")))
    }

    pub fn is_backing_off(&self, id: BatchId) -> bool {
        self.slots[id.0 as usize].due.is_some()
    }

    /// Marks a batch as sent by a peer shard, or not, and says what it was before.
    pub fn mark_handed_over(&mut self, id: BatchId, handed_over: bool) -> bool {
        std::mem::replace(&mut self.slots[id.0 as usize].handed_over, handed_over)
    }

    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// The batches that do not back off.
    pub fn on_their_way(&self) -> usize {
        self.slots.len() - self.due.len()
    }

    pub fn ticket(&self, id: BatchId) -> Ticket {
        self.slots[id.0 as usize].ticket
    }

    /// Puts a batch into backoff, or says that its time is over.
    pub fn back_off(
        &mut self,
        id: BatchId,
        rule: &BackoffRule,
        after: Option<Duration>,
        random: &mut Random,
        now: Instant,
    ) -> bool {
        let slot = &mut self.slots[id.0 as usize];
        let first_try = slot.first_try;
        let backoff = slot
            .backoff
            .get_or_insert_with(|| Backoff::start(rule, first_try));
        match backoff.handle_failure(rule, after, now, random) {
            Next::At(due) => {
                self.set_due(id, Some(due));
                true
            }
            Next::Exhausted => false,
        }
    }

    pub fn may_retry_at_once(&self, id: BatchId) -> bool {
        self.slots[id.0 as usize].at_once > 0
    }

    /// Sends a batch again at once, outside its backoff.
    pub fn make_due(&mut self, id: BatchId, now: Instant) {
        let slot = &mut self.slots[id.0 as usize];
        slot.at_once = slot.at_once.saturating_sub(1);
        self.set_due(id, Some(now));
    }

    /// A batch whose backoff is over, back on its way.
    pub fn take_due(&mut self, now: Instant) -> Option<BatchId> {
        let (_, id) = self.due.first().copied().filter(|(due, _)| *due <= now)?;
        self.set_due(id, None);
        Some(id)
    }

    pub fn set_ticket(&mut self, id: BatchId, ticket: Ticket) {
        self.slots[id.0 as usize].ticket = ticket;
    }

    pub fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Ends every backoff.
    pub fn all_due(&mut self) {
        for (_, id) in std::mem::take(&mut self.due) {
            self.slots[id.0 as usize].due = None;
            self.set_due(id, Some(Instant(0)));
        }
    }

    fn set_due(&mut self, id: BatchId, due: Option<Instant>) {
        let slot = &mut self.slots[id.0 as usize];
        if let Some(due) = std::mem::replace(&mut slot.due, due) {
            self.due.remove(&(due, id));
        }
        if let Some(due) = due {
            self.due.insert((due, id));
        }
    }
}
