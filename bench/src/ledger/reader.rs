//! Reads a ledger from its beginning to its end, a block at a time.

use super::format::{
    BLOCK_HEADER_LEN, BlockHeader, Corruption, HEADER_LEN, Kind, Side, read_end, read_header,
    read_items,
};
use super::{Entry, Totals};
use std::fmt;
use std::io::{self, Read};

/// Why a ledger cannot be read on.
#[derive(Debug)]
pub enum ReadError {
    Io(io::Error),
    /// The file ends inside a block, or before the end was written.
    CutOff {
        offset: u64,
    },
    Corrupt {
        offset: u64,
        what: Corruption,
    },
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::CutOff { offset } => write!(
                f,
                "cut off at byte {offset}: its writer did not finish, or it was shortened"
            ),
            Self::Corrupt { offset, what } => write!(f, "{what} (byte {offset})"),
        }
    }
}

impl std::error::Error for ReadError {}

/// What a ledger holds, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Record {
    /// The entries that follow are of this run.
    Run(u64),
    Entry(Entry),
}

/// A ledger whose header has been read.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    side: Side,
    offset: u64,
}

impl<R: Read> Reader<R> {
    /// Reads the header.
    pub fn new(mut input: R) -> Result<Self, ReadError> {
        let mut header = [0; HEADER_LEN];
        match fill(&mut input, &mut header)? {
            HEADER_LEN => {}
            // An empty file was created and never written; anything else never was a ledger.
            0 => return Err(ReadError::CutOff { offset: 0 }),
            _ => return Err(corrupt(0, Corruption::NotALedger)),
        }
        Ok(Self {
            input,
            side: read_header(&header).map_err(|what| corrupt(0, what))?,
            offset: HEADER_LEN as u64,
        })
    }

    pub const fn side(&self) -> Side {
        self.side
    }

    /// Shows every record, and returns what the end says.
    ///
    /// Errors: the records of the whole blocks before the fault have been shown.
    /// Cost: one pass, one buffer of at most 128 KiB.
    pub fn read(mut self, mut visit: impl FnMut(Record)) -> Result<Totals, ReadError> {
        let (mut payload, mut items) = (Vec::new(), 0);
        loop {
            let at = self.offset;
            let damaged = |what| corrupt(at, what);
            let kind = self.block(&mut payload)?;
            match kind {
                Kind::Run => {
                    let run = payload.as_slice().try_into();
                    let run = run.map_err(|_| damaged(Corruption::Payload))?;
                    visit(Record::Run(u64::from_le_bytes(run)));
                }
                Kind::Items => {
                    let mut show = |entry| visit(Record::Entry(entry));
                    items += read_items(&payload, &mut show).map_err(damaged)?;
                }
                Kind::End => {
                    let totals = read_end(&payload).map_err(damaged)?;
                    if totals.items != items {
                        let (expected, found) = (totals.items, items);
                        return Err(damaged(Corruption::Count { expected, found }));
                    }
                    return match fill(&mut self.input, &mut [0])? {
                        0 => Ok(totals),
                        _ => Err(corrupt(self.offset, Corruption::AfterEnd)),
                    };
                }
            }
        }
    }

    fn block(&mut self, payload: &mut Vec<u8>) -> Result<Kind, ReadError> {
        let at = self.offset;
        let mut header = [0; BLOCK_HEADER_LEN];
        if fill(&mut self.input, &mut header)? < BLOCK_HEADER_LEN {
            return Err(ReadError::CutOff { offset: at });
        }
        let header = BlockHeader::read(header).map_err(|what| corrupt(at, what))?;
        payload.resize(header.len, 0);
        if fill(&mut self.input, payload)? < header.len {
            return Err(ReadError::CutOff { offset: at });
        }
        header.verify(payload).map_err(|what| corrupt(at, what))?;
        self.offset += (BLOCK_HEADER_LEN + header.len) as u64;
        Ok(header.kind)
    }
}

const fn corrupt(offset: u64, what: Corruption) -> ReadError {
    ReadError::Corrupt { offset, what }
}

/// Reads until `buffer` is full or the input ends; returns how much there was.
fn fill(input: &mut impl Read, buffer: &mut [u8]) -> Result<usize, ReadError> {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(ReadError::Io(error)),
        }
    }
    Ok(filled)
}
