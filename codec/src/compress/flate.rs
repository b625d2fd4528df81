//! gzip (RFC 1952) and zlib (RFC 1950): in one call where a body fits into a buffer, else as a stream.
//!
//! libdeflate wants a body in one piece, and gives the other in one piece. In return it inflates
//! telemetry in less than half of a streaming library's time, and compresses it as small in three
//! fifths. What is over [`WHOLE_MAX`], of several members or not what its trailer says goes through
//! zlib-rs, which also says where a body is corrupt.

use super::chunks::{Capped, Chunks};
use super::decompressor::{MEMBERS_MAX, inflate_members};
use super::{CompressError, InflateError, Level};
use crate::Rope;
use flate2::{Compress, Decompress, FlushCompress, Status};
use libdeflater::CompressionLvl;
use memchr::memmem;

/// The longest body that is handled in one piece (bytes, uncompressed): what two buffers for the
/// time of a call may take. 8192 spans are 3 MiB.
pub const WHOLE_MAX: usize = 4 << 20;

/// The longest compressed body that is inflated in one piece, because its slices are gathered
/// outside of any credit (bytes). Telemetry of four times as much is four times as long.
const COMPRESSED_MAX: usize = WHOLE_MAX / 4;

/// The level where none is asked for. On telemetry it is within 2 % of the size that the
/// Collector's compressor makes by default, within 4 % of level 6, and costs a fifth less than
/// that.
const LEVEL: i32 = 4;

/// The most that a compressed byte can stand for: a match of 258 bytes takes two bits.
const EXPANSION_MAX: usize = 1032;

/// How every gzip member begins: two bytes of identification, and deflate as its method.
const MEMBER: &[u8; 3] = b"\x1f\x8b\x08";

/// What every gzip member has at least: ten bytes of header, an empty block, eight of trailer.
const MEMBER_MIN: usize = 20;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Gzip,
    Zlib,
}

/// Compresses at one level.
pub(super) struct Encoder {
    level: Level,
    whole: libdeflater::Compressor,
}

impl Encoder {
    /// The encoder kept in `slot`, remade if it is of another level.
    pub(super) fn at_level(slot: &mut Option<Self>, level: Level) -> &mut Self {
        if slot.as_ref().is_some_and(|made| made.level != level) {
            *slot = None;
        }
        slot.get_or_insert_with(|| Self {
            level,
            whole: libdeflater::Compressor::new(level.libdeflate()),
        })
    }

    pub(super) fn compress(
        &mut self,
        format: Format,
        input: &Rope,
        out: &mut Chunks,
    ) -> Result<(), CompressError> {
        if input.len() <= WHOLE_MAX {
            self.compress_whole(format, input, out);
            return Ok(());
        }
        let encoder = match format {
            Format::Gzip => Compress::new_gzip(self.level.zlib(), 15),
            Format::Zlib => Compress::new(self.level.zlib(), true),
        };
        compress_streamed(encoder, input, out)
    }

    /// COPY: of the input, if it is several slices, and of the output into a buffer of its size.
    fn compress_whole(&mut self, format: Format, input: &Rope, out: &mut Chunks) {
        let input = input.cursor().bytes();
        let bound = match format {
            Format::Gzip => self.whole.gzip_compress_bound(input.len()),
            Format::Zlib => self.whole.zlib_compress_bound(input.len()),
        };
        // Telemetry shrinks to a fourth and less; what does not is tried again with room for all.
        for room in [bound / 2, bound] {
            let buffer = out.whole(room);
            let written = match format {
                Format::Gzip => self.whole.gzip_compress(&input, buffer),
                Format::Zlib => self.whole.zlib_compress(&input, buffer),
            };
            // The only error is a lack of room, and `bound` is enough.
            buffer.truncate(written.unwrap_or(0));
            if !buffer.is_empty() {
                return;
            }
        }
    }
}

fn compress_streamed(
    mut encoder: Compress,
    input: &Rope,
    out: &mut Chunks,
) -> Result<(), CompressError> {
    for slice in input.slices() {
        let mut rest = &slice[..];
        while !rest.is_empty() {
            let before = encoder.total_in();
            step(&mut encoder, rest, out, FlushCompress::None)?;
            // Within one slice: the difference fits.
            rest = &rest[(encoder.total_in() - before) as usize..];
        }
    }
    while step(&mut encoder, &[], out, FlushCompress::Finish)? != Status::StreamEnd {}
    Ok(())
}

fn step(
    encoder: &mut Compress,
    input: &[u8],
    out: &mut Chunks,
    flush: FlushCompress,
) -> Result<Status, CompressError> {
    encoder
        .compress_vec(input, out.room(), flush)
        .map_err(|_| CompressError::OutOfMemory)
}

/// Decompresses gzip.
pub(super) struct GzipDecoder {
    whole: libdeflater::Decompressor,
    streamed: Option<Decompress>,
}

impl GzipDecoder {
    pub(super) fn new() -> Self {
        Self {
            whole: libdeflater::Decompressor::new(),
            streamed: None,
        }
    }

    pub(super) fn inflate<R: FnMut(usize) -> bool>(
        &mut self,
        input: &Rope,
        out: &mut Capped<R>,
    ) -> Result<(), InflateError> {
        if let Some(length) = claimed_length(input, out.cap())
            && self.inflate_whole(input, length, out)?
        {
            return Ok(());
        }
        let decoder = self
            .streamed
            .get_or_insert_with(|| Decompress::new_gzip(15));
        inflate_members(decoder, MEMBERS_MAX, input, out)
    }

    /// Whether `input` was one member of `length` bytes. If not, nothing was written.
    ///
    /// The library checks the checksum. Bytes behind the member that end in its length again pass
    /// unseen; another member does not.
    ///
    /// COPY: of the compressed bytes, if they are several slices.
    fn inflate_whole<R: FnMut(usize) -> bool>(
        &mut self,
        input: &Rope,
        length: usize,
        out: &mut Capped<R>,
    ) -> Result<bool, InflateError> {
        let input = input.cursor().bytes();
        if memmem::find(&input[1..], MEMBER).is_some() {
            // A second member, or by chance: once in sixteen million bytes.
            return Ok(false);
        }
        let buffer = out.whole(length)?;
        let is_whole = self.whole.gzip_decompress(&input, buffer) == Ok(length);
        if !is_whole {
            out.discard();
        }
        Ok(is_whole)
    }
}

/// What the trailer says that comes out, where that is possible, within `cap` and in one piece.
fn claimed_length(input: &Rope, cap: usize) -> Option<usize> {
    if input.len() < MEMBER_MIN {
        return None;
    }
    let mut cursor = input.cursor();
    cursor.skip(input.len() - 4).ok()?;
    let length = u32::from_le_bytes(cursor.read_array().ok()?) as usize;
    // The length is a claim of the sender's: memory is given only to one that can be true.
    let possible = length / EXPANSION_MAX <= input.len() && input.len() <= COMPRESSED_MAX;
    (possible && length <= cap.min(WHOLE_MAX)).then_some(length)
}

impl Level {
    fn libdeflate(self) -> CompressionLvl {
        let level = self.0.map_or(LEVEL, i32::from);
        CompressionLvl::new(level).unwrap_or_default()
    }

    pub(super) fn zlib(self) -> flate2::Compression {
        self.0.map_or_else(flate2::Compression::default, |level| {
            flate2::Compression::new(u32::from(level))
        })
    }
}
