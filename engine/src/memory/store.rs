//! The admitted payloads of a shard, each held once, however many lanes it goes to.

use crate::units::{RequestId, SenderId};
use slab::Slab;
use std::rc::Rc;
use tailrace_codec::Rope;

/// One admitted payload in its shard's store; reused once the last holder let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PayloadId(u32);

/// Values of the request's headers that batches are kept apart by, in the order of the
/// configuration's `metadata_keys`. Equal metadata is shared.
pub type Metadata = Rc<[(Box<str>, Box<[Box<str>]>)]>;

/// One admitted request body.
#[derive(Debug)]
pub struct Payload {
    pub body: Rope,
    /// The credit it holds: its bytes and those of the buffers it pins.
    pub charged: u64,
    /// Who sent it.
    pub sender: Option<SenderId>,
    /// The request that waits for delivery, if its receiver's answer does.
    pub waiter: Option<RequestId>,
}

/// Invariant: `awaited <= holders`, `holders >= 1`.
#[derive(Debug)]
struct Entry {
    payload: Payload,
    holders: u32,
    /// Holders whose outcome the sender waits for.
    awaited: u32,
}

/// What the store needs for a payload beside its bytes. Twice its entry: the table doubles when it
/// grows.
pub const ENTRY_BYTES: u64 = 2 * size_of::<Entry>() as u64;

/// What letting go of a payload brought about.
#[derive(Debug, Default)]
pub struct Released {
    /// The request whose answer is complete now: its last awaited holder let go.
    pub answered: Option<RequestId>,
    /// The payload, if nobody holds it any more.
    pub freed: Option<Payload>,
}

/// The payloads of one shard by id.
///
/// Cost: every operation is an index into a dense table.
#[derive(Debug)]
pub struct Store {
    entries: Slab<Entry>,
}

/// Room that a store begins with. Memory that was never written costs nothing; a table that grows
/// leaves its old places behind, which the allocator keeps.
const ENTRIES_MIN: usize = 4096;

impl Default for Store {
    fn default() -> Self {
        Self {
            entries: Slab::with_capacity(ENTRIES_MIN),
        }
    }
}

impl Store {
    /// Puts a payload in, held once by the caller.
    pub fn insert(&mut self, payload: Payload) -> PayloadId {
        let index = self.entries.insert(Entry {
            payload,
            holders: 1,
            awaited: 0,
        });
        PayloadId(u32::try_from(index).expect("fewer than 2^32 payloads: each charges credit"))
    }

    pub fn get(&self, id: PayloadId) -> &Payload {
        &self.entry(id).payload
    }

    /// The credit of all payloads.
    pub fn charged(&self) -> u64 {
        let entries = self.entries.iter();
        entries.map(|(_, entry)| entry.payload.charged).sum()
    }

    /// Adds a holder; `awaited` if the sender's answer waits for its outcome.
    pub fn hold(&mut self, id: PayloadId, awaited: bool) {
        let entry = self.entry_mut(id);
        entry.holders += 1;
        entry.awaited += u32::from(awaited);
    }

    /// Takes a holder away, with the same `awaited` it was added with.
    pub fn release(&mut self, id: PayloadId, awaited: bool) -> Released {
        let entry = self.entry_mut(id);
        entry.holders -= 1;
        entry.awaited -= u32::from(awaited);
        let answered = awaited && entry.awaited == 0;
        let answered = if answered {
            entry.payload.waiter.take()
        } else {
            None
        };
        let freed = (entry.holders == 0).then(|| self.entries.remove(id.0 as usize).payload);
        Released { answered, freed }
    }

    /// The sender left: nobody is told any more, the payload stays.
    pub fn forget_waiter(&mut self, id: PayloadId) {
        self.entry_mut(id).payload.waiter = None;
    }

    /// The request to be answered when the last awaited holder lets go.
    pub fn set_waiter(&mut self, id: PayloadId, request: RequestId) {
        self.entry_mut(id).payload.waiter = Some(request);
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn entry(&self, id: PayloadId) -> &Entry {
        &self.entries[id.0 as usize]
    }

    fn entry_mut(&mut self, id: PayloadId) -> &mut Entry {
        &mut self.entries[id.0 as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(charged: u64) -> Payload {
        Payload {
            body: Rope::new(),
            charged,
            sender: None,
            waiter: None,
        }
    }

    #[test]
    fn a_payload_leaves_with_its_last_holder_in_any_order() {
        let mut store = Store::default();
        let first = store.insert(payload(100));
        let second = store.insert(payload(50));
        store.hold(first, false);
        assert!(store.release(first, false).freed.is_none());
        assert_eq!(
            store.release(second, false).freed.map(|p| p.charged),
            Some(50)
        );
        assert!(!store.is_empty());
        assert!(store.release(first, false).freed.is_some());
        assert!(store.is_empty());
    }

    #[test]
    fn the_waiter_is_told_by_the_last_awaited_holder_only() {
        let mut store = Store::default();
        let id = store.insert(Payload {
            waiter: Some(RequestId(7)),
            ..payload(1)
        });
        store.hold(id, true);
        store.hold(id, true);
        assert_eq!(store.release(id, true).answered, None);
        assert_eq!(store.release(id, true).answered, Some(RequestId(7)));
        assert!(store.release(id, false).freed.is_some());
    }
}
