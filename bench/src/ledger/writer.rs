//! Appends to a ledger without waiting for the disk.

use super::format::{BLOCK_BYTES, BlockHeader, Kind, Side, end, header, write_sequence};
use super::{Totals, fold};
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

/// Blocks between the writer and its thread: at 64 KiB each, 1 MiB. A disk that is slower than
/// that makes [`Writer::record`] wait: a ledger with gaps would accuse the innocent.
const BLOCKS_MAX: usize = 16;

/// A sequence is closed when it has so many items: 16 KiB of a block.
const SEQUENCE_MAX: usize = 4096;

/// A ledger that is being written, by a thread of its own.
///
/// Dropped without [`Writer::finish`], the file has no end and reads as cut off.
/// Cost: some nanoseconds an item; a block of 64 KiB is handed over for each 16 thousand.
#[derive(Debug)]
pub struct Writer {
    run: Option<u64>,
    /// The sequence that is open: its first number, whether its items are damaged, their checks.
    first: u64,
    damaged: bool,
    checks: Vec<u32>,
    /// The block that is open, and the number after its last.
    block: Vec<u8>,
    expected: u64,
    items: u64,
    blocks: Option<SyncSender<Vec<u8>>>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Writer {
    /// Creates the file, or empties the one that is there, and writes the header.
    pub fn create(path: &Path, side: Side) -> io::Result<Self> {
        let mut file = File::create(path)?;
        file.write_all(&header(side))?;
        let (blocks, written) = sync_channel::<Vec<u8>>(BLOCKS_MAX);
        let write = move || {
            for block in written {
                file.write_all(&block)?;
            }
            file.sync_data()
        };
        let thread = std::thread::Builder::new()
            .name("ledger".into())
            .spawn(write)?;
        Ok(Self {
            run: None,
            first: 0,
            damaged: false,
            checks: Vec::with_capacity(SEQUENCE_MAX),
            block: Vec::with_capacity(BLOCK_BYTES + 4 * SEQUENCE_MAX),
            expected: 0,
            items: 0,
            blocks: Some(blocks),
            thread: Some(thread),
        })
    }

    /// The items that follow are of this run.
    ///
    /// Errors: the disk's, from a block that was written before.
    pub fn run(&mut self, run: u64) -> io::Result<()> {
        if self.run == Some(run) {
            return Ok(());
        }
        self.run = Some(run);
        self.close_block()?;
        self.send(Kind::Run, &run.to_le_bytes())
    }

    /// Appends an item. `check` is whole, as it stands on the item; `damaged` says that it does
    /// not belong to the content that arrived.
    ///
    /// Errors: the disk's, from a block that was written before.
    pub fn record(&mut self, id: u64, check: u64, damaged: bool) -> io::Result<()> {
        let follows = self.first.wrapping_add(self.checks.len() as u64) == id;
        if !follows || damaged != self.damaged || self.checks.len() == SEQUENCE_MAX {
            self.close_sequence();
            (self.first, self.damaged) = (id, damaged);
            if self.block.len() >= BLOCK_BYTES {
                self.close_block()?;
            }
        }
        self.checks.push(fold(check));
        self.items += 1;
        Ok(())
    }

    /// Hands over what is gathered, so that a reader sees it soon. For quiet moments: each call
    /// makes a block.
    pub fn flush(&mut self) -> io::Result<()> {
        self.close_block()
    }

    /// Writes the end and waits until all is on the disk. `totals.items` is filled in.
    pub fn finish(mut self, totals: Totals) -> io::Result<Totals> {
        self.close_block()?;
        let items = self.items;
        let totals = Totals { items, ..totals };
        self.send(Kind::End, &end(&totals))?;
        self.blocks = None;
        self.join()?;
        Ok(totals)
    }

    fn close_sequence(&mut self) {
        if self.checks.is_empty() {
            return;
        }
        let (first, count) = (self.first, self.checks.len() as u64);
        write_sequence(
            &mut self.block,
            first,
            self.expected,
            self.damaged,
            &self.checks,
        );
        self.expected = first.wrapping_add(count);
        self.checks.clear();
    }

    fn close_block(&mut self) -> io::Result<()> {
        self.close_sequence();
        if self.block.is_empty() {
            return Ok(());
        }
        let block = std::mem::take(&mut self.block);
        self.send(Kind::Items, &block)?;
        self.block = block;
        self.block.clear();
        self.expected = 0;
        Ok(())
    }

    /// COPY: the payload once, behind its header, for the thread.
    fn send(&mut self, kind: Kind, payload: &[u8]) -> io::Result<()> {
        let block = [&BlockHeader::of(kind, payload)[..], payload].concat();
        let sent = self.blocks.as_ref().map(|blocks| blocks.send(block));
        match sent {
            Some(Ok(())) => Ok(()),
            // The thread ended before its time: its error is the reason.
            Some(Err(_)) | None => {
                self.blocks = None;
                self.join()?;
                Err(io::Error::other("the ledger's thread has ended"))
            }
        }
    }

    fn join(&mut self) -> io::Result<()> {
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(io::Error::other("the ledger's thread panicked")),
            None => Ok(()),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if self.blocks.is_some() {
            // What was recorded is kept, without an end; nobody is left to tell of an error.
            let _ = self.close_block();
            self.blocks = None;
            let _ = self.join();
        }
    }
}
