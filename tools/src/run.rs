//! `tailrace run`: the forwarder.

use crate::exit::Failure;
use crate::ready_file::{ReadyFile, address_text};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;
use tailrace_engine::runtime::{Requested, RuntimeKind};
use tailrace_engine::telemetry::DropReason;
use tailrace_engine::{Engine, Listening, Options, Outcome};

/// How often a running engine is asked whether it still is.
const LOOK: Duration = Duration::from_millis(200);

/// The same codes as in `docs/operations.md`.
const EXIT_CODES: &str = "\
Exit codes:
    0  stopped as asked, nothing accepted is left behind
    1  faults in the configuration, one a line
    2  wrong use of the command line
   69  an address could not be listened on
   70  a shard died; what it held is lost
   71  the system refused a thread, a file or a signal handler
   75  stopped, and what could not be delivered before the shutdown timeout is lost
   78  --runtime uring where io_uring is blocked, or memory limits that do not add up
  130  a second signal came while stopping";

#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES)]
pub struct RunArgs {
    #[command(flatten)]
    pub config: crate::config::ConfigArgs,
    /// Executor of the shards: io_uring where it works (auto), or one by name
    #[arg(long, value_enum, default_value_t = RuntimeArg::Auto)]
    pub runtime: RuntimeArg,
    /// Number of shards; by default one for each processor that may be used
    #[arg(long, value_name = "N")]
    pub shards: Option<std::num::NonZeroUsize>,
    /// Leave the shards to the scheduler instead of binding each to a processor
    #[arg(long)]
    pub unpinned: bool,
    /// Write the bound addresses to this file as JSON once every shard serves
    #[arg(long, value_name = "PATH")]
    pub ready_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum RuntimeArg {
    Auto,
    Uring,
    Epoll,
}

impl RuntimeArg {
    pub const fn requested(self) -> Requested {
        match self {
            Self::Auto => Requested::Auto,
            Self::Uring => Requested::Only(RuntimeKind::Uring),
            Self::Epoll => Requested::Only(RuntimeKind::Epoll),
        }
    }
}

/// Runs until a signal, and delivers what is inside before it ends.
pub fn run(args: &RunArgs) -> Result<(), Failure> {
    let config = args.config.load()?.config;
    crate::logs::start(&config.telemetry.logs)?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let options = Options {
        runtime: args.runtime.requested(),
        shards: args.shards.map(std::num::NonZeroUsize::get),
        pinned: !args.unpinned,
        admin: true,
    };
    let unwritten = |path: &Path, error| Failure::unwritten("--ready-file", path, error);
    let ready_file = args.ready_file.as_deref().map(|path| {
        let file = ReadyFile::create(path).map_err(|error| unwritten(path, error))?;
        Ok((path, file))
    });
    let ready_file = ready_file.transpose()?;
    // Before the engine: a signal that comes while it starts must not be lost.
    let signals = watch_signals().map_err(Failure::system)?;
    let engine = Engine::start(&config, &options).map_err(Failure::start)?;
    if let Some((path, file)) = ready_file {
        let written = file.write(engine.listening());
        written.map_err(|error| unwritten(path, error))?;
    }
    report(&engine);
    serve(engine, signals, config.engine.shutdown_timeout)
}

/// The signals as they come, from a thread that waits for them.
fn watch_signals() -> io::Result<Receiver<i32>> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    let (sender, received) = channel();
    let watch = move || {
        for signal in signals.forever() {
            if sender.send(signal).is_err() {
                return;
            }
        }
    };
    thread::Builder::new()
        .name("tailrace-signal".into())
        .spawn(watch)?;
    Ok(received)
}

/// Until a signal asks for the end, or the engine has ended by itself.
fn serve(engine: Engine, signals: Receiver<i32>, timeout: Duration) -> Result<(), Failure> {
    loop {
        match signals.recv_timeout(LOOK) {
            Ok(SIGHUP) => tracing::warn!("SIGHUP is reserved for reloading; nothing is reloaded"),
            Ok(signal) => {
                tracing::info!(signal, "stopping; a second signal ends at once");
                thread::spawn(move || end_at_once(signals));
                return ended(engine.stop(timeout));
            }
            Err(RecvTimeoutError::Timeout) if engine.has_ended() => return ended(engine.wait()),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return ended(engine.wait()),
        }
    }
}

/// Ends the process at the next signal that asks for it.
fn end_at_once(signals: Receiver<i32>) {
    if signals.into_iter().any(|signal| signal != SIGHUP) {
        tracing::warn!("second signal: ending with what is inside");
        process::exit(130);
    }
}

fn report(engine: &Engine) {
    if let Some(blocked) = engine.blocked() {
        tracing::warn!("{blocked}; running on epoll");
    }
    for Listening {
        component,
        protocol,
        address,
    } in engine.listening()
    {
        let address = address_text(address);
        tracing::info!(component, protocol, address, "listening");
    }
    tracing::info!(
        shards = engine.shards(),
        runtime = engine.runtime().name(),
        "ready"
    );
}

fn ended(outcome: Outcome) -> Result<(), Failure> {
    match outcome {
        Outcome::Stopped {
            dropped_items: 0, ..
        } => {
            tracing::info!("stopped; everything accepted was delivered or counted");
            Ok(())
        }
        Outcome::Stopped {
            dropped_items,
            last,
        } => {
            for (lane, items) in last.dropped(DropReason::Shutdown) {
                let (exporter, signal) = (&lane.exporter, lane.signal.name());
                tracing::error!(exporter, signal, items, "not delivered in time");
            }
            Err(Failure::undelivered(dropped_items))
        }
        Outcome::ShardDied { shard, cause } => Err(Failure::died(shard, &cause)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tailrace_engine::units::ShardId;

    #[test]
    fn a_shard_that_died_ends_the_process_with_its_message_and_code() {
        let outcome = Outcome::ShardDied {
            shard: ShardId(3),
            cause: "a task panicked: an invariant did not hold".to_owned(),
        };
        let failure = ended(outcome).expect_err("a shard died");
        assert_eq!(failure.code(), 70);
        assert_eq!(
            failure.message(),
            "shard 3 died: a task panicked: an invariant did not hold"
        );
    }

    #[test]
    fn what_was_left_behind_fails_and_an_empty_engine_does_not() {
        let stopped = |dropped_items| Outcome::Stopped {
            dropped_items,
            last: Box::default(),
        };
        assert!(ended(stopped(0)).is_ok());
        let failure = ended(stopped(7)).expect_err("7 items were left");
        assert_eq!(failure.code(), 75);
        assert!(failure.message().starts_with("7 items were accepted"));
    }
}
