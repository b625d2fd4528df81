//! What goes first when more waits than usual, and how fast the rest of it follows.
//!
//! After an outage a queue holds what came while nobody answered. Sent oldest first it delays what
//! comes now by all of it; sent newest first, what comes now is seen at once, and the rest follows
//! at its own rate. Without a backlog the oldest always goes first.

use super::Waits;
use crate::flow::bucket::{RateLimit, RateRule};
use crate::time::Instant;
use std::collections::VecDeque;
use std::time::Duration;

/// Which of a backlog goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    #[default]
    OldestFirst,
    NewestFirst,
    /// One of each in turn.
    Interleave,
}

/// What a backlog is, and how it is worked off.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BacklogRule {
    pub order: Order,
    /// What has waited as long is backlog.
    pub after: Duration,
    /// How fast it is sent.
    pub rate: RateRule,
}

impl Default for BacklogRule {
    fn default() -> Self {
        Self {
            order: Order::OldestFirst,
            after: Duration::MAX,
            rate: RateRule::default(),
        }
    }
}

/// Where the next is taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Oldest,
    Newest,
}

#[derive(Debug)]
pub struct Backlog {
    rule: BacklogRule,
    rate: RateLimit,
    /// Of a backlog that is interleaved, what goes next.
    newest_next: bool,
    /// Something was kept back for the rate until then.
    kept_until: Option<Instant>,
}

impl Backlog {
    pub fn new(rule: BacklogRule) -> Self {
        Self {
            rule,
            rate: RateLimit::new(rule.rate),
            newest_next: true,
            kept_until: None,
        }
    }

    /// Which end of a queue goes next. `None`: it is all backlog, and that has to wait.
    pub fn choose<T: Waits>(&mut self, waiting: &VecDeque<T>, now: Instant) -> Option<End> {
        let is_late = |item: Option<&T>| item.is_some_and(|item| self.is_late(item, now));
        if !is_late(waiting.front()) {
            return Some(End::Oldest);
        }
        let has_fresh = !is_late(waiting.back());
        let end = match self.rule.order {
            Order::OldestFirst => End::Oldest,
            Order::NewestFirst => End::Newest,
            Order::Interleave if has_fresh && self.newest_next => End::Newest,
            Order::Interleave => End::Oldest,
        };
        if end == End::Newest && has_fresh {
            return Some(end);
        }
        let ready = self.rate.ready_at(now);
        if ready <= now {
            return Some(end);
        }
        self.kept_until = Some(ready);
        // The rate is the backlog's: what is fresh does not wait for it, unless order says so.
        (has_fresh && self.rule.order == Order::Interleave).then_some(End::Newest)
    }

    /// An item was taken to be sent.
    pub fn record<T: Waits>(&mut self, taken: &T, now: Instant) {
        let is_late = self.is_late(taken, now);
        self.newest_next = is_late;
        if is_late {
            self.rate.take(taken.items(), taken.bytes(), now);
        }
    }

    /// When to ask again for what was kept back, once.
    pub const fn poll_ready(&mut self) -> Option<Instant> {
        self.kept_until.take()
    }

    fn is_late<T: Waits>(&self, item: &T, now: Instant) -> bool {
        self.rule.after != Duration::MAX && now.since(item.arrived()) >= self.rule.after
    }
}
