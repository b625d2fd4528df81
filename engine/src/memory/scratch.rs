//! A buffer that conversions write into, used again and again.
//!
//! How long a converted message is, is known only when it is written. Written into a buffer that
//! is kept, it costs no growing, and what is stored or sent afterwards is exactly as long as it
//! must be: a message that waits in a queue pins no more than its own bytes.

use bytes::Bytes;

/// A larger buffer is not kept: a rare giant would hold its memory for good.
const KEPT_MAX: usize = 1 << 20;

/// One shard's buffer for conversions.
#[derive(Debug, Default)]
pub struct Scratch(Vec<u8>);

impl Scratch {
    /// Lets `write` fill the buffer, which comes empty, and returns what it wrote.
    ///
    /// COPY: of the result, into memory of its length. Cost: that, and one allocation.
    pub fn write<E>(
        &mut self,
        write: impl FnOnce(Vec<u8>) -> Result<Vec<u8>, E>,
    ) -> Result<Bytes, E> {
        let mut buffer = write(std::mem::take(&mut self.0))?;
        let result = if buffer.len() > KEPT_MAX {
            // It is let go anyway, so it may as well be the result.
            buffer.shrink_to_fit();
            Bytes::from(std::mem::take(&mut buffer))
        } else {
            Bytes::copy_from_slice(&buffer)
        };
        if buffer.capacity() <= KEPT_MAX {
            buffer.clear();
            self.0 = buffer;
        }
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn write(scratch: &mut Scratch, bytes: &[u8]) -> (Bytes, usize) {
        let mut before = 0;
        let result = scratch.write(|mut out| {
            before = out.capacity();
            assert!(out.is_empty());
            out.extend_from_slice(bytes);
            Ok::<_, Infallible>(out)
        });
        (result.expect("infallible"), before)
    }

    #[test]
    fn the_buffer_is_used_again_and_the_result_is_its_own() {
        let mut scratch = Scratch::default();
        let (first, _) = write(&mut scratch, &[1; 1000]);
        let (second, capacity) = write(&mut scratch, &[2; 10]);
        assert!(capacity >= 1000, "the first one's buffer");
        assert_eq!((&first[..], &second[..]), (&[1; 1000][..], &[2; 10][..]));
    }

    #[test]
    fn a_giant_is_not_kept() {
        let mut scratch = Scratch::default();
        let (giant, _) = write(&mut scratch, &vec![7; KEPT_MAX + 1]);
        assert_eq!(giant.len(), KEPT_MAX + 1);
        let (_, capacity) = write(&mut scratch, b"small");
        assert_eq!(capacity, 0);
    }

    #[test]
    fn after_an_error_it_starts_anew() {
        let mut scratch = Scratch::default();
        assert_eq!(scratch.write(|_| Err(5)), Err(5));
        assert_eq!(&write(&mut scratch, b"next").0[..], b"next");
    }
}
