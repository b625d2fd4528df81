//! `tracestate: vendor=value,other=value`: what vendors tell each other, the last who wrote first.

use std::sync::Arc;

/// How many members a tracestate may have.
const MEMBERS_MAX: usize = 32;

/// What everybody has to pass on, in bytes. Beyond it members are left out.
const LEN_MAX: usize = 512;

/// Members longer than this are left out first.
const MEMBER_LONG: usize = 128;

/// Valid members in their order, written as they are sent. Cheap to clone.
///
/// One word, not the two of an `Arc<str>`: those are written one by one when a span starts and moved
/// together at once, for which the processor waits. A tracestate is seldom.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TraceState(Option<Arc<Box<str>>>);

impl TraceState {
    /// Reads the headers of one request, in their order. `None` where a member breaks the grammar,
    /// a key comes twice or there are more than 32: then it means nothing as a whole, and its parent
    /// stays valid.
    ///
    /// More than 512 bytes are cut as the standard has it: members of more than 128 bytes go first,
    /// then those at the end.
    pub fn parse(headers: &[&str]) -> Option<Self> {
        let members = || {
            let members = headers.iter().flat_map(|header| header.split(','));
            let members = members.map(|member| member.trim_matches([' ', '\t']));
            members.filter(|member| !member.is_empty())
        };
        let mut count = 0;
        for (at, member) in members().enumerate() {
            let (key, value) = member.split_once('=')?;
            if !is_key(key) || !is_value(value) {
                return None;
            }
            let of = |other: &str| other.split_once('=').is_some_and(|(other, _)| other == key);
            if members().take(at).any(of) {
                return None;
            }
            count = at + 1;
            if count > MEMBERS_MAX {
                return None;
            }
        }
        if count == 0 {
            return Some(Self::default());
        }
        let mut kept: Vec<&str> = members().collect();
        let too_long = |kept: &[&str]| {
            let len = kept.iter().map(|member| member.len() + 1).sum::<usize>();
            len > LEN_MAX + 1
        };
        while too_long(&kept) {
            let long = kept.iter().rposition(|member| member.len() > MEMBER_LONG);
            kept.remove(long.unwrap_or(kept.len() - 1));
        }
        Some(Self::from_valid(&kept.join(",")))
    }

    /// `text` is valid.
    pub(crate) fn from_valid(text: &str) -> Self {
        Self((!text.is_empty()).then(|| Arc::new(text.into())))
    }

    pub fn as_str(&self) -> &str {
        self.0.as_deref().map_or("", |text| text)
    }

    pub const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        let mut members = self.as_str().split(',').filter_map(|m| m.split_once('='));
        members.find_map(|(found, value)| (found == key).then_some(value))
    }

    /// With this member first, in the place of one of the same key; the last goes where there would
    /// be more than 32. `None` where key or value break the grammar.
    pub fn with(&self, key: &str, value: &str) -> Option<Self> {
        let value = value.trim_end_matches(' ');
        if !is_key(key) || !is_value(value) {
            return None;
        }
        let first = format!("{key}={value}");
        let others = self.as_str().split(',');
        let others = others.filter(|member| {
            let other = member.split_once('=').map(|(other, _)| other);
            other.is_some_and(|other| other != key)
        });
        let members: Vec<&str> = std::iter::once(&first[..])
            .chain(others)
            .take(MEMBERS_MAX)
            .collect();
        Some(Self::from_valid(&members.join(",")))
    }
}

/// Level 2 of the standard: a letter or digit, then at most 255 of those and `_-*/@`.
fn is_key(key: &str) -> bool {
    let is_first = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_rest = |byte: &u8| is_first(byte) || b"_-*/@".contains(byte);
    match key.as_bytes() {
        [first, rest @ ..] => rest.len() < 256 && is_first(first) && rest.iter().all(is_rest),
        [] => false,
    }
}

/// 1 to 256 printable characters of ASCII without `,` and `=`; the last is no blank.
fn is_value(value: &str) -> bool {
    let is_allowed = |byte: &u8| matches!(byte, b' '..=b'~') && !b",=".contains(byte);
    (1..=256).contains(&value.len())
        && value.bytes().all(|byte| is_allowed(&byte))
        && !value.ends_with(' ')
}
