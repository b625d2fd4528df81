//! Tenants and what comes in at most: their rules, and what they come to.

use super::exporters::{check_rate, rate_limit};
use crate::config::field::Reader;
use crate::config::raw::protection::RateLimit;
use crate::config::raw::tenants::{TenantQuota, Tenants};
use crate::config::{RateLimitConfig, TenantQuotaConfig, TenantSourceConfig, TenantsConfig};
use http::HeaderName;

const TENANTS_MAX: u32 = 100_000;

/// `None`: not given, or without a source, which is noted.
pub(super) fn tenants(section: Option<&Tenants>, reader: &mut Reader) -> Option<TenantsConfig> {
    let section = section?;
    reader.path = ["service", "tailrace", "tenants"].map(str::to_owned).into();
    let source = source(section, reader);
    if !(1..=TENANTS_MAX).contains(&section.max_tenants) {
        reader.rule("max_tenants", "must be from 1 to 100000");
    }
    let default = reader.at("default", |reader| quota(&section.default, reader));
    let mut quotas = Vec::new();
    reader.at("quotas", |reader| {
        for (name, section) in &section.quotas.0 {
            let quota = reader.at(name, |reader| quota(section, reader));
            quotas.push((name.clone(), quota));
        }
        let too_many = quotas.len() > section.max_tenants as usize;
        if let Some((name, _)) = quotas.last().filter(|_| too_many) {
            reader.rule(name, "more tenants are listed than `max_tenants`");
        }
    });
    reader.path.clear();
    Some(TenantsConfig {
        source: source?,
        default,
        quotas,
        max: section.max_tenants,
    })
}

/// What comes in at most, in the whole process.
pub(super) fn ingress(limit: Option<&RateLimit>, reader: &mut Reader) -> Option<RateLimitConfig> {
    let limit = limit?;
    reader.path = ["service", "tailrace", "rate_limit"]
        .map(str::to_owned)
        .into();
    check_rate(limit, reader);
    reader.path.clear();
    Some(rate_limit(limit))
}

fn source(section: &Tenants, reader: &mut Reader) -> Option<TenantSourceConfig> {
    match (&section.from_metadata.0, &section.from_resource.0) {
        (Some(header), None) => match header.parse::<HeaderName>() {
            Ok(header) => Some(TenantSourceConfig::Metadata(header)),
            Err(_) => {
                reader.rule("from_metadata", "must be the name of a header");
                None
            }
        },
        (None, Some(key)) if key.is_empty() => {
            reader.rule("from_resource", "must be the key of an attribute");
            None
        }
        (None, Some(key)) => Some(TenantSourceConfig::Resource(key.clone())),
        (Some(_), Some(_)) => {
            let says = "names stand in one place: give `from_metadata` or `from_resource`";
            reader.rule("from_resource", says);
            None
        }
        (None, None) => {
            let says = "must be given, or `from_resource`: where the name of a tenant stands";
            reader.rule("from_metadata", says);
            None
        }
    }
}

fn quota(section: &TenantQuota, reader: &mut Reader) -> TenantQuotaConfig {
    if let Some(limit) = &section.rate_limit.0 {
        reader.at("rate_limit", |reader| check_rate(limit, reader));
    }
    if !(1..=100).contains(&section.queue_share_percent) {
        reader.rule("queue_share_percent", "must be from 1 to 100");
    }
    if !(1..=1000).contains(&section.weight) {
        reader.rule("weight", "must be from 1 to 1000");
    }
    TenantQuotaConfig {
        rate_limit: section.rate_limit.0.as_ref().map(rate_limit),
        queue_share: f64::from(section.queue_share_percent) / 100.0,
        weight: u16::try_from(section.weight).unwrap_or(1),
    }
}
