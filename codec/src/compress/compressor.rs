//! Encoders.

use super::chunks::Chunks;
use super::flate::{self, Format};
use super::{Encoding, Level, lz4, snappy};
use crate::Rope;
use std::fmt;
use zstd::zstd_safe::zstd_sys::ZSTD_EndDirective;
use zstd::zstd_safe::{CCtx, CParameter, InBuffer, OutBuffer, ResetDirective};

/// Why a body cannot be compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompressError {
    /// Longer than the format can say: 4 GiB for a snappy block.
    TooLarge { length: usize },
    /// The library could not get the memory for its tables.
    OutOfMemory,
}

/// Compresses bodies, one at a time, with contexts made on first use and kept.
///
/// Memory: 660 KiB for gzip and deflate, 1 to 80 MiB for zstd by its level (1.3 MiB at the
/// default), 32 KiB for snappy. For the time of a body: gzip and deflate its length and half of it
/// again, up to 6 MiB; framed snappy 140 KiB; LZ4 1 MiB.
#[derive(Default)]
pub struct Compressor {
    flate: Option<flate::Encoder>,
    zstd: Option<CCtx<'static>>,
    snappy: Option<snap::raw::Encoder>,
}

impl Compressor {
    pub fn new() -> Self {
        Self::default()
    }

    /// Compresses `input` into buffers of its own. `Identity` copies nothing.
    pub fn compress(
        &mut self,
        encoding: Encoding,
        level: Level,
        input: &Rope,
    ) -> Result<Rope, CompressError> {
        // Telemetry shrinks to a fourth and less.
        let mut out = Chunks::new(input.len() / 4);
        match encoding {
            Encoding::Identity => return Ok(input.clone()),
            Encoding::Snappy => {
                return snappy::compress_block(
                    self.snappy.get_or_insert_with(snap::raw::Encoder::new),
                    input,
                )
                .map_err(|_| CompressError::TooLarge {
                    length: input.len(),
                });
            }
            Encoding::Gzip => {
                flate::Encoder::at_level(&mut self.flate, level).compress(
                    Format::Gzip,
                    input,
                    &mut out,
                )?;
            }
            Encoding::Deflate | Encoding::Zlib => {
                flate::Encoder::at_level(&mut self.flate, level).compress(
                    Format::Zlib,
                    input,
                    &mut out,
                )?;
            }
            Encoding::Zstd => {
                let context = self.zstd.get_or_insert_with(CCtx::create);
                compress_zstd(context, level, input, &mut out)
                    .map_err(|_| CompressError::OutOfMemory)?;
            }
            Encoding::SnappyFramed => snappy::compress_frames(input, &mut out),
            Encoding::Lz4 => lz4::compress(input, &mut out),
        }
        Ok(out.finish())
    }
}

fn compress_zstd(
    encoder: &mut CCtx<'static>,
    level: Level,
    input: &Rope,
    out: &mut Chunks,
) -> Result<(), usize> {
    encoder.reset(ResetDirective::SessionOnly)?;
    encoder.set_parameter(CParameter::CompressionLevel(level.zstd()))?;
    // With the length in the frame's header the peer can refuse, or allocate once.
    encoder.set_pledged_src_size(Some(input.len() as u64))?;
    for slice in input.slices() {
        let mut source = InBuffer::around(slice);
        while source.pos < slice.len() {
            zstd_step(
                encoder,
                &mut source,
                out,
                ZSTD_EndDirective::ZSTD_e_continue,
            )?;
        }
    }
    let mut nothing = InBuffer::around(&[]);
    while zstd_step(encoder, &mut nothing, out, ZSTD_EndDirective::ZSTD_e_end)? != 0 {}
    Ok(())
}

/// Returns how many bytes the encoder still holds.
fn zstd_step(
    encoder: &mut CCtx<'static>,
    source: &mut InBuffer<'_>,
    out: &mut Chunks,
    directive: ZSTD_EndDirective,
) -> Result<usize, usize> {
    let room = out.room();
    let written = room.len();
    let mut sink = OutBuffer::around_pos(room, written);
    encoder.compress_stream2(&mut sink, source, directive)
}

impl fmt::Debug for Compressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compressor").finish_non_exhaustive()
    }
}
