//! How much is kept, and what decides which.

/// How many hexadecimal digits 56 bits take.
const DIGITS_MAX: u8 = 14;

/// 2^56: a threshold that no randomness reaches.
const FULL: u64 = 1 << 56;

/// How many significant hexadecimal digits a threshold made from a probability has, 1 to 14.
///
/// Leading `0` and leading `f` do not count, so that the error stays small relative to the
/// probability where that is close to 0 or to 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Precision(u8);

impl Precision {
    /// All 56 bits.
    pub const FULL: Self = Self(DIGITS_MAX);

    /// `None` where it is not between 1 and 14.
    pub const fn new(digits: u8) -> Option<Self> {
        match digits {
            1..=DIGITS_MAX => Some(Self(digits)),
            _ => None,
        }
    }
}

impl Default for Precision {
    /// Four digits, as in the Collector: the probability is right to about 1 in 65536.
    fn default() -> Self {
        Self(4)
    }
}

/// How many of 2^56 items are rejected: 0 to 2^56.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Threshold(u64);

impl Threshold {
    /// Keeps every item.
    pub const ALWAYS: Self = Self(0);
    /// Keeps none. It is no probability of the specification's, and has no text.
    pub const NEVER: Self = Self(FULL);
    /// The lowest probability: one item of 2^56.
    pub const MIN_PROBABILITY: f64 = 1.0 / FULL as f64;

    /// The threshold that keeps this share of the items, rounded to `precision`.
    ///
    /// From 1 on it is [`Self::ALWAYS`]; below [`Self::MIN_PROBABILITY`], and where it is not a
    /// number, [`Self::NEVER`]. Between them it is neither.
    pub fn from_probability(probability: f64, precision: Precision) -> Self {
        if probability >= 1.0 {
            return Self::ALWAYS;
        }
        if probability.is_nan() || probability < Self::MIN_PROBABILITY {
            return Self::NEVER;
        }
        // Exact: at least 1, at most 2^56 less 8, which is the largest double below 1.
        let kept = (probability * FULL as f64).round() as u64;
        let rejected = FULL - kept;
        let leading = |share: u64| ((share.leading_zeros() - 8) / 4) as u8;
        let digits = precision.0 + leading(kept).max(leading(rejected));
        let dropped_bits = 4 * DIGITS_MAX.saturating_sub(digits);
        let half = (1 << dropped_bits) >> 1;
        // Kept and rejected are each at least one unit of the last digit, so neither end is reached.
        Self((rejected + half) >> dropped_bits << dropped_bits)
    }

    /// The share of the items that it keeps, 0 to 1.
    pub fn probability(self) -> f64 {
        (FULL - self.0) as f64 / FULL as f64
    }

    /// How many items one that was kept stands for, itself included; infinite for
    /// [`Self::NEVER`].
    pub fn adjusted_count(self) -> f64 {
        1.0 / self.probability()
    }

    /// Whether an item with this randomness is kept.
    pub const fn keeps(self, randomness: Randomness) -> bool {
        randomness.0 >= self.0
    }

    /// Reads the value of `th`: 1 to 14 hexadecimal digits, of which trailing zeros were left out.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let missing = usize::from(DIGITS_MAX).checked_sub(text.len())?;
        Some(Self(parse_hex(text)? << (4 * missing)))
    }

    /// Appends the value of `th`, at most 14 digits; nothing for [`Self::NEVER`].
    pub fn write(self, out: &mut Vec<u8>) {
        if self == Self::NEVER {
            return;
        }
        let zeros = (self.0.trailing_zeros() / 4).min(u32::from(DIGITS_MAX) - 1);
        write_hex(self.0, usize::from(DIGITS_MAX) - zeros as usize, out);
    }
}

/// What is random about a trace or an item, below 2^56. All who decide must use the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Randomness(u64);

impl Randomness {
    /// The last seven bytes of a trace id; `None` where it has not 16 bytes or is all zeros,
    /// which is not an id.
    ///
    /// Source: <https://www.w3.org/TR/trace-context-2/#randomness-of-trace-id>
    pub fn from_trace_id(id: &[u8]) -> Option<Self> {
        let id = u128::from_be_bytes(id.try_into().ok()?);
        (id != 0).then_some(Self(id as u64 % FULL))
    }

    /// The upper 56 bits of a hash.
    pub const fn from_hash(hash: u64) -> Self {
        Self(hash >> 8)
    }

    /// The randomness of an item that a threshold has kept, of which nothing else is known: itself,
    /// scaled to where it can be. For [`Threshold::NEVER`], which kept none, it stays as it is.
    #[must_use]
    pub fn kept_by(self, threshold: Threshold) -> Self {
        let range = u128::from(FULL - threshold.0);
        let scaled = u128::from(self.0) * range / u128::from(FULL);
        if range == 0 {
            return self;
        }
        Self(threshold.0 + scaled as u64)
    }

    /// Reads the value of `rv`: exactly 14 hexadecimal digits.
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() != usize::from(DIGITS_MAX) {
            return None;
        }
        parse_hex(text).map(Self)
    }

    /// Appends the value of `rv`: 14 digits.
    pub fn write(self, out: &mut Vec<u8>) {
        write_hex(self.0, usize::from(DIGITS_MAX), out);
    }
}

/// At least one digit and at most 14, of either case.
fn parse_hex(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0, |number, &digit| {
        let digit = (digit as char).to_digit(16)?;
        Some(number << 4 | u64::from(digit))
    })
}

/// The first `digits` of 14.
fn write_hex(number: u64, digits: usize, out: &mut Vec<u8>) {
    let digit = |i| b"0123456789abcdef"[(number >> (52 - 4 * i) & 15) as usize];
    out.extend((0..digits).map(digit));
}

#[cfg(test)]
mod tests;
