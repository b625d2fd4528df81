//! How much of its sending a busy shard gives to an idle one.
//!
//! Connections are spread over shards by the kernel, load is not: one sender with one connection
//! keeps one shard busy and leaves the others idle. Reading and admitting a request must happen
//! where its connection is; compressing, framing and sending a batch can happen anywhere. A shard
//! keeps what it has time for and gives the rest: the share of batches that leave is raised while
//! it has next to no time left and a peer is clearly less busy, and lowered again when it has. That
//! is an integral controller, moved a tenth of a second at a time.

use crate::units::ShardId;

/// Batches that one shard may have given to another and not got back: with as many the other way
/// and their verdicts they fill half of the ring between the two, so that it is never full of them.
pub const HANDED_OVER_MAX: usize = 64;

/// Busy time of a shard in thousandths.
pub type BusyPermille = u32;

/// How busy a shard that gives batches away keeps itself. Not less: what leaves costs two wake-ups
/// and the way between two caches. With 500 a shard that was busy for two thirds of its time gave
/// half away, for 1.1 to 1.4 times the processor time and at three quarters of the rate.
const TARGET: BusyPermille = 800;
/// Peers whose busy times differ by less than this are alike.
const DEAD_BAND: BusyPermille = 100;
/// How much of the surplus the share follows at each update.
const GAIN: f32 = 0.25;

/// Decides batch by batch whether it is sent by a peer.
#[derive(Debug, Default)]
pub struct Balance {
    /// Share of batches that leave, 0 to 1.
    share: f32,
    owed: f32,
    peer: Option<ShardId>,
}

impl Balance {
    /// The busy times of all shards, this one's at `own`. Called about ten times a second.
    pub fn update(&mut self, busy: &[BusyPermille], own: usize) {
        let others = busy.iter().enumerate().filter(|(index, _)| *index != own);
        let Some((peer, least)) = others.min_by_key(|(_, busy)| **busy) else {
            return;
        };
        self.peer = u32::try_from(peer).ok().map(ShardId);
        let mine = busy[own];
        let wanted = surplus(mine).min(difference(mine, *least));
        self.share = wanted.mul_add(GAIN, self.share).clamp(0.0, 1.0);
    }

    /// The peer that sends the next batch; `None` for this shard itself.
    pub fn next_peer(&mut self) -> Option<ShardId> {
        self.owed += self.share;
        if self.owed < 1.0 {
            return None;
        }
        self.owed -= 1.0;
        self.peer
    }
}

/// How far a shard is from its target: 1 where no time is left, -1 where all of it is.
fn surplus(mine: BusyPermille) -> f32 {
    let over = mine.min(1000) as f32 - TARGET as f32;
    let range = if over > 0.0 { 1000 - TARGET } else { TARGET };
    over / range as f32
}

/// How far apart two busy times are, -1 to 1, 0 within the dead band.
fn difference(mine: BusyPermille, other: BusyPermille) -> f32 {
    if mine.abs_diff(other) < DEAD_BAND {
        return 0.0;
    }
    let apart = mine.abs_diff(other) as f32 / 1000.0;
    if mine > other { apart } else { -apart }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn leaving(balance: &mut Balance) -> usize {
        (0..100).filter(|_| balance.next_peer().is_some()).count()
    }

    #[test]
    fn a_shard_with_time_keeps_its_batches() {
        let mut balance = Balance::default();
        balance.update(&[TARGET - 1, 0], 0);
        assert_eq!(leaving(&mut balance), 0);
    }

    #[test]
    fn a_busy_shard_gives_more_and_more_until_both_are_alike() {
        let mut balance = Balance::default();
        balance.update(&[1000, 0, 300], 0);
        assert_eq!(balance.next_peer(), None);
        let first = leaving(&mut balance);
        balance.update(&[900, 200, 300], 0);
        let second = leaving(&mut balance);
        assert!(0 < first && first < second, "{first} then {second}");
        balance.update(&[1000, 950, 1000], 0);
        assert!(
            leaving(&mut balance).abs_diff(second) <= 1,
            "within the dead band it stays"
        );
        balance.update(&[TARGET, 100, 300], 0);
        assert!(
            leaving(&mut balance).abs_diff(second) <= 1,
            "as it should be"
        );
    }

    #[test]
    fn a_shard_with_more_than_it_can_do_settles_at_its_target() {
        let mut balance = Balance::default();
        // What comes in would need 1.3 shards.
        let (mut mine, mut peer) = (1000, 0);
        for _ in 0..100 {
            balance.update(&[mine, peer], 0);
            let left = leaving(&mut balance) as u32;
            mine = (1300 - 13 * left).min(1000);
            peer = 13 * left;
        }
        assert!(mine.abs_diff(TARGET) < 50, "{mine} and {peer}");
        assert!(peer.abs_diff(1300 - TARGET) < 50, "{mine} and {peer}");
    }

    proptest! {
        #[test]
        fn nothing_is_given_to_oneself_and_rest_ends_the_giving(
            updates in prop::collection::vec(prop::collection::vec(0..=1000u32, 3), 1..40),
        ) {
            let mut balance = Balance::default();
            for busy in &updates {
                balance.update(busy, 1);
                let given: Vec<_> = (0..10).filter_map(|_| balance.next_peer()).collect();
                prop_assert!(given.iter().all(|peer| *peer != ShardId(1)));
                let least = busy[0].min(busy[2]);
                prop_assert!(given.iter().all(|peer| busy[peer.index()] == least));
            }
            // However much it gave: four updates at rest, and what is owed.
            for _ in 0..4 {
                balance.update(&[0, 100, 0], 1);
            }
            balance.next_peer();
            prop_assert_eq!(leaving(&mut balance), 0);
        }
    }

    #[test]
    fn one_shard_alone_has_no_peer() {
        let mut balance = Balance::default();
        balance.update(&[1000], 0);
        assert_eq!(leaving(&mut balance), 0);
    }
}
