//! The frame headers of HTTP/2 in a stream of bytes, seen in passing.
//!
//! h2 neither counts frames nor tells of them. This looks at the nine bytes before each payload
//! (RFC 9113, section 4.1) as the bytes pass by, in pieces of any size, and keeps nothing else.

/// A frame's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameHead {
    pub(super) kind: Kind,
    pub(super) flags: u8,
    /// Of the payload, in bytes.
    pub(super) len: u32,
}

/// A frame's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Data,
    Headers,
    Priority,
    RstStream,
    Settings,
    PushPromise,
    Ping,
    GoAway,
    WindowUpdate,
    Continuation,
    /// Must be ignored by its receiver, section 4.1.
    Unknown,
}

/// END_STREAM of DATA and HEADERS, section 6.1.
pub(super) const END_STREAM: u8 = 0x1;

/// ACK of SETTINGS and PING, sections 6.5 and 6.7.
pub(super) const ACK: u8 = 0x1;

/// END_HEADERS of HEADERS, PUSH_PROMISE and CONTINUATION, section 6.2.
const END_HEADERS: u8 = 0x4;

const HEAD_LEN: usize = 9;

/// Where in the stream of bytes we are.
///
/// Invariant: `head_len < HEAD_LEN`; `skip > 0` only between two headers, so `head_len == 0` then.
#[derive(Debug)]
pub(super) struct Frames {
    head: [u8; HEAD_LEN],
    head_len: usize,
    /// Bytes up to the next header: of a payload, or of the preface.
    skip: usize,
    /// What is skipped is a body's, or the preface: it has a time limit of its own.
    is_body: bool,
    /// A header block has begun that is to be continued.
    in_block: bool,
    /// Frames that have begun; a header block counts once.
    begun: u64,
}

impl Frames {
    /// For a stream that begins with `preface` bytes that are no frame: 24 from a client, none
    /// from a server.
    pub(super) const fn after(preface: usize) -> Self {
        Self {
            head: [0; HEAD_LEN],
            head_len: 0,
            skip: preface,
            is_body: true,
            in_block: false,
            begun: 0,
        }
    }

    /// The number of the frame or header block that has begun and is not complete, bodies apart.
    /// The same number means that it is still the same one.
    pub(super) const fn incomplete(&self) -> Option<u64> {
        if self.in_block || (self.skip > 0 && !self.is_body) {
            Some(self.begun)
        } else if self.head_len > 0 {
            Some(self.begun + 1)
        } else {
            None
        }
    }

    /// The next header that ends within `bytes`, which is advanced past it. `None`: all of `bytes`
    /// was looked at.
    ///
    /// Cost: constant, whatever the length of payloads.
    pub(super) fn next(&mut self, bytes: &mut &[u8]) -> Option<FrameHead> {
        let skipped = self.skip.min(bytes.len());
        self.skip -= skipped;
        *bytes = &bytes[skipped..];
        let taken = (HEAD_LEN - self.head_len).min(bytes.len());
        let (head, rest) = bytes.split_at(taken);
        self.head[self.head_len..][..taken].copy_from_slice(head);
        self.head_len += taken;
        *bytes = rest;
        if self.head_len < HEAD_LEN {
            return None;
        }
        self.head_len = 0;
        let [len2, len1, len0, kind, flags, ..] = self.head;
        let len = u32::from_be_bytes([0, len2, len1, len0]);
        self.skip = len as usize;
        let kind = Kind::from(kind);
        self.begun += u64::from(!self.in_block);
        self.is_body = kind == Kind::Data;
        self.in_block = match kind {
            Kind::Headers | Kind::PushPromise | Kind::Continuation => flags & END_HEADERS == 0,
            _ => false,
        };
        Some(FrameHead { kind, flags, len })
    }
}

impl From<u8> for Kind {
    /// Source: RFC 9113, section 6.
    fn from(kind: u8) -> Self {
        match kind {
            0x0 => Self::Data,
            0x1 => Self::Headers,
            0x2 => Self::Priority,
            0x3 => Self::RstStream,
            0x4 => Self::Settings,
            0x5 => Self::PushPromise,
            0x6 => Self::Ping,
            0x7 => Self::GoAway,
            0x8 => Self::WindowUpdate,
            0x9 => Self::Continuation,
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encode(frames: &[(u32, u8, u8)], preface: usize) -> Vec<u8> {
        let mut bytes = vec![b'P'; preface];
        for &(len, kind, flags) in frames {
            bytes.extend_from_slice(&len.to_be_bytes()[1..]);
            // Bytes that would be misread as headers if the payload were not skipped.
            bytes.extend_from_slice(&[kind, flags, 0, 0, 0, 1]);
            bytes.extend(std::iter::repeat_n(6, len as usize));
        }
        bytes
    }

    proptest! {
        /// However the bytes are cut, the frames are those that were written.
        #[test]
        fn cuts_change_nothing(
            frames in prop::collection::vec((0..300_u32, 0..12_u8, any::<u8>()), 0..40),
            cuts in prop::collection::vec(1..40_usize, 1..200),
            preface in prop_oneof![Just(0), Just(24_usize)],
        ) {
            let bytes = encode(&frames, preface);
            let mut tap = Frames::after(preface);
            let mut seen = Vec::new();
            let mut rest = &bytes[..];
            for cut in cuts.into_iter().cycle() {
                let (mut piece, after) = rest.split_at(cut.min(rest.len()));
                while let Some(head) = tap.next(&mut piece) {
                    seen.push(head);
                }
                prop_assert!(piece.is_empty());
                rest = after;
                if rest.is_empty() {
                    break;
                }
            }
            let expected: Vec<_> = frames
                .into_iter()
                .map(|(len, kind, flags)| FrameHead { kind: Kind::from(kind), flags, len })
                .collect();
            prop_assert_eq!(seen, expected);
        }

        /// A header block keeps its number from its first byte to its last, and the next frame has
        /// another; a body has none.
        #[test]
        fn what_is_incomplete_has_a_number(lens in prop::collection::vec(0..20_u32, 1..6)) {
            let last = lens.len() - 1;
            let block: Vec<_> = lens
                .iter()
                .enumerate()
                .map(|(i, &len)| {
                    let kind = if i == 0 { 1 } else { 9 };
                    (len, kind, if i == last { END_HEADERS } else { 0 })
                })
                .collect();
            let mut tap = Frames::after(0);
            let mut numbers = Vec::new();
            for byte in encode(&block, 0) {
                let _ = tap.next(&mut &[byte][..]);
                numbers.push(tap.incomplete());
            }
            prop_assert_eq!(numbers.pop(), Some(None));
            prop_assert!(numbers.iter().all(|number| *number == Some(1)));
            for byte in encode(&[(9, 0, 0)], 0) {
                let _ = tap.next(&mut &[byte][..]);
                numbers.push(tap.incomplete());
            }
            prop_assert!(numbers[numbers.len() - 10..].iter().all(Option::is_none));
            let _ = tap.next(&mut &[0][..]);
            prop_assert_eq!(tap.incomplete(), Some(3));
        }

        #[test]
        fn wild_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
            let mut tap = Frames::after(24);
            let mut rest = &bytes[..];
            while tap.next(&mut rest).is_some() {}
            prop_assert!(rest.is_empty());
        }
    }
}
