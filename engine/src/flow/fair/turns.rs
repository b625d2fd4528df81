//! Turns by weight, counted in bytes: deficit round robin.
//!
//! Who is at the front goes while it has credit. What it sends is taken from its credit, which may
//! become a debt: an item larger than a turn passes too, and is paid for in the turns to come. So
//! over any time two that both have something to send differ, by weight, by at most one item and
//! one turn.
//!
//! Source: Shreedhar, Varghese, "Efficient Fair Queuing Using Deficit Round-Robin" (1996),
//! <https://doi.org/10.1109/90.502236>; with debts as in "surplus round robin".

use crate::units::Priority;
use std::collections::VecDeque;

/// Whose turn it is among those that have something to send. Cost: constant for each turn; where
/// all are in debt O(n).
#[derive(Debug)]
pub struct Turns<K> {
    active: VecDeque<Turn<K>>,
    quantum: i64,
}

#[derive(Debug)]
struct Turn<K> {
    key: K,
    /// What it gains when it is passed over.
    gain: i64,
    credit: i64,
}

impl<K: Copy + Eq> Turns<K> {
    /// `quantum`: bytes of a turn of weight 1.
    pub fn new(quantum: u64) -> Self {
        Self {
            active: VecDeque::new(),
            quantum: i64::try_from(quantum).unwrap_or(i64::MAX).max(1),
        }
    }

    /// `key` has something to send from now on: its turn comes after all others'.
    pub fn enter(&mut self, key: K, weight: u32) {
        let gain = self.quantum.saturating_mul(i64::from(weight.max(1)));
        self.active.push_back(Turn {
            key,
            gain,
            credit: gain,
        });
    }

    /// Whose turn it is among those that may. It stays theirs while they have credit.
    pub fn next(&mut self, may: impl Fn(K) -> bool) -> Option<K> {
        loop {
            for _ in 0..self.active.len() {
                let front = self.active.front_mut()?;
                if !may(front.key) {
                    self.active.rotate_left(1);
                    continue;
                }
                if front.credit > 0 {
                    return Some(front.key);
                }
                front.credit += front.gain;
                self.active.rotate_left(1);
            }
            // All are in debt: as many rounds at once as the first to be free of it needs.
            let may = |turn: &&mut Turn<K>| may(turn.key);
            let rounds = |turn: &mut Turn<K>| (-turn.credit).max(0) / turn.gain;
            let rounds = self.active.iter_mut().filter(may).map(rounds).min()?;
            for turn in self.active.iter_mut().filter(may) {
                turn.credit += rounds * turn.gain;
            }
        }
    }

    /// `key` has sent so much.
    pub fn charge(&mut self, key: K, bytes: u64) {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        if let Some(turn) = self.active.iter_mut().find(|turn| turn.key == key) {
            turn.credit = turn.credit.saturating_sub(bytes);
        }
    }

    /// `key` has nothing to send any more. What credit it had is gone: nobody saves turns up.
    pub fn leave(&mut self, key: K) {
        self.active.retain(|turn| turn.key != key);
    }
}

/// Turns of the classes: in each round a class may send so much by its weight, the most important
/// first, so that what is important never waits for a turn of what is not.
///
/// Credit is kept while a class has nothing to send, up to one round's: one that comes and goes has
/// no more than its weight either. Shares are as for [`Turns`].
#[derive(Debug)]
pub struct Rounds {
    gains: [i64; Priority::ALL.len()],
    credits: [i64; Priority::ALL.len()],
}

impl Rounds {
    pub fn new(quantum: u64, weights: [u32; Priority::ALL.len()]) -> Self {
        let quantum = i64::try_from(quantum).unwrap_or(i64::MAX).max(1);
        let gains = weights.map(|weight| quantum.saturating_mul(i64::from(weight.max(1))));
        Self {
            gains,
            credits: gains,
        }
    }

    /// Whose turn it is among those that have something to send and may.
    pub fn next(&mut self, may: impl Fn(Priority) -> bool) -> Option<Priority> {
        loop {
            let mut active = Priority::ALL.into_iter().filter(|class| may(*class));
            if let Some(class) = active.find(|class| self.credits[*class as usize] > 0) {
                return Some(class);
            }
            // As many rounds at once as the first to be free of debt needs.
            let active = Priority::ALL.into_iter().filter(|class| may(*class));
            let rounds = |class: Priority| {
                let (credit, gain) = (self.credits[class as usize], self.gains[class as usize]);
                -credit / gain + 1
            };
            let rounds = active.map(rounds).min()?;
            for (credit, gain) in self.credits.iter_mut().zip(self.gains) {
                *credit = credit.saturating_add(gain.saturating_mul(rounds)).min(gain);
            }
        }
    }

    pub fn charge(&mut self, class: Priority, bytes: u64) {
        let credit = &mut self.credits[class as usize];
        *credit = credit.saturating_sub(i64::try_from(bytes).unwrap_or(i64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nobody_waits_for_who_has_nothing() {
        let mut turns = Turns::new(100);
        assert_eq!(turns.next(|_: u8| true), None);
        turns.enter(1, 1);
        for _ in 0..10 {
            assert_eq!(turns.next(|_| true), Some(1));
            turns.charge(1, 1_000_000);
        }
        assert_eq!(turns.next(|_| false), None);
        turns.leave(1);
        assert_eq!(turns.next(|_| true), None);
    }

    #[test]
    fn who_may_not_go_keeps_its_place_and_gains_nothing() {
        let mut turns = Turns::new(100);
        turns.enter('a', 1);
        turns.enter('b', 1);
        for _ in 0..50 {
            assert_eq!(turns.next(|key| key == 'b'), Some('b'));
            turns.charge('b', 100);
        }
        let mut sent = 0;
        while turns.next(|_| true) == Some('a') {
            turns.charge('a', 100);
            sent += 1;
        }
        assert!(sent <= 2, "{sent} at once after a pause");
    }

    #[test]
    fn what_is_important_does_not_wait_for_the_turn_of_what_is_not() {
        let mut rounds = Rounds::new(100, [4, 2, 1]);
        let low = |class| class == Priority::Low;
        assert_eq!(rounds.next(low), Some(Priority::Low));
        rounds.charge(Priority::Low, 10);
        assert_eq!(rounds.next(|_| true), Some(Priority::High));
    }

    #[test]
    fn a_class_that_comes_and_goes_has_its_share_and_no_more() {
        let mut rounds = Rounds::new(100, [4, 2, 1]);
        let mut sent = [0; 3];
        for step in 0..7000 {
            // It has something to send at every other step, and at most one thing.
            let may = |class| class == Priority::Low || (class == Priority::High && step % 2 == 0);
            let class = rounds.next(may).expect("low always has something");
            rounds.charge(class, 100);
            sent[class as usize] += 1;
        }
        assert!(sent[0] <= 3500 && sent[2] >= 3500, "{sent:?}");
        let mut sent = [0; 3];
        for _ in 0..7000 {
            let class = rounds.next(|_| true).expect("all have something");
            rounds.charge(class, 100);
            sent[class as usize] += 1;
        }
        assert!(
            i32::abs(sent[0] - 4000) <= 4 && i32::abs(sent[2] - 1000) <= 4,
            "{sent:?}"
        );
    }

    proptest! {
        /// Whatever the sizes, shares are as the weights, to within an item and a turn.
        #[test]
        fn shares_are_as_the_weights(
            weights in proptest::collection::vec(1u32..20, 2..6),
            sizes in proptest::collection::vec(1u64..5000, 1..50),
        ) {
            const QUANTUM: u64 = 256;
            let mut turns = Turns::new(QUANTUM);
            for (key, weight) in weights.iter().enumerate() {
                turns.enter(key, *weight);
            }
            let mut sent = vec![0u64; weights.len()];
            for index in 0..4000 {
                let key = turns.next(|_| true).expect("all have something to send");
                let bytes = sizes[(index * 7 + key) % sizes.len()];
                turns.charge(key, bytes);
                sent[key] += bytes;
            }
            let largest = *sizes.iter().max().expect("not empty");
            let by_weight = |key: usize| sent[key] as f64 / f64::from(weights[key]);
            for one in 0..weights.len() {
                for other in 0..one {
                    let apart = (by_weight(one) - by_weight(other)).abs();
                    let lightest = f64::from(weights[one].min(weights[other]));
                    let most = 2.0 * QUANTUM as f64 + 2.0 * largest as f64 / lightest;
                    prop_assert!(apart <= most, "{apart} of at most {most}: {sent:?} by {weights:?}");
                }
            }
        }
    }
}
