//! `tailrace run`: the forwarder.

use crate::exit::Failure;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;
use tailrace_engine::exchange::Address;
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
    // Before the engine: a signal that comes while it starts must not be lost.
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP]).map_err(Failure::system)?;
    let engine = Engine::start(&config, &options).map_err(Failure::start)?;
    report(&engine);
    if let Some(path) = &args.ready_file {
        write_ready_file(path, engine.listening()).map_err(Failure::system)?;
    }
    let (sender, received) = channel();
    std::thread::spawn(move || {
        for signal in signals.forever() {
            if sender.send(signal).is_err() {
                return;
            }
        }
    });
    loop {
        match received.recv_timeout(LOOK) {
            Ok(SIGHUP) => tracing::warn!("SIGHUP is reserved for reloading; nothing is reloaded"),
            Ok(signal) => {
                tracing::info!(signal, "stopping; a second signal ends at once");
                std::thread::spawn(move || {
                    for signal in received {
                        if signal != SIGHUP {
                            tracing::warn!("second signal: ending with what is inside");
                            std::process::exit(130);
                        }
                    }
                });
                return ended(engine.stop(config.engine.shutdown_timeout));
            }
            Err(RecvTimeoutError::Timeout) if engine.has_ended() => return ended(engine.wait()),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return ended(engine.wait()),
        }
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
        let address = text(address);
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

/// Written whole and then renamed: whoever waits for the file never reads half of it.
fn write_ready_file(path: &Path, listening: &[Listening]) -> std::io::Result<()> {
    let entries: Vec<_> = listening
        .iter()
        .map(
            |Listening {
                 component,
                 protocol,
                 address,
             }| {
                serde_json::json!({
                    "component": component,
                    "protocol": protocol,
                    "address": text(address),
                })
            },
        )
        .collect();
    let partial = path.with_extension("partial");
    std::fs::write(
        &partial,
        serde_json::json!({ "listening": entries }).to_string(),
    )?;
    std::fs::rename(partial, path)
}

fn text(address: &Address) -> String {
    match address {
        Address::Tcp(address) => address.to_string(),
        Address::Unix(path) => format!("unix://{}", path.display()),
    }
}
