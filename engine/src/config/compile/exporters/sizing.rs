//! What of an exporter is `auto`.

use crate::config::SizingConfig;
use crate::config::compile::Exporter;
use crate::config::field::Reader;
use crate::config::raw::shared::{Connections, Queue};
use std::time::Duration;

/// With `auto`, that many at most: some ten thousand batches a second at a usual round trip.
const CONSUMERS_AUTO_MAX: u32 = 1000;

pub(super) fn consumers_max(queue: &Queue) -> u32 {
    queue.num_consumers.0.unwrap_or(CONSUMERS_AUTO_MAX)
}

/// The targets of an exporter without `tailrace` are the defaults.
pub(super) fn sizing(exporter: &Exporter, queue: Option<&Queue>) -> SizingConfig {
    let ours = match exporter {
        Exporter::OtlpGrpc(exporter) => Some(&exporter.tailrace),
        Exporter::OtlpHttp(exporter) => Some(&exporter.tailrace.connections),
        Exporter::Debug(_) | Exporter::File(_) | Exporter::Nop(_) => None,
    };
    let batch = queue.and_then(|queue| queue.batch.0.as_ref());
    SizingConfig {
        consumers: queue.is_some_and(|queue| queue.num_consumers.0.is_none()),
        queue: queue.is_some_and(|queue| queue.queue_size.0.is_none()),
        flush: batch.is_some_and(|batch| batch.flush_timeout.0.is_none()),
        outage: ours.map_or(Duration::from_secs(300), |ours| ours.outage_target),
        loss: ours.map_or(1e-6, |ours| ours.loss_target),
        latency: ours.map_or(Duration::from_secs(1), |ours| ours.latency_target),
    }
}

/// The targets have bounds, used or not.
pub(super) fn check(ours: &Connections, reader: &mut Reader) {
    reader.at("tailrace", |reader| {
        if !(ours.loss_target >= 1e-15 && ours.loss_target < 1.0) {
            reader.rule("loss_target", "must be at least 1e-15 and less than 1");
        }
        if ours.latency_target.is_zero() {
            reader.rule("latency_target", "must be positive");
        }
    });
}
