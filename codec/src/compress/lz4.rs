//! LZ4's frame format, which is what HTTP peers mean by `lz4`.
//!
//! Source: <https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md>

use super::InflateError;
use super::chunks::{Capped, Chunks, Sink};
use crate::Rope;
use lz4_flex::frame::{BlockSize, FrameDecoder, FrameEncoder, FrameInfo};
use std::io::{self, Read, Write};

/// The flag that says that a checksum over the plain bytes follows the end mark.
const CONTENT_CHECKSUM: u8 = 1 << 2;

/// Reads one frame, which has to be all of the input.
pub(super) fn inflate<R: FnMut(usize) -> bool>(
    input: &Rope,
    out: &mut Capped<R>,
) -> Result<(), InflateError> {
    if !is_ended(input) {
        return Err(InflateError::Truncated);
    }
    let mut decoder = FrameDecoder::new(input.cursor());
    loop {
        let room = out.room()?;
        let (before, free) = (room.len(), room.capacity() - room.len());
        let read = decoder.by_ref().take(free as u64).read_to_end(room);
        let offset = decoder.get_ref().offset();
        match read {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(InflateError::Truncated);
            }
            Err(_) => return Err(InflateError::Corrupt { offset }),
            Ok(_) if room.len() - before == free => {}
            Ok(_) if offset == input.len() => return Ok(()),
            Ok(_) => return Err(InflateError::Corrupt { offset }),
        }
    }
}

/// Whether the end mark stands where it should. The decoder takes the end of the input for the end
/// of the frame where it comes between two blocks.
fn is_ended(input: &Rope) -> bool {
    let Ok([_, _, _, _, flags, _, _]) = input.cursor().read_array::<7>() else {
        return false;
    };
    let checksum = if flags & CONTENT_CHECKSUM == 0 { 0 } else { 4 };
    let mut cursor = input.cursor();
    let before = (input.len() - 7).checked_sub(4 + checksum);
    before.is_some_and(|before| {
        cursor.skip(7 + before).is_ok() && cursor.read_array::<4>() == Ok([0; 4])
    })
}

/// Writes one frame with a checksum over the plain bytes. An empty input makes an empty frame.
pub(super) fn compress(input: &Rope, out: &mut Chunks) {
    let info = FrameInfo::new()
        .block_size(BlockSize::Max256KB)
        .content_checksum(true);
    let mut encoder = FrameEncoder::with_frame_info(info, Sink(out));
    for slice in input.slices() {
        let written = encoder.write_all(slice);
        debug_assert!(written.is_ok(), "the sink takes everything");
    }
    let finished = encoder.finish();
    debug_assert!(finished.is_ok(), "the sink takes everything");
}
