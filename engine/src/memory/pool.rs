//! Memory for small payloads: blocks that they stand in one after another.
//!
//! A small request lies in a piece of the buffer it was read into, and would keep all of it. Memory
//! of its own costs an allocation, and what the allocator rounds up: 8 % of a request of ten spans.
//! So it is copied behind the one before it:
//!
//! ```text
//!   | payload | payload | pay     load | payload | free ... |
//!   |----------- block -----------|------------ block ------------|
//! ```
//!
//! A block lives as long as one of its payloads. Payloads of one pool are meant to leave in about
//! the order they came, so that a block seldom outlives most of them: there is a pool for each
//! route.

use bytes::{BufMut, BytesMut};
use tailrace_codec::Rope;

/// Payloads below this are copied. Copying 16 KiB costs about a microsecond, less than a system
/// call; a longer one holds little beside itself, and its copy would fill half a block.
pub const SMALL: usize = 16 << 10;

/// The memory of a block. Not larger, because a payload that stays behind holds as much.
const BLOCK: usize = 32 << 10;

/// The blocks of payloads that go the same way. Holds one block that is being filled.
#[derive(Debug, Default)]
pub struct Pool {
    block: BytesMut,
}

impl Pool {
    /// The same bytes in the pool's memory.
    ///
    /// Cost: one copy. The result has one slice, or two where it crosses a block's end.
    pub fn keep(&mut self, payload: &Rope) -> Rope {
        let mut kept = Rope::new();
        for slice in payload.slices() {
            let mut rest = &slice[..];
            while !rest.is_empty() {
                if self.block.len() == self.block.capacity() {
                    kept.push(self.block.split().freeze());
                    // Takes the last block again, if nobody holds it any more.
                    self.block.reserve(BLOCK);
                }
                let room = self.block.capacity() - self.block.len();
                let (head, tail) = rest.split_at(rest.len().min(room));
                // COPY: < 16 KiB, see `SMALL`.
                self.block.put_slice(head);
                rest = tail;
            }
        }
        kept.push(self.block.split().freeze());
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn payloads_stay_what_they_were(
            payloads in prop::collection::vec(
                prop::collection::vec(prop::collection::vec(any::<u8>(), 0..6000), 0..4),
                1..40,
            ),
        ) {
            let mut pool = Pool::default();
            let payloads: Vec<Rope> = payloads
                .into_iter()
                .map(|slices| slices.into_iter().map(Bytes::from).collect())
                .collect();
            let kept: Vec<Rope> = payloads.iter().map(|payload| pool.keep(payload)).collect();
            prop_assert!(kept.iter().all(|payload| payload.slices().len() <= 2));
            prop_assert_eq!(kept, payloads);
        }
    }

    #[test]
    fn payloads_lie_behind_each_other_and_a_free_block_is_used_again() {
        let mut pool = Pool::default();
        let payload = Rope::from(vec![7; BLOCK / 4]);
        let addresses = |kept: &[Rope]| -> Vec<usize> {
            let slices = kept.iter().flat_map(Rope::slices);
            slices.map(|slice| slice.as_ptr() as usize).collect()
        };
        let kept: Vec<Rope> = (0..4).map(|_| pool.keep(&payload)).collect();
        let first = addresses(&kept);
        assert_eq!(first[3] - first[0], 3 * BLOCK / 4);
        drop(kept);
        assert_eq!(addresses(&[pool.keep(&payload)]), first[..1]);
    }
}
