//! What is kept, and how much of it.

use super::{Precision, Randomness, Threshold};

/// What [`sample`](super::sample) keeps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    pub mode: Mode,
    /// What becomes of spans that were recorded but not sampled; log records are not asked.
    pub unsampled: Unsampled,
    /// Whether to drop what cannot be decided consistently: a span with neither `rv` nor a trace
    /// id, or an item that has a threshold which its randomness is below. Otherwise it is kept,
    /// the first as it is, the second without its threshold, which cannot be true.
    pub fail_closed: bool,
    /// Seed of the hash that stands for the randomness of log records without a trace id. All
    /// stages that shall keep the same records have the same.
    pub seed: u64,
}

/// How a stage treats items that earlier stages sampled. The names are the Collector's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Mode {
    /// Keeps this share of whatever arrives: the probabilities are multiplied. An item without a
    /// threshold counts as not sampled before. A product too small for a threshold keeps nothing.
    Proportional { ratio: f64, precision: Precision },
    /// Keeps all as they are, but for spans that [`Rule::unsampled`] drops.
    All,
    /// Raises all thresholds to this one; items that were sampled more strictly pass.
    Equalizing(Threshold),
}

/// What becomes of spans whose `flags` are without the W3C sampled flag (`0x01`).
///
/// A span with it is always kept, as is one without flags, for they are optional. Flags that are
/// there need not tell more: opentelemetry-python and older opentelemetry-go write only whether
/// the parent is remote (bits 8 and 9), and so look as if nothing of theirs was sampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unsampled {
    #[default]
    Keep,
    /// Dropped where another W3C flag (bits 1 to 7) shows that the sender writes them.
    DropMarked,
    /// Dropped where there are any flags. Only for senders that are known to write the sampled
    /// flag: of others everything is lost.
    Drop,
}

/// What becomes of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It is kept, and this is its threshold now.
    Keep(Option<Threshold>),
    Drop(Reason),
}

/// Why an item is dropped: see [`Dropped`](super::Dropped).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    Probability,
    Unsampled,
    Inconsistent,
}

impl Rule {
    /// Decides about an item by the threshold and the randomness that it has.
    pub fn decide(&self, threshold: Option<Threshold>, randomness: Option<Randomness>) -> Decision {
        if self.mode == Mode::All {
            return Decision::Keep(threshold);
        }
        let consistent = randomness.filter(|r| threshold.is_none_or(|t| t.keeps(*r)));
        let Some(randomness) = consistent else {
            return match randomness {
                _ if self.fail_closed => Decision::Drop(Reason::Inconsistent),
                None => Decision::Keep(threshold),
                Some(_) => Decision::Keep(None),
            };
        };
        let before = threshold.unwrap_or(Threshold::ALWAYS);
        let own = match self.mode {
            Mode::Proportional { ratio, precision } => {
                Threshold::from_probability(before.probability() * ratio, precision)
            }
            Mode::All => before,
            Mode::Equalizing(threshold) => threshold,
        };
        // A lower one would claim items that earlier stages dropped; rounding may come to that.
        let threshold = own.max(before);
        if threshold.keeps(randomness) {
            Decision::Keep(Some(threshold))
        } else {
            Decision::Drop(Reason::Probability)
        }
    }
}

impl Unsampled {
    /// Whether a span with these flags is dropped; 0 where it has none.
    pub const fn drops(self, flags: u32) -> bool {
        const SAMPLED: u32 = 0x01;
        const W3C: u32 = 0xff;
        let known = match self {
            Self::Keep => 0,
            Self::DropMarked => flags & W3C,
            Self::Drop => flags,
        };
        known != 0 && flags & SAMPLED == 0
    }
}
