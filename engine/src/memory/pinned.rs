//! How much memory received slices keep from being freed.
//!
//! ```text
//!   block   | frame | slice a | frame | slice b | frame | slice of another request | ...
//!             <------- a run: one block ------->
//! ```
//!
//! A slice keeps its whole block. Blocks are shared by the requests that came on one connection one
//! after the other, and any of them may be the last that holds one, so each is charged for all.

use tailrace_codec::Rope;

/// What h2 and hyper read small frames and bodies into (bytes). A larger frame has a buffer of its
/// own length.
///
/// Source: `BytesMut::reserve`, which goes back to at most 64 KiB once a buffer is full.
const BLOCK: u64 = 64 << 10;

/// Below this nothing was kept of a block: the network half copies it to memory of its own length.
const COPIED_BELOW: u64 = 16 << 10;

/// The most that stands between two slices of one body in a block: an HTTP/2 frame's header and
/// padding length, or the line before a chunk of HTTP/1.1.
const GAP_MAX: usize = 32;

/// Bytes of memory that a body as it was received keeps from being freed, at most.
///
/// Each run of slices within one block counts as that block, and a slice larger than a block as
/// itself. Cost: two comparisons a slice; a body of 16 KiB frames has one slice for each.
pub fn pinned_bytes(body: &Rope) -> u64 {
    let mut total = 0;
    // Where the block of the last slice began at the latest, and where that slice ended.
    let mut run: Option<(usize, usize)> = None;
    for slice in body.slices() {
        let length = slice.len() as u64;
        let start = slice.as_ptr() as usize;
        let end = start + slice.len();
        let continues = run.is_some_and(|(first, last)| {
            start >= last && start - last <= GAP_MAX && (end - first) as u64 <= BLOCK
        });
        if length < COPIED_BELOW {
            total += length;
            run = None;
        } else if continues {
            run = run.map(|(first, _)| (first, end));
        } else {
            total += length.max(BLOCK);
            run = Some((start, end));
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn body(block: &Bytes, ranges: &[std::ops::Range<usize>]) -> Rope {
        ranges
            .iter()
            .map(|range| block.slice(range.clone()))
            .collect()
    }

    #[test]
    fn what_was_copied_costs_its_length() {
        let small = Rope::from(vec![0; 3_700]);
        assert_eq!(pinned_bytes(&small), 3_700);
        assert_eq!(pinned_bytes(&Rope::new()), 0);
    }

    #[test]
    fn a_slice_keeps_its_block_and_neighbours_keep_it_together() {
        let block = Bytes::from(vec![0; 64 << 10]);
        let frame = 16 << 10;
        let one = Rope::from(block.slice(9..9 + frame));
        assert_eq!(pinned_bytes(&one), BLOCK);
        let second = 9 + frame + 9;
        let two = body(&block, &[9..9 + frame, second..second + frame]);
        assert_eq!(pinned_bytes(&two), BLOCK, "both in one block");
        let apart = body(&block, &[0..frame, 2 * frame..3 * frame]);
        assert_eq!(pinned_bytes(&apart), 2 * BLOCK, "perhaps in two");
        let backwards = body(&block, &[frame..2 * frame, 0..frame]);
        assert_eq!(pinned_bytes(&backwards), 2 * BLOCK);
    }

    #[test]
    fn a_run_is_no_longer_than_a_block() {
        let blocks = Bytes::from(vec![0; 128 << 10]);
        let frame = 32 << 10;
        let ranges: Vec<_> = (0..4).map(|n| n * frame..(n + 1) * frame).collect();
        assert_eq!(pinned_bytes(&body(&blocks, &ranges)), 2 * BLOCK);
    }

    #[test]
    fn a_large_frame_costs_its_length() {
        let frame = Rope::from(vec![0; 180_000]);
        assert_eq!(pinned_bytes(&frame), 180_000);
    }
}
