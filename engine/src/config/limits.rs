//! The memory of the process, divided: every byte has one named holder.
//!
//! ```text
//!   process limit                 memory_limiter, else service.tailrace, else half of what there is
//!   - spike                       memory_limiter: requests are refused above limit - spike
//!   - fixed                       program, shards, compressors, recorders of a service
//!   = credit, / shards            what requests may hold
//!       3/4, / lanes              what one lane may hold of it: one that hangs fills its own share
//!       1/4                       requests being received, and the windows of connections
//! ```
//!
//! A `queue_size` is a bound beside these shares, never a reservation.

mod machine;

pub use machine::{Machine, MemorySource};

use super::{Compression, Config, ExporterConfig, MemoryLimit, Warning};
use crate::units::ByteCount;
use std::fmt;

/// Code, control thread, log and metrics.
const PROGRAM: ByteCount = ByteCount::mib(8);
/// Executor, buffers of its sockets and tables of one shard.
const SHARD: ByteCount = ByteCount::mib(2);
/// Below this a lane cannot hold the smallest useful batch and one being sent.
const LANE_MIN: ByteCount = ByteCount::mib(1);

/// Who holds how much.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    pub shards: u32,
    /// The whole, after the machine's own limit.
    pub process: ByteCount,
    pub machine: Machine,
    /// What is not there for requests, one holder a line.
    pub fixed: Vec<Holder>,
    pub spike: ByteCount,
    pub shard: ShardLimits,
    pub warnings: Vec<Warning>,
}

/// One line of the sum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    pub name: String,
    pub count: u64,
    pub each: ByteCount,
}

/// What one shard may hold.
///
/// Invariant: `lane * lanes + receive <= credit_high <= credit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardLimits {
    /// Never more than this is buffered.
    pub credit: ByteCount,
    /// Above this, requests are refused.
    pub credit_high: ByteCount,
    /// What one lane may hold of the store.
    pub lane: ByteCount,
    /// For requests being received and the windows of connections.
    pub receive: ByteCount,
    pub connections_max: u32,
}

/// The limits do not add up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitFault {
    /// The process limit less the spike.
    pub available: ByteCount,
    /// The least that works with these shards and lanes: the sum of `holders`.
    pub needed: ByteCount,
    pub shards: u32,
    pub lanes: usize,
    /// Who needs how much.
    pub holders: Vec<Holder>,
}

impl fmt::Display for LimitFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the memory limit leaves {} where {} shards and {} exporter instances need at least \
             {}; raise the limit or lower service.tailrace.shards",
            self.available, self.shards, self.lanes, self.needed
        )?;
        let rows = self.holders.iter().map(Holder::row);
        write!(f, "\n{}", table(rows).trim_end())
    }
}

impl Limits {
    /// Adds the memory up for `shards` shards on `machine`.
    pub fn plan(config: &Config, shards: u32, machine: Machine) -> Result<Self, LimitFault> {
        let shards = shards.max(1);
        let mut warnings = Vec::new();
        let asked = amount(config.memory.limit, machine.memory, machine.memory.0 / 2);
        let process = asked.min(machine.memory.0);
        if asked > machine.memory.0 {
            warnings.push(Warning {
                path: "processors.memory_limiter".into(),
                why: format!(
                    "the limit of {} is more than the {} of {}, which hold instead",
                    ByteCount(asked),
                    machine.memory,
                    machine.source
                ),
            });
        }
        let spike = amount(config.memory.spike, machine.memory, process / 5).min(process);
        let fixed = fixed(config, shards);
        let fixed_total: u64 = fixed.iter().map(Holder::total).map(|total| total.0).sum();
        let lanes = config.lanes.len();
        // Lanes have three quarters.
        let lanes_min = Holder {
            name: "requests, each shard".into(),
            count: shards.into(),
            each: ByteCount(LANE_MIN.0 * (lanes.max(1) as u64) * 4 / 3),
        };
        let needed = fixed_total + lanes_min.total().0;
        if process - spike < needed {
            let available = ByteCount(process - spike);
            let mut holders = fixed;
            holders.push(lanes_min);
            return Err(LimitFault {
                available,
                needed: ByteCount(needed),
                shards,
                lanes,
                holders,
            });
        }
        let credit = (process - fixed_total) / u64::from(shards);
        let credit_high = (process - spike - fixed_total) / u64::from(shards);
        let lane = credit_high / 4 * 3 / lanes.max(1) as u64;
        let shard = ShardLimits {
            credit: ByteCount(credit),
            credit_high: ByteCount(credit_high),
            lane: ByteCount(lane),
            receive: ByteCount(credit_high / 4),
            connections_max: config.engine.connections_max.div_ceil(shards),
        };
        warnings.extend(small_shares(config, &shard));
        let (process, spike) = (ByteCount(process), ByteCount(spike));
        Ok(Self {
            shards,
            process,
            machine,
            fixed,
            spike,
            shard,
            warnings,
        })
    }

    /// The sum as a table for people: one holder a line, aligned.
    pub fn table(&self) -> String {
        let shards = u64::from(self.shards);
        let mut rows = vec![
            ("process limit".to_owned(), 1, self.process),
            ("spike, kept free".to_owned(), 1, self.spike),
        ];
        let fixed = self.fixed.iter();
        rows.extend(fixed.map(Holder::row));
        rows.push((
            "requests, each shard".to_owned(),
            shards,
            self.shard.credit_high,
        ));
        rows.push(("  being received".to_owned(), shards, self.shard.receive));
        rows.push((
            "  one exporter instance".to_owned(),
            shards,
            self.shard.lane,
        ));
        table(rows)
    }
}

fn table(rows: impl IntoIterator<Item = (String, u64, ByteCount)>) -> String {
    let mut table = format!(
        "{:<32} {:>6} {:>12} {:>12}\n",
        "memory", "count", "each", "total"
    );
    for (name, count, each) in rows {
        let total = ByteCount(each.0.saturating_mul(count));
        let (each, total) = (each.to_string(), total.to_string());
        table.push_str(&format!("{name:<32} {count:>6} {each:>12} {total:>12}\n"));
    }
    table
}

impl Holder {
    fn row(&self) -> (String, u64, ByteCount) {
        (self.name.clone(), self.count, self.each)
    }

    pub const fn total(&self) -> ByteCount {
        ByteCount(self.count.saturating_mul(self.each.0))
    }
}

fn amount(limit: MemoryLimit, memory: ByteCount, default: u64) -> u64 {
    match limit {
        MemoryLimit::Default => default,
        MemoryLimit::Bytes(bytes) => bytes.0,
        MemoryLimit::Percent(percent) => memory.0 / 100 * u64::from(percent.min(100)),
    }
}

fn fixed(config: &Config, shards: u32) -> Vec<Holder> {
    let mut holders = vec![
        Holder {
            name: "program".into(),
            count: 1,
            each: PROGRAM,
        },
        Holder {
            name: "shards".into(),
            count: shards.into(),
            each: SHARD,
        },
    ];
    if config.memory.recorders > ByteCount(0) {
        holders.push(Holder {
            name: "recorders".into(),
            count: 1,
            each: config.memory.recorders,
        });
    }
    for (name, each) in COMPRESSORS {
        let uses = |lane: &&super::LaneConfig| compressor(lane) == Some(name);
        let lanes = config.lanes.iter().filter(uses).count() as u64;
        if lanes > 0 {
            let name = format!("{name} compressors");
            holders.push(Holder {
                name,
                count: lanes * u64::from(shards),
                each,
            });
        }
    }
    holders
}

/// What a compressor keeps between batches. gzip and deflate: 660 KiB of window and hash; zstd at
/// its default level: about 1.3 MiB; snappy: its table. What one takes for the time of a call, up to
/// 6 MiB and one call a shard, is what the spike is kept free for.
const COMPRESSORS: [(&str, ByteCount); 7] = [
    ("gzip", ByteCount::kib(672)),
    ("deflate", ByteCount::kib(672)),
    ("zstd", ByteCount::mib(2)),
    // Where it may be told to compress harder: window and tables of level 6.
    ("zstd (harder)", ByteCount::mib(8)),
    ("snappy", ByteCount::kib(64)),
    ("x-snappy-framed", ByteCount::kib(192)),
    ("lz4", ByteCount::mib(1)),
];

fn compressor(lane: &super::LaneConfig) -> Option<&'static str> {
    let ladder = lane.degradation.ladder;
    let harder = ladder.is_some_and(|ladder| ladder.compress_harder.is_some());
    let compression = match &lane.kind {
        ExporterConfig::OtlpGrpc(exporter) => exporter.compression,
        ExporterConfig::OtlpHttp(exporter) => exporter.compression,
        ExporterConfig::Debug(_) | ExporterConfig::File(_) | ExporterConfig::Nop => return None,
    };
    match compression {
        Compression::None => None,
        Compression::Gzip { .. } => Some("gzip"),
        Compression::Zstd { .. } if harder => Some("zstd (harder)"),
        Compression::Zstd { .. } => Some("zstd"),
        Compression::Snappy => Some("snappy"),
        Compression::SnappyFramed => Some("x-snappy-framed"),
        Compression::Lz4 => Some("lz4"),
        Compression::Deflate { .. } => Some("deflate"),
    }
}

/// A request that fits no share could never be taken.
fn small_shares(config: &Config, shard: &ShardLimits) -> Vec<Warning> {
    let share = shard.lane.min(shard.receive);
    let mut warnings = Vec::new();
    for listener in &config.listeners {
        if listener.message_bytes_max > share {
            warnings.push(Warning {
                path: format!("receivers.{}", listener.receiver),
                why: format!(
                    "a request may have {}, but one of more than {share} cannot be held and is \
                     refused",
                    listener.message_bytes_max
                ),
            });
        }
    }
    warnings.dedup();
    warnings
}

#[cfg(test)]
mod tests;
