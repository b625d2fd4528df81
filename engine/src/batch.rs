//! Batches: what is sent together as one export call, and when it is full enough to go.
//!
//! A batch is a list of [`Part`]s. A part is a whole payload of the store or a piece cut out of
//! one; nothing is copied when parts are put together. Batches are formed as late as possible,
//! when a slot to send them is free: until then payloads lie in their lane's ring, where priority,
//! fairness and size limits can still be decided.

mod open;
mod size;

pub use open::{Batching, OpenBatches, Room, SealCause, Sealed};
pub use size::{Size, Sizer};

use crate::flow::fair::{Class, Waits};
use crate::memory::PayloadId;
use crate::memory::store::{Metadata, Store};
use crate::time::Instant;
use crate::units::ItemCount;
use tailrace_codec::Rope;

/// What one lane holds of one payload: all of it, or a piece.
#[derive(Debug)]
pub struct Part {
    pub payload: PayloadId,
    /// The piece's own bytes; `None` for the whole payload, whose bytes are in the store.
    pub piece: Option<Box<Rope>>,
    pub size: Size,
    /// Parts of different metadata never stand in one batch.
    pub metadata: Option<Metadata>,
    /// How it waits. Parts of different tenants never stand in one batch either.
    pub class: Class,
    /// The bucket that its endpoint is chosen by, where an exporter hashes; else 0. Parts of different
    /// buckets never stand in one batch.
    pub bucket: u64,
    pub arrived: Instant,
}

impl Part {
    /// The part's bytes. Cost: one reference count per slice.
    pub fn body(&self, store: &Store) -> Rope {
        match &self.piece {
            Some(piece) => Rope::clone(piece),
            None => store.get(self.payload).body.clone(),
        }
    }
}

impl Waits for Part {
    fn items(&self) -> ItemCount {
        self.size.items
    }

    fn bytes(&self) -> u64 {
        self.size.bytes
    }

    fn arrived(&self) -> Instant {
        self.arrived
    }

    fn class(&self) -> Class {
        self.class
    }
}
