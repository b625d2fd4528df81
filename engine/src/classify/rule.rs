//! One rule: what it asks of an item, and what it says then.

use super::text::Expected;
use crate::units::Priority;
use tailrace_codec::Signal;
use tailrace_codec::field::Malformed;
use tailrace_codec::otlp::ItemView;
use tailrace_codec::rope::Cursor;

/// What matches is of this priority.
#[derive(Debug, Clone, PartialEq)]
pub struct PriorityRule {
    pub matches: Match,
    pub priority: Priority,
}

/// What is asked: all of it must hold. What is not asked holds for everything.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Match {
    pub signal: Option<Signal>,
    /// The names of tenants; none: all.
    pub tenants: Box<[Box<str>]>,
    /// The least severity number of a log record. Nothing else has one.
    pub severity_min: Option<u64>,
    /// The status code of a span. Nothing else has one.
    pub span_status: Option<u64>,
    /// Attributes and their values, as text.
    pub resource: Vec<(Box<str>, Expected)>,
    pub scope: Vec<(Box<str>, Expected)>,
    pub item: Vec<(Box<str>, Expected)>,
}

/// How far into a request a rule looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    Request,
    Items,
}

/// `SEVERITY_NUMBER` and `STATUS_CODE` of nothing in particular: what an item without one has.
const UNSET: u64 = 0;

impl Match {
    /// Whether anything of this signal can match.
    pub fn may_match(&self, signal: Signal) -> bool {
        self.signal.is_none_or(|wanted| wanted == signal)
            && (self.severity_min.is_none() || signal == Signal::Logs)
            && (self.span_status.is_none() || signal == Signal::Traces)
    }

    pub const fn depth(&self) -> Depth {
        let looks_in = self.severity_min.is_some()
            || self.span_status.is_some()
            || !self.resource.is_empty()
            || !self.scope.is_empty()
            || !self.item.is_empty();
        if looks_in {
            Depth::Items
        } else {
            Depth::Request
        }
    }

    /// Whether it holds as far as the request is concerned: its signal, and whose it is.
    pub fn holds_for(&self, signal: Signal, tenant: &str) -> bool {
        let is_theirs = || self.tenants.iter().any(|name| **name == *tenant);
        self.may_match(signal) && (self.tenants.is_empty() || is_theirs())
    }

    /// Whether it holds as far as tenant, resource and scope are concerned.
    pub fn holds_around(&self, item: &ItemView<'_>, tenant: &str) -> bool {
        self.holds_for(item.signal(), tenant)
            && all(&self.resource, |key| item.resource_attribute(key))
            && all(&self.scope, |key| item.scope_attribute(key))
    }

    /// Whether it holds as far as the item itself is concerned.
    pub fn holds_for_item(&self, item: &ItemView<'_>) -> bool {
        let severity = || item.severity_number().unwrap_or(UNSET);
        let status = || item.span_status().unwrap_or(UNSET);
        self.severity_min.is_none_or(|least| severity() >= least)
            && self.span_status.is_none_or(|code| status() == code)
            && all(&self.item, |key| item.item_attribute(key))
    }
}

/// Whether every attribute is there with its value. One that cannot be read is not there.
fn all<'a>(
    attributes: &[(Box<str>, Expected)],
    value: impl Fn(&str) -> Result<Option<Cursor<'a>>, Malformed>,
) -> bool {
    attributes.iter().all(|(key, expected)| {
        let value = value(key).ok().flatten();
        value.is_some_and(|value| expected.is(value))
    })
}
