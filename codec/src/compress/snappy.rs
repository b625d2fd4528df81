//! Snappy's two formats: one block, and frames of blocks with checksums.
//!
//! Source: <https://github.com/google/snappy/blob/main/format_description.txt>,
//! <https://github.com/google/snappy/blob/main/framing_format.txt>

use super::InflateError;
use super::chunks::{Capped, Chunks, Sink};
use crate::Rope;
use bytes::Bytes;
use std::io::{self, Read, Write};

/// How every framed stream begins. As a block it would be a copy from before the block's start,
/// so that the two formats cannot be confused.
const STREAM_IDENTIFIER: [u8; 10] = *b"\xff\x06\x00\x00sNaPpY";

/// The most that a compressed byte can stand for: a copy of 64 bytes is written in three.
const EXPANSION_MAX: usize = 22;

pub(super) fn is_framed(input: &Rope) -> bool {
    input.cursor().read_array() == Ok(STREAM_IDENTIFIER)
}

/// COPY: of the compressed bytes, if they are several slices: the decoder wants one.
pub(super) fn inflate_block<R: FnMut(usize) -> bool>(
    decoder: &mut snap::raw::Decoder,
    input: &Rope,
    out: &mut Capped<R>,
) -> Result<(), InflateError> {
    if input.is_empty() {
        return Err(InflateError::Truncated);
    }
    let input = input.to_bytes();
    let length =
        snap::raw::decompress_len(&input).map_err(|_| InflateError::Corrupt { offset: 0 })?;
    if length / EXPANSION_MAX > input.len() {
        // The length is a claim of the sender's: memory is given only to one that can be true.
        return Err(InflateError::Corrupt { offset: 0 });
    }
    let buffer = out.whole(length)?;
    match decoder.decompress(&input, buffer) {
        Ok(_) => Ok(()),
        Err(snap::Error::HeaderMismatch { .. }) => Err(InflateError::Truncated),
        Err(_) => Err(InflateError::Corrupt { offset: 0 }),
    }
}

pub(super) fn inflate_frames<R: FnMut(usize) -> bool>(
    input: &Rope,
    out: &mut Capped<R>,
) -> Result<(), InflateError> {
    let mut decoder = snap::read::FrameDecoder::new(input.cursor());
    loop {
        let room = out.room()?;
        let (before, free) = (room.len(), room.capacity() - room.len());
        let read = decoder.by_ref().take(free as u64).read_to_end(room);
        if let Err(error) = read {
            return Err(match error.kind() {
                io::ErrorKind::UnexpectedEof => InflateError::Truncated,
                _ => InflateError::Corrupt {
                    offset: decoder.get_ref().offset(),
                },
            });
        }
        if room.len() - before < free {
            return Ok(());
        }
    }
}

/// COPY: of the input, if it is several slices: the encoder wants one.
pub(super) fn compress_block(
    encoder: &mut snap::raw::Encoder,
    input: &Rope,
) -> Result<Rope, snap::Error> {
    let mut compressed = encoder.compress_vec(&input.to_bytes())?;
    compressed.shrink_to_fit();
    Ok(Rope::from(Bytes::from(compressed)))
}

/// Writes frames; an empty input makes an empty stream.
pub(super) fn compress_frames(input: &Rope, out: &mut Chunks) {
    let mut encoder = snap::write::FrameEncoder::new(Sink(out));
    for slice in input.slices() {
        let written = encoder.write_all(slice);
        debug_assert!(written.is_ok(), "the sink takes everything");
    }
    let flushed = encoder.flush();
    debug_assert!(flushed.is_ok(), "the sink takes everything");
}
