//! `traceparent: 00-<trace id>-<parent span id>-<flags>`, in lower-case hexadecimal digits.

use super::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

/// Bytes of the header that is written.
pub const TRACEPARENT_LEN: usize = 55;

/// The fields of the header; both ids are valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    pub trace_id: TraceId,
    pub span_id: SpanId,
    pub flags: TraceFlags,
}

impl TraceParent {
    /// Reads the header as the standard has it: version 0 exactly; what a later version has behind
    /// its first four fields is not looked at, and of its flags only those that are known here are
    /// taken. Blanks around the header are HTTP's, and taken off.
    ///
    /// Cost: no allocation.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim_matches([' ', '\t']).as_bytes();
        let (fields, rest) = text.split_first_chunk::<TRACEPARENT_LEN>()?;
        let [version] = bytes(&fields[..2])?;
        match (version, rest) {
            (0xff, _) => return None,
            (0, []) | (1.., [] | [b'-', ..]) => {}
            _ => return None,
        }
        if [fields[2], fields[35], fields[52]] != [b'-'; 3] {
            return None;
        }
        let [flags] = bytes(&fields[53..])?;
        let parent = Self {
            trace_id: TraceId(bytes(&fields[3..35])?),
            span_id: SpanId(bytes(&fields[36..52])?),
            flags: TraceFlags(flags & (TraceFlags::SAMPLED | TraceFlags::RANDOM)),
        };
        (parent.trace_id.is_valid() && parent.span_id.is_valid()).then_some(parent)
    }

    /// Of a span that is the parent of what is called.
    pub const fn of(context: &SpanContext) -> Self {
        Self {
            trace_id: context.trace_id(),
            span_id: context.span_id(),
            flags: context.flags(),
        }
    }

    /// The header, in version 0.
    pub fn to_text(&self) -> [u8; TRACEPARENT_LEN] {
        let mut text = [b'-'; TRACEPARENT_LEN];
        text[..2].copy_from_slice(b"00");
        hex(&self.trace_id.0, &mut text[3..35]);
        hex(&self.span_id.0, &mut text[36..52]);
        hex(&[self.flags.0], &mut text[53..]);
        text
    }

    pub(super) const fn into_context(self, trace_state: TraceState) -> SpanContext {
        SpanContext::remote(self.trace_id, self.span_id, self.flags, trace_state)
    }
}

/// Lower-case digits alone.
pub(super) fn bytes<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    for (byte, digits) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(digits[0])? << 4 | digit(digits[1])?;
    }
    Some(bytes)
}

const fn digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

pub(super) fn hex(bytes: &[u8], text: &mut [u8]) {
    for (byte, digits) in bytes.iter().zip(text.chunks_exact_mut(2)) {
        digits[0] = b"0123456789abcdef"[usize::from(byte >> 4)];
        digits[1] = b"0123456789abcdef"[usize::from(byte & 15)];
    }
}
