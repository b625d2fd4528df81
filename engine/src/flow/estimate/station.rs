//! A queue before servers, watched from outside: rates, variabilities, lengths and times.
//!
//! ```text
//!   arrive --> waiting --> start --> in service --> end --> depart
//!              |<------------ inside, L items ------------------>|
//!              |<-- W_q --->|<---------- service ------>|
//!              |<------------------ W --------------------------->|
//! ```
//!
//! Items arrive by the request and are served by the batch. Lengths are integrated over time and
//! times are measured item by item, each by itself, so that Little's law between them checks both.

use crate::time::Instant;
use std::time::Duration;

/// What a queue did of late: what is older than a half-life counts half as much.
///
/// Time is told once, by [`advance`](Self::advance); events happen at the time told last.
/// Cost: some additions an event, no allocation. Memory: 240 bytes.
#[derive(Debug, Clone)]
pub struct Station {
    half_life: u64,
    halved: Instant,
    now: Instant,
    last_arrival: Option<Instant>,
    /// Items inside, and servers at work.
    inside: u64,
    busy: u64,
    sums: Sums,
}

impl Station {
    /// Empty at the beginning of time.
    pub fn new(half_life: Duration) -> Self {
        Self {
            half_life: u64::try_from(half_life.as_nanos()).unwrap_or(u64::MAX),
            halved: Instant(0),
            now: Instant(0),
            last_arrival: None,
            inside: 0,
            busy: 0,
            sums: Sums::default(),
        }
    }

    /// It is now so late. Earlier than was told before is no news.
    pub fn advance(&mut self, now: Instant) {
        if now <= self.now {
            return;
        }
        let seconds = now.since(self.now).as_secs_f64();
        self.now = now;
        self.sums.pass(seconds, self.inside, self.busy);
        let since = now.0 - self.halved.0;
        if since >= self.half_life {
            let lives = i32::try_from(since / self.half_life.max(1)).unwrap_or(i32::MAX);
            self.sums.fade(0.5_f64.powi(lives));
            self.halved = now;
        }
    }

    /// A request has come.
    pub fn handle_arrival(&mut self, items: u64, bytes: u64) {
        if let Some(last) = self.last_arrival.replace(self.now) {
            self.sums.between_arrivals.record(self.now.since(last));
        }
        self.inside += items;
        self.sums.requests += 1.0;
        self.sums.items_in += items as f64;
        self.sums.bytes_in += bytes as f64;
    }

    /// A server takes a batch up.
    pub const fn handle_start(&mut self) {
        self.busy += 1;
    }

    /// Items of that batch, which came at `arrived`.
    pub fn handle_started(&mut self, items: u64, arrived: Instant) {
        let items = items as f64;
        self.sums.items_started += items;
        self.sums.waited += items * self.now.since(arrived).as_secs_f64();
    }

    /// A server is done with the batch of so many items that it took up at `started`.
    pub fn handle_end(&mut self, items: u64, started: Instant) {
        self.busy = self.busy.saturating_sub(1);
        self.sums.items_served += items as f64;
        self.sums.service.record(self.now.since(started));
    }

    /// Items leave, served or not.
    pub fn handle_departure(&mut self, items: u64, arrived: Instant) {
        self.inside = self.inside.saturating_sub(items);
        let items = items as f64;
        self.sums.items_out += items;
        self.sums.stayed += items * self.now.since(arrived).as_secs_f64();
    }

    /// What of late comes to, as of `now`.
    pub fn view(&self, now: Instant) -> View {
        let mut sums = self.sums;
        let unseen = now.since(self.now).as_secs_f64();
        sums.pass(unseen, self.inside, self.busy);
        sums.view()
    }
}

/// What a queue does. Of an empty history all is 0.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct View {
    /// lambda, in requests, items and bytes a second.
    pub requests_per_second: f64,
    pub items_per_second: f64,
    pub bytes_per_second: f64,
    /// Squared coefficient of variation of the times between requests.
    pub arrival_scv: f64,
    /// Items that left, a second.
    pub items_out_per_second: f64,
    /// L: items inside on average.
    pub items_inside: f64,
    /// W and W_q of an item, in seconds.
    pub seconds_inside: f64,
    pub seconds_waiting: f64,
    /// Batches that ended, a second, and the items of one.
    pub batches_per_second: f64,
    pub batch_items: f64,
    /// 1 / mu of one server, in seconds, and its squared coefficient of variation.
    pub service_seconds: f64,
    pub service_scv: f64,
    /// Servers at work on average.
    pub busy: f64,
}

/// Weighted sums of what happened.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    seconds: f64,
    /// Items inside, and servers at work, times seconds.
    inside: f64,
    busy: f64,
    requests: f64,
    items_in: f64,
    bytes_in: f64,
    between_arrivals: Moments,
    items_started: f64,
    /// Seconds that items waited, and that items stayed.
    waited: f64,
    stayed: f64,
    items_out: f64,
    items_served: f64,
    service: Moments,
}

impl Sums {
    fn pass(&mut self, seconds: f64, inside: u64, busy: u64) {
        self.seconds += seconds;
        self.inside += seconds * inside as f64;
        self.busy += seconds * busy as f64;
    }

    fn fade(&mut self, share: f64) {
        for sum in [
            &mut self.seconds,
            &mut self.inside,
            &mut self.busy,
            &mut self.requests,
            &mut self.items_in,
            &mut self.bytes_in,
            &mut self.items_started,
            &mut self.waited,
            &mut self.stayed,
            &mut self.items_out,
            &mut self.items_served,
        ] {
            *sum *= share;
        }
        self.between_arrivals.fade(share);
        self.service.fade(share);
    }

    fn view(&self) -> View {
        let per_second = |sum| ratio(sum, self.seconds);
        View {
            requests_per_second: per_second(self.requests),
            items_per_second: per_second(self.items_in),
            bytes_per_second: per_second(self.bytes_in),
            arrival_scv: self.between_arrivals.scv(),
            items_out_per_second: per_second(self.items_out),
            items_inside: per_second(self.inside),
            seconds_inside: ratio(self.stayed, self.items_out),
            seconds_waiting: ratio(self.waited, self.items_started),
            batches_per_second: per_second(self.service.weight),
            batch_items: ratio(self.items_served, self.service.weight),
            service_seconds: self.service.mean(),
            service_scv: self.service.scv(),
            busy: per_second(self.busy),
        }
    }
}

/// Weighted sums of times: their mean and variation.
#[derive(Debug, Clone, Copy, Default)]
struct Moments {
    weight: f64,
    sum: f64,
    squares: f64,
}

impl Moments {
    fn record(&mut self, time: Duration) {
        let seconds = time.as_secs_f64();
        self.weight += 1.0;
        self.sum += seconds;
        self.squares += seconds * seconds;
    }

    fn fade(&mut self, share: f64) {
        self.weight *= share;
        self.sum *= share;
        self.squares *= share;
    }

    fn mean(&self) -> f64 {
        ratio(self.sum, self.weight)
    }

    fn scv(&self) -> f64 {
        let mean = self.mean();
        let square = ratio(self.squares, self.weight);
        // Of no times at all the variation is 0 and not -1.
        (ratio(square, mean * mean) - 1.0).max(0.0)
    }
}

fn ratio(of: f64, to: f64) -> f64 {
    if to > 0.0 { of / to } else { 0.0 }
}

#[cfg(test)]
mod tests;
