//! Several endpoints of one exporter: `tailrace.load_balancing`.

use super::{Secret, Target};
use std::time::Duration;

/// Invariant: `endpoints` has one at least, and levels count from 0 without a gap.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadBalancingConfig {
    pub endpoints: Vec<EndpointConfig>,
    pub policy: BalancingPolicy,
    /// Of `ConsistentHash`.
    pub hash_key: HashKey,
    /// Of `ConsistentHash`: times the mean that one endpoint may be given. At least 1.
    pub hash_balance: f64,
    pub outlier: Option<OutlierConfig>,
    pub failback_after: Duration,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointConfig {
    /// As in the file, secrets masked.
    pub name: String,
    /// 0 is the best.
    pub level: usize,
    pub target: Target,
    pub authority: String,
    /// Over HTTP: of this lane's signal. Over gRPC empty.
    pub path: String,
    pub query: Option<Secret>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BalancingPolicy {
    RoundRobin,
    LeastRequest,
    ConsistentHash,
}

/// What a consistent hash keeps together on one endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashKey {
    TraceId,
    Service,
    Resource,
}

/// `outlier_detection`. Invariant: counts and times are positive, ratios within their bounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OutlierConfig {
    pub consecutive_failures: u32,
    pub failure_ratio: f64,
    pub interval: Duration,
    pub min_requests: u32,
    pub base_ejection_time: Duration,
    pub max_ejection_time: Duration,
    /// 0 to 1.
    pub max_ejection_ratio: f64,
}
