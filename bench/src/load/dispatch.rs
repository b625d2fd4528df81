//! Which request goes out when, and on which connection: a state machine without socket or clock.
//!
//! Each connection has so many places; a request occupies one until it is settled. An arrival that
//! finds no place free goes out when one becomes free, and its latency counts from when it was due:
//! a server that stalls is charged for every request it kept from being sent, not for one.
//!
//! ```text
//!   arrivals --due--> free place -> open --answer--> settled
//!                                     ^--- waiting <-- to be sent again
//! ```

use super::answer::Verdict;
use super::arrivals::{Arrivals, Due};
use super::plan::{Plan, Retry};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;
use tailrace_engine::time::Instant;

/// In a closed loop a sender pauses after a failure, or it would spin; and so does a connection
/// after it was lost.
pub const PAUSE: Duration = Duration::from_millis(20);

/// Where the server names no delay, the first pause before a request is sent again. It doubles.
const BACKOFF: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// One request, through all its tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    pub first_item: u64,
    /// When it was due.
    pub intended: Instant,
    /// When its first try was sent.
    pub sent: Instant,
    /// How often it has been sent.
    pub tries: u32,
}

/// A request to be sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outgoing {
    pub connection: usize,
    /// Below connections x streams; free for another request once this one is settled.
    pub place: usize,
    pub request: Request,
}

/// What became of a request that was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Settled(Request),
    /// It will be sent again.
    Again(Request),
}

/// See the module.
///
/// Invariant: each place is exactly one of free (`free`, or `parked` at its connection), occupied
/// by a request that is open, or waiting in `timers`, `ready` or `parked`.
#[derive(Debug)]
pub struct Dispatch {
    arrivals: Arrivals,
    start: Instant,
    end: Instant,
    /// When whatever is not settled is given up.
    last: Instant,
    streams: usize,
    items: u64,
    requests_left: u64,
    next_item: u64,
    retry: Option<Retry>,
    links: Vec<Link>,
    places: Vec<Option<Request>>,
    /// Places without a request, the longest unused first.
    free: VecDeque<usize>,
    /// Places whose request may be sent again now.
    ready: VecDeque<usize>,
    /// Places that wait for their time, with or without a request.
    timers: BinaryHeap<Reverse<(Instant, usize)>>,
    /// Requests that are not settled.
    unsettled: usize,
}

#[derive(Debug, Default)]
struct Link {
    streams_max: usize,
    open: usize,
    /// Places that found no room on the connection.
    parked: Vec<usize>,
}

impl Dispatch {
    /// Begins at `start`, with every connection still to come up.
    pub fn new(plan: &Plan, items: usize, start: Instant) -> Self {
        let arrivals = Arrivals::new(plan.phases.clone(), plan.seed());
        let places = plan.connections * plan.streams;
        // The first place of each connection, then the second of each: connections share evenly.
        let order = (0..plan.streams).flat_map(|stream| {
            (0..plan.connections).map(move |connection| connection * plan.streams + stream)
        });
        let end = start + arrivals.end();
        let last = plan.retry.map_or(Instant::NEVER, |retry| {
            end + retry.give_up_after.max(plan.timeout)
        });
        Self {
            end,
            last,
            arrivals,
            start,
            streams: plan.streams,
            items: items as u64,
            requests_left: plan.requests_max,
            next_item: plan.first_item,
            retry: plan.retry,
            links: (0..plan.connections).map(|_| Link::default()).collect(),
            places: vec![None; places],
            free: order.collect(),
            ready: VecDeque::new(),
            timers: BinaryHeap::new(),
            unsettled: 0,
        }
    }

    /// The connection takes so many requests at once; zero: it is gone.
    pub fn handle_streams_max(&mut self, connection: usize, streams_max: usize) {
        self.links[connection].streams_max = streams_max;
        self.unpark(connection);
    }

    /// A request was answered, or will never be.
    pub fn handle_answer(&mut self, place: usize, verdict: Verdict, now: Instant) -> Option<Fate> {
        let request = self.places[place].take()?;
        let connection = place / self.streams;
        self.links[connection].open -= 1;
        self.unpark(connection);
        if let (Verdict::Again { after }, Some(retry)) = (verdict, self.retry) {
            let delay = after.unwrap_or_else(|| backoff(request.tries));
            if now + delay < request.sent + retry.give_up_after {
                self.places[place] = Some(request);
                self.timers.push(Reverse((now + delay, place)));
                return Some(Fate::Again(request));
            }
        }
        self.unsettled -= 1;
        let closed = matches!(self.arrivals.due(), Due::Free { .. });
        if closed && !matches!(verdict, Verdict::Taken { .. }) {
            self.timers.push(Reverse((now + PAUSE, place)));
        } else {
            self.free.push_back(place);
        }
        Some(Fate::Settled(request))
    }

    /// What to send now; call until `None`.
    pub fn poll_send(&mut self, now: Instant) -> Option<Outgoing> {
        while let Some(&Reverse((at, place))) = self.timers.peek()
            && at <= now
        {
            self.timers.pop();
            match self.places[place] {
                Some(_) => self.ready.push_back(place),
                None => self.free.push_back(place),
            }
        }
        while let Some(place) = self.ready.pop_front() {
            if self.has_room(place) {
                return Some(self.open(place, now));
            }
        }
        self.arrivals.handle_time(now - self.start);
        let intended = self.intended(now)?;
        while let Some(place) = self.free.pop_front() {
            if self.has_room(place) {
                self.arrivals.take();
                self.requests_left -= 1;
                self.unsettled += 1;
                self.places[place] = Some(Request {
                    first_item: self.next_item,
                    intended,
                    sent: now,
                    tries: 0,
                });
                self.next_item += self.items;
                return Some(self.open(place, now));
            }
        }
        None
    }

    /// When [`Self::poll_send`] has something to do even if nothing happens.
    pub fn next_timeout(&self, now: Instant) -> Instant {
        let timer = self.timers.peek().map_or(Instant::NEVER, |next| next.0.0);
        // A retry whose connection does not come back waits for no time of its own.
        let waiting = self.retry.is_some() && self.unsettled > 0;
        let timer = timer.min(if waiting { self.last } else { Instant::NEVER });
        // What was due and not sent stays unsent: only answers are awaited.
        if self.is_over(now) {
            return timer;
        }
        let due = match self.arrivals.due() {
            // Overdue and not sent: it is a place that is awaited, not a time.
            _ if self.free.is_empty() => Instant::NEVER,
            Due::At(at) | Due::Free { from: at, .. } => self.start + at,
            Due::Over => Instant::NEVER,
        };
        let due = if due < self.end { due } else { Instant::NEVER };
        let end = match (self.arrivals.due(), self.unsettled) {
            (Due::Free { until, .. }, _) => self.start + until,
            (_, 0) => self.end,
            _ => Instant::NEVER,
        };
        timer.min(due).min(end)
    }

    /// Nothing is to be sent any more.
    pub fn is_over(&self, now: Instant) -> bool {
        self.end <= now || self.requests_left == 0
    }

    /// Over, and every request is settled or given up.
    pub fn is_done(&self, now: Instant) -> bool {
        self.is_over(now) && (self.unsettled == 0 || self.last <= now)
    }

    /// Requests on their way or waiting to be sent again.
    pub const fn unsettled(&self) -> usize {
        self.unsettled
    }

    /// How far the load is behind its plan.
    pub fn lag(&self, now: Instant) -> Duration {
        match self.arrivals.due() {
            Due::At(at) => now - (self.start + at),
            Due::Free { .. } | Due::Over => Duration::ZERO,
        }
    }

    /// Requests that were due by `now` and never sent: the last word, when all is over.
    pub fn unsent(&mut self, now: Instant) -> u64 {
        if self.requests_left == 0 {
            return 0;
        }
        self.arrivals.abandon_before(now.min(self.end) - self.start)
    }

    fn intended(&self, now: Instant) -> Option<Instant> {
        if self.is_over(now) {
            return None;
        }
        match self.arrivals.due() {
            Due::At(at) => Some(self.start + at).filter(|at| *at <= now),
            Due::Free { from, .. } => (self.start + from <= now).then_some(now),
            Due::Over => None,
        }
    }

    /// Whether the place's connection takes one more request; parks the place if not.
    fn has_room(&mut self, place: usize) -> bool {
        let link = &mut self.links[place / self.streams];
        let room = link.open < link.streams_max;
        if !room {
            link.parked.push(place);
        }
        room
    }

    fn unpark(&mut self, connection: usize) {
        let link = &mut self.links[connection];
        while link.open < link.streams_max
            && let Some(place) = link.parked.pop()
        {
            match self.places[place] {
                Some(_) => self.ready.push_back(place),
                None => self.free.push_back(place),
            }
        }
    }

    fn open(&mut self, place: usize, now: Instant) -> Outgoing {
        let connection = place / self.streams;
        self.links[connection].open += 1;
        let request = self.places[place].as_mut().expect("the place is occupied");
        if request.tries == 0 {
            request.sent = now;
        }
        request.tries += 1;
        Outgoing {
            connection,
            place,
            request: *request,
        }
    }
}

fn backoff(tries: u32) -> Duration {
    let doublings = tries.saturating_sub(1).min(16);
    (BACKOFF * (1 << doublings)).min(BACKOFF_MAX)
}

#[cfg(test)]
mod tests;
