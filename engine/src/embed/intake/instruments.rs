//! What instruments have measured, on its way into the pipeline.

use super::super::metrics::{Bell, Collector, Message};
use super::super::settings::InstrumentSettings;
use super::admission::head;
use crate::time::Instant;
use http::request::Parts;
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::rc::Rc;
use std::time::Duration;
use tailrace_codec::Signal;

/// How often what threads that are gone have left is looked for. Where it takes the room of others
/// it is looked for at once.
const RECLAIM_PERIOD: Duration = Duration::from_secs(1);

/// A callback that is not back by this part of the time that all have is taken for one that hangs.
const RELIEFS: u32 = 4;

pub(super) struct Instruments {
    collector: Collector,
    interval: Duration,
    observation_timeout: Duration,
    /// Rung when callbacks have answered.
    bell: Bell,
    observation: Option<Observation>,
    next_collection: Instant,
    next_reclaim: Instant,
    /// Collected, and not admitted yet.
    waiting: VecDeque<Message>,
    head: Rc<Parts>,
}

/// Callbacks that were asked.
#[derive(Debug)]
struct Observation {
    until: Instant,
    relief: Instant,
}

/// How far the callbacks are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Callbacks {
    GoOn,
    /// They have answered, or are not waited for.
    Done,
}

impl Instruments {
    pub fn new(
        collector: Collector,
        settings: &InstrumentSettings,
        bell: Bell,
        now: Instant,
    ) -> Self {
        let interval = settings.export_interval;
        Self {
            collector,
            interval,
            observation_timeout: settings.observation_timeout,
            bell,
            observation: None,
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

    /// Has callbacks called, and goes on in time where they do not end.
    pub fn observe(&mut self, now: Instant) -> Callbacks {
        let Some(observation) = &mut self.observation else {
            let is_asked = told(self.collector.ask(&self.bell)).unwrap_or(false);
            self.observation = is_asked.then(|| Observation {
                until: now + self.observation_timeout,
                relief: now + self.observation_timeout / RELIEFS,
            });
            return if is_asked {
                Callbacks::GoOn
            } else {
                Callbacks::Done
            };
        };
        if now < observation.until && !self.collector.has_answers() {
            if now >= observation.relief {
                observation.relief = now + self.observation_timeout / RELIEFS;
                let _ = told(self.collector.relieve(&self.bell));
            }
            return Callbacks::GoOn;
        }
        self.collector.give_up();
        self.observation = None;
        Callbacks::Done
    }

    /// Whether callbacks were asked for the next collection.
    pub const fn is_asked(&self) -> bool {
        self.observation.is_some()
    }

    /// Whether callbacks are waited for.
    pub fn is_observing(&self, now: Instant) -> bool {
        let observation = self.observation.as_ref();
        observation.is_some_and(|observation| now < observation.until)
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

impl fmt::Debug for Instruments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instruments")
            .field("collector", &self.collector)
            .field("observation", &self.observation)
            .field("waiting", &self.waiting)
            .finish_non_exhaustive()
    }
}

/// Without a thread callbacks are not called; the next collection tries again.
fn told<T>(asked: io::Result<T>) -> Option<T> {
    asked
        .inspect_err(|error| {
            tracing::warn!(
                "no thread for the callbacks of instruments: {error}; their values are missing"
            );
        })
        .ok()
}
