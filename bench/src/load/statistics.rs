//! What a run has measured: counts, codes, latencies, second by second and phase by phase.

use super::answer::{ReplyCode, Verdict};
use super::arrivals::Phase;
use super::dispatch::{Fate, Request};
use hdrhistogram::Histogram;
use serde::Serialize;
use std::time::Duration;
use tailrace_engine::time::Instant;

/// Counts and latencies of a run, while it goes on. Cost of an answer: three histogram updates.
#[derive(Debug)]
pub struct Statistics {
    start: Instant,
    items: u64,
    /// When each phase ends, from the start.
    ends: Vec<Duration>,
    pub total: Tally,
    pub phases: Vec<Tally>,
    pub seconds: Vec<Second>,
    pub codes: Vec<(ReplyCode, CodeCount)>,
    current: Histogram<u64>,
    second: Second,
}

/// Requests by what became of them, and how long it took.
#[derive(Debug, Clone)]
pub struct Tally {
    pub requests: Requests,
    pub acknowledged_items: u64,
    /// Of acknowledged requests, by partial success.
    pub rejected_items: u64,
    /// From when a request was due until it was acknowledged, in nanoseconds.
    pub latency_ns: Histogram<u64>,
    /// From the first try.
    pub service_ns: Histogram<u64>,
}

/// Invariant, at the end: sent = acknowledged + failed, answers = acknowledged + failed + retried.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Requests {
    pub sent: u64,
    pub acknowledged: u64,
    /// Refused for good, given up or never answered.
    pub failed: u64,
    /// Tries after the first.
    pub retried: u64,
    /// Due and never sent, because no place was free before the end.
    pub unsent: u64,
}

/// How often a code was answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct CodeCount {
    pub answers: u64,
    /// Of these, how many were sent again.
    pub retries: u64,
}

/// One second of a run; latencies in microseconds of what was acknowledged in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Second {
    pub second: u64,
    pub sent: u64,
    pub acknowledged: u64,
    /// Answered with anything else.
    pub refused: u64,
    pub items: u64,
    pub wire_bytes: u64,
    pub p50_us: f64,
    pub p99_us: f64,
    pub max_us: f64,
}

impl Tally {
    fn new() -> Self {
        Self {
            requests: Requests::default(),
            acknowledged_items: 0,
            rejected_items: 0,
            latency_ns: histogram(),
            service_ns: histogram(),
        }
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new(3).expect("three digits are allowed")
}

impl Statistics {
    /// Of requests of `items` items each.
    pub fn new(phases: &[Phase], items: usize, start: Instant) -> Self {
        let ends = phases.iter().scan(Duration::ZERO, |end, phase| {
            *end += phase.duration;
            Some(*end)
        });
        Self {
            start,
            items: items as u64,
            ends: ends.collect(),
            total: Tally::new(),
            phases: phases.iter().map(|_| Tally::new()).collect(),
            seconds: Vec::new(),
            codes: Vec::new(),
            current: histogram(),
            second: Second::default(),
        }
    }

    /// A request is on its way, for the first time or again.
    pub fn handle_sent(&mut self, request: &Request, wire_bytes: u64, now: Instant) {
        self.handle_time(now);
        self.second.wire_bytes += wire_bytes;
        let first = request.tries == 1;
        self.second.sent += u64::from(first);
        for tally in self.tallies(request) {
            tally.requests.sent += u64::from(first);
            tally.requests.retried += u64::from(!first);
        }
    }

    pub fn handle_answer(&mut self, code: ReplyCode, verdict: Verdict, fate: Fate, now: Instant) {
        self.handle_time(now);
        let again = matches!(fate, Fate::Again(_));
        let count = self.code(code);
        count.answers += 1;
        count.retries += u64::from(again);
        let (Fate::Settled(request) | Fate::Again(request)) = fate;
        let Verdict::Taken { rejected_items } = verdict else {
            self.second.refused += 1;
            if !again {
                for tally in self.tallies(&request) {
                    tally.requests.failed += 1;
                }
            }
            return;
        };
        // More than was sent cannot have been rejected, whatever is claimed.
        let rejected = rejected_items.min(self.items);
        let items = self.items - rejected;
        let latency = nanos(now - request.intended);
        let service = nanos(now - request.sent);
        self.second.acknowledged += 1;
        self.second.items += items;
        self.current.record(latency).expect("it grows");
        for tally in self.tallies(&request) {
            tally.requests.acknowledged += 1;
            tally.acknowledged_items += items;
            tally.rejected_items += rejected;
            tally.latency_ns.record(latency).expect("it grows");
            tally.service_ns.record(service).expect("it grows");
        }
    }

    /// Closes the seconds that are over.
    pub fn handle_time(&mut self, now: Instant) {
        let second = (now - self.start).as_secs();
        while self.second.second < second {
            self.close();
        }
    }

    /// The run is over, with so many requests that were never sent and so many that were still to be
    /// sent again. Closes the last second, if anything happened in it.
    pub fn finish(&mut self, unsent: u64, given_up: u64, now: Instant) {
        self.handle_time(now);
        self.total.requests.failed += given_up;
        self.total.requests.unsent = unsent;
        let blank = Second {
            second: self.second.second,
            ..Second::default()
        };
        if self.second != blank {
            self.close();
        }
    }

    fn close(&mut self) {
        let mut second = self.second;
        second.p50_us = micros(&self.current, 0.5);
        second.p99_us = micros(&self.current, 0.99);
        second.max_us = self.current.max() as f64 / 1e3;
        self.seconds.push(second);
        self.current.reset();
        self.second = Second {
            second: second.second + 1,
            ..Second::default()
        };
    }

    fn code(&mut self, code: ReplyCode) -> &mut CodeCount {
        let index = self.codes.iter().position(|(known, _)| *known == code);
        let index = index.unwrap_or_else(|| {
            self.codes.push((code, CodeCount::default()));
            self.codes.len() - 1
        });
        &mut self.codes[index].1
    }

    /// The total, and the phase in which the request was due.
    fn tallies(&mut self, request: &Request) -> impl Iterator<Item = &mut Tally> {
        let at = request.intended - self.start;
        let phase = self.ends.partition_point(|end| *end <= at);
        std::iter::once(&mut self.total).chain(self.phases.get_mut(phase))
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A quantile of nanoseconds, in microseconds.
pub fn micros(histogram: &Histogram<u64>, quantile: f64) -> f64 {
    histogram.value_at_quantile(quantile) as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use super::super::arrivals::Shape;
    use super::*;
    use http::StatusCode;

    const SECOND: u64 = 1_000_000_000;
    const OK: ReplyCode = ReplyCode::Http(StatusCode::OK);
    const BUSY: ReplyCode = ReplyCode::Http(StatusCode::SERVICE_UNAVAILABLE);

    fn request(intended: u64, tries: u32) -> Request {
        Request {
            first_item: 0,
            intended: Instant(intended),
            sent: Instant(intended + 1000),
            tries,
        }
    }

    #[test]
    fn counts_by_second_phase_and_code() {
        let phase = Phase {
            name: String::new(),
            duration: Duration::from_secs(1),
            shape: Shape::Max,
        };
        let mut statistics = Statistics::new(&[phase.clone(), phase], 10, Instant(0));
        let (first, second) = (request(0, 1), request(SECOND, 1));
        statistics.handle_sent(&first, 100, Instant(1000));
        let again = Verdict::Again { after: None };
        let rejected_items = 3;
        statistics.handle_answer(BUSY, again, Fate::Again(first), Instant(2000));
        statistics.handle_sent(&request(0, 2), 100, Instant(3000));
        let partial = Verdict::Taken { rejected_items };
        statistics.handle_answer(OK, partial, Fate::Settled(first), Instant(5000));
        statistics.handle_sent(&second, 100, Instant(SECOND));
        let at = Instant(3 * SECOND);
        statistics.handle_answer(BUSY, again, Fate::Settled(second), at);
        statistics.finish(7, 0, at);

        let Tally {
            requests,
            acknowledged_items,
            rejected_items,
            latency_ns,
            service_ns,
        } = &statistics.total;
        let expected = Requests {
            sent: 2,
            acknowledged: 1,
            failed: 1,
            retried: 1,
            unsent: 7,
        };
        assert_eq!(*requests, expected);
        assert_eq!((*acknowledged_items, *rejected_items), (7, 3));
        // Three digits: the highest value that cannot be told from 5000 and from 4000.
        assert_eq!((latency_ns.max(), service_ns.max()), (5003, 4001));
        let codes: Vec<_> = statistics
            .codes
            .iter()
            .map(|(_, count)| (count.answers, count.retries))
            .collect();
        assert_eq!(codes, [(2, 1), (1, 0)]);
        let phases: Vec<_> = statistics
            .phases
            .iter()
            .map(|tally| tally.requests.failed)
            .collect();
        assert_eq!(phases, [0, 1]);
        let seconds: Vec<_> = statistics
            .seconds
            .iter()
            .map(|second| (second.sent, second.acknowledged, second.refused))
            .collect();
        assert_eq!(seconds, [(1, 1, 1), (1, 0, 0), (0, 0, 0), (0, 0, 1)]);
        assert!((statistics.seconds[0].p99_us - 5.0).abs() < 0.01);
        assert_eq!(statistics.seconds[1].wire_bytes, 100);
    }
}
