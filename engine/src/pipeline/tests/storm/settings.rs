//! Settings of every kind, with limits so small that they are met.

use super::network::{chance, pick};
use crate::batch::{Batching, Sizer};
use crate::classify::{ClassifierSettings, QuotaRule, TenantSettings, TenantSource};
use crate::config::Overflow;
use crate::egress::lane::{Degradation, GateRule, LaneSettings, QueueLimit, SamplingRule};
use crate::flow::fair::{BacklogRule, FairRule, Order};
use crate::flow::ladder::LadderRule;
use crate::flow::{BackoffRule, Random, Rate, RateRule};
use crate::ingress::{HttpReceiver, Paths, Protocol, Receiver, Signals};
use crate::pipeline::tests::world::{errors_first, lane, outlet};
use crate::pipeline::{ListenerSettings, PipelineSettings};
use crate::units::LaneId;
use http::{HeaderMap, HeaderName};
use std::time::Duration;
use tailrace_codec::Signal;
use tailrace_codec::otlp::sampling::Unsampled;

/// A gRPC and an HTTP listener for traces before one to three lanes.
pub fn any(random: &mut Random) -> PipelineSettings {
    let lanes = 1 + pick(random, 3);
    let ids: Vec<LaneId> = (0..lanes as u32).map(LaneId).collect();
    let http = HttpReceiver {
        paths: Paths::default(),
        cors: None,
        response_headers: HeaderMap::new(),
    };
    let protocols = [Protocol::Grpc, Protocol::Http(Box::new(http))];
    let listener = |protocol| ListenerSettings {
        receiver: Receiver {
            protocol,
            signals: Signals::default().with(Signal::Traces),
            message_max: 64 << 10,
            metadata_keys: [HeaderName::from_static("x-tenant")].into_iter().collect(),
        },
        routes: [ids.clone(), vec![], vec![], vec![]],
    };
    let credit = [512 << 10, 4 << 20][pick(random, 2)];
    let blocks = chance(random, 3);
    let classes = chance(random, 2);
    PipelineSettings {
        credit_bytes: credit,
        classifier: ClassifierSettings {
            tenants: any_tenants(random),
            ..if classes {
                errors_first()
            } else {
                ClassifierSettings::default()
            }
        },
        credit_high: credit / 4 * 3,
        connections_max: 4,
        listeners: protocols.into_iter().map(listener).collect(),
        outlets: (0..lanes).map(|lane| outlet(lane, None)).collect(),
        homes: vec![None; lanes],
        exporters: vec!["storm".into(); lanes],
        lanes: (0..lanes)
            .map(|_| LaneSettings {
                degradation: any_degradation(random),
                fair: classes.then(|| any_fair(random)),
                ..any_lane(random, blocks)
            })
            .collect(),
    }
}

fn any_lane(random: &mut Random, blocks: bool) -> LaneSettings {
    let asks = if blocks {
        Overflow::Block
    } else {
        Overflow::Reject
    };
    let overflow = [
        asks,
        asks,
        Overflow::DropNewest,
        Overflow::DropOldest,
        Overflow::DropLowestPriority,
        Overflow::Sample,
    ][pick(random, 6)];
    let (sizer, max) = match pick(random, 4) {
        0 => (Sizer::Requests, 1 + pick(random, 8) as u64),
        1 => (Sizer::Items, 1 + pick(random, 40) as u64),
        2 => (Sizer::Bytes, 100 + pick(random, 20_000) as u64),
        _ => (Sizer::Requests, u64::MAX),
    };
    LaneSettings {
        slots: 1 + pick(random, 4),
        queue: QueueLimit {
            sizer,
            max,
            bytes_max: [u64::MAX, 100_000][pick(random, 2)],
            overflow,
        },
        batching: chance(random, 2).then(|| any_batching(random)),
        partitions: chance(random, 2),
        gate: GateRule::default(),
        sizing: None,
        retry: BackoffRule {
            enabled: !chance(random, 5),
            initial_interval: Duration::from_millis(50),
            max_interval: Duration::from_secs(1),
            max_elapsed: [None, Some(Duration::from_secs(1))][pick(random, 2)],
            ..BackoffRule::default()
        },
        waits: chance(random, 3),
        ..lane()
    }
}

/// Nobody told apart, or by the header that senders have, with quotas that are soon spent.
fn any_tenants(random: &mut Random) -> TenantSettings {
    let rate = |per_second| Rate {
        per_second,
        burst: Duration::from_millis(500),
    };
    let limited = QuotaRule {
        rate: RateRule {
            items: chance(random, 2).then(|| rate(30.0)),
            bytes: chance(random, 2).then(|| rate(5000.0)),
            requests: None,
        },
        queue_share: [1.0, 0.4][pick(random, 2)],
        weight: 1 + pick(random, 3) as u16,
    };
    TenantSettings {
        source: chance(random, 2).then(|| TenantSource::Metadata("x-tenant".into())),
        all: RateRule {
            requests: chance(random, 4).then(|| rate(50.0)),
            ..RateRule::default()
        },
        default: limited,
        named: Default::default(),
        tenants_max: 1 + pick(random, 3),
        share: 1.0,
    }
}

fn any_degradation(random: &mut Random) -> Degradation {
    let ladder = LadderRule {
        marks: [0.2, 0.3, 0.4, 0.6, 0.9],
        margin: 0.1,
        hold: Duration::from_millis(200),
    };
    Degradation {
        ladder: chance(random, 3).then_some(ladder),
        sampling: SamplingRule {
            unsampled: [Unsampled::Keep, Unsampled::Drop][pick(random, 2)],
            low: 0.25,
            medium: 0.5,
        },
    }
}

fn any_fair(random: &mut Random) -> FairRule {
    let orders = [Order::OldestFirst, Order::NewestFirst, Order::Interleave];
    let rate = Rate {
        per_second: 20.0,
        burst: Duration::from_secs(1),
    };
    FairRule {
        weights: [1 + pick(random, 16) as u32, 4, 1],
        age_max: [Duration::MAX, Duration::from_millis(500)][pick(random, 2)],
        backlog: BacklogRule {
            order: orders[pick(random, 3)],
            after: [Duration::MAX, Duration::from_millis(300)][pick(random, 2)],
            rate: RateRule {
                items: chance(random, 2).then_some(rate),
                ..RateRule::default()
            },
        },
    }
}

fn any_batching(random: &mut Random) -> Batching {
    let (sizer, unit) = [(Sizer::Items, 1), (Sizer::Bytes, 30)][pick(random, 2)];
    let min = (1 + pick(random, 12) as u64) * unit;
    Batching {
        min,
        max: [u64::MAX, min, min * 2][pick(random, 3)],
        sizer,
        flush_timeout: Duration::from_millis(100),
    }
}
