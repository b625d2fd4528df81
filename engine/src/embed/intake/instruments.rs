//! What instruments have measured, on its way into the pipeline.

use super::super::metrics::{Collector, Message};
use super::head;
use crate::time::Instant;
use http::request::Parts;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;
use tailrace_codec::Signal;

/// How often what threads that are gone have left is looked for. Where it takes the room of others
/// it is looked for at once.
const RECLAIM_PERIOD: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Instruments {
    collector: Collector,
    interval: Duration,
    next_collection: Instant,
    next_reclaim: Instant,
    /// Collected, and not admitted yet.
    waiting: VecDeque<Message>,
    head: Rc<Parts>,
}

impl Instruments {
    pub fn new(collector: Collector, interval: Duration, now: Instant) -> Self {
        Self {
            collector,
            interval,
            next_collection: now + interval,
            next_reclaim: now + RECLAIM_PERIOD,
            waiting: VecDeque::new(),
            head: Rc::new(head(Signal::Metrics)),
        }
    }

    pub fn is_due(&self, now: Instant) -> bool {
        now >= self.next_collection
    }

    /// Whether nothing that was collected waits for room.
    pub fn is_admitted(&self) -> bool {
        self.waiting.is_empty()
    }

    /// `unix`: now, in nanoseconds since 1970.
    pub fn collect(&mut self, now: Instant, unix: u64) {
        self.waiting.extend(self.collector.collect(unix));
        self.next_collection = now + self.interval;
    }

    pub fn reclaim(&mut self, now: Instant) {
        if now >= self.next_reclaim || self.collector.is_wanted() {
            self.collector.reclaim();
            self.next_reclaim = now + RECLAIM_PERIOD;
        }
    }

    pub fn next(&mut self) -> Option<Message> {
        self.waiting.pop_front()
    }

    /// There was no room for it.
    pub fn put_back(&mut self, message: Message) {
        self.waiting.push_front(message);
    }

    pub fn head(&self) -> Rc<Parts> {
        Rc::clone(&self.head)
    }

    /// Measurements that are in no sum, since the start.
    pub fn dropped(&self) -> u64 {
        self.collector.dropped()
    }
}
