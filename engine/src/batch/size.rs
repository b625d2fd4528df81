//! The three ways to measure what stands in a queue or a batch.

use crate::units::ItemCount;
use std::ops::{Add, AddAssign, SubAssign};

pub use crate::config::Sizer;

/// A size in all three measures at once, so that any sizer can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size {
    /// 1 for a whole payload. Of a payload that was cut, the first piece counts.
    pub requests: u64,
    pub items: ItemCount,
    /// Uncompressed bytes on the wire.
    pub bytes: u64,
}

impl Size {
    pub const ZERO: Self = Self {
        requests: 0,
        items: 0,
        bytes: 0,
    };

    /// What any request has that is not empty.
    pub const LEAST: Self = Self {
        requests: 1,
        items: 1,
        bytes: 1,
    };

    pub const fn by(self, sizer: Sizer) -> u64 {
        match sizer {
            Sizer::Requests => self.requests,
            Sizer::Items => self.items,
            Sizer::Bytes => self.bytes,
        }
    }
}

impl Add for Size {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            requests: self.requests + other.requests,
            items: self.items + other.items,
            bytes: self.bytes + other.bytes,
        }
    }
}

impl AddAssign for Size {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl SubAssign for Size {
    fn sub_assign(&mut self, other: Self) {
        self.requests -= other.requests;
        self.items -= other.items;
        self.bytes -= other.bytes;
    }
}
