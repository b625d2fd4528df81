//! The control thread: starts and stops shards, resolves names, answers for the process's health
//! and metrics. It never touches a payload.
//!
//! ```text
//!   Engine --Command--> control --Order--> shards
//!          <--Outcome--         <--Report--
//!                       admin endpoints (health, metrics)
//! ```

mod admin;
mod names;
mod process;
mod shares;
mod start;
#[cfg(test)]
mod tests;

pub use start::{Listening, Options, Running, StartError, start};

use crate::assembly::Name;
use crate::exchange::Address;
use crate::net::Clock;
use crate::runtime::{Consumer, Producer, Timer, now};
use crate::shard::{Order, Report};
use crate::telemetry::{Counters, Labels, Snapshot};
use crate::time::Instant;
use crate::units::{EndpointId, ShardId};
use admin::Admin;
use names::Names;
use shares::Shares;
use std::future::poll_fn;
use std::mem;
use std::sync::mpsc::{Receiver, SyncSender};
use std::task::{Context, Poll};
use std::time::Duration;

/// What the engine's owner asks.
#[derive(Debug)]
pub enum Command {
    Snapshot(SyncSender<Snapshot>),
    /// Stop, delivering for at most so long.
    Stop {
        timeout: Duration,
    },
}

/// How an engine ended.
#[derive(Debug)]
pub enum Outcome {
    /// As asked. `dropped_items` were accepted and could not be delivered in time.
    Stopped {
        dropped_items: u64,
        last: Box<Snapshot>,
    },
    ShardDied {
        shard: ShardId,
        cause: String,
    },
}

/// How long a shard that closed its ring gets to say why: only its executor is still to be dropped.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How long shards get beyond the shutdown timeout to say that they are done.
const STOP_GRACE: Duration = Duration::from_secs(2);

#[derive(Debug)]
struct Control {
    shards: Vec<ShardLink>,
    commands: Option<Consumer<Command>>,
    labels: Labels,
    names: Names,
    shares: Shares,
    admin: Admin,
    queries: Vec<Query>,
    next_query: u64,
    stopping: Option<Stopping>,
}

/// The control thread's side of one shard.
#[derive(Debug)]
struct ShardLink {
    orders: Producer<Order>,
    reports: Consumer<Report>,
    /// Told once, when the shard has ended by itself: why.
    died: Receiver<String>,
    drained: bool,
    /// What the shard counted, once it has ended.
    last: Option<(Box<Counters>, Instant)>,
}

/// A question to all shards, and the answers so far.
#[derive(Debug)]
struct Query {
    id: u64,
    answers: Vec<(ShardId, Box<Counters>, Instant)>,
    asker: Asker,
}

#[derive(Debug)]
enum Asker {
    Owner(SyncSender<Snapshot>),
    Admin(admin::Pending),
}

#[derive(Debug)]
struct Stopping {
    until: Instant,
    dropped_items: u64,
}

impl Control {
    /// Serves until the engine has ended.
    async fn run(mut self) -> Outcome {
        let mut timer = Timer::new();
        poll_fn(|cx| {
            loop {
                self.take_commands(cx);
                if let Some(died) = self.take_reports(cx) {
                    return Poll::Ready(died);
                }
                for pending in self.admin.take_pending(cx) {
                    self.ask(Asker::Admin(pending));
                }
                for (endpoint, addresses) in self.names.poll_resolved(cx, now()) {
                    self.broadcast_addresses(endpoint, &addresses);
                }
                if let Some(outcome) = self.ended(now()) {
                    return Poll::Ready(outcome);
                }
                let stop = self.stopping.as_ref().map(|stopping| stopping.until);
                let next = [self.names.next_timeout(), self.shares.next_timeout(), stop]
                    .into_iter()
                    .flatten()
                    .min();
                if timer
                    .poll_until(cx, next.unwrap_or(Instant::NEVER))
                    .is_pending()
                {
                    return Poll::Pending;
                }
                self.names.handle_timeout(now());
                self.tell_shares(now());
            }
        })
        .await
    }

    fn take_commands(&mut self, cx: &mut Context<'_>) {
        while let Some(commands) = &self.commands {
            match commands.poll_recv(cx) {
                Poll::Ready(Some(Command::Snapshot(sender))) => self.ask(Asker::Owner(sender)),
                Poll::Ready(Some(Command::Stop { timeout })) => self.stop(timeout),
                Poll::Ready(None) => {
                    // The owner dropped the engine: what is inside is still delivered.
                    self.commands = None;
                    self.stop(start::SHUTDOWN_TIMEOUT_DEFAULT);
                }
                Poll::Pending => return,
            }
        }
    }

    fn take_reports(&mut self, cx: &mut Context<'_>) -> Option<Outcome> {
        for index in 0..self.shards.len() {
            while let Poll::Ready(report) = self.shards[index].reports.poll_recv(cx) {
                let Some(report) = report else {
                    if self.shards[index].last.is_some() {
                        break;
                    }
                    let shard = shard_id(index);
                    // Nothing is left to serve: the engine ends with what is said here.
                    let cause = self.shards[index].died.recv_timeout(LAST_WORDS);
                    let cause = cause.unwrap_or_else(|_| "its thread ended without a word".into());
                    return Some(Outcome::ShardDied { shard, cause });
                };
                self.hear(report);
            }
        }
        None
    }

    fn hear(&mut self, report: Report) {
        match report {
            Report::Resolve { endpoint } => self.names.want(endpoint, now()),
            Report::Asked { shard, asked } => self.shares.handle_asked(shard, asked, now()),
            Report::Counted {
                shard,
                query,
                counters,
                at,
            } => {
                self.count(query, shard, counters, at);
            }
            Report::Drained { shard } => {
                self.handle_drained(shard);
            }
            Report::Stopped {
                shard,
                dropped_items,
                counters,
            } => {
                if let Some(stopping) = &mut self.stopping {
                    stopping.dropped_items += dropped_items;
                }
                let at = now();
                // Who asked before is told what the shard counted last.
                let open: Vec<_> = self.queries.iter().map(|query| query.id).collect();
                for query in open {
                    self.count(query, shard, counters.clone(), at);
                }
                self.shards[shard.index()].last = Some((counters, at));
                self.handle_drained(shard);
            }
        }
    }

    /// A shard serves the others until all are drained: only then nothing can come any more.
    fn handle_drained(&mut self, shard: ShardId) {
        let first = !mem::replace(&mut self.shards[shard.index()].drained, true);
        if first && self.shards.iter().all(|shard| shard.drained) {
            for shard in &self.shards {
                let _ = shard.orders.send(Order::Close);
            }
        }
    }

    fn ask(&mut self, asker: Asker) {
        let id = self.next_query;
        self.next_query += 1;
        self.queries.push(Query {
            id,
            answers: Vec::new(),
            asker,
        });
        for index in 0..self.shards.len() {
            let shard = &self.shards[index];
            if let Some((counters, at)) = shard.last.clone() {
                self.count(id, shard_id(index), counters, at);
                continue;
            }
            // A full ring means a shard that takes no orders: the question stays open, and what
            // it would have said is not made up.
            let _ = shard.orders.send(Order::Count { query: id });
        }
    }

    fn count(&mut self, query: u64, shard: ShardId, counters: Box<Counters>, at: Instant) {
        let Some(index) = self.queries.iter().position(|open| open.id == query) else {
            return;
        };
        let answers = &mut self.queries[index].answers;
        if answers.iter().any(|(answered, ..)| *answered == shard) {
            return;
        }
        answers.push((shard, counters, at));
        if self.queries[index].answers.len() < self.shards.len() {
            return;
        }
        let Query { answers, asker, .. } = self.queries.swap_remove(index);
        let snapshot = self.snapshot(answers);
        match asker {
            // Who asked may have given up waiting.
            Asker::Owner(sender) => drop(sender.try_send(snapshot)),
            Asker::Admin(pending) => pending.answer(&snapshot),
        }
    }

    fn snapshot(&self, mut answers: Vec<(ShardId, Box<Counters>, Instant)>) -> Snapshot {
        answers.sort_by_key(|(shard, ..)| *shard);
        let mut snapshot = Snapshot::new(self.labels.clone(), process::usage());
        for (_, counters, at) in &answers {
            snapshot.add_shard(counters, *at);
        }
        snapshot
    }

    fn broadcast_addresses(&self, endpoint: EndpointId, addresses: &[Address]) {
        for shard in &self.shards {
            let addresses = addresses.to_vec();
            let _ = shard.orders.send(Order::Resolved {
                endpoint,
                addresses,
            });
        }
    }

    fn tell_shares(&mut self, now: Instant) {
        let shares = self.shares.handle_timeout(now);
        if shares.is_empty() {
            return;
        }
        for (index, shard) in self.shards.iter().enumerate() {
            let own = shares.iter();
            let own = own.map(|(tenant, by_shard)| (tenant.clone(), by_shard[index]));
            let _ = shard.orders.send(Order::Shares(own.collect()));
        }
    }

    fn stop(&mut self, timeout: Duration) {
        if self.stopping.is_some() {
            return;
        }
        self.admin.set_ready(false);
        let until = now() + timeout + STOP_GRACE;
        self.stopping = Some(Stopping {
            until,
            dropped_items: 0,
        });
        for shard in &self.shards {
            let _ = shard.orders.send(Order::Stop { timeout });
        }
    }

    /// The outcome, once every shard has ended or their time is over.
    fn ended(&mut self, now: Instant) -> Option<Outcome> {
        let stopping = self.stopping.as_ref()?;
        let late = self.shards.iter().position(|shard| shard.last.is_none());
        if let Some(index) = late {
            if now < stopping.until {
                return None;
            }
            let shard = shard_id(index);
            let cause = "it did not stop in time".to_owned();
            return Some(Outcome::ShardDied { shard, cause });
        }
        let stopping = self.stopping.take()?;
        let ended = (0..self.shards.len()).zip(&self.shards);
        let last = ended.filter_map(|(index, shard)| {
            let (counters, at) = shard.last.clone()?;
            Some((shard_id(index), counters, at))
        });
        let last = Box::new(self.snapshot(last.collect()));
        Some(Outcome::Stopped {
            dropped_items: stopping.dropped_items,
            last,
        })
    }
}

fn shard_id(index: usize) -> ShardId {
    ShardId(u32::try_from(index).unwrap_or(u32::MAX))
}

/// Names by lane, as the assembly gives them.
type EndpointNames = Vec<(EndpointId, Name)>;
