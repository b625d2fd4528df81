//! Several endpoints of one exporter.

use crate::config::field::{choice, section};
use crate::config::types::{Endpoint, Switched};
use crate::config::{BalancingPolicy, HashKey};
use std::time::Duration;

section! {
    /// `load_balancing`: several endpoints that take the same data. A batch that finds nobody at one
    /// goes to another at once. `connections_max` holds for each.
    LoadBalancing {
        /// Where to send, each as in `endpoint`. At most 64.
        endpoints: Vec<Endpoint> = "[]",
        /// Instead of `endpoints`: lists of them. The first list is in use while one of it can be
        /// used, else the next.
        priority_levels: Vec<Vec<Endpoint>> = "[]",
        /// round_robin: each in turn; least_request: the better of two taken at random, by requests
        /// on their way times how long it takes to answer; consistent_hash: by `hash_key`, so that
        /// what belongs together meets at one endpoint, and little moves when one goes.
        policy: BalancingPolicy = "round_robin",
        /// What consistent_hash keeps together: trace_id, service (`service.name`) or resource. What
        /// has no trace id goes with its service. A request whose items go to different endpoints is
        /// taken apart, and batches are as many as pairs of endpoints.
        hash_key: HashKey = "trace_id",
        /// An endpoint with more requests on their way than this percentage of the mean is passed
        /// over, in Envoy's words. 100 or more; 0: never.
        hash_balance_factor: u32 = "150",
        /// Leaves an endpoint alone that fails; left out: only one that takes no connection.
        /// `outlier_detection: {}` takes the defaults.
        outlier_detection: Switched<OutlierDetection> = "",
        /// How long a better level must answer, a request at a time, before it is in use again.
        failback_after: Duration = "30s",
    }
}

section! {
    /// `outlier_detection`, in Envoy's words. Each shard counts its own. A failure is no answer, or
    /// one that may be retried and asks for no delay.
    OutlierDetection {
        /// Failures in a row after which an endpoint is left alone.
        consecutive_failures: u32 = "5",
        /// The share of failures after which it is, over 0 and at most 1.
        failure_ratio: f64 = "0.85",
        /// The time over which that share is taken.
        interval: Duration = "10s",
        /// Requests within `interval` below which the share says nothing.
        min_requests: u32 = "50",
        /// How long it is left alone the first time, then twice, three times as long. After that
        /// one request is tried.
        base_ejection_time: Duration = "30s",
        /// The longest it is left alone.
        max_ejection_time: Duration = "300s",
        /// The most endpoints of a level that are left alone for failures, in percent, 0 to 100; one
        /// may always be. All of them, where another level stands in.
        max_ejection_percent: u32 = "50",
    }
}

choice!(BalancingPolicy {
    "round_robin" => Self::RoundRobin,
    "least_request" => Self::LeastRequest,
    "consistent_hash" => Self::ConsistentHash,
});

choice!(HashKey {
    "trace_id" => Self::TraceId,
    "service" => Self::Service,
    "resource" => Self::Resource,
});
