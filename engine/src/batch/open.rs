//! Batches being filled, one for each distinct metadata, tenant and bucket.

use super::{Part, Size, Sizer};
use crate::memory::store::Metadata;
use crate::time::Instant;
use crate::units::TenantId;
use std::time::Duration;

/// When a batch is full: the Collector's `min_size`, `max_size`, `sizer` and `flush_timeout`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batching {
    /// Sealed at once when it holds this much.
    pub min: u64,
    /// Never holds more than this, a single larger item apart. `u64::MAX`: no limit.
    pub max: u64,
    pub sizer: Sizer,
    /// Sealed when its oldest part is this old, however little it holds.
    pub flush_timeout: Duration,
}

/// A batch that takes no more parts.
#[derive(Debug)]
pub struct Sealed {
    pub parts: Vec<Part>,
    pub size: Size,
    pub cause: SealCause,
}

/// Why a batch was sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealCause {
    Size,
    Age,
    /// Asked for: the shard is stopping.
    Flush,
}

/// What became of a part that was added.
#[derive(Debug, Default)]
pub struct Added {
    pub sealed: Option<Sealed>,
    /// What did not fit: to be added again, before any other part of its metadata.
    pub rest: Option<Part>,
}

/// How much of the sizer the first piece of a part may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// What is left in a batch.
    Rest(u64),
    /// All of an empty batch: a piece of one item may be larger, for it fits nowhere else either.
    Whole(u64),
}

/// Cuts a part so that the first piece fits the room, or says that it cannot be.
pub type Cut<'a> = dyn FnMut(Part, Room) -> Result<(Part, Part), Part> + 'a;

/// The open batches of one lane.
///
/// Invariant: an open batch holds at least one part and less than `min`.
#[derive(Debug)]
pub struct OpenBatches {
    rule: Batching,
    open: Vec<Open>,
}

#[derive(Debug)]
struct Open {
    metadata: Option<Metadata>,
    tenant: TenantId,
    bucket: u64,
    parts: Vec<Part>,
    size: Size,
    oldest: Instant,
}

impl OpenBatches {
    pub const fn new(rule: Batching) -> Self {
        Self {
            rule,
            open: Vec::new(),
        }
    }

    /// Holds for the open batches too.
    pub const fn set_flush_timeout(&mut self, timeout: Duration) {
        self.rule.flush_timeout = timeout;
    }

    pub const fn sizer(&self) -> Sizer {
        self.rule.sizer
    }

    /// Adds a part to the open batch of its metadata and tenant, cutting it where it would not fit.
    pub fn add(&mut self, part: Part, cut: &mut Cut<'_>) -> Added {
        let index = self.position(&part);
        let open = &mut self.open[index];
        let room = self.rule.max.saturating_sub(open.size.by(self.rule.sizer));
        let mut added = Added::default();
        if part.size.by(self.rule.sizer) <= room {
            open.push(part);
        } else {
            let room = match open.parts.is_empty() {
                true => Room::Whole(room),
                false => Room::Rest(room),
            };
            match cut(part, room) {
                Ok((head, tail)) => {
                    open.push(head);
                    added.rest = Some(tail);
                }
                // One item larger than a whole batch may be: it goes alone.
                Err(whole) if open.parts.is_empty() => open.push(whole),
                Err(whole) => added.rest = Some(whole),
            }
        }
        if added.rest.is_some() || open.size.by(self.rule.sizer) >= self.rule.min {
            added.sealed = Some(self.open.swap_remove(index).seal(SealCause::Size));
        }
        added
    }

    /// Seals the batch whose oldest part is older than the flush timeout, if there is one.
    pub fn seal_aged(&mut self, now: Instant) -> Option<Sealed> {
        let timeout = self.rule.flush_timeout;
        let aged = self
            .open
            .iter()
            .position(|open| open.oldest + timeout <= now)?;
        Some(self.open.swap_remove(aged).seal(SealCause::Age))
    }

    /// Seals any open batch.
    pub fn seal_any(&mut self) -> Option<Sealed> {
        self.open.pop().map(|open| open.seal(SealCause::Flush))
    }

    /// When [`seal_aged`](Self::seal_aged) will next have something.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.open
            .iter()
            .map(|open| open.oldest + self.rule.flush_timeout)
            .min()
    }

    /// The distinct metadata and tenants with an open batch.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    fn position(&mut self, part: &Part) -> usize {
        let found = self.open.iter().position(|open| open.holds(part));
        found.unwrap_or_else(|| {
            self.open.push(Open {
                metadata: part.metadata.clone(),
                tenant: part.class.tenant,
                bucket: part.bucket,
                parts: Vec::new(),
                size: Size::ZERO,
                oldest: part.arrived,
            });
            self.open.len() - 1
        })
    }
}

impl Open {
    /// Whether a part may stand in it.
    fn holds(&self, part: &Part) -> bool {
        self.metadata == part.metadata
            && self.tenant == part.class.tenant
            && self.bucket == part.bucket
    }

    fn push(&mut self, part: Part) {
        self.size += part.size;
        self.oldest = self.oldest.min(part.arrived);
        self.parts.push(part);
    }

    fn seal(self, cause: SealCause) -> Sealed {
        Sealed {
            parts: self.parts,
            size: self.size,
            cause,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::fair::Class;
    use crate::memory::store::{Payload, Store};
    use tailrace_codec::Rope;

    fn rule(min: u64, max: u64) -> Batching {
        Batching {
            min,
            max,
            sizer: Sizer::Items,
            flush_timeout: Duration::from_millis(200),
        }
    }

    fn part(items: u64, tenant: Option<&str>, arrived: u64) -> Part {
        let metadata = tenant.map(|t| {
            let values: Box<[Box<str>]> = Box::new([t.into()]);
            Metadata::from(vec![("x-tenant".into(), values)])
        });
        let payload = Store::default().insert(Payload {
            body: Rope::new(),
            charged: 0,
            sender: None,
            waiter: None,
        });
        let size = Size {
            requests: 1,
            items,
            bytes: items * 100,
        };
        Part {
            payload,
            piece: None,
            size,
            metadata,
            class: Class::default(),
            bucket: 0,
            arrived: Instant(arrived),
        }
    }

    /// Cuts by arithmetic alone; items are a hundred bytes each.
    fn cut(mut part: Part, room: Room) -> Result<(Part, Part), Part> {
        let (Room::Rest(room) | Room::Whole(room)) = room;
        if room == 0 || part.size.items <= 1 {
            return Err(part);
        }
        let tail = Part {
            payload: part.payload,
            piece: None,
            size: Size {
                requests: 0,
                items: part.size.items - room,
                bytes: part.size.bytes - room * 100,
            },
            metadata: part.metadata.clone(),
            class: part.class,
            bucket: part.bucket,
            arrived: part.arrived,
        };
        part.size -= tail.size;
        part.size.requests = 1;
        Ok((part, tail))
    }

    #[test]
    fn seals_at_the_minimum_and_not_before() {
        let mut open = OpenBatches::new(rule(10, u64::MAX));
        assert!(open.add(part(9, None, 0), &mut cut).sealed.is_none());
        let sealed = open
            .add(part(5, None, 0), &mut cut)
            .sealed
            .expect("14 >= 10");
        assert_eq!(
            (sealed.size.items, sealed.parts.len(), sealed.cause),
            (14, 2, SealCause::Size)
        );
        assert_eq!(open.len(), 0);
    }

    #[test]
    fn the_maximum_is_filled_exactly_and_the_rest_comes_back() {
        let mut open = OpenBatches::new(rule(10, 10));
        open.add(part(7, None, 0), &mut cut);
        let added = open.add(part(8, None, 0), &mut cut);
        assert_eq!(added.sealed.map(|s| s.size.items), Some(10));
        assert_eq!(added.rest.map(|r| r.size.items), Some(5));
    }

    #[test]
    fn an_item_larger_than_a_batch_goes_alone() {
        let bytes = Batching {
            sizer: Sizer::Bytes,
            ..rule(50, 50)
        };
        let mut open = OpenBatches::new(bytes);
        let added = open.add(part(1, None, 0), &mut cut);
        assert_eq!(added.sealed.map(|s| s.size.bytes), Some(100));
        assert!(added.rest.is_none());
    }

    #[test]
    fn metadata_is_never_mixed() {
        let mut open = OpenBatches::new(rule(4, u64::MAX));
        open.add(part(3, Some("a"), 0), &mut cut);
        assert!(open.add(part(3, Some("b"), 0), &mut cut).sealed.is_none());
        assert_eq!(open.len(), 2);
        let sealed = open
            .add(part(1, Some("a"), 0), &mut cut)
            .sealed
            .expect("a has 4");
        assert_eq!(sealed.size.items, 4);
    }

    #[test]
    fn the_oldest_part_sets_the_age() {
        let mut open = OpenBatches::new(rule(100, u64::MAX));
        open.add(part(1, None, 5_000_000), &mut cut);
        open.add(part(1, None, 1_000_000), &mut cut);
        assert_eq!(open.next_timeout(), Some(Instant(201_000_000)));
        assert!(open.seal_aged(Instant(200_999_999)).is_none());
        assert_eq!(
            open.seal_aged(Instant(201_000_000)).map(|s| s.cause),
            Some(SealCause::Age)
        );
    }
}
