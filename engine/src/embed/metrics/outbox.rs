//! What the threads of the application tell the collector, and what both may use.

use super::distribution::Local;
use super::observers::Observers;
use super::page::{Page, Slot};
use super::series::{NewSeries, Recorded};
use crate::embed::budget::{Budget, Lease};
use crate::embed::clock::Clock;
use crate::embed::life::Life;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One for each engine.
#[derive(Debug)]
pub(super) struct Outbox {
    /// Never used again in this process: a thread may still hold something of an engine that ended.
    pub id: u64,
    pub life: Arc<Life>,
    pub budget: Arc<Budget>,
    pub clock: Arc<Clock>,
    pub observers: Arc<Observers>,
    /// Measurements that are in no sum.
    dropped: AtomicU64,
    /// There was no room for what a thread wanted to make.
    is_short: AtomicBool,
    instruments: AtomicU32,
    /// Locked for a push or a swap.
    arrivals: Mutex<Arrivals>,
}

/// In the order of their slots.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    waiting: Vec<Arrival>,
    sums: u32,
    distributions: u32,
}

/// What is there from now on.
#[derive(Debug)]
pub(super) enum Arrival {
    Series(Box<NewSeries>),
    /// An instrument that callbacks observe.
    Observed(Arc<Recorded>),
    /// A thread's sums from `page` on, as [`Slot::page`] counts.
    Page {
        page: usize,
        sums: Arc<Page>,
    },
    Local {
        slot: Slot,
        local: Arc<Local>,
    },
}

static ENGINES: AtomicU64 = AtomicU64::new(0);

impl Outbox {
    pub fn new(life: Arc<Life>, budget: Arc<Budget>, clock: Arc<Clock>) -> Self {
        Self {
            // Relaxed, as all below: numbers are given out, no memory is published by them.
            id: ENGINES.fetch_add(1, Ordering::Relaxed),
            life,
            budget,
            clock,
            observers: Arc::default(),
            dropped: AtomicU64::new(0),
            is_short: AtomicBool::new(false),
            instruments: AtomicU32::new(0),
            arrivals: Mutex::default(),
        }
    }

    pub fn next_instrument(&self) -> u32 {
        self.instruments.fetch_add(1, Ordering::Relaxed)
    }

    pub fn arrivals(&self) -> MutexGuard<'_, Arrivals> {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A measurement is lost.
    #[cold]
    pub fn drop_measurement(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Room for a thread's own sums, or a series. Where there is none the collector is asked to look
    /// for threads that are gone.
    pub fn lease(&self, bytes: usize) -> Option<Lease> {
        let lease = self.budget.lease(bytes);
        if lease.is_none() {
            self.is_short.store(true, Ordering::Relaxed);
        }
        lease
    }

    /// Whether there was no room since the last call.
    pub fn was_short(&self) -> bool {
        self.is_short.load(Ordering::Relaxed) && self.is_short.swap(false, Ordering::Relaxed)
    }
}

impl Arrivals {
    /// The next slot, whose series is told before the lock is let go.
    pub const fn next_sum(&mut self) -> Slot {
        self.sums += 1;
        Slot(self.sums - 1)
    }

    pub const fn next_distribution(&mut self) -> Slot {
        self.distributions += 1;
        Slot(self.distributions - 1)
    }

    pub fn tell(&mut self, arrival: Arrival) {
        self.waiting.push(arrival);
    }

    pub fn take(&mut self) -> Vec<Arrival> {
        std::mem::take(&mut self.waiting)
    }
}
