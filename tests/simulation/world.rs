//! One shard's pipeline between senders and backends, on a clock that only this turns.
//!
//! ```text
//!   senders --arrivals, requests--> Pipeline --attempts--> network --fates--> backends
//!           <------replies---------          <--answers---
//! ```
//!
//! What happens next is the earliest of an arrival, an event on the network and the pipeline's own
//! timeout; after each the pipeline has its turn, and what must always hold is checked.

pub mod backend;
pub mod film;
mod network;
mod sender;
mod setup;

pub use setup::{Setup, Traffic, exporters, with_engine};

use backend::Backend;
use film::Frame;
use network::Network;
use sender::Sender;
use std::time::Duration;
use tailrace_bench::IdSet;
use tailrace_engine::telemetry::{Counters, LaneCounters};
use tailrace_engine::time::Instant;
use tailrace_engine::{Output, Pipeline};

pub struct World {
    pipeline: Pipeline,
    network: Network,
    pub senders: Vec<Sender>,
    next_item: u64,
    now: Instant,
    /// The most bytes that were buffered at once.
    pub peak_bytes: u64,
}

/// Steps that take no time, after which the pipeline is taken to be going round in circles.
const STEPS_MAX: u32 = 100_000;

impl World {
    pub fn new(setup: Setup) -> Self {
        let mut pipeline = setup.pipeline();
        let sender = |(run, traffic)| Sender::new(&mut pipeline, traffic, run, setup.seed);
        let senders = (0..).zip(setup.traffic).map(sender).collect();
        Self {
            network: Network::new(setup.backends, setup.seed),
            pipeline,
            senders,
            next_item: 0,
            now: Instant(0),
            peak_bytes: 0,
        }
    }

    /// Lets this much time pass.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.step(end) {}
        self.now = end;
        self.turn();
    }

    /// Lets time pass until nothing is left inside; nothing more arrives. `false`: there is
    /// something left after `most`.
    pub fn settle(&mut self, most: Duration) -> bool {
        self.senders.iter_mut().for_each(Sender::end);
        let end = self.now + most;
        while !self.pipeline.is_idle() && self.step(end) {}
        self.pipeline.is_idle()
    }

    /// Since the beginning.
    pub const fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.now.0)
    }

    pub fn backend(&self, lane: usize) -> &Backend {
        &self.network.backends[lane]
    }

    pub fn lane(&self, lane: usize) -> LaneCounters {
        self.pipeline.counters(self.now).lanes.swap_remove(lane)
    }

    /// How everything stands, as one lane has it.
    pub fn frame(&self, lane: usize) -> Frame {
        let Counters {
            mut lanes, shard, ..
        } = self.pipeline.counters(self.now);
        let counters = lanes.swap_remove(lane);
        let dropped = counters.dropped.iter().sum::<u64>();
        let ended = counters.delivered + dropped + counters.rejected.iter().sum::<u64>();
        let backend = self.backend(lane);
        let [high, _, low] = counters.priorities;
        Frame {
            sent: self.senders.iter().map(|sender| sender.sent).sum(),
            refused: self.senders.iter().map(Sender::refusals).sum(),
            dropped,
            inside: counters.admitted - ended,
            offered: backend.offered.iter().sum(),
            taken: backend.taken,
            concurrency: counters.concurrency_limit.unwrap_or_default(),
            bytes: shard.buffered_bytes,
            high: [high.admitted, high.delivered],
            low: [low.admitted, low.delivered],
        }
    }

    /// The most that may be buffered at once, in bytes.
    pub fn bytes_max(&self) -> u64 {
        self.pipeline.counters(self.now).shard.buffered_bytes_max
    }

    /// Accepted items that the backend of a lane never got.
    pub fn lost(&self, lane: usize) -> u64 {
        let arrived = &self.backend(lane).arrived;
        let missing = |sender: &Sender| sender.accepted.missing_from(arrived);
        self.senders.iter().map(missing).sum()
    }

    /// How long what a backend took had been on its way, by one item of each request and sender:
    /// this share of it was faster.
    pub fn delay(&self, lane: usize, sender: usize, share: f64) -> Duration {
        let delays = &self.backend(lane).delays;
        let mut delays = delays.get(&(sender as u64)).cloned().unwrap_or_default();
        delays.sort_unstable();
        let rank = (delays.len() as f64 * share) as usize;
        delays.get(rank).copied().unwrap_or_default()
    }

    /// Accepted items that none of the backends ever got.
    pub fn lost_by_all(&self) -> u64 {
        let mut arrived = IdSet::default();
        for backend in &self.network.backends {
            arrived.extend(&backend.arrived);
        }
        let missing = |sender: &Sender| sender.accepted.missing_from(&arrived);
        self.senders.iter().map(missing).sum()
    }

    /// One thing happens, if there is one until `end`.
    fn step(&mut self, end: Instant) -> bool {
        let mut steps = 0;
        let before = self.now;
        loop {
            let timeout = self.pipeline.next_timeout();
            let sender = self.senders.iter().filter_map(Sender::next).min();
            let times = [timeout, self.network.next(), sender];
            let Some(next) = times
                .into_iter()
                .flatten()
                .min()
                .filter(|next| *next <= end)
            else {
                return false;
            };
            self.now = self.now.max(next);
            self.happen(timeout);
            self.turn();
            if self.now > before {
                return true;
            }
            steps += 1;
            assert!(
                steps < STEPS_MAX,
                "time stands still at {:?}",
                self.elapsed()
            );
        }
    }

    fn happen(&mut self, timeout: Option<Instant>) {
        let Self {
            pipeline,
            network,
            senders,
            next_item,
            now,
            ..
        } = self;
        if network.next().is_some_and(|at| at <= *now) {
            network.happen(pipeline, *now);
        } else if let Some(sender) = senders.iter_mut().find(|sender| sender.is_due(*now)) {
            sender.send(pipeline, next_item, *now);
        } else if timeout.is_some_and(|at| at <= *now) {
            pipeline.handle_timeout(*now);
        }
    }

    fn turn(&mut self) {
        while let Some(output) = self.pipeline.poll_output(self.now) {
            match output {
                Output::Reply {
                    connection,
                    request,
                    reply,
                } => {
                    let mut senders = self.senders.iter_mut();
                    let sender = senders.find(|sender| sender.connection == connection);
                    sender.expect("somebody's").replied(request, &reply);
                }
                Output::Connect {
                    connection,
                    address,
                    ..
                } => self.network.connect(&address, connection, self.now),
                Output::Command {
                    connection,
                    command,
                } => {
                    let pipeline = &mut self.pipeline;
                    self.network
                        .command(connection, command, pipeline, self.now);
                }
                // Their addresses are numbers: there is no name to ask for.
                Output::Resolve { .. } | Output::Notice { .. } => {}
                other => panic!("nobody performs {other:?} here"),
            }
        }
        self.check();
    }

    /// What holds after every step: each item is somewhere, each byte has a holder, and no limit is
    /// passed.
    fn check(&mut self) {
        let Counters { lanes, shard, .. } = self.pipeline.counters(self.now);
        let at = self.elapsed();
        for lane in &lanes {
            assert_eq!(lane.unaccounted(), 0, "items at {at:?}: {lane:?}");
            // Counted in requests, as all queues here are, the limit is exact.
            assert!(
                lane.queue_size <= lane.queue_capacity,
                "at {at:?}: {lane:?}"
            );
        }
        assert_eq!(
            shard.buffered_bytes,
            self.pipeline.owed(),
            "bytes at {at:?}"
        );
        assert!(
            shard.buffered_bytes <= shard.buffered_bytes_max,
            "{} bytes of {} at {at:?}",
            shard.buffered_bytes,
            shard.buffered_bytes_max
        );
        self.peak_bytes = self.peak_bytes.max(shard.buffered_bytes);
    }
}
