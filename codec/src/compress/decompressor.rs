//! Decoders: capped, credited, and reading slice by slice.

use super::chunks::Capped;
use super::flate::GzipDecoder;
use super::{Encoding, lz4, snappy};
use crate::Rope;
use flate2::{Decompress, FlushDecompress, Status};
use std::fmt;
use zstd::zstd_safe::zstd_sys::ZSTD_ErrorCode;
use zstd::zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer, ResetDirective};

/// The largest zstd window: 8 MiB, which content encoding `zstd` may not exceed (RFC 9659).
pub const WINDOW_LOG_MAX: u32 = 23;

/// The most gzip members or zstd frames in one body. Writers make one, parallel ones a few dozen;
/// without a limit, a body of empty ones would cost a context reset for every ten bytes.
pub const MEMBERS_MAX: usize = 1024;

/// Why a body cannot be decompressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InflateError {
    /// More than `cap` bytes come out.
    TooLarge { cap: usize },
    /// Not the format it should be, at or shortly before this offset into the compressed bytes.
    Corrupt { offset: usize },
    /// The compressed bytes end too early.
    Truncated,
    /// A zstd window over [`WINDOW_LOG_MAX`].
    WindowTooLarge,
    /// More than [`MEMBERS_MAX`] gzip members or zstd frames.
    TooManyMembers,
    /// `reserve` said no.
    Refused,
}

/// Decompresses bodies, one at a time, with contexts made on first use and kept.
///
/// Memory: 50 KiB for each of gzip and deflate, 150 KiB for zstd and up to 8.5 MiB once a peer
/// has sent a window that large. flate2 makes a new context for each gzip member, and snap new
/// buffers of 140 KiB for each framed body: neither can be started again. LZ4 takes up to
/// 12 MiB for the time of a body, by the size of its blocks.
#[derive(Default)]
pub struct Decompressor {
    zlib: Option<Decompress>,
    gzip: Option<GzipDecoder>,
    zstd: Option<DCtx<'static>>,
    snappy: snap::raw::Decoder,
}

impl Decompressor {
    pub fn new() -> Self {
        Self::default()
    }

    /// Decompresses `input` to at most `cap` bytes.
    ///
    /// `reserve` is asked before each buffer is allocated, with its size in bytes; `false` ends
    /// the work. What was reserved beyond the length of the result is the caller's to give back.
    /// `Identity` costs nothing and asks for nothing.
    ///
    /// After an error the decompressor is as good as new.
    pub fn inflate(
        &mut self,
        encoding: Encoding,
        input: &Rope,
        cap: usize,
        reserve: impl FnMut(usize) -> bool,
    ) -> Result<Rope, InflateError> {
        // Telemetry shrinks to a fourth and less.
        let mut out = Capped::new(input.len().saturating_mul(4), cap, reserve);
        match encoding {
            Encoding::Identity if input.len() > cap => return Err(InflateError::TooLarge { cap }),
            Encoding::Identity => return Ok(input.clone()),
            Encoding::Gzip => {
                let decoder = self.gzip.get_or_insert_with(GzipDecoder::new);
                decoder.inflate(input, &mut out)?;
            }
            Encoding::Deflate | Encoding::Zlib => {
                let decoder = self.zlib.get_or_insert_with(|| Decompress::new(true));
                inflate_members(decoder, 1, input, &mut out)?;
            }
            Encoding::Zstd => {
                let decoder = self.zstd.get_or_insert_with(zstd_context);
                inflate_zstd(decoder, input, &mut out)?;
            }
            Encoding::Snappy if !snappy::is_framed(input) => {
                snappy::inflate_block(&mut self.snappy, input, &mut out)?;
            }
            Encoding::Snappy | Encoding::SnappyFramed => snappy::inflate_frames(input, &mut out)?,
            Encoding::Lz4 => lz4::inflate(input, &mut out)?,
        }
        out.finish()
    }
}

/// Decompresses a stream of at most `members_max` members, all of the input.
pub(super) fn inflate_members<R: FnMut(usize) -> bool>(
    decoder: &mut Decompress,
    members_max: usize,
    input: &Rope,
    out: &mut Capped<R>,
) -> Result<(), InflateError> {
    let mut members = 1;
    let mut ended = false;
    let mut offset = 0;
    decoder.reset(true);
    for slice in input.slices() {
        let mut rest = &slice[..];
        while !rest.is_empty() {
            if ended {
                if members == members_max {
                    // Of zlib there is one stream, and what follows it is not ours to drop.
                    return Err(match members_max {
                        1 => InflateError::Corrupt { offset },
                        _ => InflateError::TooManyMembers,
                    });
                }
                members += 1;
                decoder.reset(true);
            }
            let step = inflate_step(decoder, rest, out, offset)?;
            if step.read == 0 && step.written == 0 && !step.ended {
                return Err(InflateError::Corrupt { offset });
            }
            ended = step.ended;
            offset += step.read;
            rest = &rest[step.read..];
        }
    }
    while !ended {
        let step = inflate_step(decoder, &[], out, offset)?;
        if step.written == 0 && !step.ended {
            return Err(InflateError::Truncated);
        }
        ended = step.ended;
    }
    Ok(())
}

/// What one call of a decoder did (bytes).
struct Step {
    read: usize,
    written: usize,
    ended: bool,
}

fn inflate_step<R: FnMut(usize) -> bool>(
    decoder: &mut Decompress,
    input: &[u8],
    out: &mut Capped<R>,
    offset: usize,
) -> Result<Step, InflateError> {
    let room = out.room()?;
    let (read, written) = (decoder.total_in(), room.len());
    match decoder.decompress_vec(input, room, FlushDecompress::None) {
        Ok(status) => Ok(Step {
            // Within one slice: the difference fits.
            read: (decoder.total_in() - read) as usize,
            written: room.len() - written,
            ended: status == Status::StreamEnd,
        }),
        Err(_) => Err(InflateError::Corrupt { offset }),
    }
}

fn zstd_context() -> DCtx<'static> {
    let mut context = DCtx::create();
    let limit = context.set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MAX));
    debug_assert!(limit.is_ok(), "the limit is within the library's bounds");
    context
}

fn inflate_zstd<R: FnMut(usize) -> bool>(
    decoder: &mut DCtx<'static>,
    input: &Rope,
    out: &mut Capped<R>,
) -> Result<(), InflateError> {
    let mut frames = 0;
    let mut ended = false;
    let mut offset = 0;
    let reset = decoder.reset(ResetDirective::SessionOnly);
    debug_assert!(reset.is_ok(), "a session can always be reset");
    for slice in input.slices() {
        let mut source = InBuffer::around(slice);
        while source.pos < slice.len() {
            if ended && frames == MEMBERS_MAX {
                return Err(InflateError::TooManyMembers);
            }
            ended = zstd_step(decoder, &mut source, out, offset)?.ended;
            frames += usize::from(ended);
        }
        offset += slice.len();
    }
    while !ended {
        let step = zstd_step(decoder, &mut InBuffer::around(&[]), out, offset)?;
        if step.written == 0 && !step.ended {
            return Err(InflateError::Truncated);
        }
        ended = step.ended;
    }
    Ok(())
}

/// `start` is the offset of the source's slice. The library itself refuses to go on where neither
/// side makes progress.
fn zstd_step<R: FnMut(usize) -> bool>(
    decoder: &mut DCtx<'static>,
    source: &mut InBuffer<'_>,
    out: &mut Capped<R>,
    start: usize,
) -> Result<Step, InflateError> {
    let room = out.room()?;
    let (read, written) = (source.pos, room.len());
    let mut sink = OutBuffer::around_pos(room, written);
    match decoder.decompress_stream(&mut sink, source) {
        Ok(hint) => Ok(Step {
            read: source.pos - read,
            written: sink.pos() - written,
            ended: hint == 0,
        }),
        Err(code) if is_window_too_large(code) => Err(InflateError::WindowTooLarge),
        Err(_) => Err(InflateError::Corrupt {
            offset: start + source.pos,
        }),
    }
}

/// The library returns its error numbers negated, as unsigned integers.
fn is_window_too_large(code: usize) -> bool {
    let number = 0usize.wrapping_sub(code);
    number == ZSTD_ErrorCode::ZSTD_error_frameParameter_windowTooLarge as usize
}

impl fmt::Debug for Decompressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decompressor").finish_non_exhaustive()
    }
}
