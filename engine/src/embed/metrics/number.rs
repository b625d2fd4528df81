//! The numbers that instruments measure, each as 64 bits.

use tailrace_codec::otlp::encode::Number;

/// A number that can be measured: `u64`, `i64` or `f64`.
pub trait Measured: Copy + sealed::Sealed {}

/// What a counter is added: `u64` or `f64`.
pub trait Increment: Measured {}

/// What an up-down counter is changed by, and a gauge is set to: `i64` or `f64`.
pub trait Signed: Measured {}

mod sealed {
    use super::NumberKind;

    pub trait Sealed {
        const KIND: NumberKind;

        fn bits(self) -> u64;
    }
}

/// How 64 bits are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NumberKind {
    Unsigned,
    Signed,
    Double,
}

impl NumberKind {
    /// Integers go round at their end, doubles stay at infinity.
    #[inline]
    pub(super) const fn add(self, one: u64, other: u64) -> u64 {
        match self {
            Self::Unsigned | Self::Signed => one.wrapping_add(other),
            Self::Double => (f64::from_bits(one) + f64::from_bits(other)).to_bits(),
        }
    }

    pub(super) const fn subtract(self, from: u64, other: u64) -> u64 {
        match self {
            Self::Unsigned | Self::Signed => from.wrapping_sub(other),
            Self::Double => (f64::from_bits(from) - f64::from_bits(other)).to_bits(),
        }
    }

    /// Whether it can be measured: neither infinite nor no number at all.
    #[inline]
    pub(super) const fn is_finite(self, bits: u64) -> bool {
        match self {
            Self::Unsigned | Self::Signed => true,
            Self::Double => f64::from_bits(bits).is_finite(),
        }
    }

    #[inline]
    pub(super) const fn is_negative(self, bits: u64) -> bool {
        match self {
            Self::Unsigned => false,
            Self::Signed => (bits as i64) < 0,
            Self::Double => f64::from_bits(bits) < 0.0,
        }
    }

    pub(super) fn is_below(self, bits: u64, other: u64) -> bool {
        match self {
            Self::Unsigned => bits < other,
            Self::Signed => (bits as i64) < other as i64,
            Self::Double => f64::from_bits(bits) < f64::from_bits(other),
        }
    }

    pub(super) fn is_zero(self, bits: u64) -> bool {
        match self {
            Self::Unsigned | Self::Signed => bits == 0,
            Self::Double => f64::from_bits(bits) == 0.0,
        }
    }

    /// As a point has it: integers have 63 bits there.
    pub(super) fn number(self, bits: u64) -> Number {
        match self {
            Self::Unsigned => Number::Int(i64::try_from(bits).unwrap_or(i64::MAX)),
            Self::Signed => Number::Int(bits as i64),
            Self::Double => Number::Double(f64::from_bits(bits)),
        }
    }
}

impl sealed::Sealed for u64 {
    const KIND: NumberKind = NumberKind::Unsigned;

    #[inline]
    fn bits(self) -> u64 {
        self
    }
}

impl sealed::Sealed for i64 {
    const KIND: NumberKind = NumberKind::Signed;

    #[inline]
    fn bits(self) -> u64 {
        self as u64
    }
}

impl sealed::Sealed for f64 {
    const KIND: NumberKind = NumberKind::Double;

    #[inline]
    fn bits(self) -> u64 {
        self.to_bits()
    }
}

impl Measured for u64 {}
impl Measured for i64 {}
impl Measured for f64 {}
impl Increment for u64 {}
impl Increment for f64 {}
impl Signed for i64 {}
impl Signed for f64 {}
