//! Random senders, destinations and times against the whole pipeline; what must hold is checked
//! after every step.
//!
//! A failure names its seed: `SEED=... cargo test -p tailrace-engine storm` plays it again.

mod network;
mod senders;
mod settings;

use super::world::code;
use crate::exchange::Reply;
use crate::flow::Random;
use crate::pipeline::{Output, Pipeline};
use crate::time::Instant;
use crate::units::{ListenerId, ShardId};
use network::{Network, chance, pick};
use senders::Senders;
use std::rc::Rc;
use std::time::Duration;
use tailrace_codec::Signal;
use tailrace_codec::grpc::Code;

/// Enough for every kind of settings to meet every kind of event, in seconds of a debug build.
const SEEDS: u64 = 150;
const STEPS: usize = 300;

struct Simulation {
    pipeline: Pipeline,
    network: Network,
    senders: Senders,
    random: Random,
    now: Instant,
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let settings = Rc::new(settings::any(&mut random));
        Self {
            pipeline: Pipeline::new(settings, ShardId(0), seed),
            network: Network::default(),
            senders: Senders::default(),
            random,
            now: Instant(1),
        }
    }

    fn step(&mut self) {
        let Self {
            pipeline,
            network,
            senders,
            random,
            now,
        } = self;
        match pick(random, 12) {
            0..6 => senders.step(pipeline, random, *now),
            6..10 => {
                network.step(pipeline, random, *now);
            }
            _ => {
                *now = *now + Duration::from_millis(pick(random, 200) as u64);
                pipeline.handle_timeout(*now);
            }
        }
        // Not always: then several events meet in one turn.
        if !chance(&mut self.random, 3) {
            self.turn();
        }
        self.check();
    }

    fn turn(&mut self) {
        while let Some(output) = self.pipeline.poll_output(self.now) {
            match output {
                Output::Reply {
                    connection,
                    request,
                    reply,
                } => self.senders.replied(connection, request, &reply),
                output => self.network.perform(output, &mut self.pipeline, self.now),
            }
            self.check();
        }
    }

    /// What holds between any two events.
    fn check(&self) {
        for lane in self.pipeline.lanes() {
            assert_eq!(lane.counters().unaccounted(), 0, "{:?}", lane.counters());
        }
        let windows = self.pipeline.senders.windows();
        let reading = self.pipeline.requests.reserved();
        let stored = self.pipeline.store.charged();
        assert_eq!(self.pipeline.credit().taken(), windows + reading + stored);

        let counted = &self.pipeline.counters(self.now).receivers;
        let of = |listener: usize| {
            let counted = &counted[listener];
            counted.requests_succeeded + counted.requests_refused + counted.requests_failed
        };
        let ended: u64 = (0..counted.len()).map(of).sum();
        let open = self.pipeline.requests.len() as u64;
        assert_eq!(self.senders.begun, ended + open, "requests begun");
    }

    /// Everything comes to an end, by itself or by force.
    fn end(mut self) {
        self.turn();
        self.pipeline.stop(self.now);
        self.network.calm = chance(&mut self.random, 2);
        for _ in 0..400 {
            self.turn();
            let Self {
                pipeline,
                network,
                random,
                now,
                ..
            } = &mut self;
            if !network.step(pipeline, random, *now) {
                *now = *now + Duration::from_secs(1);
                pipeline.handle_timeout(*now);
            }
            self.turn();
            self.check();
        }
        self.senders.abandon_bodies(&mut self.pipeline);
        if !self.pipeline.is_idle() {
            self.pipeline.abandon_all(self.now);
            self.turn();
        }
        self.check();
        assert!(self.pipeline.is_idle(), "something is left");
        assert_eq!(self.senders.unanswered(), 0, "who waits was answered");
        self.senders.close_all(&mut self.pipeline);
        assert_eq!(self.pipeline.credit().taken(), 0, "all memory is back");
        self.check_sums();
    }

    fn check_sums(&self) {
        for (index, lane) in self.pipeline.lanes().iter().enumerate() {
            let counters = lane.counters();
            let id = crate::units::LaneId(index as u32);
            let of = |counts: &std::collections::HashMap<_, u64>| {
                counts.get(&id).copied().unwrap_or_default()
            };
            let (taken, partial) = (of(&self.network.taken), of(&self.network.partial));
            assert_eq!(counters.delivered, taken - partial);
            let ended: u64 = counters.rejected.iter().chain(&counters.dropped).sum();
            assert_eq!(counters.admitted, counters.delivered + ended);
        }
        let counted = &self.pipeline.counters(self.now).receivers[..];
        let traces = Signal::Traces as usize;
        let accepted: u64 = counted.iter().map(|c| c.accepted[traces]).sum();
        let refused: u64 = counted
            .iter()
            .map(|c| c.refused[traces] + c.failed[traces])
            .sum();
        // Who left before the answer is counted, and was told nothing.
        let told =
            self.senders.accepted_items..=self.senders.accepted_items + self.senders.left_items;
        assert!(
            told.contains(&accepted),
            "{accepted} accepted, told {told:?}"
        );
        assert!(refused <= self.senders.refused_items + self.senders.left_items);
        assert!(self.senders.sent_items >= accepted + refused);
    }
}

fn is_success(reply: &Reply) -> bool {
    match reply {
        Reply::Grpc(_) => code(Some(reply)) == Some(Code::Ok),
        Reply::Http(reply) => reply.status.is_success(),
        Reply::Reset(_) => false,
    }
}

const GRPC: ListenerId = ListenerId(0);
const HTTP: ListenerId = ListenerId(1);

fn play(seed: u64) {
    let mut simulation = Simulation::new(seed);
    for _ in 0..STEPS {
        simulation.step();
    }
    simulation.end();
}

#[test]
fn any_order_of_events() {
    let seeds = match std::env::var("SEED") {
        Ok(seed) => {
            let seed = seed.parse().expect("a number");
            seed..seed + 1
        }
        Err(_) => 0..SEEDS,
    };
    for seed in seeds {
        if let Err(fault) = std::panic::catch_unwind(|| play(seed)) {
            eprintln!("SEED={seed}");
            std::panic::resume_unwind(fault);
        }
    }
}
