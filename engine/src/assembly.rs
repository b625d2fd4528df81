//! From a configuration to what each shard is told: every number divided, every name made an index.
//!
//! Configured numbers (`queue_size`, `num_consumers`, memory) are totals of the process. Each shard
//! gets its share; an exporter with fewer consumers than shards, and one that writes a file or the
//! console, sends from one home shard.

mod clients;
mod listeners;

pub use listeners::ListenerPlan;

use crate::batch::Batching;
use crate::config::limits::ShardLimits;
use crate::config::{Config, ExporterConfig, FileConfig, LaneConfig, Target};
use crate::egress::lane::{LaneSettings, QueueLimit};
use crate::egress::outlet::OutletSettings;
use crate::flow::BackoffRule;
use crate::net::client;
use crate::pipeline::{ListenerSettings, PipelineSettings};
use crate::telemetry::{Labels, LaneLabels, ReceiverLabels};
use crate::units::{LaneId, ShardId};
use std::time::Duration;
use tailrace_codec::Signal;

/// What the control thread makes shards from.
#[derive(Debug)]
pub struct Assembly {
    /// The same for every shard.
    pub pipeline: PipelineSettings,
    pub listeners: Vec<ListenerPlan>,
    /// By lane; `None` for exporters without a network.
    pub clients: Vec<Option<client::Settings>>,
    /// By lane: the name to resolve, and how often; `None` where the address is known.
    pub names: Vec<Option<Name>>,
    /// By lane: the file to write.
    pub files: Vec<Option<FileConfig>>,
    pub labels: Labels,
}

/// A name whose addresses may change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    pub host: String,
    pub port: u16,
    pub refresh: Duration,
}

/// Divides a configuration among `shards` shards, each of which may hold what `limits` says.
pub fn assemble(config: &Config, shards: usize, limits: &ShardLimits) -> Assembly {
    let lanes = &config.lanes;
    let pipeline = PipelineSettings {
        credit_bytes: limits.credit.0,
        credit_high: limits.credit_high.0,
        connections_max: limits.connections_max as usize,
        listeners: config.listeners.iter().map(listeners::settings).collect(),
        lanes: lanes
            .iter()
            .map(|lane| lane_settings(lane, shards, limits))
            .collect(),
        outlets: (0..)
            .zip(lanes)
            .map(|(id, lane)| outlet(LaneId(id), lane, shards))
            .collect(),
        homes: (0..)
            .zip(lanes)
            .map(|(id, lane)| home(id, lane, shards))
            .collect(),
    };
    Assembly {
        labels: labels(config, &pipeline.listeners),
        pipeline,
        listeners: config.listeners.iter().map(ListenerPlan::new).collect(),
        clients: lanes.iter().map(clients::settings).collect(),
        names: lanes.iter().map(name).collect(),
        files: lanes.iter().map(file).collect(),
    }
}

fn lane_settings(lane: &LaneConfig, shards: usize, limits: &ShardLimits) -> LaneSettings {
    let shards = shards as u64;
    // Profiles are not merged: each request carries a dictionary that its samples point into.
    let merges = lane.signal != Signal::Profiles;
    let batching = lane
        .batch
        .as_ref()
        .filter(|_| merges)
        .map(|batch| Batching {
            min: batch.min_size,
            max: if batch.max_size == 0 {
                u64::MAX
            } else {
                batch.max_size
            },
            sizer: batch.sizer,
            flush_timeout: batch.flush_timeout,
        });
    LaneSettings {
        signal: lane.signal,
        slots: u64::from(lane.queue.num_consumers).div_ceil(shards) as usize,
        queue: QueueLimit {
            sizer: lane.queue.sizer,
            max: lane.queue.size.div_ceil(shards),
            bytes_max: limits.lane.0,
            block_on_overflow: lane.queue.block_on_overflow,
        },
        batching,
        partitions: lane
            .batch
            .as_ref()
            .is_some_and(|batch| !batch.metadata_keys.is_empty()),
        retry: BackoffRule {
            enabled: lane.retry.enabled,
            initial_interval: lane.retry.initial_interval,
            randomization_factor: lane.retry.randomization_factor,
            multiplier: lane.retry.multiplier,
            max_interval: lane.retry.max_interval,
            max_elapsed: lane.retry.max_elapsed_time,
        },
        waits: lane.queue.wait_for_result,
    }
}

/// The home shards of different exporters differ, so that no shard is home to all.
fn home(id: u32, lane: &LaneConfig, shards: usize) -> Option<ShardId> {
    let shards = u32::try_from(shards).unwrap_or(u32::MAX);
    let single = match &lane.kind {
        ExporterConfig::File(_) | ExporterConfig::Debug(_) => true,
        ExporterConfig::OtlpGrpc(_) | ExporterConfig::OtlpHttp(_) => {
            lane.queue.num_consumers < shards
        }
        ExporterConfig::Nop => false,
    };
    single.then_some(ShardId(id % shards))
}

fn outlet(id: LaneId, lane: &LaneConfig, shards: usize) -> OutletSettings {
    match &lane.kind {
        ExporterConfig::OtlpGrpc(config) => clients::grpc(id, lane, config, shards),
        ExporterConfig::OtlpHttp(config) => clients::http(id, lane, config, shards),
        ExporterConfig::Debug(config) => OutletSettings::Debug(config.verbosity),
        ExporterConfig::File(_) => OutletSettings::File,
        ExporterConfig::Nop => OutletSettings::Nop,
    }
}

fn name(lane: &LaneConfig) -> Option<Name> {
    let (target, connections) = match &lane.kind {
        ExporterConfig::OtlpGrpc(config) => (&config.target, config.connections),
        ExporterConfig::OtlpHttp(config) => (&config.target, config.connections),
        ExporterConfig::Debug(_) | ExporterConfig::File(_) | ExporterConfig::Nop => return None,
    };
    match target {
        Target::Name { host, port } => Some(Name {
            host: host.clone(),
            port: *port,
            refresh: connections.dns_refresh,
        }),
        Target::Address(_) | Target::Unix(_) => None,
    }
}

fn file(lane: &LaneConfig) -> Option<FileConfig> {
    match &lane.kind {
        ExporterConfig::File(config) => Some(config.clone()),
        ExporterConfig::OtlpGrpc(_)
        | ExporterConfig::OtlpHttp(_)
        | ExporterConfig::Debug(_)
        | ExporterConfig::Nop => None,
    }
}

fn labels(config: &Config, listeners: &[ListenerSettings]) -> Labels {
    let receiver = |(listener, settings): (&crate::config::ListenerConfig, &ListenerSettings)| {
        let served = |signal: &Signal| !settings.route(*signal).is_empty();
        ReceiverLabels {
            receiver: listener.receiver.to_string(),
            transport: listeners::transport(listener),
            signals: Signal::ALL.into_iter().filter(served).collect(),
        }
    };
    let resource = &config.telemetry.resource;
    let given = |(key, value): &(String, Option<String>)| {
        value.as_ref().map(|value| (key.clone(), value.clone()))
    };
    Labels {
        receivers: config
            .listeners
            .iter()
            .zip(listeners)
            .map(receiver)
            .collect(),
        lanes: config.lanes.iter().map(lane_labels).collect(),
        resource: resource.iter().filter_map(given).collect(),
    }
}

fn lane_labels(lane: &LaneConfig) -> LaneLabels {
    LaneLabels {
        exporter: lane.exporter.to_string(),
        signal: lane.signal,
        batch_processor: None,
    }
}
