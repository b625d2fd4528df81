//! Headers, blocks and sequences as bytes, and back.

use super::{Entry, Totals};
use std::fmt;
use tailrace_codec::varint::{self, Decoded};

/// A header's length, in bytes.
pub const HEADER_LEN: usize = 16;

/// What stands before a block's payload, in bytes.
pub const BLOCK_HEADER_LEN: usize = 9;

/// A block of items is closed when it is as long as this, in bytes.
pub const BLOCK_BYTES: usize = 64 << 10;

/// No block is longer; a length above it is damage, and nothing is allocated for it.
pub const BLOCK_BYTES_MAX: usize = 2 * BLOCK_BYTES;

const MAGIC: [u8; 8] = *b"TRLEDGER";
const VERSION: u16 = 1;

/// Which of the two files a ledger is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Written by the load.
    Sent,
    /// Written by the backend.
    Received,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sent => "sent",
            Self::Received => "received",
        })
    }
}

/// What is wrong with the bytes of a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Corruption {
    NotALedger,
    Version(u16),
    Checksum,
    BlockTooLong(u32),
    BlockKind(u8),
    /// A payload whose checksum is right and whose content is not what its kind has.
    Payload,
    /// Something follows the end.
    AfterEnd,
    /// The number of items at the end is not the number of items before it.
    Count {
        expected: u64,
        found: u64,
    },
}

impl fmt::Display for Corruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotALedger => f.write_str("this is not a ledger"),
            Self::Version(version) => write!(
                f,
                "the ledger has format {version}, and this program reads format {VERSION}"
            ),
            Self::Checksum => f.write_str("damaged: a checksum does not match"),
            Self::BlockTooLong(len) => write!(f, "damaged: a block of {len} bytes"),
            Self::BlockKind(kind) => write!(f, "damaged: a block of unknown kind {kind}"),
            Self::Payload => f.write_str("damaged: the content of a block is malformed"),
            Self::AfterEnd => f.write_str("damaged: more follows the end"),
            Self::Count { expected, found } => write!(
                f,
                "damaged: the end counts {expected} items, and there are {found}"
            ),
        }
    }
}

/// The header of a file.
pub fn header(side: Side) -> [u8; HEADER_LEN] {
    let mut header = [0; HEADER_LEN];
    header[..8].copy_from_slice(&MAGIC);
    header[8..10].copy_from_slice(&VERSION.to_le_bytes());
    header[10] = match side {
        Side::Sent => 1,
        Side::Received => 2,
    };
    let crc = crc32fast::hash(&header[..12]);
    header[12..].copy_from_slice(&crc.to_le_bytes());
    header
}

/// The side that a header names.
pub fn read_header(header: &[u8; HEADER_LEN]) -> Result<Side, Corruption> {
    if header[..8] != MAGIC {
        return Err(Corruption::NotALedger);
    }
    if crc32fast::hash(&header[..12]).to_le_bytes() != header[12..] {
        return Err(Corruption::Checksum);
    }
    let version = u16::from_le_bytes([header[8], header[9]]);
    match (version, header[10]) {
        (VERSION, 1) => Ok(Side::Sent),
        (VERSION, 2) => Ok(Side::Received),
        (VERSION, _) => Err(Corruption::Payload),
        (version, _) => Err(Corruption::Version(version)),
    }
}

/// What a block is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Run,
    Items,
    End,
}

/// A block's kind, its payload's length, and the checksum of both and the payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockHeader {
    pub kind: Kind,
    pub len: usize,
    crc: u32,
    start: [u8; 5],
}

impl BlockHeader {
    pub fn of(kind: Kind, payload: &[u8]) -> [u8; BLOCK_HEADER_LEN] {
        let mut header = [0; BLOCK_HEADER_LEN];
        header[0] = match kind {
            Kind::Run => 1,
            Kind::Items => 2,
            Kind::End => 3,
        };
        let len = u32::try_from(payload.len()).expect("blocks are below 128 KiB");
        header[1..5].copy_from_slice(&len.to_le_bytes());
        let crc = checksum(&header[..5], payload);
        header[5..].copy_from_slice(&crc.to_le_bytes());
        header
    }

    pub fn read(header: [u8; BLOCK_HEADER_LEN]) -> Result<Self, Corruption> {
        let [kind, a, b, c, d, crc @ ..] = header;
        let len = u32::from_le_bytes([a, b, c, d]);
        if len as usize > BLOCK_BYTES_MAX {
            return Err(Corruption::BlockTooLong(len));
        }
        let start = [kind, a, b, c, d];
        let kind = match kind {
            1 => Kind::Run,
            2 => Kind::Items,
            3 => Kind::End,
            unknown => return Err(Corruption::BlockKind(unknown)),
        };
        Ok(Self {
            kind,
            len: len as usize,
            crc: u32::from_le_bytes(crc),
            start,
        })
    }

    pub fn verify(&self, payload: &[u8]) -> Result<(), Corruption> {
        match checksum(&self.start, payload) == self.crc {
            true => Ok(()),
            false => Err(Corruption::Checksum),
        }
    }
}

fn checksum(start: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(start);
    hasher.update(payload);
    hasher.finalize()
}

pub fn end(totals: &Totals) -> [u8; 24] {
    let mut payload = [0; 24];
    payload[..8].copy_from_slice(&totals.items.to_le_bytes());
    payload[8..16].copy_from_slice(&totals.faults.to_le_bytes());
    payload[16..].copy_from_slice(&totals.foreign.to_le_bytes());
    payload
}

pub fn read_end(payload: &[u8]) -> Result<Totals, Corruption> {
    let payload: &[u8; 24] = payload.try_into().map_err(|_| Corruption::Payload)?;
    let word = |at: usize| {
        let bytes = payload[at..at + 8].try_into().expect("eight of 24 bytes");
        u64::from_le_bytes(bytes)
    };
    Ok(Totals {
        items: word(0),
        faults: word(8),
        foreign: word(16),
    })
}

/// Appends a sequence: `checks` of the items from `first`.
pub fn write_sequence(out: &mut Vec<u8>, first: u64, expected: u64, damaged: bool, checks: &[u32]) {
    let distance = first.wrapping_sub(expected).cast_signed();
    varint::write(varint::to_zigzag(distance), out);
    varint::write((checks.len() as u64) << 1 | u64::from(damaged), out);
    for check in checks {
        out.extend_from_slice(&check.to_le_bytes());
    }
}

/// Shows the items of a block and returns how many they are.
pub fn read_items(mut payload: &[u8], visit: &mut impl FnMut(Entry)) -> Result<u64, Corruption> {
    let (mut expected, mut items) = (0_u64, 0);
    while !payload.is_empty() {
        let distance = varint::from_zigzag(read_varint(&mut payload)?);
        let head = read_varint(&mut payload)?;
        let (count, damaged) = (head >> 1, head & 1 == 1);
        if count > payload.len() as u64 / 4 {
            return Err(Corruption::Payload);
        }
        let (checks, rest) = payload.split_at(count as usize * 4);
        payload = rest;
        let mut id = expected.wrapping_add(distance.cast_unsigned());
        for check in checks.chunks_exact(4) {
            let check = u32::from_le_bytes(check.try_into().expect("chunks of four"));
            visit(Entry { id, check, damaged });
            id = id.wrapping_add(1);
        }
        (expected, items) = (id, items + count);
    }
    Ok(items)
}

fn read_varint(bytes: &mut &[u8]) -> Result<u64, Corruption> {
    match varint::decode(bytes) {
        Decoded::Value(value, len) => {
            *bytes = &bytes[len..];
            Ok(value)
        }
        _ => Err(Corruption::Payload),
    }
}
