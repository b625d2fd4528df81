//! What waits, and who goes next: by class, within a class by tenant, within a tenant by age.
//!
//! ```text
//!   high    16x |  a: [1 2 3]   b: [4]         classes share by weight, the first first,
//!   medium   4x |  a: [5]                      their tenants take turns by weight,
//!   low      1x |  b: [6 7]   c: [8 9 ...]     and of one tenant the oldest goes first
//! ```
//!
//! Turns are counted in bytes. A class whose oldest has waited for `age_max` gets every fourth turn
//! besides, so that what is less important waits a bounded time longer; not all of them, or a queue
//! that is old throughout would know no classes any more.

mod backlog;
mod turns;

pub use backlog::{BacklogRule, Order};

use crate::time::Instant;
use crate::units::{ItemCount, Priority, TenantId};
use backlog::{Backlog, End};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;
use turns::{Rounds, Turns};

/// Something that waits.
pub trait Waits {
    fn items(&self) -> ItemCount;
    fn bytes(&self) -> u64;
    fn arrived(&self) -> Instant;
    fn class(&self) -> Class;
}

/// What an item is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Class {
    pub priority: Priority,
    pub tenant: TenantId,
    /// Of the tenant, the same for all that is its. At least 1.
    pub weight: u16,
}

impl Class {
    /// Of what nobody told apart.
    pub const NONE: Self = Self {
        priority: Priority::Medium,
        tenant: TenantId(0),
        weight: 1,
    };
}

impl Default for Class {
    fn default() -> Self {
        Self::NONE
    }
}

/// In which order what waits goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FairRule {
    /// By [`Priority`]: each class's share of the bytes while all have some. At least 1.
    pub weights: [u32; Priority::ALL.len()],
    /// What has waited as long goes first.
    pub age_max: Duration,
    /// What goes first after an outage.
    pub backlog: BacklogRule,
}

impl Default for FairRule {
    fn default() -> Self {
        Self {
            weights: [1; Priority::ALL.len()],
            age_max: Duration::MAX,
            backlog: BacklogRule::default(),
        }
    }
}

/// A queue by class and tenant. Cost: constant for each item, and a hash lookup; O(tenants) where
/// something has waited for too long, and for a drop.
#[derive(Debug)]
pub struct FairQueue<T> {
    rule: FairRule,
    classes: [ClassQueue<T>; Priority::ALL.len()],
    rounds: Rounds,
    /// What was taken and came back, before all others.
    first: VecDeque<T>,
    backlog: Backlog,
    /// Rings of tenants that have nothing left, for those to come: under a light load each item is the
    /// only one of its tenant.
    spare: Vec<VecDeque<T>>,
    /// Nothing has waited for `age_max` before this.
    aged_from: Instant,
    /// Items popped by turn since one was for its age.
    by_turn: u32,
    len: usize,
}

/// Rings that are kept, and the largest of them.
const SPARES_MAX: usize = 16;
const SPARE_MAX: usize = 256;

/// Of so many items one goes for its age.
const AGED_EVERY: u32 = 4;

#[derive(Debug)]
struct ClassQueue<T> {
    /// Invariant: none is empty, and each has its turn.
    tenants: HashMap<TenantId, TenantQueue<T>>,
    turns: Turns<TenantId>,
}

#[derive(Debug)]
struct TenantQueue<T> {
    items: VecDeque<T>,
    bytes: u64,
}

/// Bytes that a class of weight 1 sends in a round.
const QUANTUM: u64 = 64 << 10;

/// Bytes that a tenant of weight 1 sends in its turn: a request or a few, so that the turns of a
/// hundred tenants are short.
const TENANT_QUANTUM: u64 = 8 << 10;

impl<T> Default for ClassQueue<T> {
    fn default() -> Self {
        Self {
            tenants: HashMap::new(),
            turns: Turns::new(TENANT_QUANTUM),
        }
    }
}

impl<T: Waits> ClassQueue<T> {
    fn oldest(&self) -> Option<Instant> {
        let fronts = self
            .tenants
            .values()
            .filter_map(|queue| queue.items.front());
        fronts.map(Waits::arrived).min()
    }
}

impl<T: Waits> FairQueue<T> {
    pub fn new(rule: FairRule) -> Self {
        Self {
            rule,
            classes: Default::default(),
            rounds: Rounds::new(QUANTUM, rule.weights),
            first: VecDeque::new(),
            backlog: Backlog::new(rule.backlog),
            spare: Vec::new(),
            aged_from: Instant::NEVER,
            by_turn: 0,
            len: 0,
        }
    }

    pub const fn len(&self) -> usize {
        self.len
    }

    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn push(&mut self, item: T) {
        let Class {
            priority,
            tenant,
            weight,
        } = item.class();
        let class = &mut self.classes[priority as usize];
        if class.tenants.is_empty() {
            self.aged_from = self.aged_from.min(item.arrived() + self.rule.age_max);
        }
        let spare = &mut self.spare;
        let queue = class.tenants.entry(tenant).or_insert_with(|| {
            class.turns.enter(tenant, weight.into());
            TenantQueue {
                items: spare.pop().unwrap_or_default(),
                bytes: 0,
            }
        });
        queue.bytes += item.bytes();
        queue.items.push_back(item);
        self.len += 1;
    }

    /// Takes back what was popped last and did not fit: it goes before all others.
    pub fn push_first(&mut self, item: T) {
        self.first.push_front(item);
        self.len += 1;
    }

    /// Who goes next. `deferred`: a class that goes when the others have nothing, or for its age.
    /// `None`: nobody, or what there is must wait: see [`poll_ready`](Self::poll_ready).
    pub fn pop(&mut self, deferred: Option<Priority>, now: Instant) -> Option<T> {
        if let Some(first) = self.first.pop_front() {
            self.len -= 1;
            return Some(first);
        }
        if self.by_turn + 1 >= AGED_EVERY
            && let Some(aged) = self.pop_aged(now)
        {
            self.by_turn = 0;
            return Some(aged);
        }
        self.by_turn = self.by_turn.saturating_add(1);
        self.pop_by_turn(deferred, now)
            .or_else(|| self.pop_by_turn(None, now))
    }

    fn pop_by_turn(&mut self, deferred: Option<Priority>, now: Instant) -> Option<T> {
        // A class whose turn it is may have nothing but a backlog that has to wait.
        let mut may = Priority::ALL.map(|class| {
            deferred != Some(class) && !self.classes[class as usize].tenants.is_empty()
        });
        loop {
            let class = self.rounds.next(|class| may[class as usize])?;
            if let Some(item) = self.pop_of(class, now) {
                return Some(item);
            }
            may[class as usize] = false;
        }
    }

    /// When to [`pop`](Self::pop) again though nothing came, after it had nothing.
    pub const fn poll_ready(&mut self) -> Option<Instant> {
        self.backlog.poll_ready()
    }

    /// Takes out what is to be given up for something of `class`: the oldest of the lowest class
    /// that is not above it, of the tenant that holds most.
    pub fn drop_lowest(&mut self, class: Priority) -> Option<T> {
        let has_some = |class: &Priority| !self.classes[*class as usize].tenants.is_empty();
        let lowest = Priority::ALL.into_iter().rev().find(has_some)?;
        if lowest < class {
            return None;
        }
        let tenants = self.classes[lowest as usize].tenants.iter();
        let (tenant, _) = tenants.max_by_key(|(id, queue)| (queue.bytes, **id))?;
        self.take(lowest, *tenant, End::Oldest)
    }

    /// Takes out what waits longest, whatever its class.
    pub fn drop_oldest(&mut self) -> Option<T> {
        let queues = Priority::ALL.into_iter().flat_map(|class| {
            let tenants = self.classes[class as usize].tenants.iter();
            tenants.map(move |(tenant, queue)| (queue.items.front(), class, *tenant))
        });
        let arrived = |front: Option<&T>| front.map_or(Instant::NEVER, Waits::arrived);
        let (_, class, tenant) =
            queues.min_by_key(|(front, class, tenant)| (arrived(*front), *class, *tenant))?;
        self.take(class, tenant, End::Oldest)
    }

    /// Everything, in no order.
    pub fn drain(&mut self) -> Vec<T> {
        let mut all: Vec<T> = self.first.drain(..).collect();
        for class in &mut self.classes {
            let tenants = std::mem::take(class).tenants;
            all.extend(tenants.into_values().flat_map(|queue| queue.items));
        }
        self.len = 0;
        all
    }

    /// The oldest of a class that has waited for too long; of several the lowest, for the others
    /// have their turns besides.
    fn pop_aged(&mut self, now: Instant) -> Option<T> {
        if now < self.aged_from {
            return None;
        }
        let aged_at = |class: Priority| {
            let arrived = self.classes[class as usize].oldest();
            arrived.map_or(Instant::NEVER, |arrived| arrived + self.rule.age_max)
        };
        let is_aged = |class: &Priority| aged_at(*class) <= now;
        let aged = Priority::ALL.into_iter().rev().find(is_aged);
        let Some(class) = aged else {
            let next = Priority::ALL.into_iter().map(aged_at).min();
            self.aged_from = next.unwrap_or(Instant::NEVER);
            return None;
        };
        self.pop_of(class, now)
    }

    /// The next of a class by its tenants' turns, as far as a backlog may go.
    fn pop_of(&mut self, class: Priority, now: Instant) -> Option<T> {
        let mut kept = Vec::new();
        loop {
            let queue = &mut self.classes[class as usize];
            let tenant = queue.turns.next(|tenant| !kept.contains(&tenant))?;
            let items = &queue.tenants.get(&tenant)?.items;
            let Some(end) = self.backlog.choose(items, now) else {
                kept.push(tenant);
                continue;
            };
            let bytes = match end {
                End::Oldest => items.front(),
                End::Newest => items.back(),
            }
            .map_or(0, Waits::bytes);
            queue.turns.charge(tenant, bytes);
            self.rounds.charge(class, bytes);
            let item = self.take(class, tenant, end)?;
            self.backlog.record(&item, now);
            return Some(item);
        }
    }

    fn take(&mut self, class: Priority, tenant: TenantId, end: End) -> Option<T> {
        let queues = &mut self.classes[class as usize];
        let queue = queues.tenants.get_mut(&tenant)?;
        let item = match end {
            End::Oldest => queue.items.pop_front(),
            End::Newest => queue.items.pop_back(),
        }?;
        queue.bytes -= item.bytes();
        self.len -= 1;
        if queue.items.is_empty() {
            let left = queues.tenants.remove(&tenant);
            queues.turns.leave(tenant);
            let small = |ring: &VecDeque<T>| ring.capacity() <= SPARE_MAX;
            let ring = left.map(|queue| queue.items).filter(small);
            if self.spare.len() < SPARES_MAX {
                self.spare.extend(ring);
            }
        }
        Some(item)
    }
}

#[cfg(test)]
mod tests;
