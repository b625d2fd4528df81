//! Whose data it is, and how much each may send: `service.tailrace.tenants` and `rate_limit`.

use super::protection::RateLimit;
use crate::config::field::section;
use crate::config::types::{Map, Optional, Switched};

section! {
    /// `tenants`. Tenants never share a batch, take turns where more waits than can be sent, and have
    /// quotas.
    Tenants {
        /// The header that names the tenant; it need not stand in `metadata_keys`, and the receiver
        /// needs no `include_metadata` for it. A request without it is of the tenant without a name.
        from_metadata: Optional<String> = "~",
        /// Or the attribute of the resource that does. A request of several tenants is taken apart.
        /// Cost: a pass over every request.
        from_resource: Optional<String> = "~",
        /// What each tenant may do that is not listed.
        default: TenantQuota = "{}",
        /// What tenants of these names may do instead.
        quotas: Map<TenantQuota> = "{}",
        /// Tenants that are told apart at once in a shard; those beyond are one, `(others)`. One that
        /// sent nothing for ten minutes makes room.
        max_tenants: u32 = "1000",
    }
}

section! {
    /// The quota of a tenant.
    TenantQuota {
        /// What it may send, in the whole process; left out: no limit. What is over it is refused
        /// with a delay. A request counts when it is taken, and may overdraw.
        rate_limit: Switched<RateLimit> = "",
        /// How much of each queue it may fill, in percent, 1 to 100.
        queue_share_percent: u32 = "100",
        /// How often its turn comes, compared with others. 1 to 1000.
        weight: u32 = "1",
    }
}
