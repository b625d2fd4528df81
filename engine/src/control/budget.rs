//! The bytes all shards together may buffer.

use crate::config::{Config, MemoryLimit};
use crate::units::ByteCount;

#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    pub credit: ByteCount,
    pub credit_high: ByteCount,
}

pub(super) fn budget(config: &Config) -> Budget {
    let total = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = total
        .split_whitespace()
        .nth(1)
        .and_then(|kib| kib.parse::<u64>().ok());
    let total = total.unwrap_or(1 << 20) << 10;
    let bytes = |limit: MemoryLimit, default: u64| match limit {
        MemoryLimit::Default => default,
        MemoryLimit::Bytes(bytes) => bytes.0,
        MemoryLimit::Percent(percent) => total / 100 * u64::from(percent),
    };
    let credit = bytes(config.memory.limit, total / 2);
    let spike = bytes(config.memory.spike, 0);
    Budget {
        credit: ByteCount(credit),
        credit_high: ByteCount(credit.saturating_sub(spike)),
    }
}
