//! From a configuration to what each shard is told: every number divided, every name made an index.
//!
//! Configured numbers (`queue_size`, `num_consumers`, memory) are totals of the process. Each shard
//! gets its share; an exporter with fewer consumers or connections than shards, and one that writes
//! a file or the console, sends from one home shard.

mod clients;
mod degradation;
mod division;
mod listeners;
mod priority;
mod resource;
mod sizing;
mod tenants;
#[cfg(test)]
mod tests;

pub use listeners::ListenerPlan;

use crate::batch::Batching;
use crate::config::limits::ShardLimits;
use crate::config::{ComponentId, Config, ExporterConfig, FileConfig, Jitter, LaneConfig, Target};
use crate::egress::lane::{GateRule, LaneSettings, QueueLimit};
use crate::egress::outlet::OutletSettings;
use crate::flow::{BackoffRule, BreakerRule, BudgetRule, ConcurrencyRule, Rate, RateRule};
use crate::net::client;
use crate::pipeline::{ListenerSettings, PipelineSettings};
use crate::telemetry::{Labels, LaneLabels, ReceiverLabels};
use crate::units::{EndpointId, LaneId};
use division::Division;
use std::time::Duration;
use tailrace_codec::Signal;

/// What the control thread makes shards from.
#[derive(Debug)]
pub struct Assembly {
    /// By shard.
    pub pipelines: Vec<PipelineSettings>,
    pub listeners: Vec<ListenerPlan>,
    /// By lane; `None` for exporters without a network.
    pub clients: Vec<Option<client::Settings>>,
    /// The name of each endpoint whose address is not known, and how often to resolve it.
    pub names: Vec<(EndpointId, Name)>,
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
    let pipelines: Vec<_> = Division::of(shards)
        .map(|division| pipeline(config, division, limits))
        .collect();
    Assembly {
        labels: labels(config, &pipelines[0].listeners),
        pipelines,
        listeners: config.listeners.iter().map(ListenerPlan::new).collect(),
        clients: lanes.iter().map(clients::settings).collect(),
        names: (0..).map(LaneId).zip(lanes).flat_map(names).collect(),
        files: lanes.iter().map(file).collect(),
    }
}

fn pipeline(config: &Config, division: Division, limits: &ShardLimits) -> PipelineSettings {
    let lanes = || (0..).map(LaneId).zip(&config.lanes);
    PipelineSettings {
        credit_bytes: limits.credit.0,
        credit_high: limits.credit_high.0,
        classifier: priority::classifier(config, division),
        connections_max: limits.connections_max as usize,
        listeners: config
            .listeners
            .iter()
            .map(|listener| listeners::settings(listener, tenants::header(config)))
            .collect(),
        lanes: lanes()
            .map(|(id, lane)| lane_settings(id, config, lane, division, limits))
            .collect(),
        exporters: lanes().map(|(_, lane)| lane.exporter.to_string()).collect(),
        outlets: lanes()
            .map(|(id, lane)| outlet(id, lane, division))
            .collect(),
        homes: lanes()
            .map(|(id, lane)| division.home(same_file(config, lane).unwrap_or(id), lane))
            .collect(),
    }
}

fn lane_settings(
    id: LaneId,
    config: &Config,
    lane: &LaneConfig,
    division: Division,
    limits: &ShardLimits,
) -> LaneSettings {
    // Profiles are not merged: each request carries a dictionary that its samples point into.
    let merges = lane.signal.merges_by_concatenation();
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
        slots: division.slots(id, lane),
        queue: QueueLimit {
            sizer: lane.queue.sizer,
            // Nothing fits a queue of none, and an empty one takes a request of any size.
            max: division.part(id, lane.queue.size).max(1),
            bytes_max: limits.lane.0,
            overflow: lane.queue.overflow,
        },
        batching,
        degradation: degradation::degradation(&lane.degradation),
        fair: priority::fair(config, lane, division),
        partitions: lane
            .batch
            .as_ref()
            .is_some_and(|batch| !batch.metadata_keys.is_empty()),
        retry: BackoffRule {
            enabled: lane.retry.enabled,
            initial_interval: lane.retry.initial_interval,
            randomization_factor: lane.retry.randomization_factor,
            full_jitter: lane.retry.jitter == Jitter::Full,
            multiplier: lane.retry.multiplier,
            max_interval: lane.retry.max_interval,
            max_elapsed: lane.retry.max_elapsed_time,
        },
        gate: gate(id, lane, division),
        sizing: sizing::rule(id, lane, division, limits),
        waits: lane.queue.wait_for_result,
    }
}

/// Each shard watches the destination for itself; rates and numbers of requests are the process's.
fn gate(id: LaneId, lane: &LaneConfig, division: Division) -> GateRule {
    let protection = &lane.protection;
    GateRule {
        breaker: protection.breaker.map(|breaker| BreakerRule {
            consecutive_failures: breaker.consecutive_failures,
            failure_ratio: breaker.failure_ratio,
            window: breaker.window,
            min_requests: breaker.min_requests,
            open_for: breaker.open_for,
            probes: breaker.probes,
        }),
        budget: protection.retry_budget.map(|budget| BudgetRule {
            ratio: budget.retry_ratio,
            min_per_second: division.share(budget.min_retries_per_second),
            window: budget.ttl,
        }),
        concurrency: protection.concurrency.map(|concurrency| {
            let part = |total| (division.part(id, u64::from(total)) as usize).max(1);
            ConcurrencyRule {
                initial: part(concurrency.initial),
                max: part(concurrency.max),
                decrease_ratio: concurrency.decrease_ratio,
                ewma_alpha: concurrency.ewma_alpha,
                rtt_deviation_scale: concurrency.rtt_deviation_scale,
            }
        }),
        rate: protection.rate_limit.map(|limit| {
            let rate = |total: f64| Rate {
                per_second: division.share(total),
                burst: limit.burst,
            };
            RateRule {
                requests: limit.requests_per_second.map(rate),
                items: limit.items_per_second.map(rate),
                bytes: limit.bytes_per_second.map(rate),
            }
        }),
    }
}

fn outlet(id: LaneId, lane: &LaneConfig, division: Division) -> OutletSettings {
    match &lane.kind {
        ExporterConfig::OtlpGrpc(config) => clients::grpc(id, lane, config, division),
        ExporterConfig::OtlpHttp(config) => clients::http(id, lane, config, division),
        ExporterConfig::Debug(config) => OutletSettings::Debug(config.verbosity),
        ExporterConfig::File(_) => OutletSettings::File,
        ExporterConfig::Nop => OutletSettings::Nop,
    }
}

fn names((id, lane): (LaneId, &LaneConfig)) -> Vec<(EndpointId, Name)> {
    let (target, connections) = match &lane.kind {
        ExporterConfig::OtlpGrpc(config) => (&config.target, config.connections),
        ExporterConfig::OtlpHttp(config) => (&config.target, config.connections),
        ExporterConfig::Debug(_) | ExporterConfig::File(_) | ExporterConfig::Nop => {
            return Vec::new();
        }
    };
    let targets: Vec<&Target> = match &lane.balancing {
        Some(several) => several.endpoints.iter().map(|one| &one.target).collect(),
        None => vec![target],
    };
    let name = |(index, target): (u16, &Target)| match target {
        Target::Name { host, port } => {
            let name = Name {
                host: host.clone(),
                port: *port,
                refresh: connections.dns_refresh,
            };
            Some((EndpointId { lane: id, index }, name))
        }
        Target::Address(_) | Target::Unix(_) => None,
    };
    (0..).zip(targets).filter_map(name).collect()
}

/// The first lane that writes the same file: all that do have one home, which opens it once.
fn same_file(config: &Config, lane: &LaneConfig) -> Option<LaneId> {
    let path = file(lane)?.path;
    let writes = |lane: &LaneConfig| file(lane).is_some_and(|file| file.path == path);
    let (first, _) = (0..)
        .map(LaneId)
        .zip(&config.lanes)
        .find(|(_, lane)| writes(lane))?;
    Some(first)
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
    Labels {
        receivers: config
            .listeners
            .iter()
            .zip(listeners)
            .map(receiver)
            .collect(),
        lanes: config
            .lanes
            .iter()
            .map(|lane| lane_labels(config, lane))
            .collect(),
        resource: resource::attributes(&config.telemetry.resource, &resource::new_instance()),
    }
}

/// Name and level of each, where there are several.
fn endpoints(lane: &LaneConfig) -> Vec<(String, usize)> {
    let several = lane.balancing.iter().flat_map(|several| &several.endpoints);
    several.map(|one| (one.name.clone(), one.level)).collect()
}

fn lane_labels(config: &Config, lane: &LaneConfig) -> LaneLabels {
    let pipelines = config.pipelines.iter();
    let mut upstream = pipelines.filter(|pipeline| lane.pipelines.contains(&pipeline.id));
    let is_batch = |id: &&ComponentId| id.kind() == "batch";
    let batch = upstream.find_map(|pipeline| pipeline.processors.iter().find(is_batch));
    LaneLabels {
        exporter: lane.exporter.to_string(),
        signal: lane.signal,
        batch_processor: batch.map(ToString::to_string),
        endpoints: endpoints(lane),
    }
}
