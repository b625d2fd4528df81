//! Processors: `batch` and `memory_limiter`. Both are compiled away: see `docs/configuration.md`.

use crate::config::field::section;
use std::time::Duration;

section! {
    /// `batch`
    BatchProcessor {
        /// A batch is sent when its oldest part is this old. 0: at once.
        timeout: Duration = "200ms",
        /// A batch is sent as soon as it holds so many items (spans, points, records, samples).
        /// 0: at once.
        send_batch_size: u32 = "8192",
        /// Larger requests are split. 0: no limit.
        send_batch_max_size: u32 = "0",
        /// Requests whose values of these headers differ are kept apart. Needs
        /// `include_metadata: true` at the receiver.
        metadata_keys: Vec<String> = "[]",
        /// The most different values.
        metadata_cardinality_limit: u32 = "1000" => NoEffect(
            "open batches hold references to received buffers, and memory bounds those"
        ),
    }
}

section! {
    /// `memory_limiter`: sets the process limit that all shares are taken from.
    MemoryLimiter {
        /// Must be given, as in the Collector. Nothing is polled here: memory is counted as it is taken.
        check_interval: Duration = "0s",
        /// The process limit in MiB. Wins over `limit_percentage`.
        limit_mib: u32 = "0",
        /// Requests are refused above the limit less this, in MiB. 0: a fifth of `limit_mib`.
        spike_limit_mib: u32 = "0",
        /// The process limit in percent of the container's or the machine's memory.
        limit_percentage: u32 = "0",
        /// As `spike_limit_mib`, in percent of the memory. 0: a fifth of the limit.
        spike_limit_percentage: u32 = "0",
        /// For Go's garbage collector.
        min_gc_interval_when_soft_limited: Duration = "10s" => NoEffect("there is no garbage collector"),
        /// For Go's garbage collector.
        min_gc_interval_when_hard_limited: Duration = "0s" => NoEffect("there is no garbage collector"),
        /// For Go's garbage collector.
        max_gc_interval_when_soft_limited: Duration = "30s" => NoEffect("there is no garbage collector"),
        /// For Go's garbage collector.
        max_gc_interval_when_hard_limited: Duration = "30s" => NoEffect("there is no garbage collector"),
    }
}
