//! Permission to buffer bytes, given out before they are read.
//!
//! ```text
//!   0 ......... low ......... high ....... capacity
//!     granted         granted       granted once more,      refused
//!                     (if not       then stopped until
//!                      stopped)     low is reached again
//! ```
//!
//! Between the marks lies the hysteresis: a shard that was full reads again only after it has
//! made real room, not after every payload it lets go.

/// One shard's bytes.
///
/// Invariant: `taken <= capacity`, `low <= high <= capacity`.
#[derive(Debug)]
pub struct Credit {
    capacity: u64,
    high: u64,
    low: u64,
    taken: u64,
    stopped: bool,
}

/// Not enough credit: how much was missing to the mark that refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Short {
    pub bytes: u64,
}

impl Credit {
    /// `high` is where granting stops and `capacity` what is never exceeded, both in bytes. It
    /// starts again at nine tenths of `high`.
    pub fn new(high: u64, capacity: u64) -> Self {
        let high = high.min(capacity);
        Self {
            capacity,
            high,
            low: high / 10 * 9,
            taken: 0,
            stopped: false,
        }
    }

    /// Takes `bytes`, or says how many must be given back first. Takes nothing on refusal.
    pub fn take(&mut self, bytes: u64) -> Result<(), Short> {
        let wanted = self.taken.saturating_add(bytes);
        if self.stopped {
            return Err(Short {
                bytes: wanted.saturating_sub(self.low),
            });
        }
        if wanted > self.capacity {
            return Err(Short {
                bytes: wanted - self.capacity,
            });
        }
        self.taken = wanted;
        self.stopped = wanted >= self.high && self.high > 0;
        Ok(())
    }

    /// Gives `bytes` back.
    ///
    /// # Panics
    /// If more is given back than was taken: an accounting defect that would lift the limit.
    pub fn give(&mut self, bytes: u64) {
        assert!(
            bytes <= self.taken,
            "gave back {bytes} of {} bytes of credit",
            self.taken
        );
        self.taken -= bytes;
        if self.taken <= self.low {
            self.stopped = false;
        }
    }

    /// Replaces a charge by what is really held. Never refuses: the bytes are there already.
    pub fn adjust(&mut self, from: u64, to: u64) {
        self.give(from);
        self.taken = self.taken.saturating_add(to);
        self.stopped |= self.taken >= self.high;
    }

    pub const fn taken(&self) -> u64 {
        self.taken
    }

    pub const fn capacity(&self) -> u64 {
        self.capacity
    }

    /// What could be taken now.
    pub const fn free(&self) -> u64 {
        if self.stopped {
            0
        } else {
            self.capacity.saturating_sub(self.taken)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stops_at_high_and_starts_again_at_low() {
        let mut credit = Credit::new(100, 120);
        credit.take(99).unwrap();
        credit.take(20).unwrap();
        assert_eq!(credit.take(1), Err(Short { bytes: 30 }));
        credit.give(20);
        assert_eq!(credit.free(), 0, "99 is above low (90)");
        credit.give(9);
        credit.take(1).unwrap();
    }

    #[test]
    fn a_refusal_takes_nothing() {
        let mut credit = Credit::new(100, 100);
        assert_eq!(credit.take(101), Err(Short { bytes: 1 }));
        assert_eq!(credit.taken(), 0);
        assert_eq!(
            credit.take(u64::MAX),
            Err(Short {
                bytes: u64::MAX - 100
            })
        );
    }

    #[test]
    #[should_panic(expected = "gave back")]
    fn giving_back_too_much_is_a_defect() {
        Credit::new(10, 10).give(1);
    }
}
