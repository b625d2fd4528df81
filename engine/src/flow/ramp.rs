//! How a destination is asked again after a pause: one request at first, then more as it answers.
//!
//! ```text
//!   in flight at most   1  1  1  1  2  2  2  2  3 ...    each answer lets 1.3 requests go
//! ```
//!
//! The clock is the destination's own: what comes to it is never more than 1.3 times what it
//! answers, however fast that is and however much waits. A ramp over time would need to know its
//! capacity, and the one it had before the pause may be gone.

/// Beside the request whose place it takes, each answer lets so many tenths of one more go: little
/// enough that none wait at a backend that is just able to answer, and ten slots after 30 answers.
const GROWTH_TENTHS: usize = 3;

/// The ramp ends here where the lane's slots set no limit.
const END_MAX: usize = 1024;

/// A bound on requests in flight. New, it bounds nothing.
#[derive(Debug, Clone, Copy)]
pub struct Ramp {
    /// Tenths of a request; `usize::MAX`: no bound.
    allowed_tenths: usize,
    end_tenths: usize,
}

impl Ramp {
    /// `slots`: how many requests may be in flight without a ramp.
    pub fn new(slots: usize) -> Self {
        Self {
            allowed_tenths: usize::MAX,
            end_tenths: slots.min(END_MAX) * 10,
        }
    }

    /// The ramp ends elsewhere.
    pub fn set_slots(&mut self, slots: usize) {
        self.end_tenths = slots.min(END_MAX) * 10;
    }

    /// Begins at the foot.
    pub const fn start(&mut self) {
        self.allowed_tenths = 10;
    }

    /// Ends at once.
    pub const fn end(&mut self) {
        self.allowed_tenths = usize::MAX;
    }

    /// The destination processed a request that was sent on this ramp.
    pub fn handle_answer(&mut self) {
        self.allowed_tenths = self.allowed_tenths.saturating_add(GROWTH_TENTHS);
        if self.allowed_tenths >= self.end_tenths {
            self.end();
        }
    }

    /// Whether one more request may go.
    pub fn has_room(&self, in_flight: usize) -> bool {
        let after = in_flight.saturating_add(1).saturating_mul(10);
        in_flight == 0 || after <= self.allowed_tenths
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_ramp_that_was_not_started_bounds_nothing() {
        assert!(Ramp::new(4).has_room(1_000_000));
    }

    #[test]
    fn ten_slots_are_open_after_thirty_answers() {
        let mut ramp = Ramp::new(10);
        ramp.start();
        assert!(ramp.has_room(0));
        assert!(!ramp.has_room(1));
        let answers = (1..).find(|_| {
            ramp.handle_answer();
            ramp.has_room(usize::MAX)
        });
        assert_eq!(answers, Some(30));
    }

    proptest! {
        /// A sender that always has more to send, in any order of answers.
        #[test]
        fn no_more_goes_than_thirteen_for_ten_answers(
            slots in 1..5000usize,
            answers in prop::collection::vec(1..50usize, 1..200),
        ) {
            let mut ramp = Ramp::new(slots);
            ramp.start();
            let (mut sent, mut answered) = (0usize, 0usize);
            for batch in answers {
                while ramp.has_room(sent - answered) && sent - answered < slots {
                    sent += 1;
                }
                prop_assert!(sent > answered, "something is always on its way");
                let on_ramp = !ramp.has_room(usize::MAX);
                prop_assert!(!on_ramp || sent * 10 <= 10 + 13 * answered);
                for _ in 0..batch.min(sent - answered) {
                    answered += 1;
                    ramp.handle_answer();
                }
            }
        }
    }
}
