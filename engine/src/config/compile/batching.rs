//! The two styles of batching, put together into the one rule of a lane.

use super::graph::Way;
use crate::config::field::Reader;
use crate::config::raw::processors::BatchProcessor;
use crate::config::raw::shared::{CatchUp, Queue, QueueBatch};
use crate::config::{BatchConfig, CatchUpOrder, Overflow, Sizer};
use http::HeaderName;
use std::time::Duration;

/// The batching of a lane with these ways to it; see [`BatchConfig`] for the rule.
pub(super) fn lane(
    ways: &[Way<'_>],
    queue: Option<&Queue>,
    reader: &mut Reader,
) -> Option<BatchConfig> {
    let chains: Vec<Option<BatchConfig>> = ways.iter().map(chain).collect();
    let differ = chains.windows(2).any(|pair| pair[0] != pair[1]);
    let upstream = chains.into_iter().flatten().reduce(both);
    let own = queue.and_then(|queue| queue.batch.0.as_ref().map(|batch| exporter(batch, queue)));
    if differ {
        let mut pipelines: Vec<&str> = ways.iter().map(|way| way.pipeline.as_str()).collect();
        pipelines.dedup();
        reader.warn(format!(
            "pipelines {} share this exporter but batch differently: one rule holds for all, the \
             largest minimum, the smallest maximum and the longest timeout",
            pipelines.join(" and ")
        ));
    }
    match (upstream, own) {
        (Some(upstream), Some(own)) if upstream.sizer == own.sizer => Some(both(upstream, own)),
        (Some(upstream), Some(own)) => {
            reader.warn(
                "sending_queue.batch counts bytes and a batch processor before it counts items: \
                 sending_queue.batch decides the sizes",
            );
            let metadata_keys = union(upstream.metadata_keys, own.metadata_keys);
            Some(BatchConfig {
                metadata_keys,
                ..own
            })
        }
        (upstream, own) => upstream.or(own),
    }
}

/// The `batch` processors of one chain of pipelines.
fn chain(way: &Way<'_>) -> Option<BatchConfig> {
    way.batches
        .iter()
        .map(|batch| processor(batch))
        .reduce(both)
}

fn processor(batch: &BatchProcessor) -> BatchConfig {
    // A timeout or a size of zero sends at once; only the maximum is left.
    let at_once = batch.timeout.is_zero() || batch.send_batch_size == 0;
    BatchConfig {
        flush_timeout: if at_once {
            FLUSH_AT_ONCE
        } else {
            batch.timeout
        },
        sizer: Sizer::Items,
        min_size: if at_once {
            0
        } else {
            batch.send_batch_size.into()
        },
        max_size: unlimited(batch.send_batch_max_size.into()),
        metadata_keys: names(&batch.metadata_keys),
    }
}

/// For a batch that is never kept waiting: any value that is not zero.
const FLUSH_AT_ONCE: Duration = Duration::from_millis(1);

fn exporter(batch: &QueueBatch, queue: &Queue) -> BatchConfig {
    // Left out: the queue's sizer if that is not its default, which no batch can have.
    let inherited = if queue.sizer == Sizer::Requests {
        Sizer::Items
    } else {
        queue.sizer
    };
    BatchConfig {
        flush_timeout: batch.flush_timeout.0.unwrap_or(FLUSH_AUTO_START),
        sizer: batch.sizer.0.unwrap_or(inherited),
        min_size: batch.min_size,
        max_size: unlimited(batch.max_size),
        metadata_keys: names(&batch.partition.metadata_keys),
    }
}

/// Where `flush_timeout: auto` begins: the default.
const FLUSH_AUTO_START: Duration = Duration::from_millis(200);

fn unlimited(max: u64) -> u64 {
    if max == 0 { u64::MAX } else { max }
}

/// Both rules at once, of one sizer.
fn both(a: BatchConfig, b: BatchConfig) -> BatchConfig {
    let max_size = a.max_size.min(b.max_size);
    BatchConfig {
        flush_timeout: a.flush_timeout.max(b.flush_timeout),
        sizer: a.sizer,
        min_size: a.min_size.max(b.min_size).min(max_size),
        max_size,
        metadata_keys: union(a.metadata_keys, b.metadata_keys),
    }
}

fn union(mut a: Vec<HeaderName>, b: Vec<HeaderName>) -> Vec<HeaderName> {
    for key in b {
        if !a.contains(&key) {
            a.push(key);
        }
    }
    a
}

/// Names that are no header's cannot be in a request; [`check_keys`] has noted them.
fn names(keys: &[String]) -> Vec<HeaderName> {
    keys.iter().filter_map(|key| key.parse().ok()).collect()
}

/// The rules of `metadata_keys`.
pub(super) fn check_keys(keys: &[String], reader: &mut Reader) {
    reader.path.push("metadata_keys".into());
    for (index, key) in keys.iter().enumerate() {
        let index_name = index.to_string();
        if key.parse::<HeaderName>().is_err() {
            reader.rule(&index_name, "is not the name of a header");
        } else if keys[..index]
            .iter()
            .any(|other| other.eq_ignore_ascii_case(key))
        {
            reader.rule(
                &index_name,
                "duplicate entry in metadata_keys (case-insensitive)",
            );
        }
    }
    reader.path.pop();
}

/// The rules of a `batch` processor.
pub(super) fn check_processor(batch: &BatchProcessor, reader: &mut Reader) {
    if batch.send_batch_max_size > 0 && batch.send_batch_max_size < batch.send_batch_size {
        reader.rule(
            "send_batch_max_size",
            "send_batch_max_size must be greater or equal to send_batch_size",
        );
    }
    check_keys(&batch.metadata_keys, reader);
}

/// The rules of a `sending_queue`, those of its `batch` included.
fn check_catch_up(catch_up: &CatchUp, reader: &mut Reader) {
    if catch_up.after.is_zero() {
        reader.rule("after", "must be positive");
    }
    let rates = [
        ("items_per_second", catch_up.items_per_second),
        ("bytes_per_second", catch_up.bytes_per_second),
    ];
    for (key, rate) in rates {
        if !(rate >= 0.0 && rate.is_finite()) {
            reader.rule(key, "must be at least 0");
        }
    }
    let asks_rate = rates.iter().any(|(_, rate)| *rate > 0.0);
    if catch_up.order == CatchUpOrder::OldestFirst && !asks_rate {
        reader.warn("has no effect here: oldest_first without a rate is what happens anyway");
    }
}

pub(super) fn check_queue(queue: &Queue, reader: &mut Reader) {
    if !queue.enabled {
        return;
    }
    if queue.num_consumers.0 == Some(0) {
        reader.rule("num_consumers", "`num_consumers` must be positive");
    }
    if queue.queue_size.0 == Some(0) {
        reader.rule("queue_size", "`queue_size` must be positive");
    }
    let other = queue.overflow.0.filter(|&asked| asked != Overflow::Block);
    if queue.block_on_overflow && other.is_some() {
        reader.rule(
            "overflow",
            "`block_on_overflow: true` asks for `block`; remove one of the two",
        );
    }
    if let Some(catch_up) = &queue.catch_up.0 {
        reader.at("catch_up", |reader| check_catch_up(catch_up, reader));
    }
    let Some(batch) = &queue.batch.0 else { return };
    let rule = exporter(batch, queue);
    reader.path.push("batch".into());
    if batch.sizer.0 == Some(Sizer::Requests) {
        reader.rule(
            "sizer",
            "`batch` supports only `items` or `bytes` sizer, found \"requests\"",
        );
    }
    if batch.flush_timeout.0 == Some(Duration::ZERO) {
        reader.rule("flush_timeout", "`flush_timeout` must be positive");
    }
    if batch.max_size > 0 && batch.max_size < batch.min_size {
        reader.rule(
            "max_size",
            "`max_size` must be greater or equal to `min_size`",
        );
    }
    let same = rule.sizer == queue.sizer && rule.sizer != Sizer::Requests;
    if same && queue.queue_size.0.is_some_and(|size| batch.min_size > size) {
        reader.rule(
            "min_size",
            "`min_size` must be less than or equal to `queue_size`",
        );
    }
    reader.at("partition", |reader| {
        check_keys(&batch.partition.metadata_keys, reader);
        if batch.partition.cache_size == 0 {
            reader.rule("cache_size", "`cache_size` must be positive");
        }
        if batch.partition.idle_timeout.is_zero() {
            reader.rule("idle_timeout", "`idle_timeout` must be positive");
        }
    });
    reader.path.pop();
}
