//! Totals of the process, divided among its shards.

use crate::config::{ConnectionsConfig, ExporterConfig, LaneConfig};
use crate::units::{LaneId, ShardId};

/// Batches that a file or the console may be given at once: as many as an appender takes.
const WRITES_MAX: u32 = 64;

/// One shard of several.
#[derive(Debug, Clone, Copy)]
pub(super) struct Division {
    shard: u32,
    shards: u32,
}

impl Division {
    /// One for each shard.
    pub fn of(shards: usize) -> impl Iterator<Item = Self> {
        let shards = u32::try_from(shards).unwrap_or(u32::MAX).max(1);
        (0..shards).map(move |shard| Self { shard, shards })
    }

    /// This shard's part of a total. Parts add up to the total and differ by one at most; the
    /// remainders of different lanes go to different shards.
    pub fn part(self, lane: LaneId, total: u64) -> u64 {
        let shards = u64::from(self.shards);
        let turn = (u64::from(self.shard) + u64::from(lane.0)) % shards;
        total / shards + u64::from(turn < total % shards)
    }

    /// This shard's share of a rate.
    pub fn share(self, total: f64) -> f64 {
        total / f64::from(self.shards)
    }

    /// The one shard that sends for a lane, where a total cannot be divided: a file, the console,
    /// fewer consumers or connections than shards. Different lanes have different homes.
    pub fn home(self, id: LaneId, lane: &LaneConfig) -> Option<ShardId> {
        let is_single = match &lane.kind {
            ExporterConfig::File(_) | ExporterConfig::Debug(_) => true,
            ExporterConfig::OtlpGrpc(_) | ExporterConfig::OtlpHttp(_) => {
                let connections = connections(lane).map_or(u32::MAX, |connections| connections.max);
                lane.queue.num_consumers.min(connections) < self.shards
            }
            ExporterConfig::Nop => false,
        };
        is_single.then_some(ShardId(id.0 % self.shards))
    }

    /// Batches of this shard on their way at once. One at least: where there is a home, it lets
    /// only the total leave.
    pub fn slots(self, id: LaneId, lane: &LaneConfig) -> usize {
        let total = match &lane.kind {
            ExporterConfig::File(_) | ExporterConfig::Debug(_) => {
                lane.queue.num_consumers.min(WRITES_MAX)
            }
            ExporterConfig::OtlpGrpc(_) | ExporterConfig::OtlpHttp(_) | ExporterConfig::Nop => {
                lane.queue.num_consumers
            }
        };
        self.part(id, total.into()).max(1) as usize
    }

    /// Connections of this shard: all of them at home, and none elsewhere.
    pub fn connections(self, id: LaneId, lane: &LaneConfig, max: u32) -> usize {
        let connections = match self.home(id, lane) {
            None => self.part(id, max.into()),
            Some(home) if home.0 == self.shard => max.into(),
            Some(_) => 0,
        };
        connections as usize
    }
}

fn connections(lane: &LaneConfig) -> Option<ConnectionsConfig> {
    match &lane.kind {
        ExporterConfig::OtlpGrpc(config) => Some(config.connections),
        ExporterConfig::OtlpHttp(config) => Some(config.connections),
        ExporterConfig::Debug(_) | ExporterConfig::File(_) | ExporterConfig::Nop => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn parts_add_up_and_differ_by_one_at_most(
            shards in 1..70usize,
            lane: u32,
            total: u64,
        ) {
            let parts = Division::of(shards).map(|division| division.part(LaneId(lane), total));
            let parts: Vec<u64> = parts.collect();
            prop_assert_eq!(parts.iter().map(|part| u128::from(*part)).sum::<u128>(), total.into());
            let (least, most) = (parts.iter().min().unwrap(), parts.iter().max().unwrap());
            prop_assert!(most - least <= 1);
        }
    }

    #[test]
    fn remainders_of_different_lanes_go_to_different_shards() {
        let part = |lane| Division::of(3).map(move |division| division.part(LaneId(lane), 10));
        assert!(part(0).eq([4, 3, 3]));
        assert!(part(1).eq([3, 3, 4]));
        assert!(part(2).eq([3, 4, 3]));
    }
}
