//! The `ot` member of a W3C tracestate, in which stages of sampling tell each other what they did.
//!
//! ```text
//!   tracestate = member ("," member)*     member = key "=" value
//!   ot=th:c;rv:6e6d1a75832a2f;key:value   value of "ot" = key ":" value (";" key ":" value)*
//! ```
//!
//! Sources: <https://www.w3.org/TR/trace-context/#tracestate-header>,
//! <https://opentelemetry.io/docs/specs/otel/trace/tracestate-handling/>

use super::{Randomness, Threshold};

/// How many members a tracestate may have.
const MEMBERS_MAX: usize = 32;

/// How long the value of a member may be, in bytes.
const VALUE_MAX: usize = 256;

/// A tracestate, of which the thresholds and the randomness are known and may be changed.
///
/// A member of other vendors is not judged. An `ot` member that breaks its grammar counts as not
/// there, as does a `th` or an `rv` that is no such number: what they said cannot be known.
#[derive(Debug, Clone, Copy)]
pub struct TraceState<'a> {
    /// `th`: what earlier stages kept. `None` where that is not known.
    pub threshold: Option<Threshold>,
    /// `rv`: the randomness that takes the place of the trace id's.
    pub randomness: Option<Randomness>,
    text: &'a [u8],
    /// The value of the `ot` member; empty where there is none.
    ot: &'a [u8],
}

impl<'a> TraceState<'a> {
    /// Reads a tracestate; an empty one is one without members.
    ///
    /// Cost: one pass over the keys, no allocation.
    pub fn parse(text: &'a [u8]) -> Self {
        let ot = members(text).find_map(ot_value);
        let ot = ot.filter(|ot| is_list(ot)).unwrap_or_default();
        let last = |key: &[u8]| {
            let mut values = pairs(ot).filter(|(found, _)| *found == key);
            values.next_back().map(|(_, value)| value)
        };
        Self {
            threshold: last(b"th").and_then(Threshold::parse),
            randomness: last(b"rv").and_then(Randomness::parse),
            text,
            ot,
        }
    }

    /// Appends the tracestate: the `ot` member first, as that of the last who changed it, in it
    /// `th`, `rv` and other keys in their order; then the other vendors' members in theirs.
    ///
    /// What would be too much for the limits of W3C (32 members, 256 bytes in one) is left out
    /// from the end. Where `ot` has no keys there is no such member.
    pub fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(b"ot=");
        let content = out.len();
        let threshold = self.threshold.filter(|held| *held != Threshold::NEVER);
        if let Some(threshold) = threshold {
            out.extend_from_slice(b"th:");
            threshold.write(out);
        }
        if let Some(randomness) = self.randomness {
            separate(b';', content, out);
            out.extend_from_slice(b"rv:");
            randomness.write(out);
        }
        for (key, value) in pairs(self.ot) {
            let len = out.len() - content + 1 + key.len() + 1 + value.len();
            if key == b"th" || key == b"rv" || len > VALUE_MAX {
                continue;
            }
            separate(b';', content, out);
            out.extend_from_slice(key);
            out.push(b':');
            out.extend_from_slice(value);
        }
        let has_ot = out.len() > content;
        if !has_ot {
            out.truncate(start);
        }
        let others = members(self.text).filter(|member| ot_value(member).is_none());
        for member in others.take(MEMBERS_MAX - usize::from(has_ot)) {
            separate(b',', start, out);
            out.extend_from_slice(member);
        }
    }
}

fn separate(separator: u8, start: usize, out: &mut Vec<u8>) {
    if out.len() > start {
        out.push(separator);
    }
}

/// The members without the blanks around them; empty ones are allowed and mean nothing.
fn members(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let members = text.split(|&byte| byte == b',');
    members
        .map(<[u8]>::trim_ascii)
        .filter(|member| !member.is_empty())
}

fn ot_value(member: &[u8]) -> Option<&[u8]> {
    member.strip_prefix(b"ot=")
}

/// The keys and values of an `ot` member that follows its grammar.
fn pairs(ot: &[u8]) -> impl DoubleEndedIterator<Item = (&[u8], &[u8])> {
    let pairs = ot.split(|&byte| byte == b';');
    pairs.filter_map(|pair| {
        let colon = pair.iter().position(|&byte| byte == b':')?;
        Some((&pair[..colon], &pair[colon + 1..]))
    })
}

/// Whether the value of an `ot` member follows its grammar.
fn is_list(ot: &[u8]) -> bool {
    let is_pair = |pair: &[u8]| {
        let mut parts = pair.splitn(2, |&byte| byte == b':');
        let (Some([first, rest @ ..]), Some(value)) = (parts.next(), parts.next()) else {
            return false;
        };
        let is_key = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        first.is_ascii_lowercase() && rest.iter().all(is_key) && value.iter().all(is_value)
    };
    ot.len() <= VALUE_MAX && ot.split(|&byte| byte == b';').all(is_pair)
}

const fn is_value(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

#[cfg(test)]
mod tests;
