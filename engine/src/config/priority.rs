//! Which items go first.

use crate::units::Priority;
use std::time::Duration;
use tailrace_codec::Signal;

/// `service.tailrace.priority`.
#[derive(Debug, Clone, PartialEq)]
pub struct PriorityConfig {
    /// At most 64, in their order.
    pub rules: Vec<PriorityRuleConfig>,
    pub default: Priority,
    /// By [`Priority`]; none is 0.
    pub weights: [u32; Priority::ALL.len()],
    /// Never zero.
    pub max_age: Duration,
}

/// One of the rules. Invariant: it asks something, and some item can match it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriorityRuleConfig {
    pub signal: Option<Signal>,
    /// Names; none: all.
    pub tenants: Vec<String>,
    /// A severity number.
    pub severity_min: Option<u8>,
    /// A status code.
    pub span_status: Option<u8>,
    /// Key and value of each.
    pub resource_attributes: Vec<(String, String)>,
    pub scope_attributes: Vec<(String, String)>,
    pub attributes: Vec<(String, String)>,
    pub priority: Priority,
}

/// `sending_queue.catch_up`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CatchUpConfig {
    pub order: CatchUpOrder,
    /// Never zero.
    pub after: Duration,
    /// Totals of the process, each over 0.
    pub items_per_second: Option<f64>,
    pub bytes_per_second: Option<f64>,
}

/// Which of a backlog goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CatchUpOrder {
    OldestFirst,
    NewestFirst,
    Interleave,
}
