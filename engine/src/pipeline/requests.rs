//! Open requests by an id that is not used again for as long as anybody could still mean it.
//!
//! A reply leaves the pipeline after its request has ended, and a connection may abandon a request
//! whose reply is on its way. With ids that are used again at once, either could reach the request
//! that came next, and tell its sender of a success that was another's.

use super::Request;
use crate::units::RequestId;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::{Index, IndexMut};

/// Cost: one probe of a table that is hashed by the id itself, which is as good as random there.
#[derive(Debug, Default)]
pub(super) struct Requests {
    open: HashMap<RequestId, Request, BuildHasherDefault<ById>>,
    next: u32,
}

impl Requests {
    /// Ids count up: one comes again after 2^32 others, and never while it is open.
    pub fn insert(&mut self, request: Request) -> RequestId {
        let mut id = self.take_id();
        while self.open.contains_key(&id) {
            id = self.take_id();
        }
        self.open.insert(id, request);
        id
    }

    pub fn get_mut(&mut self, id: RequestId) -> Option<&mut Request> {
        self.open.get_mut(&id)
    }

    pub fn remove(&mut self, id: RequestId) -> Option<Request> {
        self.open.remove(&id)
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// The credit of all that are open.
    pub fn reserved(&self) -> u64 {
        self.open.values().map(|request| request.reserved).sum()
    }

    const fn take_id(&mut self) -> RequestId {
        let id = RequestId(self.next);
        self.next = self.next.wrapping_add(1);
        id
    }
}

/// For ids that are known to be open: what `head` gave, and nobody has ended.
impl Index<RequestId> for Requests {
    type Output = Request;

    fn index(&self, id: RequestId) -> &Request {
        &self.open[&id]
    }
}

impl IndexMut<RequestId> for Requests {
    fn index_mut(&mut self, id: RequestId) -> &mut Request {
        self.open.get_mut(&id).expect("an open request")
    }
}

/// Spreads consecutive ids by a multiplication: the ids are ours, no sender can choose them.
#[derive(Debug, Default)]
pub(super) struct ById(u64);

impl Hasher for ById {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, id: u32) {
        // 2^64 / phi, Knuth's multiplicative hash.
        self.0 = (self.0 ^ u64::from(id)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}
