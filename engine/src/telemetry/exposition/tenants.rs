//! What each tenant sent, and what of it was not taken.

use crate::telemetry::text::{Kind, Page};
use crate::telemetry::{Quota, Snapshot, TenantCounters};

impl Snapshot {
    /// Only where tenants are told apart, or what comes in is limited. The series are as many as
    /// tenants that sent something: `max_tenants` at most.
    pub(super) fn tenants(&self, page: &mut Page) {
        let tenants = &self.total.tenants;
        let mut family = page.family(
            "otelcol_tenant_accepted_items",
            "Number of items of the tenant taken in.",
            Kind::Counter,
        );
        for (name, counters) in tenants {
            family.sample(&[("tenant", name)], counters.accepted_items);
        }
        type Refused = fn(&TenantCounters) -> [u64; Quota::ALL.len()];
        let families: [(&str, &str, Refused); 2] = [
            (
                "otelcol_tenant_refused_requests",
                "Number of requests refused because a quota was spent.",
                |counters| counters.refused_requests,
            ),
            (
                "otelcol_tenant_rejected_items",
                "Number of items rejected because a quota was spent, of requests whose rest was taken.",
                |counters| counters.rejected_items,
            ),
        ];
        for (name, help, refused) in families {
            let mut family = page.family(name, help, Kind::Counter);
            for (name, counters) in tenants {
                for (quota, value) in Quota::ALL.into_iter().zip(refused(counters)) {
                    let labels = [("tenant", &**name), ("quota", quota.name())];
                    family.sample(&labels, value);
                }
            }
        }
    }
}
