//! Generated export requests: every field of every message, of every kind, nested values included.
//!
//! A request is a function of a list of random bytes, its [`Entropy`]: each choice takes some, and
//! when none are left every choice is the smallest. So a failing case shrinks to a small request
//! by shrinking a list of bytes.

mod common;
mod logs;
mod metrics;
mod profiles;
mod traces;

pub use logs::logs;
pub use metrics::metrics;
pub use profiles::profiles;
pub use traces::traces;

use bytes::Bytes;
use proptest::prelude::*;
use prost::Message;
use tailrace_codec::{Rope, Signal};

/// Random choices, read from a list of bytes.
#[derive(Debug)]
pub struct Entropy<'a> {
    rest: &'a [u8],
}

impl<'a> Entropy<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.rest.split_first() else {
            return 0;
        };
        self.rest = rest;
        *first
    }

    /// A number below `n`, at most 256.
    pub fn below(&mut self, n: usize) -> usize {
        self.byte() as usize % n
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == n - 1
    }

    /// A number whose width is random too, so that varints of every length occur.
    pub fn number(&mut self) -> u64 {
        match self.below(12) {
            0..=5 => u64::from(self.byte()),
            6..=10 => {
                let bytes = self.below(8) + 1;
                (0..bytes).fold(0, |number, _| number << 8 | u64::from(self.byte()))
            }
            _ => u64::MAX - u64::from(self.byte()),
        }
    }

    pub fn int32(&mut self) -> i32 {
        self.number() as i32
    }

    pub fn double(&mut self) -> f64 {
        match self.below(6) {
            0 => f64::from(self.byte()),
            1 => -f64::from(self.int32()) / 8.0,
            2 => f64::from_bits(self.number()),
            3 => f64::NAN,
            4 => f64::INFINITY,
            _ => 1e-7,
        }
    }

    pub fn text(&mut self) -> String {
        const WORDS: [&str; 8] = [
            "",
            "a",
            "key",
            "http.method",
            "straße",
            "\u{1f600}",
            "\"\\\n",
            "tenant",
        ];
        let mut text = WORDS[self.below(8)].to_owned();
        if self.one_in(8) {
            text = text.repeat(self.below(40));
        }
        text
    }

    pub fn blob(&mut self) -> Vec<u8> {
        let len = match self.below(4) {
            0 => 0,
            1 => 8,
            2 => 16,
            _ => self.below(33),
        };
        (0..len).map(|_| self.byte()).collect()
    }

    /// `None` half of the time.
    pub fn maybe<T>(&mut self, value: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.below(2) == 1).then(|| value(self))
    }

    /// Up to `max` values; none once the entropy is used up.
    pub fn many<T>(&mut self, max: usize, mut value: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let len = self.below(max + 1);
        (0..len).map(|_| value(self)).collect()
    }
}

/// A list of bytes to make a request from.
pub fn entropy() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..1500)
}

/// An encoded request, as prost writes it.
pub fn encoded(signal: Signal, entropy: &[u8]) -> Vec<u8> {
    let entropy = &mut Entropy::new(entropy);
    match signal {
        Signal::Traces => traces(entropy).encode_to_vec(),
        Signal::Metrics => metrics(entropy).encode_to_vec(),
        Signal::Logs => logs(entropy).encode_to_vec(),
        Signal::Profiles => profiles(entropy).encode_to_vec(),
    }
}

/// A request of any signal, as prost writes it.
pub fn request() -> impl Strategy<Value = (Signal, Vec<u8>)> {
    (prop::sample::select(&Signal::ALL[..]), entropy())
        .prop_map(|(signal, entropy)| (signal, encoded(signal, &entropy)))
}

/// A request of any signal, as some other encoder might write it: see [`crate::wire::scramble`].
pub fn scrambled() -> impl Strategy<Value = (Signal, Vec<u8>)> {
    (request(), prop::collection::vec(any::<u8>(), 0..400)).prop_map(
        |((signal, bytes), entropy)| {
            let entropy = &mut Entropy::new(&entropy);
            (signal, crate::wire::scramble(signal, &bytes, entropy))
        },
    )
}

/// Lengths of the slices into which [`cut`] cuts, over and over.
pub fn cuts() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![
        Just(vec![usize::MAX]),
        prop::collection::vec(1..4usize, 1..4),
        prop::collection::vec(1..200usize, 1..6),
    ]
}

/// The bytes as a rope of slices, each in a buffer of its own.
pub fn cut(bytes: &[u8], cuts: &[usize]) -> Rope {
    let mut rest = bytes;
    let mut rope = Rope::new();
    for &len in cuts.iter().cycle() {
        if rest.is_empty() || len == 0 {
            break;
        }
        let (slice, after) = rest.split_at(len.min(rest.len()));
        rope.push(Bytes::copy_from_slice(slice));
        rest = after;
    }
    rope
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The properties are worth what their requests hold: this many bytes make requests with
    /// several resources, items, nested values and points of each kind.
    #[test]
    fn requests_are_not_trivial() {
        use proptest::strategy::ValueTree;
        use proptest::test_runner::TestRunner;
        let mut runner = TestRunner::deterministic();
        let mut bytes = 0;
        for _ in 0..40 {
            let (_, request) = request().new_tree(&mut runner).unwrap().current();
            bytes += request.len();
        }
        assert!(bytes > 40 * 200, "{bytes} bytes in 40 requests");
    }
}
