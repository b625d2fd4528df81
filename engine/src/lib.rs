//! The export engine: shards, receivers, lanes, delivery, and the runtime under them.

pub mod config;
pub mod embed;
pub mod exchange;
pub mod net;
pub mod runtime;
pub mod telemetry;
pub mod time;
pub mod units;

mod assembly;
mod batch;
mod classify;
mod control;
mod delivery;
mod egress;
pub mod flow;
mod ingress;
mod memory;
mod pipeline;
#[cfg(test)]
mod rpc_status;
mod shard;

pub use control::{Listening, Options, Outcome, StartError};
pub use pipeline::{Output, Pipeline};

use config::Config;
use config::limits::Limits;
use control::{Command, Running};
use runtime::{Blocked, RuntimeKind};
use std::rc::Rc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;
use telemetry::Snapshot;
use units::ShardId;

/// A running engine. Dropped, it stops as if asked to, without being waited for.
#[derive(Debug)]
pub struct Engine(Running);

/// How long a snapshot may take: shards answer between two turns.
const SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(5);

impl Engine {
    /// Starts every shard, and returns once all of them serve.
    ///
    /// Errors: what could not be had, and the remedy. Nothing is left running then.
    pub fn start(config: &Config, options: &Options) -> Result<Self, StartError> {
        control::start(config, options, None).map(Self)
    }

    /// What it listens on, ports chosen by the system included.
    pub fn listening(&self) -> &[Listening] {
        &self.0.listening
    }

    pub const fn runtime(&self) -> RuntimeKind {
        self.0.kind
    }

    /// Why it runs on epoll though io_uring was wanted.
    pub const fn blocked(&self) -> Option<Blocked> {
        self.0.blocked
    }

    pub const fn shards(&self) -> usize {
        self.0.shards
    }

    /// All counters at this moment; `None` if the engine does not answer.
    pub fn snapshot(&self) -> Option<Snapshot> {
        let (sender, receiver) = sync_channel(1);
        self.0.commands.send(Command::Snapshot(sender)).ok()?;
        receiver.recv_timeout(SNAPSHOT_TIMEOUT).ok()
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&self) -> bool {
        self.0.thread.is_finished()
    }

    /// Stops taking requests, delivers what is inside for at most `timeout`, and ends.
    pub fn stop(self, timeout: Duration) -> Outcome {
        // A full ring or a control thread that is gone ends below all the same.
        let _ = self.0.commands.send(Command::Stop { timeout });
        self.wait()
    }

    /// Waits for the end. A panic of the control thread is reported as a dead shard.
    pub fn wait(self) -> Outcome {
        let Running {
            thread,
            shard_threads,
            listening,
            ..
        } = self.0;
        let outcome = thread.join().unwrap_or_else(|_| Outcome::ShardDied {
            shard: ShardId(0),
            cause: "the control thread panicked".to_owned(),
        });
        if matches!(outcome, Outcome::Stopped { .. }) {
            for thread in shard_threads {
                let _ = thread.join();
            }
            // As Go does when it closes one. It is ours: nobody could listen there while we did.
            for listening in listening {
                if let exchange::Address::Unix(path) = listening.address {
                    let _ = std::fs::remove_file(path);
                }
            }
        }
        outcome
    }
}

/// What decides in each of a configuration's shards, without threads, sockets or a clock: for who
/// performs the outputs, in a simulation or a bench.
///
/// `seed` makes the jitter of backoffs; the same seed and the same events give the same outputs.
pub fn pipelines(config: &Config, limits: &Limits, seed: u64) -> Vec<Pipeline> {
    let assembly = assembly::assemble(config, limits.shards as usize, &limits.shard);
    let shards = (0..).map(ShardId).zip(assembly.pipelines);
    shards
        .map(|(shard, settings)| {
            let seed = seed ^ u64::from(shard.0);
            Pipeline::new(Rc::new(settings), shard, seed)
        })
        .collect()
}
