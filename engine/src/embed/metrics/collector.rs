//! Puts together what all threads measured, and writes it as metrics.
//!
//! ```text
//!   thread's pages ---- sums ------ read -----> total of a series = those of living threads
//!   thread's locals --- halves ---- taken ----> + what is left of threads that are gone
//!   gauge ------------- last value  read
//! ```
//!
//! A delta is the difference to what was reported last; that of a distribution is what was taken
//! since. A measurement that is made during a collection is in it or in the next one.

mod messages;

use super::distribution::{Buckets, Distribution, Local};
use super::exemplar::Reservoir;
use super::instrument::Aggregation;
use super::number::NumberKind;
use super::observers::Bell;
use super::outbox::{Arrival, Outbox};
use super::page::{PAGE_SERIES, Page};
use super::series::{NewSeries, Recorded, Series};
pub(in crate::embed) use messages::Message;
use messages::Messages;
use std::io;
use std::sync::Arc;
use tailrace_codec::otlp::encode::{Point, Temporality};

/// One for each engine, on its shard.
#[derive(Debug)]
pub(in crate::embed) struct Collector {
    outbox: Arc<Outbox>,
    /// Those of one scope beside each other.
    streams: Vec<Stream>,
    /// By slot.
    sums: Vec<Sum>,
    distributions: Vec<Total>,
    pages: Vec<ThreadPage>,
    /// Of the last collection, in nanoseconds since 1970; 0 before.
    collected: u64,
}

/// An instrument and its series.
#[derive(Debug)]
struct Stream {
    instrument: Arc<Recorded>,
    series: Vec<NewSeries>,
}

/// A thread's sums from this page on.
#[derive(Debug)]
struct ThreadPage {
    page: usize,
    sums: Arc<Page>,
}

/// A series of a counter.
#[derive(Debug)]
struct Sum {
    kind: NumberKind,
    /// What threads that are gone have added.
    gone: u64,
    /// That, and what living threads had added at the last collection.
    total: u64,
    /// What was reported as deltas.
    reported: u64,
    exemplars: Reservoir,
}

/// A series of a histogram.
#[derive(Debug)]
struct Total {
    /// Since the beginning; where deltas are reported, since the last collection.
    counted: Distribution,
    /// Empty, for what is taken.
    spare: Distribution,
    locals: Vec<Arc<Local>>,
}

impl Collector {
    pub(super) const fn new(outbox: Arc<Outbox>) -> Self {
        Self {
            outbox,
            streams: Vec::new(),
            sums: Vec::new(),
            distributions: Vec::new(),
            pages: Vec::new(),
            collected: 0,
        }
    }

    /// Measurements that are in no sum, since the start.
    pub fn dropped(&self) -> u64 {
        self.outbox.dropped()
    }

    /// Whether a thread found no room: [`reclaim`](Self::reclaim) may make some.
    pub fn is_wanted(&self) -> bool {
        self.outbox.was_short()
    }

    /// Lets go of what threads that are gone have left. What was in it is kept.
    pub fn reclaim(&mut self) {
        self.welcome();
        self.take_pages(false);
        for total in &mut self.distributions {
            total.take(false);
        }
    }

    /// Has the callbacks of observed instruments called, before a collection. `false`: there are none,
    /// and nothing is to be waited for.
    pub fn ask(&self, bell: &Bell) -> io::Result<bool> {
        self.outbox.observers.ask(bell)
    }

    /// Whether all callbacks that were asked have ended.
    pub fn has_answers(&self) -> bool {
        self.outbox.observers.have_answered()
    }

    /// Whether so many callbacks have not ended, and all others have.
    #[cfg(test)]
    pub fn has_calls_only(&self, calls: usize) -> bool {
        self.outbox.observers.has_calls_only(calls)
    }

    /// Callbacks behind one that takes long are called by another thread.
    pub fn relieve(&self, bell: &Bell) -> io::Result<()> {
        self.outbox.observers.relieve(bell)
    }

    /// No callback is waited for any longer.
    pub fn give_up(&self) {
        self.outbox.observers.give_up();
    }

    /// Everything that was measured before, as messages. `at`: nanoseconds since 1970.
    pub fn collect(&mut self, at: u64) -> Vec<Message> {
        self.welcome();
        for sum in &mut self.sums {
            sum.total = sum.gone;
        }
        self.take_pages(true);
        let mut messages = Messages::default();
        for stream in &self.streams {
            let instrument = &stream.instrument;
            if let Some(mut observed) = instrument.observed() {
                let overflow = instrument.overflow();
                observed.report(self.collected, at, &overflow, |point, number| {
                    messages.point(instrument, |out| point.write_number(out, number, []));
                });
            }
            for series in &stream.series {
                let is_delta = instrument.temporality == Temporality::Delta;
                let since = if is_delta { self.collected } else { 0 }.max(series.since);
                let point = Point {
                    attributes: &series.attributes,
                    start: since,
                    at,
                };
                match &series.series {
                    Series::Sum(slot) => {
                        let sum = &mut self.sums[slot.index()];
                        sum.report(instrument, &point, &mut messages);
                    }
                    Series::Distribution(slot) => {
                        let total = &mut self.distributions[slot.index()];
                        total.take(true);
                        total.report(instrument, &point, &mut messages);
                    }
                    Series::Last(last) => {
                        let Aggregation::Last { number } = instrument.identity.aggregation else {
                            unreachable!("a last value is a gauge's");
                        };
                        if let Some(bits) = last.value() {
                            let point = Point { start: 0, ..point };
                            let exemplar = last.take_exemplar();
                            messages.point(instrument, |out| {
                                point.write_number(out, number.number(bits), &exemplar);
                            });
                        }
                    }
                }
            }
        }
        self.collected = at;
        messages.finish()
    }

    /// What came since the last call. A series comes before what threads have of it.
    fn welcome(&mut self) {
        // Taken first: the lock is not held while they are welcomed.
        let arrivals = self.outbox.arrivals().take();
        for arrival in arrivals {
            match arrival {
                Arrival::Series(series) => self.welcome_series(*series),
                Arrival::Observed(instrument) => {
                    self.stream(&instrument);
                }
                Arrival::Page { page, sums } => self.pages.push(ThreadPage { page, sums }),
                Arrival::Local { slot, local } => {
                    self.distributions[slot.index()].locals.push(local);
                }
            }
        }
    }

    /// Where the series of an instrument are.
    fn stream(&mut self, instrument: &Arc<Recorded>) -> usize {
        let is_it = |stream: &Stream| Arc::ptr_eq(&stream.instrument, instrument);
        if let Some(at) = self.streams.iter().rposition(is_it) {
            return at;
        }
        let envelope = &instrument.envelope;
        let is_beside = |stream: &Stream| Arc::ptr_eq(&stream.instrument.envelope, envelope);
        let last = self.streams.iter().rposition(is_beside);
        let at = last.map_or(self.streams.len(), |last| last + 1);
        self.streams.insert(
            at,
            Stream {
                instrument: Arc::clone(instrument),
                series: Vec::new(),
            },
        );
        at
    }

    fn welcome_series(&mut self, new: NewSeries) {
        match (&new.series, &new.instrument.identity.aggregation) {
            (Series::Sum(_), Aggregation::Sum { number, .. }) => self.sums.push(Sum::new(*number)),
            (Series::Distribution(_), Aggregation::Histogram(buckets)) => {
                self.distributions.push(Total::new(buckets));
            }
            _ => {}
        }
        let at = self.stream(&new.instrument);
        self.streams[at].series.push(new);
    }

    /// Adds up what threads have added, or only what those have that are gone.
    fn take_pages(&mut self, all: bool) {
        let sums = &mut self.sums;
        self.pages.retain_mut(|ThreadPage { page, sums: own }| {
            // Asked first: what the thread added last is then read below.
            let is_gone = Arc::get_mut(own).is_some();
            if !all && !is_gone {
                return true;
            }
            let first = *page * PAGE_SERIES;
            let of_page = sums.iter_mut().skip(first);
            for (sum, bits) in of_page.zip(own.sums()) {
                sum.total = sum.kind.add(sum.total, bits);
                if is_gone {
                    sum.gone = sum.kind.add(sum.gone, bits);
                }
            }
            own.take_exemplars(|kept| {
                let place = usize::from(kept.place);
                let sum = &mut sums[first + place];
                sum.exemplars.merge(kept.at(0));
            });
            !is_gone
        });
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.outbox.observers.end();
    }
}

impl Sum {
    fn new(kind: NumberKind) -> Self {
        Self {
            kind,
            gone: 0,
            total: 0,
            reported: 0,
            exemplars: Reservoir::default(),
        }
    }

    /// Deltas of nothing are not reported.
    fn report(&mut self, instrument: &Arc<Recorded>, point: &Point<'_>, messages: &mut Messages) {
        let value = match instrument.temporality {
            Temporality::Cumulative => self.total,
            Temporality::Delta => {
                let delta = self.kind.subtract(self.total, self.reported);
                self.reported = self.total;
                if self.kind.is_zero(delta) {
                    return self.exemplars.clear();
                }
                delta
            }
        };
        let number = self.kind.number(value);
        messages.point(instrument, |out| {
            point.write_number(out, number, self.exemplars.exemplars());
        });
        self.exemplars.clear();
    }
}

impl Total {
    fn new(buckets: &Buckets) -> Self {
        Self {
            counted: Distribution::new(buckets),
            spare: Distribution::new(buckets),
            locals: Vec::new(),
        }
    }

    /// Takes what threads have counted, or only what those have that are gone.
    fn take(&mut self, all: bool) {
        let Self {
            counted,
            spare,
            locals,
        } = self;
        locals.retain_mut(|local| {
            // Asked first: what the thread counted last is then taken below.
            let is_gone = Arc::get_mut(local).is_some();
            if all || is_gone {
                local.take(counted, spare);
            }
            !is_gone
        });
    }

    /// Distributions of nothing are not reported.
    fn report(&mut self, instrument: &Arc<Recorded>, point: &Point<'_>, messages: &mut Messages) {
        if self.counted.is_empty() {
            return;
        }
        messages.point(instrument, |out| self.counted.write(out, point));
        match instrument.temporality {
            Temporality::Cumulative => self.counted.clear_exemplars(),
            Temporality::Delta => self.counted.clear(),
        }
    }
}

#[cfg(test)]
mod tests;
