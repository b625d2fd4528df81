//! Two files that prove what became of each item: what was acknowledged, and what arrived.
//!
//! `sent.ledger` takes an item only after the answer that acknowledged it, `received.ledger` when
//! it has arrived: whatever is in the first and not in the second was lost by what lies between.
//!
//! ```text
//! file    = header block*
//! header  = "TRLEDGER" version:u16 side:u8 zero:u8 crc32:u32            16 bytes, little-endian
//! block   = kind:u8 len:u32 crc32(kind len payload):u32 payload
//! kind 1  : run:u64              the items that follow are of this run
//! kind 2  : sequence*            at most 64 KiB
//! kind 3  : items:u64 faults:u64 foreign:u64             the end; a file without it was cut off
//! sequence = zigzag(first - expected) (count << 1 | damaged) check:u32 * count
//! ```
//!
//! Numbers in a sequence are varints; `expected` is the number after the last one of the block.
//! Cost: 4 bytes for an item in a sequence, and two or three for each sequence: 100 million items
//! in requests of 100 are 403 MB. A check is folded to 32 bits: one altered item in four thousand
//! million goes unnoticed, for half of the file.

mod check;
mod format;
mod pages;
mod reader;
mod writer;

#[cfg(test)]
mod tests;

pub use check::{CheckError, Doubt, Finding, check};
pub use format::{Corruption, Side};
pub use reader::{ReadError, Reader, Record};
pub use writer::Writer;

/// One item of a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    pub id: u64,
    /// [`fold`]ed.
    pub check: u32,
    /// The item arrived with content that its check value does not belong to.
    pub damaged: bool,
}

/// What the end of a ledger says of the whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Entries, repeated ones included. [`Writer::finish`] fills it in.
    pub items: u64,
    /// Misbehaviours fired by a backend, or refusals and lost connections seen by a load.
    pub faults: u64,
    /// Items that carried no number.
    pub foreign: u64,
}

/// A check value as a ledger keeps it.
pub const fn fold(check: u64) -> u32 {
    (check ^ (check >> 32)) as u32
}
