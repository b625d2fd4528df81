//! Whose data it is, and how much each may send.

use super::RateLimitConfig;
use http::HeaderName;

/// `service.tailrace.tenants`.
#[derive(Debug, Clone, PartialEq)]
pub struct TenantsConfig {
    pub source: TenantSourceConfig,
    pub default: TenantQuotaConfig,
    /// By name.
    pub quotas: Vec<(String, TenantQuotaConfig)>,
    /// At least 1.
    pub max: u32,
}

/// Where a tenant's name stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TenantSourceConfig {
    Metadata(HeaderName),
    Resource(String),
}

/// What a tenant may do. Rates are totals of the process.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TenantQuotaConfig {
    pub rate_limit: Option<RateLimitConfig>,
    /// Over 0 and at most 1.
    pub queue_share: f64,
    /// 1 to 1000.
    pub weight: u16,
}
