//! Whose data it is: what each shard is told of tenants and their quotas.

use crate::classify::{QuotaRule, TenantSettings, TenantSource};
use crate::config::{Config, RateLimitConfig, TenantQuotaConfig, TenantSourceConfig};
use crate::flow::{Rate, RateRule};
use http::HeaderName;

/// Rates stay totals: shards divide them by what each is asked for.
pub(super) fn tenants(config: &Config, share: f64) -> TenantSettings {
    let all = config.ingress.map(rate).unwrap_or_default();
    let Some(tenants) = &config.tenants else {
        return TenantSettings {
            all,
            share,
            ..TenantSettings::default()
        };
    };
    let named = tenants.quotas.iter();
    let named = named.map(|(name, rule)| (name.as_str().into(), quota(rule)));
    TenantSettings {
        source: Some(match &tenants.source {
            TenantSourceConfig::Metadata(name) => TenantSource::Metadata(name.as_str().into()),
            TenantSourceConfig::Resource(key) => TenantSource::Resource(key.as_str().into()),
        }),
        all,
        default: quota(&tenants.default),
        named: named.collect(),
        tenants_max: tenants.max as usize,
        share,
    }
}

/// The header that names a tenant, where names stand there.
pub(super) fn header(config: &Config) -> Option<&HeaderName> {
    match &config.tenants.as_ref()?.source {
        TenantSourceConfig::Metadata(name) => Some(name),
        TenantSourceConfig::Resource(_) => None,
    }
}

fn quota(config: &TenantQuotaConfig) -> QuotaRule {
    QuotaRule {
        rate: config.rate_limit.map(rate).unwrap_or_default(),
        queue_share: config.queue_share,
        weight: config.weight,
    }
}

fn rate(limit: RateLimitConfig) -> RateRule {
    let rate = |per_second: f64| Rate {
        per_second,
        burst: limit.burst,
    };
    RateRule {
        requests: limit.requests_per_second.map(rate),
        items: limit.items_per_second.map(rate),
        bytes: limit.bytes_per_second.map(rate),
    }
}
