//! The prefix before each message: one byte that says whether it is compressed, four of length.

use crate::Rope;

/// The length of a [`Prefix`].
pub const PREFIX_BYTES: usize = 5;

/// What stands before a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prefix {
    pub compressed: bool,
    /// Of the message behind the prefix, in bytes.
    pub length: u32,
}

/// The one message of a unary call.
#[derive(Debug, Clone)]
pub struct Frame {
    pub compressed: bool,
    pub message: Rope,
}

/// Why bytes are not the one message of a unary call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameError {
    /// The bytes end before the prefix or the message does.
    Truncated { missing: usize },
    /// The first byte is neither 0 nor 1.
    Flag(u8),
    /// The message is longer than the limit.
    TooLarge { length: u32, limit: usize },
    /// Bytes behind the message: a second message, where unary calls have one.
    Trailing { bytes: usize },
}

impl Prefix {
    pub const fn to_bytes(self) -> [u8; PREFIX_BYTES] {
        let [a, b, c, d] = self.length.to_be_bytes();
        [self.compressed as u8, a, b, c, d]
    }

    /// Errors: `Flag`, and `TooLarge` where the length is over `limit` (bytes).
    pub const fn from_bytes(bytes: [u8; PREFIX_BYTES], limit: usize) -> Result<Self, FrameError> {
        let [flag, a, b, c, d] = bytes;
        let length = u32::from_be_bytes([a, b, c, d]);
        if flag > 1 {
            return Err(FrameError::Flag(flag));
        }
        if length as usize > limit {
            return Err(FrameError::TooLarge { length, limit });
        }
        Ok(Self {
            compressed: flag == 1,
            length,
        })
    }
}

impl Frame {
    /// Takes a unary call's body apart. Errors: any [`FrameError`]; `TooLarge` is known from the
    /// first five bytes. Cost: one reference count for each slice.
    pub fn read(body: &Rope, limit: usize) -> Result<Self, FrameError> {
        let Ok(bytes) = body.cursor().read_array() else {
            return Err(FrameError::Truncated {
                missing: PREFIX_BYTES - body.len(),
            });
        };
        let prefix = Prefix::from_bytes(bytes, limit)?;
        let (have, want) = (body.len() - PREFIX_BYTES, prefix.length as usize);
        if have < want {
            return Err(FrameError::Truncated {
                missing: want - have,
            });
        }
        if have > want {
            return Err(FrameError::Trailing { bytes: have - want });
        }
        Ok(Self {
            compressed: prefix.compressed,
            message: body.slice(PREFIX_BYTES..body.len()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn body(bytes: &'static [u8], cut: usize) -> Rope {
        let mut rope = Rope::from(Bytes::from_static(&bytes[..cut]));
        rope.push(Bytes::from_static(&bytes[cut..]));
        rope
    }

    #[test]
    fn reads_a_message_wherever_it_is_cut() {
        let bytes = b"\x01\0\0\0\x03abc";
        for cut in 0..bytes.len() {
            let frame = Frame::read(&body(bytes, cut), 3).unwrap();
            assert!(frame.compressed);
            assert_eq!(frame.message.to_bytes(), &b"abc"[..]);
        }
        for length in 0..bytes.len() {
            let missing = if length < 5 { 5 } else { 8 } - length;
            let error = Frame::read(&body(&bytes[..length], 0), 3).unwrap_err();
            assert_eq!(error, FrameError::Truncated { missing });
        }
    }

    #[test]
    fn refuses_what_is_not_one_message() {
        let error = |bytes| Frame::read(&body(bytes, 2), 8).unwrap_err();
        assert_eq!(error(b"\x02\0\0\0\0"), FrameError::Flag(2));
        assert_eq!(error(b"\0\0\0\0\x01ab"), FrameError::Trailing { bytes: 1 });
        let length = u32::MAX;
        assert_eq!(
            error(b"\0\xff\xff\xff\xff"),
            FrameError::TooLarge { length, limit: 8 }
        );
    }

    #[test]
    fn a_prefix_reads_as_it_was_written() {
        let prefix = Prefix {
            compressed: true,
            length: 0x0102_0304,
        };
        assert_eq!(prefix.to_bytes(), [1, 1, 2, 3, 4]);
        assert_eq!(Prefix::from_bytes(prefix.to_bytes(), 1 << 30), Ok(prefix));
    }
}
