//! Whose data it is, and how much each may send.

use super::{config, faults, with};
use crate::config::{TenantSourceConfig, TenantsConfig};

fn yaml(keys: &str) -> String {
    let tailrace = format!("service: {{tailrace: {{{keys}}}, ");
    with("nop: ", "").replace("service: {", &tailrace)
}

fn tenants(section: &str) -> TenantsConfig {
    let read = config(&yaml(&format!("tenants: {section}")));
    read.tenants.expect("given")
}

#[test]
fn each_tenant_has_the_default_or_its_own() {
    let found = tenants(
        "{from_metadata: X-Tenant, max_tenants: 7, default: {rate_limit: {items_per_second: 10}, \
         queue_share_percent: 25}, quotas: {acme: {weight: 3}}}",
    );
    assert_eq!(found.max, 7);
    assert_eq!(found.default.queue_share, 0.25);
    let rate = found.default.rate_limit.expect("given");
    assert_eq!(
        (rate.items_per_second, rate.bytes_per_second),
        (Some(10.0), None)
    );
    let [(name, acme)] = &found.quotas[..] else {
        panic!("one: {found:?}")
    };
    assert_eq!(
        (name.as_str(), acme.weight, acme.rate_limit),
        ("acme", 3, None)
    );
    assert!(matches!(found.source, TenantSourceConfig::Metadata(name) if name == "x-tenant"));
    let by_resource = tenants("{from_resource: tenant.id}").source;
    assert_eq!(
        by_resource,
        TenantSourceConfig::Resource("tenant.id".into())
    );
}

#[test]
fn what_comes_in_is_limited_without_tenants_too() {
    let found = config(&yaml("rate_limit: {bytes_per_second: 1000000}"));
    let limit = found.ingress.expect("given");
    assert_eq!(
        (limit.bytes_per_second, limit.items_per_second),
        (Some(1e6), None)
    );
    assert_eq!(found.tenants, None);
}

#[test]
fn what_cannot_be_meant_is_refused() {
    for (keys, fault) in [
        ("tenants: {}", "tenants.from_metadata: must be given"),
        (
            "tenants: {from_metadata: a, from_resource: b}",
            "tenants.from_resource: names stand in one place",
        ),
        (
            "tenants: {from_metadata: 'a b'}",
            "tenants.from_metadata: must be the name of a header",
        ),
        (
            "tenants: {from_resource: ''}",
            "tenants.from_resource: must be the key",
        ),
        (
            "tenants: {from_metadata: a, max_tenants: 0}",
            "tenants.max_tenants: must be from 1",
        ),
        (
            "tenants: {from_metadata: a, default: {queue_share_percent: 0}}",
            "tenants.default.queue_share_percent: must be from 1 to 100",
        ),
        (
            "tenants: {from_metadata: a, quotas: {b: {weight: 0}}}",
            "tenants.quotas.b.weight: must be from 1 to 1000",
        ),
        (
            "tenants: {from_metadata: a, quotas: {b: {rate_limit: {}}}}",
            "tenants.quotas.b.rate_limit.requests_per_second: must be over 0",
        ),
        (
            "rate_limit: {items_per_second: -1}",
            "rate_limit.items_per_second: must be at least 0",
        ),
    ] {
        let found = faults(&yaml(keys));
        let expected = format!("service.tailrace.{fault}");
        assert!(found[0].contains(&expected), "{expected}: {found:?}");
    }
}
