//! The timers of one thread as a value: who is to be woken, and when. No clock, no executor.

use crate::time::Instant;
use slab::Slab;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::task::{Context, Poll, Waker};

/// Deadlines that may be moved at will, with the task that awaits each.
///
/// Moving a deadline later, as every request does with its connection's idle timer, costs one
/// store: the heap keeps the earlier moment and looks again when that has come. Moving it earlier,
/// and the insertion, cost a heap operation.
///
/// Invariant: an entry that has not fired and has a deadline other than `NEVER` has exactly one
/// live item in the heap, at or before its deadline. Items of other serials are dead and skipped.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    entries: Slab<Entry>,
    heap: BinaryHeap<Reverse<Item>>,
    serial: u64,
}

/// Names a deadline until it is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key(usize);

#[derive(Debug)]
struct Entry {
    deadline: Instant,
    fired: bool,
    waker: Option<Waker>,
    /// When the live item comes up; `NEVER` where there is none.
    queued: Instant,
    live: u64,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Item {
    when: Instant,
    serial: u64,
    key: usize,
}

/// Dead items the heap may hold beyond one per entry before it is rebuilt.
const DEAD_MAX: usize = 64;

impl Deadlines {
    pub(super) fn insert(&mut self, deadline: Instant) -> Key {
        let key = Key(self.entries.insert(Entry {
            deadline,
            fired: false,
            waker: None,
            queued: Instant::NEVER,
            live: 0,
        }));
        self.reset(key, deadline);
        key
    }

    /// Moves a deadline, also one that has fired.
    pub(super) fn reset(&mut self, key: Key, deadline: Instant) {
        let entry = &mut self.entries[key.0];
        entry.deadline = deadline;
        entry.fired = false;
        if deadline < entry.queued {
            self.queue(key, deadline);
        }
    }

    /// Forgets a deadline and returns its waker, to be dropped outside of any borrow.
    pub(super) fn remove(&mut self, key: Key) -> Option<Waker> {
        let waker = self.entries.remove(key.0).waker;
        if self.heap.len() > 2 * self.entries.len() + DEAD_MAX {
            let entries = &self.entries;
            self.heap.retain(|Reverse(item)| is_live(entries, item));
        }
        waker
    }

    pub(super) fn deadline(&self, key: Key) -> Instant {
        self.entries[key.0].deadline
    }

    /// Ready once [`Deadlines::expire`] was called at or after the deadline.
    pub(super) fn poll(&mut self, key: Key, cx: &Context<'_>) -> Poll<()> {
        let entry = &mut self.entries[key.0];
        if entry.fired {
            return Poll::Ready(());
        }
        if !entry
            .waker
            .as_ref()
            .is_some_and(|waker| waker.will_wake(cx.waker()))
        {
            entry.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Takes one timer that is due, earliest first. Call until `None`, and wake what it returns.
    pub(super) fn expire(&mut self, now: Instant) -> Option<Option<Waker>> {
        while self
            .heap
            .peek()
            .is_some_and(|Reverse(item)| item.when <= now)
        {
            let Reverse(item) = self.heap.pop()?;
            if !is_live(&self.entries, &item) {
                continue;
            }
            let entry = &mut self.entries[item.key];
            entry.queued = Instant::NEVER;
            let deadline = entry.deadline;
            if deadline <= now {
                entry.fired = true;
                return Some(entry.waker.take());
            }
            if deadline < Instant::NEVER {
                self.queue(Key(item.key), deadline);
            }
        }
        None
    }

    /// When to call [`Deadlines::expire`] next: never later than the nearest deadline.
    pub(super) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse(item)| item.when)
    }

    fn queue(&mut self, key: Key, when: Instant) {
        self.serial += 1;
        let entry = &mut self.entries[key.0];
        entry.live = self.serial;
        entry.queued = when;
        self.heap.push(Reverse(Item {
            when,
            serial: self.serial,
            key: key.0,
        }));
    }
}

fn is_live(entries: &Slab<Entry>, item: &Item) -> bool {
    entries
        .get(item.key)
        .is_some_and(|entry| entry.live == item.serial)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn drain(deadlines: &mut Deadlines, now: Instant) -> usize {
        std::iter::from_fn(|| deadlines.expire(now)).count()
    }

    fn ready(deadlines: &mut Deadlines, key: Key) -> bool {
        deadlines
            .poll(key, &Context::from_waker(Waker::noop()))
            .is_ready()
    }

    #[test]
    fn a_deadline_moved_later_does_not_fire_early() {
        let mut deadlines = Deadlines::default();
        let key = deadlines.insert(Instant(10));
        deadlines.reset(key, Instant(30));
        assert_eq!(drain(&mut deadlines, Instant(20)), 0);
        assert!(!ready(&mut deadlines, key));
        assert_eq!(deadlines.next(), Some(Instant(30)));
        assert_eq!(drain(&mut deadlines, Instant(30)), 1);
        assert!(ready(&mut deadlines, key));
    }

    #[test]
    fn never_is_not_queued_and_a_fired_deadline_can_be_set_again() {
        let mut deadlines = Deadlines::default();
        let key = deadlines.insert(Instant::NEVER);
        assert_eq!(deadlines.next(), None);
        deadlines.reset(key, Instant(1));
        assert_eq!(drain(&mut deadlines, Instant(1)), 1);
        deadlines.reset(key, Instant::NEVER);
        assert!(!ready(&mut deadlines, key));
        assert_eq!(deadlines.next(), None);
    }

    #[test]
    fn dead_items_do_not_pile_up() {
        let mut deadlines = Deadlines::default();
        for n in 0..10_000 {
            let key = deadlines.insert(Instant(1_000_000 + n));
            deadlines.remove(key);
        }
        assert!(deadlines.heap.len() <= DEAD_MAX + 1);
    }

    #[derive(Debug, Clone)]
    enum Op {
        Insert(u64),
        Reset(usize, u64),
        Remove(usize),
        Expire(u64),
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            (0..100u64).prop_map(Op::Insert),
            (any::<usize>(), 0..100u64).prop_map(|(n, at)| Op::Reset(n, at)),
            any::<usize>().prop_map(Op::Remove),
            (0..20u64).prop_map(Op::Expire),
        ]
    }

    proptest! {
        /// Against a plain list: the same deadlines fire, no later than `next` says.
        #[test]
        fn fires_what_a_plain_list_fires(ops in prop::collection::vec(op(), 1..200)) {
            let mut deadlines = Deadlines::default();
            let mut model: BTreeMap<usize, (Key, u64, bool)> = BTreeMap::new();
            let (mut serial, mut now) = (0, 0);
            for op in ops {
                let nth = |n: usize, model: &BTreeMap<usize, _>| {
                    model.keys().nth(n % model.len().max(1)).copied()
                };
                match op {
                    Op::Insert(after) => {
                        let key = deadlines.insert(Instant(now + after));
                        model.insert(serial, (key, now + after, false));
                        serial += 1;
                    }
                    Op::Reset(n, after) => if let Some(id) = nth(n, &model) {
                        let entry = model.get_mut(&id).unwrap();
                        *entry = (entry.0, now + after, false);
                        deadlines.reset(entry.0, Instant(now + after));
                    },
                    Op::Remove(n) => if let Some(id) = nth(n, &model) {
                        deadlines.remove(model.remove(&id).unwrap().0);
                    },
                    Op::Expire(after) => {
                        now += after;
                        let due = model.values_mut().filter(|e| !e.2 && e.1 <= now);
                        let due = due.map(|entry| entry.2 = true).count();
                        prop_assert_eq!(drain(&mut deadlines, Instant(now)), due);
                    }
                }
                let nearest = model.values().filter(|e| !e.2).map(|e| e.1).min();
                if let Some(nearest) = nearest {
                    prop_assert!(deadlines.next().is_some_and(|next| next.0 <= nearest));
                }
                for (key, _, fired) in model.values() {
                    prop_assert_eq!(ready(&mut deadlines, *key), *fired);
                }
            }
        }
    }
}
